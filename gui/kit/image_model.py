"""The images of a grid as an item model: ids in order, and a tile for each, loaded on demand.

Pages differ by their tiles, not by the grid.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from gui.kit.theme import ClassColour

MAX_TILES = 4000  # cached at a time
TILE_ROLE = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex


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
    aside: str = ""  # muted text at the right
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
