"""Thumbnails on a map, in place of marks where there is room, and the card of the hovered image."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPixmap

from gui.curate.map.raster import RenderedFrame
from gui.kit import theme
from gui.kit.image_model import Tile
from gui.kit.thumbnails import ThumbnailStore

_SIDE_PX, _CARD_PX = 64, 148
_ROOM = 0.8  # thumbnail areas per visible image from which thumbnails are drawn


class MapImages:
    """Thumbnails of the visible images, at most one in each cell of a grid, so that none overlaps another."""

    def __init__(
        self, thumbnails: ThumbnailStore, load: Callable[[Sequence[int]], Iterable[Tile]], redraw: Callable[[], None]
    ) -> None:
        self._thumbnails, self._load, self._redraw = thumbnails, load, redraw
        self._tiles: dict[int, Tile] = {}
        self._shown: list[tuple[int, int, QPointF]] = []  # place, image id, position
        thumbnails.set_side(theme.scaled(_CARD_PX))

    def forget(self) -> None:
        """Request tiles again: their texts have changed."""
        self._tiles.clear()
        self._redraw()

    def tile(self, image_id: int) -> Tile | None:
        self._ask([image_id])
        return self._tiles.get(image_id)

    @property
    def shown_ids(self) -> tuple[int, ...]:
        return tuple(image_id for _, image_id, _ in self._shown)

    def follow(self, drawn: RenderedFrame, image_ids: np.ndarray, ratio: float, size: QSize) -> None:
        side, self._shown = theme.scaled(_SIDE_PX), []
        if len(drawn.places) * side * side * _ROOM > size.width() * size.height():
            return
        at = drawn.screen / ratio
        order = np.argsort(drawn.places)  # the same images win, however the map is panned
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
        """Request the visible thumbnails, that of `first` before all others."""
        tiles = [self._tiles[each] for each in self.shown_ids if each in self._tiles]
        self._thumbnails.prefetch([tile.path for tile in ([first] if first is not None else []) + tiles])

    def place_at(self, at: QPointF) -> int:
        """Return the place of the image whose thumbnail is at a point; -1 where there is none."""
        half = theme.scaled(_SIDE_PX) / 2
        for place, _, middle in reversed(self._shown):
            if abs(at.x() - middle.x()) <= half and abs(at.y() - middle.y()) <= half:
                return place
        return -1

    def paint(self, painter: QPainter, colour_at: Callable[[int], str]) -> None:
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
            if len(self._tiles) > 2000:  # tiles kept
                self._tiles.clear()
                missing = list(image_ids)
            self._tiles |= {tile.image_id: tile for tile in self._load(missing)}


class HoverCard:
    """An image with its facts, beside the hovered mark."""

    def __init__(self, thumbnails: ThumbnailStore, want: Callable[[Tile], None]) -> None:
        """Args: `want` has a thumbnail loaded."""
        self._thumbnails, self._want = thumbnails, want

    def paint(self, painter: QPainter, tile: Tile, at: QPointF, room: QRectF) -> None:
        side, pad = theme.scaled(_CARD_PX), theme.SMALL
        lines = [each for each in (tile.title, tile.detail, tile.path.name, tile.aside, tile.mark) if each]
        lines = lines[:3]
        height = round(side + len(lines) * painter.fontMetrics().height() + 2.5 * pad)
        width, gap = side + 2 * pad, theme.LARGE
        x = at.x() + gap if at.x() + gap + width <= room.right() - 1 else at.x() - gap - width
        y = min(max(room.top() + 1, at.y() - height / 2), room.bottom() - height - 1)
        box = QRectF(max(room.left() + 1, x), max(room.top() + 1, y), width, height)
        palette = theme.colours()
        painter.setPen(QColor(palette.outline))
        painter.setBrush(QColor(palette.surface))
        painter.drawRoundedRect(box, theme.RADIUS, theme.RADIUS)
        image = QRectF(box.x() + pad, box.y() + pad, side, side)
        pixmap = self._thumbnails.get(tile.path)
        if isinstance(pixmap, QPixmap):
            draw_square(painter, pixmap, image)
        else:
            painter.fillRect(image, QColor(palette.sunken))
            if pixmap is None:
                self._want(tile)
        y = image.bottom() + pad / 2
        for place, line in enumerate(lines):
            painter.setPen(QColor(palette.text if place == 0 else palette.muted))
            words = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideMiddle, side)
            row = QRectF(image.x(), y, side, painter.fontMetrics().height())
            painter.drawText(row, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), words)
            y += painter.fontMetrics().height()


def draw_square(painter: QPainter, pixmap: QPixmap, box: QRectF) -> None:
    """Draw the central square of an image, scaled to a square."""
    side = float(min(pixmap.width(), pixmap.height()))
    source = QRectF((pixmap.width() - side) / 2, (pixmap.height() - side) / 2, side, side)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(box, pixmap, source)
