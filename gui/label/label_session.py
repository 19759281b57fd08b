"""The labelling session: classes, images shown, current and selected images, and suggestions.

The page, its keys and the actions depend on this and not on each other. It shows nothing itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import TypeVar

from PySide6.QtCore import QObject, Signal, Slot

from gui.image_edits import ImageEdits
from gui.kit.class_looks import class_colours, class_keys
from gui.kit.image_model import ImageModel, ImageSelection, Tile
from gui.kit.workers import BackgroundReader
from gui.label.image_search import MIN_LABELS, MOST_USEFUL, Cell, ImageQuery, cells, matching_images
from gui.label.suggesting import SuggestionController
from gui.session import ProjectSession
from gui.state import AppState
from visionft.project.queries import NO_LIMIT, ClassRow, common_tags, find_images, name_order, tag_names
from visionft.project.queries import class_rows as read_classes
from visionft.project.store import ProjectStore
from visionft.project.summary import ProjectSummary

T = TypeVar("T")
Counts = tuple[ProjectSummary, tuple[ClassRow, ...], tuple[str, ...]]
FIRST = -1  # instead of an image id: the first one shown
_Shown = tuple[ImageQuery, tuple[int, ...] | None]  # the query, or just these images


def _read(project: ProjectStore) -> Counts:
    summary = project.summary()
    classes = read_classes(project, summary.classes)
    tags = tag_names(project)
    return summary, classes, tags


class LabelSession(ImageEdits):
    """The state of labelling in one project; empty without a project or images."""

    announce_min_images = 2  # a change of one image is visible
    classes_changed = Signal()  # classes and tags, or their image counts
    shown_changed = Signal()  # the images shown
    all_read = Signal()  # the results of `read_all`
    viewing_changed = Signal()  # whether one image is shown large
    common_tags_read = Signal(object)  # frozenset of the tags that all selected images have

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        """Args: `page` is the page linked from this session's jobs."""
        super().__init__(state, session, parent)
        self.images = ImageModel(self.cells, self)
        self.selection = ImageSelection(self.images, self)
        self.suggesting = SuggestionController(state, session, page=page, parent=self)
        self.summary: ProjectSummary | None = None
        self.tags: tuple[str, ...] = ()
        self.query = ImageQuery()
        self.only: tuple[int, ...] | None = None  # exactly these images, instead of the query
        self.is_viewing = False
        self.forget_names()
        self._counter = BackgroundReader(_read, self._take, parent=self)
        self._reader = BackgroundReader(self._read_all, self._take_all, parent=self)
        self._searcher = BackgroundReader(self._search, self._show, parent=self)
        self._tag_reader = BackgroundReader(common_tags, self.common_tags_read.emit, parent=self)
        self.suggesting.queue_found.connect(self._on_queue_found)

    def read(self) -> None:
        if self.project is not None:
            self._take(_read(self.project))
        else:
            self.classes_changed.emit()

    def read_all(self) -> None:
        """Read classes, counts and the images to show, in the background; `all_read` is emitted at the end."""
        if self.project is not None:
            self._reader.ask((self.query, self.only))
        else:
            self.classes_changed.emit()
            self.all_read.emit()

    def _read_all(self, shown: _Shown) -> tuple[Counts, _Shown, tuple[int, ...]]:
        assert self.project is not None
        return _read(self.project), shown, self._ids_of(*shown)

    def _take_all(self, found: tuple[Counts, _Shown, tuple[int, ...]]) -> None:
        counts, shown, image_ids = found
        self._take(counts)
        if shown == (self.query, self.only):  # otherwise another query was started meanwhile, and its result is shown
            self.images.set_ids(image_ids)
            self.shown_changed.emit()
        self.all_read.emit()

    def read_common_tags(self) -> None:
        """Read the tags that all selected images have, in the background; `common_tags_read` is emitted at the end."""
        if self.project is not None:
            self._tag_reader.ask(self.project, self.selection.selected_ids())

    def count(self) -> None:
        """Read the same in the background: with a million images it takes noticeably long."""
        if self.project is not None:
            self._counter.ask(self.project)

    def _take(self, counts: Counts) -> None:
        before = self.guessed
        self.summary, self.classes, self.tags = counts
        self.colours = class_colours(self.classes)
        self.keys = self.keys_now()
        if self.guessed != before:
            self.images.invalidate()
        self.classes_changed.emit()

    def keys_now(self) -> dict[str, str]:
        """Return {key: class name}, with the letters not used by commands."""
        return class_keys(self.classes, self.state.actions.letters_in_use())

    def cells(self, image_ids: Sequence[int]) -> list[Cell]:
        if self.project is None:
            return []
        found, reasons = self.suggesting.found, self.suggesting.reasons
        return list(cells(self.project, image_ids, self.colours, found, reasons, guessed=self.guessed))

    @property
    def guessed(self) -> frozenset[str]:
        """The classes with too few labels for the probability of a suggestion from them to be trusted."""
        few = (row.name for row in self.classes if row.images < MIN_LABELS)
        return frozenset(few) if self.suggesting.is_live else frozenset()

    def reason_tiles(self, image_id: int) -> list[Tile]:
        """Return the labelled images most similar to one, each with its classes."""
        cells = {cell.image_id: cell for cell in self.cells([r.image_id for r in self.suggesting.reasons[image_id]])}
        found = [cells[each.image_id] for each in self.suggesting.reasons[image_id] if each.image_id in cells]
        return [replace(cell, aside="", mark="") for cell in found]

    def known_name(self, typed: str) -> str | None:
        """Return the class of this name, ignoring case."""
        return next((row.name for row in self.classes if row.name.casefold() == typed.casefold()), None)

    @property
    def is_narrow(self) -> bool:
        return self.query.narrows or self.only is not None

    def show_only(self, image_ids: tuple[int, ...], *, current: int = 0) -> None:
        """Show exactly these images, in this order, until others are requested; from `current` on, if it is given."""
        self.only = image_ids
        self._find(current)

    def show_query(self, query: ImageQuery) -> None:
        """Show the images matching a query."""
        self.only, self.query = None, query
        self._find()
        if self.follows_queue:
            self.suggesting.request_queue()

    @property
    def follows_queue(self) -> bool:
        """Whether the images most useful to label come first."""
        return self.only is None and self.query.order == MOST_USEFUL

    def ask_for_useful(self) -> bool:
        """Request new useful images once all previous ones have labels; return whether they are awaited."""
        queue = self.suggesting.queue
        if not self.follows_queue or any(not cell.labels and not cell.is_put_off for cell in self.cells(queue)):
            return False
        self.suggesting.request_queue()
        return bool(queue)

    @Slot()
    def _on_queue_found(self) -> None:
        if self.follows_queue:
            self._find(FIRST)

    def _find(self, current: int = 0) -> None:
        """Find the images to show, in the background, and then make one current: 0 keeps it, `FIRST` is the first."""
        if self.project is not None:
            self._searcher.ask((self.query, self.only), current)

    def _search(self, shown: _Shown, current: int) -> tuple[_Shown, tuple[int, ...], int]:
        return shown, self._ids_of(*shown), current

    def _show(self, found: tuple[_Shown, tuple[int, ...], int]) -> None:
        shown, image_ids, current = found
        if shown != (self.query, self.only):
            return
        self.images.set_ids(image_ids)
        self.shown_changed.emit()
        if current == FIRST:
            self.selection.set_current(0)
        elif current in image_ids:
            self.selection.set_current(image_ids.index(current))

    def _ids_of(self, query: ImageQuery, only: tuple[int, ...] | None) -> tuple[int, ...]:
        assert self.project is not None
        if only is None:
            suggesting = self.suggesting
            return matching_images(self.project, query, suggesting.found, suggesting.queue, by_name=self._by_name)
        present = set(find_images(self.project, limit=NO_LIMIT))
        return tuple(image_id for image_id in only if image_id in present)

    def forget_names(self) -> None:
        """Read the expensive order by name again when it is wanted: images came or went."""
        project = self.project
        self._by_name = cache(lambda: name_order(project) if project is not None else ())

    def view(self, is_on: bool) -> None:
        """Show the current image large, or the grid again."""
        self.is_viewing = is_on and bool(self.selection.current_id())
        self.viewing_changed.emit()

    def toggle_viewer(self) -> None:
        self.view(not self.is_viewing)

    def run(self, act: Callable[[], T]) -> T | None:
        """Run an action that changes the project itself; return None if it failed (the error is reported)."""
        return self.session.run(act) if self.session is not None else None

    def close(self) -> None:
        self.suggesting.close()
        for reader in (self._counter, self._reader, self._searcher, self._tag_reader):
            reader.close()
