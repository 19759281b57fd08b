"""What the views of the Curate page share: findings as they hold now, the pictures of the one grid, acting on them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui.curate.looking import Looking
from gui.curate.reading import Found, Read, ResultReader, found_after
from gui.kit.class_looks import class_colours, class_keys
from gui.kit.picture_model import PictureModel, Tile
from gui.kit.selection import ImageSelection
from gui.kit.theme import ClassColour
from gui.kit.workers import WorkerPool
from gui.session import ProjectSession
from gui.state import AppState
from visionft.project.db.journal import Effects
from visionft.project.edits.changes import Change
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.queries import ClassRow, images_in_project
from visionft.project.store import Project

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from visionft.project.queries import InProject

_FEW = 2000  # pictures: above that a change is read anew beside the window


class Curation(QObject):
    """The state of curating one project; without a project there is just nothing in it."""

    found_changed = Signal()  # what holds of the findings, or what is in the project
    view_wanted = Signal(str)  # another view is to be shown: its name

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, window: QWidget) -> None:
        """Args: `page` is the screen that tasks lead to, `window` what a question stands over."""
        super().__init__(window)
        self.state, self.session, self.window = state, session, window
        self.project: Project | None = session.project if session is not None else None
        self.pictures = PictureModel(self._tiles, self)
        self.selection = ImageSelection(self.pictures, self)
        self.looking = Looking(state, session, page=page, parent=self)
        self.give_tiles: Callable[[Sequence[int]], Iterable[Tile]] = lambda _ids: ()  # of the view that is shown
        self.classes: tuple[ClassRow, ...] = ()
        self.colours: dict[str, ClassColour] = {}
        self.keys: dict[str, str] = {}  # {key: class name}
        self._read: Read | None = None
        self._times = 0
        self._reading = WorkerPool(ResultReader(), threads=1, answers_age=True, parent=self)
        self._reading.done.connect(self._on_read)
        self.looking.ended.connect(self.read)
        state.settings_changed.connect(self._take_keys)  # commands may have other keys now

    # -- reading ------------------------------------------------------------------------------------------------

    @property
    def is_read(self) -> bool:
        """Whether it is known what is in the project and what was found."""
        return self._read is not None or self.project is None

    @property
    def now(self) -> "Mapping[int, InProject]":
        """The pictures that are in the project, by their ids; empty until they were read."""
        return self._read.now if self._read is not None else {}

    @property
    def has_looked(self) -> bool:
        """Whether any check has looked at the pictures yet."""
        return self._read is not None and bool(self._read.found)

    def found(self, check: str) -> Found | None:
        """Return what a check found, as it holds now; None where it never looked, or nothing was read yet."""
        return self._read.found.get(check) if self._read is not None else None

    @Slot()
    def read(self) -> None:
        """Read the project and what was found in it, beside the window."""
        if self.project is not None:
            self._times += 1
            self._reading.request([(self.project, self._times)])

    def follow(self, effects: object) -> None:
        """Take note of a change: one to a few pictures is seen at once, any other is read beside the window."""
        read, project = self._read, self.project
        if read is None or project is None or not _is_small(effects):
            self.read()
            return
        assert isinstance(effects, Effects)
        touched = effects.image_ids
        now = {**read.now}
        for image_id in touched:
            now.pop(image_id, None)
        now |= images_in_project(project, touched)
        found = {
            name: found_after(each, touched, read.now, now, verdicts_of(project, name))
            for name, each in read.found.items()
        }
        self._take(Read(now, read.classes, found))
        self.pictures.invalidate(touched)

    @Slot(object, object)
    def _on_read(self, key: tuple[Project, int], read: Read | None) -> None:
        if read is not None and key[1] == self._times:  # an older one began before the last change
            self._take(read)
            self.pictures.invalidate()

    def _take(self, read: Read) -> None:
        self._read, self.classes = read, read.classes
        self.colours = class_colours(read.classes)
        self._take_keys()
        self.found_changed.emit()

    @Slot()
    def _take_keys(self) -> None:
        """Give the classes the letters that no command has."""
        self.keys = class_keys(self.classes, self.state.actions.letters_in_use())

    def _tiles(self, image_ids: Sequence[int]) -> "Iterable[Tile]":
        return self.give_tiles(image_ids)

    # -- changing -----------------------------------------------------------------------------------------------

    def apply(self, change: Change, said: str = "") -> bool:
        """Make a change durable, and say what it did, with Undo beside it; return whether it was made."""
        is_made = self.session is not None and self.session.apply(change)
        if is_made and said:
            self.state.say(said, tone="good", command="edit.undo")
        return is_made

    def chosen(self) -> tuple[int, ...]:
        """Return the pictures that are selected in the grid, in order; the current one when none is."""
        return self.selection.selected_ids()

    @property
    def has_chosen(self) -> bool:
        """Whether any picture is selected, or current; quick, however many are."""
        return bool(self.selection.current_id()) or self.selection.hasSelection()

    def close(self) -> None:
        """Wait for what is being read."""
        self._reading.close()


def _is_small(effects: object) -> bool:
    """Say whether a change leaves the classes as they are and is about few pictures."""
    return isinstance(effects, Effects) and not effects.has_new_classes and len(effects.image_ids) <= _FEW
