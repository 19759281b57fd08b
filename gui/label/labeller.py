"""What labelling does: each action is one durable change to the chosen pictures, and then the next one is current."""

from collections.abc import Sized

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QInputDialog, QWidget

from gui.kit.i18n import tr
from gui.kit.tagging import ask_tag
from gui.label.filter_bar import PUT_OFF, SPLIT_KEYS, SPLIT_NAMES
from gui.label.session import LabelSession
from visionft.data.types import Split
from visionft.project.edits.changes import AcceptSuggestions, AssignSplits, LabelImages, RemoveImages, UnlabelImages
from visionft.project.edits.image_changes import ReviewImages, TagImages, UntagImages, WriteNote
from visionft.project.queries import ImageFilter, count_with_class, find_images, tag_counts
from visionft.suggest.suggestions import current_suggestions

_ALL = 1 << 60
_MANY = 200  # above that, one query is cheaper than looking at each picture


class Labeller(QObject):
    """Acts on the pictures that are selected; what it did to several at once is said, with a way back."""

    def __init__(self, labels: LabelSession, window: QWidget) -> None:
        """Args: `window` is what a question stands over."""
        super().__init__(window)
        self._labels, self._selection, self._window = labels, labels.selection, window

    @Slot(str)
    def assign(self, class_name: str) -> None:
        """Give the chosen pictures a class; in a multi-label project take it off when all have it."""
        project, chosen = self._labels.project, self._selection.selected_ids()
        if project is None or not chosen:
            return
        is_multi = project.task == "multi"
        if is_multi and count_with_class(project, chosen, class_name) == len(chosen):
            said = _of_several("“{name}” was taken off {count} pictures.", chosen, name=class_name)
            self._labels.apply(UnlabelImages(chosen, class_name), said)
            return
        said = _of_several("{count} pictures are labelled “{name}” now.", chosen, name=class_name)
        if self._labels.apply(LabelImages(chosen, class_name), said):
            self._go_on(len(chosen), is_multi=is_multi)

    def accept(self) -> None:
        """Take the suggestions for the chosen pictures; where there is none, open or close the viewer."""
        chosen = self._selection.selected_ids()
        classes = self._suggested(chosen)
        if not classes:
            self._labels.toggle_viewer()
        elif self._labels.apply(AcceptSuggestions(classes), _of_several("{count} suggestions were accepted.", classes)):
            self._go_on(len(chosen), is_multi=False)

    def _suggested(self, chosen: tuple[int, ...]) -> dict[int, tuple[str, ...]]:
        """Return the classes suggested for those of the pictures that have no label."""
        project, found = self._labels.project, self._labels.suggesting.found
        mine = {image_id: found[image_id] for image_id in chosen if image_id in found}
        if project is None or not mine:
            return {}
        if len(mine) > _MANY:
            return {image_id: each.classes for image_id, each in current_suggestions(project, mine).items()}
        shown = self._labels.cells(tuple(mine))
        return {cell.image_id: mine[cell.image_id].classes for cell in shown if cell.badge is not None}

    def skip(self) -> None:
        """Put the chosen pictures off for later, and go on."""
        chosen = self._selection.selected_ids()
        said = _of_several("{count} pictures were put off.", chosen)
        if chosen and self._labels.apply(ReviewImages(chosen, "later"), said) and len(chosen) == 1:
            self._selection.step(1)

    def ask_tag(self) -> None:
        """Ask for a tag of the chosen pictures; one that all have is taken off."""
        project, chosen = self._labels.project, self._selection.selected_ids()
        if project is None or not chosen:
            return
        if tag := ask_tag(self._window, len(chosen), tag_counts(project)):
            self.toggle_tag(tag)

    def toggle_tag(self, tag: str) -> None:
        """Give the chosen pictures a tag; one that all have is taken off."""
        chosen = self._selection.selected_ids()
        if self.has_tag(tag):
            said = _of_several("The tag “{tag}” was taken off {count} pictures.", chosen, tag=tag)
            self._labels.apply(UntagImages(chosen, tag), said)
        else:
            said = _of_several("{count} pictures have the tag “{tag}” now.", chosen, tag=tag)
            self._labels.apply(TagImages(chosen, tag), said)

    def has_tag(self, tag: str) -> bool:
        """Return whether all chosen pictures have a tag."""
        project = self._labels.project
        if project is None or tag not in tag_counts(project):
            return False
        return set(find_images(project, ImageFilter(tag=tag), limit=_ALL)).issuperset(self._selection.selected_ids())

    def ask_note(self) -> None:
        """Ask for the note of the current picture; an empty one is taken away."""
        for cell in self._labels.cells((self._selection.current_id(),)):
            question = tr("Note on {name}; the search finds it", name=cell.path.name)
            note, is_accepted = QInputDialog.getMultiLineText(self._window, tr("Note"), question, cell.note)
            if is_accepted and note.strip() != cell.note:
                self._labels.apply(WriteNote(cell.image_id, note))

    def set_split(self, split: Split | None) -> None:
        """Put the chosen pictures into a split, or into none."""
        chosen = self._selection.selected_ids()
        title = tr(SPLIT_NAMES[SPLIT_KEYS.index(split or "unassigned")])
        said = _of_several("{count} pictures are in “{split}” now.", chosen, split=title)
        self._labels.apply(AssignSplits(dict.fromkeys(chosen, split)), said)

    def clear_labels(self) -> None:
        """Take all classes off the chosen pictures."""
        if chosen := self._selection.selected_ids():
            self._labels.apply(UnlabelImages(chosen), _of_several("{count} pictures have no label now.", chosen))

    def remove(self) -> None:
        """Take the chosen pictures out of the project; undo brings them back."""
        if chosen := self._selection.selected_ids():
            said = tr("{count} pictures were taken out of the project.", count=f"{len(chosen):,}")
            self._labels.apply(RemoveImages(chosen), said)

    def step_unlabelled(self, step: int) -> None:
        """Make the next or previous picture without a label current, around the end; those put off are passed over."""
        project = self._labels.project
        if project is None or (step > 0 and self._labels.ask_for_useful()):
            return
        is_put_off = self._labels.query.label_state == PUT_OFF
        query = ImageFilter(is_labelled=False, review="later" if is_put_off else "none")
        index = self._selection.find_place(step, set(find_images(project, query, limit=_ALL)))
        if index >= 0:
            self._selection.set_current(index)
        elif find_images(project, ImageFilter(is_labelled=False), limit=1):
            hint = tr("Those without one were put off, or are not among the pictures that are shown.")
            self._labels.state.say(tr("Every picture shown has a label."), hint, tone="info")
        else:
            self._labels.state.say(tr("Every picture has a label."), tone="good")

    def _go_on(self, count: int, *, is_multi: bool) -> None:
        goes_on = count == 1 and not is_multi and self._labels.state.settings.auto_advance
        if goes_on and not self._labels.ask_for_useful():
            self._selection.step(1)


def _of_several(message: str, changed: Sized, **values: object) -> str:
    """Return what is said of a change to several pictures; of one nothing is, because it is seen."""
    return tr(message, count=f"{len(changed):,}", **values) if len(changed) > 1 else ""
