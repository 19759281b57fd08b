"""The images of a grid as an item model: ids in order, a tile for each, loaded on demand, and their selection.

Pages differ by their tiles, not by the grid. Every view of the images follows the selection.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelection,
    QItemSelectionModel,
    QItemSelectionRange,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
)

from gui.kit.theme import ClassColour

MAX_TILES = 4000  # cached at a time
TILE_ROLE = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex
_Flag = QItemSelectionModel.SelectionFlag


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """An image with its caption. Pages add further data in a subclass."""

    image_id: int
    path: Path
    title: str = ""
    tone: Literal["", "good", "warn", "bad", "muted"] = ""
    swatches: tuple[ClassColour, ...] = ()  # colours of classes before the title
    is_proposed: bool = False  # suggested classes: their swatches are hollow
    is_blank: bool = False  # the title only says that something is missing: over an image it is omitted
    aside: str = ""  # secondary text behind the title
    detail: str = ""  # a second line in muted text
    mark: str = ""  # a chip over the image: its change, or its tags
    is_out: bool = False  # excluded from the coming action: drawn pale, with a cross

    def spoken(self) -> str:
        """Return all text about the image, for tooltips and screen readers."""
        return "\n".join(filter(None, (self.title, self.detail, self.mark, self.aside, self.path.name)))


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and the number of images that follow it: at least one; keys act on the section with `is_current`."""

    title: str
    colour: ClassColour | None  # None without a class
    count: int
    aside: str = ""  # muted text behind the title
    is_current: bool = False


Load = Callable[[Sequence[int]], Iterable[Tile]]


