"""What is being labelled: the classes, which pictures are shown, current and selected, and what is suggested for them.

The page, its keys and the actions depend on this and not on each other. It shows nothing itself.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from PySide6.QtCore import QObject, Signal, Slot

from gui.kit.class_looks import class_colours, class_keys
from gui.kit.picture_model import PictureModel, Tile
from gui.kit.selection import ImageSelection
from gui.kit.theme import ClassColour
from gui.kit.workers import WorkerPool
from gui.label.cell import Cell
from gui.label.filter_bar import MOST_USEFUL, ImageQuery
from gui.label.images import PictureFinder, cells
from gui.label.suggesting import Suggesting
from gui.session import ProjectSession
from gui.state import AppState
from visionft.advice.kept import KeptCurve, kept_curve
from visionft.errors import VisionFTError
from visionft.project.edits.certificates import Certificate, certificates_of
from visionft.project.edits.changes import Change
from visionft.project.queries import ClassRow, tag_counts
from visionft.project.queries import class_rows as read_classes
from visionft.project.store import Project
from visionft.project.summary import ProjectSummary

logger = logging.getLogger(__name__)
T = TypeVar("T")
Counts = tuple[ProjectSummary, tuple[ClassRow, ...], tuple[str, ...], Certificate | None, KeptCurve | None]


def _read(project: Project) -> Counts:
    summary = project.summary()
    certificate = next(iter(certificates_of(project)), None)
    classes, tags = read_classes(project, summary.classes), tuple(tag_counts(project))
    return summary, classes, tags, certificate, kept_curve(project.path)


def _count(project: Project) -> Counts | None:
    """Read the counts; safe in any thread."""
    try:
        return _read(project)
    except VisionFTError as error:  # the project was closed meanwhile, or its folder is gone
        logger.warning("Pictures were not counted: %s", error)
        return None


class LabelSession(QObject):
    """The state of labelling in one project; without a project, or pictures, there is just nothing in it."""

    classes_changed = Signal()  # classes and tags, or how many pictures have them
    shown_changed = Signal()  # which pictures are shown
    viewing_changed = Signal()  # whether one picture is shown large

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        """Args: `page` is the screen that a task of this session leads to."""
        super().__init__(parent)
        self.state, self._session = state, session
        self.project: Project | None = session.project if session is not None else None
        self.pictures = PictureModel(self.cells, self)
        self.selection = ImageSelection(self.pictures, self)
        self.suggesting = Suggesting(state, session, page=page, parent=self)
        self.summary: ProjectSummary | None = None
        self.classes: tuple[ClassRow, ...] = ()
        self.tags: tuple[str, ...] = ()
        self.certificate: Certificate | None = None  # the newest
        self.curve: KeptCurve | None = None  # accuracy over labels, as it was measured last
        self.colours: dict[str, ClassColour] = {}
        self.keys: dict[str, str] = {}  # {key: class name}
        self.query = ImageQuery()
        self.only: tuple[int, ...] | None = None  # just these pictures, whatever the query
        self.is_viewing = False
        self._finder = PictureFinder(session.project) if session is not None else None
        self._counting = WorkerPool(_count, threads=1, answers_age=True, parent=self)
        self._counting.done.connect(self._on_counted)
        self.suggesting.queue_found.connect(self._on_queue_found)

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read the classes and counts anew."""
        if self.project is not None:
            self._take(_read(self.project))
        else:
            self.classes_changed.emit()

    def count(self) -> None:
        """Read the same beside the window: of a million pictures it takes long enough to be felt."""
        if self.project is not None:
            self._counting.request([self.project])

    @Slot(object, object)
    def _on_counted(self, _project: Project, counts: Counts | None) -> None:
        if counts is not None:
            self._take(counts)

    def _take(self, counts: Counts) -> None:
        self.summary, self.classes, self.tags, self.certificate, self.curve = counts
        self.colours = class_colours(self.classes)
        self.keys = self.keys_now()
        self.classes_changed.emit()

    def keys_now(self) -> dict[str, str]:
        """Return {key: class name}, with the letters that no command has."""
        return class_keys(self.classes, self.state.actions.letters_in_use())

    def cells(self, image_ids: Sequence[int]) -> list[Cell]:
        """Return what is shown of pictures."""
        if self.project is None:
            return []
        return list(cells(self.project, image_ids, self.colours, self.suggesting.found, self.suggesting.reasons))

    def reason_tiles(self, image_id: int) -> list[Tile]:
        """Return the labelled pictures that are the most like one, each with its classes."""
        cells = {cell.image_id: cell for cell in self.cells([r.image_id for r in self.suggesting.reasons[image_id]])}
        found = [cells[each.image_id] for each in self.suggesting.reasons[image_id] if each.image_id in cells]
        return [replace(cell, aside="", mark="") for cell in found]

    def known_name(self, typed: str) -> str | None:
        """Return the class that is called like this, letters compared without case."""
        return next((row.name for row in self.classes if row.name.casefold() == typed.casefold()), None)

    # -- what is shown ------------------------------------------------------------------------------------------

    @property
    def is_narrow(self) -> bool:
        """Whether pictures may be left out."""
        return self.query.narrows or self.only is not None

    def show_only(self, image_ids: tuple[int, ...]) -> None:
        """Show just these pictures, in this order, until others are asked for."""
        self.only = image_ids
        self.find()

    def show_query(self, query: ImageQuery) -> None:
        """Show what fits a query."""
        self.only, self.query = None, query
        self.find()
        if self.follows_queue:
            self.suggesting.ask_queue()

    @property
    def follows_queue(self) -> bool:
        """Whether the pictures that are the most useful to label come first."""
        return self.only is None and self.query.order == MOST_USEFUL

    def ask_for_useful(self) -> bool:
        """Ask for other pictures where those that were the most useful have labels; return whether they are awaited."""
        queue = self.suggesting.queue
        if not self.follows_queue or any(not cell.labels and not cell.is_put_off for cell in self.cells(queue)):
            return False
        self.suggesting.ask_queue()
        return bool(queue)

    @Slot()
    def _on_queue_found(self) -> None:
        if self.follows_queue:
            self.find()
            self.selection.set_current(0)

    def find(self) -> None:
        """Look again which pictures are to be shown."""
        if self._finder is None:
            return
        if self.only is not None:
            present = set(self._finder.find(ImageQuery(), self.suggesting))
            self.pictures.set_ids(tuple(image_id for image_id in self.only if image_id in present))
        else:
            self.pictures.set_ids(self._finder.find(self.query, self.suggesting))
        self.shown_changed.emit()

    def forget_names(self) -> None:
        """Take note that pictures came or went."""
        if self._finder is not None:
            self._finder.forget_names()

    def view(self, is_on: bool) -> None:
        """Show the current picture large, or all of them again."""
        self.is_viewing = is_on and bool(self.selection.current_id())
        self.viewing_changed.emit()

    def toggle_viewer(self) -> None:
        """Open or close the viewer."""
        self.view(not self.is_viewing)

    # -- changing -----------------------------------------------------------------------------------------------

    def apply(self, change: Change, said: str = "") -> bool:
        """Make a change durable, and say what it did, with Undo beside it; return whether it was made."""
        is_made = self._session is not None and self._session.apply(change)
        if is_made and said:
            self.state.say(said, tone="good", command="edit.undo")
        return is_made

    def run(self, act: Callable[[], T]) -> T | None:
        """Do what changes the project by itself; None where it failed, of which was told."""
        return self._session.run(act) if self._session is not None else None

    def close(self) -> None:
        """Wait for what is being read."""
        self.suggesting.close()
        self._counting.close()
