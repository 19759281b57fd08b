"""Pictures on a map: thumbnails in place of marks where there is room, and the card of the one under the pointer."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap

from gui.curate.map.raster import Drawn
from gui.kit import theme
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore

_SIDE_PX, _CARD_PX = 64, 148
_ROOM = 0.8  # squares of a thumbnail that a picture in view has on average, before thumbnails are drawn
_KEPT = 2000  # tiles
_FACT_LINES = 3


class MapPictures:
    """Thumbnails of what is in view, at most one in each cell of a grid, so that none covers another."""

    def __init__(
        self, thumbnails: ThumbnailStore, load: Callable[[Sequence[int]], Iterable[Tile]], redraw: Callable[[], None]
    ) -> None:
        self._thumbnails, self._load, self._redraw = thumbnails, load, redraw
        self._tiles: dict[int, Tile] = {}
        self._shown: list[tuple[int, int, QPointF]] = []  # place, image id, where
        thumbnails.set_side(theme.scaled(_CARD_PX))

    def forget(self) -> None:
        """Ask for tiles anew: their words have changed."""
        self._tiles.clear()
        self._redraw()

    def tile(self, image_id: int) -> Tile | None:
        """Return a picture's tile."""
        self._ask([image_id])
        return self._tiles.get(image_id)

    @property
    def shown_ids(self) -> tuple[int, ...]:
        """The pictures that are drawn as thumbnails."""
        return tuple(image_id for _, image_id, _ in self._shown)

    def follow(self, drawn: Drawn, image_ids: np.ndarray, ratio: float, size: QSize) -> None:
        """Choose whose thumbnails are drawn in a new view."""
        side, self._shown = theme.scaled(_SIDE_PX), []
        if len(drawn.places) * side * side * _ROOM > size.width() * size.height():
            return
        at = drawn.screen / ratio
        order = np.argsort(drawn.places)  # the same ones win, however the map is pulled
        taken: list[tuple[float, float]] = []
        for index in order:
            x, y = map(float, at[index])
            if all(abs(x - other_x) >= side or abs(y - other_y) >= side for other_x, other_y in taken):
                taken.append((x, y))
                place = int(drawn.places[index])
                self._shown.append((place, int(image_ids[place]), QPointF(x, y)))
        self._ask(self.shown_ids)
        self.want(None)

    def want(self, first: Tile | None) -> None:
        """Have the thumbnails in view loaded, and before them that of `first`."""
        tiles = [self._tiles[each] for each in self.shown_ids if each in self._tiles]
        self._thumbnails.prefetch([tile.path for tile in ([first] if first is not None else []) + tiles])

    def place_at(self, at: QPointF) -> int:
        """Return the place of the picture whose thumbnail lies at a point; -1 where none does."""
        half = theme.scaled(_SIDE_PX) / 2
        for place, _, middle in reversed(self._shown):
            if abs(at.x() - middle.x()) <= half and abs(at.y() - middle.y()) <= half:
                return place
        return -1

    def paint(self, painter: QPainter, colour_at: Callable[[int], str]) -> None:
        """Draw them, each in a frame of its mark's colour."""
        side = float(theme.scaled(_SIDE_PX) - theme.TIGHT)
        for place, image_id, at in self._shown:
            tile = self._tiles.get(image_id)
            pixmap = self._thumbnails.get(tile.path) if tile is not None else None
            if isinstance(pixmap, QPixmap):
                box = QRectF(at.x() - side / 2, at.y() - side / 2, side, side)
                draw_square(painter, pixmap, box)
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(QColor(colour_at(place)), 2))
                painter.drawRoundedRect(box, 3, 3)

    def _ask(self, image_ids: Sequence[int]) -> None:
        missing = [image_id for image_id in image_ids if image_id not in self._tiles]
        if missing:
            if len(self._tiles) > _KEPT:
                self._tiles.clear()
                missing = list(image_ids)
            self._tiles |= {tile.image_id: tile for tile in self._load(missing)}


class HoverCard:
    """A picture with its facts, beside the mark under the pointer."""

    def __init__(self, thumbnails: ThumbnailStore, want: Callable[[Tile], None]) -> None:
        """Args: `want` has a thumbnail loaded."""
        self._thumbnails, self._want = thumbnails, want

    def paint(self, painter: QPainter, tile: Tile, at: QPointF, room: QRectF) -> None:
        """Draw it at the side of a point where there is room."""
        side, pad = theme.scaled(_CARD_PX), theme.SMALL
        lines = [each for each in (tile.title, tile.detail, tile.path.name, tile.aside, tile.mark) if each]
        lines = lines[:_FACT_LINES]
        height = side + len(lines) * painter.fontMetrics().height() + 2.5 * pad
        box = self._place(at, QSize(side + 2 * pad, round(height)), room)
        palette = theme.colours()
        painter.setPen(QColor(palette.outline))
        painter.setBrush(QColor(palette.surface))
        painter.drawRoundedRect(box, theme.RADIUS, theme.RADIUS)
        picture = QRectF(box.x() + pad, box.y() + pad, side, side)
        pixmap = self._thumbnails.get(tile.path)
        if isinstance(pixmap, QPixmap):
            draw_square(painter, pixmap, picture)
        else:
            painter.fillRect(picture, QColor(palette.sunken))
            if pixmap is None:
                self._want(tile)
        y = picture.bottom() + pad / 2
        for place, line in enumerate(lines):
            painter.setPen(QColor(palette.text if place == 0 else palette.muted))
            words = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideMiddle, side)
            row = QRectF(picture.x(), y, side, painter.fontMetrics().height())
            painter.drawText(row, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), words)
            y += painter.fontMetrics().height()

    @staticmethod
    def _place(at: QPointF, size: QSize, room: QRectF) -> QRectF:
        gap = theme.LARGE
        x = at.x() + gap if at.x() + gap + size.width() <= room.right() - 1 else at.x() - gap - size.width()
        y = min(max(room.top() + 1, at.y() - size.height() / 2), room.bottom() - size.height() - 1)
        return QRectF(max(room.left() + 1, x), max(room.top() + 1, y), size.width(), size.height())


def draw_square(painter: QPainter, pixmap: QPixmap, box: QRectF) -> None:
    """Draw the middle of a picture so that it fills a square."""
    side = float(min(pixmap.width(), pixmap.height()))
    source = QRectF((pixmap.width() - side) / 2, (pixmap.height() - side) / 2, side, side)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(box, pixmap, source)
