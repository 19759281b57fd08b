"""The pictures that a grid shows, as an item model: ids in order, and a tile for each that is asked for when needed.

Pages differ by the tiles they give, not by the grid. Knows Qt and plain data only.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt, Signal

from gui.kit.theme import ClassColour

MAX_TILES = 4000  # kept at a time
TILE_ROLE = Qt.ItemDataRole.UserRole
_Index = QModelIndex | QPersistentModelIndex


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """A picture with words below it. What a page knows beyond that, it adds in a subclass.

    Attributes:
        swatches: Colours of classes before the title; hollow where they are only proposed.
        is_blank: The title only says that something is missing: over a picture it is left out.
        aside: Said quietly behind the title.
        detail: A quiet second line.
        mark: A chip over the picture: what about it has changed, or its tags.
        is_out: It was taken out of what is about to happen: drawn pale, with a cross.
    """

    image_id: int
    path: Path
    title: str = ""
    tone: Literal["", "good", "warn", "bad", "muted"] = ""
    swatches: tuple[ClassColour, ...] = ()
    is_proposed: bool = False
    is_blank: bool = False
    aside: str = ""
    detail: str = ""
    mark: str = ""
    is_out: bool = False

    def spoken(self) -> str:
        """Return all that is said of the picture, for tooltips and screen readers."""
        return "\n".join(filter(None, (self.title, self.detail, self.mark, self.aside, self.path.name)))


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, and how many of the pictures that follow belong to it: at least one.

    `aside` is said quietly at the right; the section that keys are about `is_current`. One that is of no class has no
    `colour`.
    """

    title: str
    colour: ClassColour | None
    count: int
    aside: str = ""
    is_current: bool = False


Load = Callable[[Sequence[int]], Iterable[Tile]]


def _nothing(_ids: Sequence[int]) -> Iterable[Tile]:
    return ()


class PictureModel(QAbstractListModel):
    """Any number of pictures, maybe under headings. Resetting is cheap: it costs no look at each picture."""

    invalidated = Signal(object)  # ids of pictures whose tiles are asked for again; of all, `dataChanged` tells

    def __init__(self, load: Load = _nothing, parent: QObject | None = None) -> None:
        """Args: `load` returns the tiles of pictures; those that are gone may be left out."""
        super().__init__(parent)
        self._load = load
        self._tiles: dict[int, Tile] = {}
        self.ids: tuple[int, ...] = ()
        self.sections: tuple[Section, ...] = ()

    def set_ids(self, ids: tuple[int, ...], sections: tuple[Section, ...] = ()) -> None:
        """Take other pictures; the counts of `sections`, where there are any, add up to them."""
        if (ids, sections) == (self.ids, self.sections):
            self.invalidate()
            return
        self.beginResetModel()
        self.ids, self.sections = ids, sections
        self._tiles.clear()
        self.endResetModel()

    def show(self, tiles: Iterable[Tile], sections: tuple[Section, ...] = ()) -> None:
        """Take pictures whose tiles are known already."""
        known = {tile.image_id: tile for tile in tiles}
        self._load = lambda ids: (known[image_id] for image_id in ids if image_id in known)
        self.set_ids(tuple(known), sections)

    def invalidate(self, image_ids: Iterable[int] | None = None) -> None:
        """Ask again for the tiles of these pictures (None: of all)."""
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
        """Return the tiles of pictures, in order; all that are missing are asked for at once."""
        missing = [image_id for image_id in image_ids if image_id not in self._tiles]
        if missing:
            if len(self._tiles) > MAX_TILES:
                self._tiles.clear()
                missing = image_ids
            self._tiles |= {tile.image_id: tile for tile in self._load(missing)}
        return [self._tiles[image_id] for image_id in image_ids if image_id in self._tiles]

    def known_tile(self, image_id: int) -> Tile | None:
        """Return a picture's tile if it is here already."""
        return self._tiles.get(image_id)

    # -- as Qt asks ---------------------------------------------------------------------------------------------

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Return how many pictures there are."""
        return 0 if parent.isValid() else len(self.ids)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return a tile, or what is said of its picture."""
        if role not in (TILE_ROLE, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return None
        tile = next(iter(self.tiles(self.ids[index.row() : index.row() + 1])), None)
        return tile if role == TILE_ROLE or tile is None else tile.spoken()