class ImageModel(QAbstractListModel):
    """Any number of images, optionally under headings. A reset is cheap: it does not visit each image."""

    invalidated = Signal(object)  # ids of images with outdated tiles; `dataChanged` means all

    def __init__(self, load: Load = lambda _ids: (), parent: QObject | None = None) -> None:
        """Args: `load` returns the tiles of images; deleted images may be left out."""
        super().__init__(parent)
        self._load = load
        self._tiles: dict[int, Tile] = {}
        self.ids: tuple[int, ...] = ()
        self.sections: tuple[Section, ...] = ()

    def set_ids(self, ids: tuple[int, ...], sections: tuple[Section, ...] = ()) -> None:
        """Set the images; the counts of `sections`, if any, add up to them."""
        if (ids, sections) == (self.ids, self.sections):
            self.invalidate()
            return
        self.beginResetModel()
        self.ids, self.sections = ids, sections
        self._tiles.clear()
        self.endResetModel()

    def show(self, tiles: Iterable[Tile], sections: tuple[Section, ...] = ()) -> None:
        known = {tile.image_id: tile for tile in tiles}
        self._load = lambda ids: (known[image_id] for image_id in ids if image_id in known)
        self.set_ids(tuple(known), sections)

    def invalidate(self, image_ids: Iterable[int] | None = None) -> None:
        """Reload the tiles of these images (None: of all)."""
        if image_ids is not None:
            changed = frozenset(image_ids)
            for image_id in changed:
                self._tiles.pop(image_id, None)
            self.invalidated.emit(changed)
            return
        self._tiles.clear()
        if self.ids:
            self.dataChanged.emit(self.index(0), self.index(len(self.ids) - 1))

    def tiles(self, image_ids: Sequence[int]) -> list[Tile]:
        """Return the tiles of images, in order; all missing ones are loaded at once."""
        missing = [image_id for image_id in image_ids if image_id not in self._tiles]
        if missing:
            if len(self._tiles) > MAX_TILES:
                self._tiles.clear()
                missing = image_ids
            self._tiles |= {tile.image_id: tile for tile in self._load(missing)}
        return [self._tiles[image_id] for image_id in image_ids if image_id in self._tiles]

    def known_tile(self, image_id: int) -> Tile | None:
        return self._tiles.get(image_id)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.ids)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if role not in (TILE_ROLE, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return None
        tile = next(iter(self.tiles(self.ids[index.row() : index.row() + 1])), None)
        return tile if role == TILE_ROLE or tile is None else tile.spoken()


class ImageSelection(QItemSelectionModel):
    """The selection of an `ImageModel` in terms of ids and indices (from 0).

    After a change of the images, the current one stays current if it is still among them, else the one at its index.
    """

    moved_to = Signal(int)  # the requested index, even if it was already current
    selection_changed = Signal()
    current_changed = Signal(int)  # image id, 0 for none

    def __init__(self, images: ImageModel, parent: QObject) -> None:
        super().__init__(images, parent)
        self.images = images
        self._anchor = 0
        self._kept: tuple[int, int, set[int]] = (-1, 0, set())  # index and id of the current image, selected ids
        images.modelAboutToBeReset.connect(self._remember)
        images.modelReset.connect(self._restore)  # after Qt's own reset, which clears the selection
        self.selectionChanged.connect(lambda *_: self.selection_changed.emit())
        self.currentChanged.connect(lambda *_: self.current_changed.emit(self.current_id()))

    @property
    def ids(self) -> tuple[int, ...]:
        return self.images.ids

    @property
    def place(self) -> int:
        """The index of the current image, or -1."""
        return self.currentIndex().row()

    def current_id(self) -> int:
        """Return the current image's id, or 0."""
        return self.id_at(self.place)

    def id_at(self, place: int) -> int:
        """Return the id of the image at `place`, or 0."""
        return self.ids[place] if 0 <= place < len(self.ids) else 0

    def selected_count(self) -> int:
        """Return the number of selected images; counted by ranges, not image by image."""
        marked = sum(last + 1 - first for first, last in self._ranges())
        return marked or int(bool(self.current_id()))

    def selected_ids(self, most: int | None = None) -> tuple[int, ...]:
        """Return the selected images in order, the first `most` of them; the current one if nothing is selected."""
        ids = (self.ids[place] for first, last in self._ranges() for place in range(first, last + 1))
        chosen = tuple(islice(ids, most))
        return chosen or ((self.current_id(),) if self.current_id() else ())

    def _ranges(self) -> list[tuple[int, int]]:
        """Return the first and last index of each range of selected images, ascending."""
        marked = self.selection()
        return sorted((marked.at(n).top(), marked.at(n).bottom()) for n in range(marked.count()))

    def set_current(self, place: int, *, extend: bool = False, toggle: bool = False) -> None:
        """Make the image at `place` current and select it, as a range (`extend`) or in addition to others."""
        if not 0 <= place < len(self.ids):
            return
        if not extend:
            self._anchor = place
        first, last = sorted((self._anchor, place))
        index = self.images.index(place)
        marked = QItemSelection(self.images.index(first), self.images.index(last))
        self.select(marked, _Flag.Toggle if toggle else _Flag.ClearAndSelect)
        self.setCurrentIndex(index, _Flag.NoUpdate)
        self.moved_to.emit(place)

    def step(self, step: int) -> None:
        """Make the next (1) or previous (-1) image current; at the end, stay."""
        self.set_current(self.place + step)

    def select_all(self) -> None:
        self.select_places(range(len(self.ids)))

    def select_places(self, places: Iterable[int], *, beside: bool = False) -> None:
        """Select the images at these ascending indices; `beside` keeps the present selection."""
        marked = QItemSelection()
        first = -1
        last = -2
        for place in (*places, -1):  # adjacent indices become one range: Qt scans all ranges on each query
            if place != last + 1:
                if first >= 0:
                    marked.append(QItemSelectionRange(self.images.index(first), self.images.index(last)))
                first = place
            last = place
        self.select(marked, _Flag.Select if beside else _Flag.ClearAndSelect)

    def _remember(self) -> None:
        self._kept = (self.place, self.current_id(), set(self.selected_ids()))

    def _restore(self) -> None:
        place, current, chosen = self._kept
        place = self.ids.index(current) if current in self.ids else min(max(place, 0), len(self.ids) - 1)
        self.set_current(place)
        kept = [at for at, image_id in enumerate(self.ids) if image_id in chosen] if chosen - {current} else ()
        if kept:
            self.select_places(kept)
        if not self.ids:
            self.current_changed.emit(0)
            self.selection_changed.emit()
