"""Shared state of the views of the Curate page: open issues, the images of the grid, and changes of the project."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui.curate.issue_scan import IssueScan
from gui.curate.result_reader import CurationData, LoadedIssues, ResultReader, issues_after
from gui.kit.class_looks import class_colours, class_keys
from gui.kit.dialogs import ask_tag
from gui.kit.image_model import ImageModel, Tile
from gui.kit.selection import ImageSelection
from gui.kit.theme import ClassColour
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.session import ProjectSession
from gui.state import AppState
from models.messages import Message
from visionft.curation.check import Issue
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import AcceptSuggestions, Change, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.image_changes import TagImages, UntagImages
from visionft.project.edits.verdicts import JudgeFine, verdicts_of
from visionft.project.queries import ClassRow, InProject, image_rows, images_in_project, tag_counts
from visionft.project.store import Project


class Curation(QObject):
    """The state of curating one project; empty without a project."""

    issues_changed = Signal()  # the open issues or the images of the project
    view_wanted = Signal(str)  # request to show another view, by its name

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, window: QWidget) -> None:
        """Args: `page` is the page opened from tasks, `window` the parent of dialogs."""
        super().__init__(window)
        self.state, self.session, self.window = state, session, window
        self.project: Project | None = session.project if session is not None else None
        self.load_tiles: Callable[[Sequence[int]], Iterable[Tile]] = lambda _ids: ()  # of the active view
        self.images = ImageModel(lambda ids: self.load_tiles(ids), self)  # noqa: PLW0108  (set by each view)
        self.selection = ImageSelection(self.images, self)
        self.scan = IssueScan(state, session, page=page, parent=self)
        self.is_read = self.project is None  # the project and its issues
        self.now: Mapping[int, InProject] = {}  # the images of the project, by id
        self.results: Mapping[str, LoadedIssues] = {}  # of the checks that ever ran
        self.classes: tuple[ClassRow, ...] = ()
        self.colours: dict[str, ClassColour] = {}
        self.keys: dict[str, str] = {}  # {key: class name}
        self._reader = BackgroundReader(ResultReader(), self._on_read, parent=self)
        self.scan.ended.connect(self.read)
        state.settings_changed.connect(self._assign_keys)  # shortcuts may have changed

    @Slot()
    def read(self) -> None:
        """Read the project and its issues in the background."""
        if self.project is not None:
            self._reader.ask(self.project)

    def follow(self, effects: object) -> None:
        """Handle a change: one of few images is applied at once, any other is read in the background."""
        project = self.project
        if not self.is_read or project is None or not isinstance(effects, Effects) or effects.has_new_classes:
            self.read()
            return
        touched = effects.image_ids
        if len(touched) > 2000:  # images: a larger change is read again in the background
            self.read()
            return
        now = {**self.now}
        for image_id in touched:
            now.pop(image_id, None)
        now |= images_in_project(project, touched)
        results = {
            name: issues_after(each, touched, self.now, now, verdicts_of(project, name))
            for name, each in self.results.items()
        }
        self._set_data(CurationData(now, self.classes, results))
        self.images.invalidate(touched)

    def _on_read(self, data: CurationData) -> None:
        self._set_data(data)
        self.images.invalidate()

    def _set_data(self, data: CurationData) -> None:
        self.is_read, self.now, self.classes, self.results = True, data.now, data.classes, data.results
        self.colours = class_colours(data.classes)
        self._assign_keys()
        self.issues_changed.emit()

    @Slot()
    def _assign_keys(self) -> None:
        self.keys = class_keys(self.classes, self.state.actions.letters_in_use())

    def apply(self, change: Change, message: str = "") -> bool:
        """Apply a durable change and show its message with Undo; return whether it was made."""
        is_made = self.session is not None and self.session.apply(change)
        if is_made and message:
            self.state.say(message, tone="good", command="edit.undo")
        return is_made

    def remove(self) -> None:
        """Remove the selected images from the project; undo brings them back."""
        if chosen := self.chosen():
            message = Message(
                "{count} image was removed from the project.", "{count} images were removed from the project."
            )
            self.apply(RemoveImages(chosen), tr(message, count=len(chosen)))

    def keep(self, check: str, issues: Iterable[Issue]) -> None:
        """Mark issues of a check as fine: they are not shown again."""
        pairs = {(each.image_id, other) for each in issues for other in (each.related or (0,))}
        if pairs:
            images = len({image_id for image_id, _ in pairs})
            message = tr("{count} image is kept unchanged.", "{count} images are kept as they are.", count=images)
            self.apply(JudgeFine(check, tuple(sorted(pairs))), message)

    def accept(self, classes: dict[int, str]) -> None:
        if classes:
            message = tr("{count} suggestion was accepted.", "{count} suggestions were accepted.", count=len(classes))
            self.apply(AcceptSuggestions({each: (name,) for each, name in classes.items()}), message)

    def unlabel(self, image_ids: Iterable[int], name: str) -> None:
        chosen = tuple(image_ids)
        message = Message("“{name}” was removed from {count} image.", "“{name}” was removed from {count} images.")
        self.apply(UnlabelImages(chosen, name), tr(message, name=name, count=len(chosen)))

    def relabel(self, name: str) -> None:
        """Assign a class to the selected images; in a multi-label project remove it if all have it."""
        project, chosen, now = self.project, self.chosen(), self.now
        if project is None or not chosen:
            return
        if project.task == "multi" and all(name in now[each].labels for each in chosen if each in now):
            self.unlabel(chosen, name)
        else:
            message = Message("{count} image is labelled “{name}” now.", "{count} images are labelled “{name}” now.")
            self.apply(LabelImages(chosen, name), tr(message, name=name, count=len(chosen)))

    def ask_tag(self) -> None:
        """Ask for a tag for the selected images; a tag of all of them is removed."""
        project, chosen = self.project, self.chosen()
        if project is None or not chosen:
            return
        tag = ask_tag(self.window, len(chosen), tag_counts(project))
        if tag and all(tag in row.tags for row in image_rows(project, chosen)):
            message = Message(
                "The tag “{tag}” was removed from {count} image.", "The tag “{tag}” was removed from {count} images."
            )
            self.apply(UntagImages(chosen, tag), tr(message, tag=tag, count=len(chosen)))
        elif tag:
            message = Message("{count} image has the tag “{tag}” now.", "{count} images have the tag “{tag}” now.")
            self.apply(TagImages(chosen, tag), tr(message, tag=tag, count=len(chosen)))

    def chosen(self) -> tuple[int, ...]:
        """Return the selected images of the grid, in order; the current one when none is selected."""
        return self.selection.selected_ids()

    @property
    def has_chosen(self) -> bool:
        """Whether any image is selected, or current; fast for large selections."""
        return bool(self.selection.current_id()) or self.selection.hasSelection()

    def close(self) -> None:
        self._reader.close()
