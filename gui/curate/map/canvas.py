"""An interactive scatter plot of images: up to 100,000 points, pan, zoom and lasso selection. Knows Qt only.

The points are rasterized into one image, redrawn only when something about them changes (`gui.curate.map.raster`);
hover and lasso are painted over it. Styles given by the page define the appearance of points; thumbnails are loaded as
tiles on demand.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PySide6.QtCore import QEasingCurve, QEvent, QPointF, QRectF, QSize, Qt, QVariantAnimation, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.curate.map.raster import Camera, Inks, Raster, RenderedFrame, mixed
from gui.kit import theme
from gui.kit.image_model import ImageModel, Tile
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr

Tool = Literal["lasso", "move"]
_LEAST_SIZE = (300, 220)
_FADED = 0.72  # blending of unselected marks with the background
_NEAREST, _FARTHEST = 0.5, 4000.0  # zoom, as a multiple of the view of the whole map
_SIDE_PX, _CARD_PX = 64, 148
_ROOM = 0.8  # thumbnail areas per visible image from which thumbnails are drawn


class MapImages:
    """Thumbnails of the visible images, at most one in each cell of a grid: none overlaps another. And a card."""

    def __init__(
        self, thumbnails: ThumbnailStore, load: Callable[[Sequence[int]], Iterable[Tile]], redraw: Callable[[], None]
    ) -> None:
        self._thumbnails = thumbnails
        self._redraw = redraw
        self._images = ImageModel(load)
        self._shown: list[tuple[int, int, QPointF]] = []  # place, image id, position
        thumbnails.set_side(theme.scaled(_CARD_PX))

    def forget(self) -> None:
        """Request tiles again: their texts have changed."""
        self._images.invalidate()
        self._redraw()

    def tile(self, image_id: int) -> Tile | None:
        return next(iter(self._images.tiles([image_id])), None)

    @property
    def shown_ids(self) -> tuple[int, ...]:
        return tuple(image_id for _, image_id, _ in self._shown)

    def follow(self, drawn: RenderedFrame, image_ids: np.ndarray, ratio: float, size: QSize) -> None:
        side = theme.scaled(_SIDE_PX)
        self._shown = []
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
        self.want(None)

    def want(self, first: Tile | None) -> None:
        """Request the visible thumbnails, that of `first` before all others."""
        tiles = self._images.tiles(self.shown_ids)
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
            tile = self._images.known_tile(image_id)
            pixmap = self._thumbnails.get(tile.path) if tile is not None else None
            if isinstance(pixmap, QPixmap):
                box = QRectF(at.x() - side / 2, at.y() - side / 2, side, side)
                draw_square(painter, pixmap, box)
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(QColor(colour_at(place)), 2))
                painter.drawRoundedRect(box, 3, 3)

    def paint_card(self, painter: QPainter, tile: Tile, at: QPointF, room: QRectF) -> None:
        """Paint an image with its facts, beside the hovered mark."""
        side = theme.scaled(_CARD_PX)
        pad = theme.SMALL
        lines = [each for each in (tile.title, tile.detail, tile.path.name, tile.aside, tile.mark) if each][:3]
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
                self.want(tile)
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


@dataclass(frozen=True, slots=True)
class MarkLook:
    """How the marks of a group look: a colour as #rrggbb, a shape of the raster's, and whether all others cover it."""

    colour: str
    shape: int = 0
    is_quiet: bool = False


class MapCanvas(QWidget):
    """Points of images, with one hovered point and any number of selected points."""

    caught_changed = Signal()  # by the user
    view_changed = Signal()
    opened = Signal(int)  # image id, double-clicked

    def __init__(self, thumbnails: ThumbnailStore, load: Callable[[Sequence[int]], Iterable[Tile]]) -> None:
        """Args: `load` returns the tiles of images: the visible ones if large enough, and the hovered one."""
        super().__init__()
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(theme.scaled(_LEAST_SIZE[0]), theme.scaled(_LEAST_SIZE[1]))
        self.setAccessibleName(tr("Map"))
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.grabGesture(Qt.GestureType.PinchGesture)
        self.tool: Tool = "lasso"
        self.image_ids = np.zeros(0, np.int64)
        self._raster = Raster(np.zeros((0, 2), np.float32))
        self._groups = np.zeros(0, np.intp)
        self._looks: tuple[MarkLook, ...] = ()
        self._is_shown = np.zeros(0, bool)
        self._caught = np.zeros(0, bool)
        self._camera: Camera | None = None  # None: the whole map is visible, at any size
        self._drawn: RenderedFrame | None = None
        self._image = QImage()
        self._hovered = -1
        self._current = 0
        self._lasso: list[QPointF] = []
        self._pulled_from: QPointF | None = None
        self._pressed_at = QPointF()
        self.images = MapImages(thumbnails, load, self.update)
        thumbnails.loaded.connect(lambda _path: self.update())
        self._moving = QVariantAnimation(self, duration=450, startValue=0.0, endValue=1.0)
        self._moving.setEasingCurve(QEasingCurve.Type.InOutCubic)
        self._moving.valueChanged.connect(self._on_moved)
        self._ends = (self._raster.points, self._raster.points)

    def set_points(self, image_ids: np.ndarray, points: np.ndarray, *, keeps_view: bool = False) -> None:
        """Show images (N,) at points (N, 2); images already on the map glide to their new point, all points in view.

        With `keeps_view` the camera stays: the map is the same, with other images.
        """
        is_same = np.array_equal(image_ids, self.image_ids)
        self._moving.stop()
        if is_same and self.isVisible() and len(points):
            before = self._raster.points
            if not np.array_equal(points, before):
                # They start in the bounding box of the new points.
                (low, high), (to_low, to_high) = ((each.min(axis=0), each.max(axis=0)) for each in (before, points))
                start = (before - low) / np.maximum(high - low, 1e-12) * (to_high - to_low) + to_low
                self._ends = (start.astype(np.float32), np.asarray(points, np.float32))
                self._camera = None
                self._moving.start()
            return
        caught = set(self.caught_ids())
        self.image_ids = image_ids
        self._raster = Raster(points)
        self._caught = np.fromiter((each in caught for each in image_ids.tolist()), bool, len(image_ids))
        self._groups = np.zeros(len(image_ids), np.intp)
        self._is_shown = np.ones(len(image_ids), bool)
        self._hovered = -1
        if not is_same and not keeps_view:
            self._camera = None
        self._restyle()

    @Slot(object)
    def _on_moved(self, share: float) -> None:
        start, end = self._ends
        self._raster.move_to(end if share >= 1 else start + (end - start) * np.float32(share))
        self._forget()

    def set_groups(self, groups: np.ndarray, looks: Sequence[MarkLook], hidden: frozenset[int] = frozenset()) -> None:
        """Set the group (N,) of each image, the looks of the groups, and the hidden ones."""
        self._groups, self._looks = groups.astype(np.intp), tuple(looks)
        self._is_shown = ~np.isin(groups, list(hidden))
        self._restyle()

    def _restyle(self) -> None:
        """Give each point the style of its group, faded for points outside a selection."""
        count = max(1, len(self._looks))
        faded = bool(self._caught.any()) & ~self._caught
        shapes = np.array([look.shape for look in self._looks] * 2 or [0, 0], np.intp)
        is_loud = np.array([not look.is_quiet for look in self._looks] or [True])[self._groups]
        self._raster.set_styles(self._groups + count * faded, shapes, layers=2 * ~faded + is_loud, shown=self._is_shown)
        self._forget()

    def caught_ids(self) -> tuple[int, ...]:
        return tuple(self.image_ids[self._caught].tolist())

    def _catch(self, caught: np.ndarray) -> None:
        self._caught = caught
        self._restyle()

    @Slot(int)
    def show_current(self, image_id: int) -> None:
        """Highlight the current image of the grid; 0 for none."""
        self._current = image_id
        self.update()

    def visible_ids(self) -> tuple[int, ...]:
        drawn = self._frame()
        width, height = self._device_size()
        inside = ((drawn.screen >= 0) & (drawn.screen <= (width, height))).all(axis=1)
        return tuple(self.image_ids[np.sort(drawn.places[inside])].tolist())

    @property
    def camera(self) -> Camera:
        """The visible part of the map, in device pixels."""
        if self._camera is None:
            points = self._ends[1] if self._moving.state() == QVariantAnimation.State.Running else self._raster.points
            margin = round(theme.scaled(24) * self.devicePixelRatioF())
            return Camera.around(points, *self._device_size(), margin=margin)
        return self._camera

    def fit(self) -> None:
        self._camera = None
        self._look_elsewhere()

    def zoom_by(self, factor: float, about: QPointF | None = None) -> None:
        """Zoom about a point of the widget, by default its centre."""
        ratio, (width, height) = self.devicePixelRatioF(), self._device_size()
        at = about if about is not None else QPointF(self.width() / 2, self.height() / 2)
        whole = Camera.around(self._raster.points, width, height).scale
        wanted = min(max(self.camera.scale * factor, _NEAREST * whole), _FARTHEST * whole)
        factor = wanted / self.camera.scale
        self._camera = self.camera.zoomed(factor, at.x() * ratio, at.y() * ratio, width, height)
        self._look_elsewhere()

    def move_by(self, dx: float, dy: float) -> None:
        ratio = self.devicePixelRatioF()
        self._camera = self.camera.moved(dx * ratio, dy * ratio)
        self._look_elsewhere()

    def _look_elsewhere(self) -> None:
        self._hovered = -1  # until the pointer moves: another mark is below it now
        self._forget()
        self.view_changed.emit()

    def point_of(self, image_id: int) -> QPointF | None:
        """Return the position of an image's mark in the widget; None where it is not on the map."""
        places = np.flatnonzero(self.image_ids == image_id)
        if not len(places):
            return None
        x, y = self.camera.to_screen(self._raster.points[places], *self._device_size())[0] / self.devicePixelRatioF()
        return QPointF(float(x), float(y))

    def _device_size(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        return max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))

    def _forget(self) -> None:
        self._drawn = None
        self.update()

    def _frame(self) -> RenderedFrame:
        if self._drawn is None:
            width, height = self._device_size()
            ratio = self.devicePixelRatioF()
            colours = np.array([int(QColor(look.colour).rgb()) for look in self._looks] or [0xFF808080], np.uint32)
            ground = int(QColor(theme.colours().surface).rgb())
            inks = Inks(np.concatenate([colours, mixed(colours, ground, _FADED)]), ground)
            self._drawn = drawn = self._raster.draw(self.camera, width, height, inks, scale=ratio)
            pixels = drawn.pixels
            self._image = QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB32)
            self._image.setDevicePixelRatio(ratio)
            self.images.follow(drawn, self.image_ids, ratio, QSize(self.width(), self.height()))
        return self._drawn

    def paintEvent(self, _event: QPaintEvent) -> None:
        drawn, palette = self._frame(), theme.colours()
        painter = QPainter(self)
        painter.drawImage(0, 0, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        looks, groups = self._looks, self._groups
        self.images.paint(painter, lambda place: looks[groups[place]].colour if looks else palette.muted)
        self._paint_ring(painter, drawn, self._current, palette.accent)
        if self._hovered >= 0 and not self._lasso:
            image_id = int(self.image_ids[self._hovered])
            at = self._paint_ring(painter, drawn, image_id, palette.text)
            tile = self.images.tile(image_id)
            if at is not None and tile is not None:
                self.images.paint_card(painter, tile, at, QRectF(self.rect()))
        if self._lasso:
            painter.setPen(QPen(QColor(palette.accent), 1.5, Qt.PenStyle.DashLine))
            fill = QColor(palette.accent)
            fill.setAlphaF(0.12)
            painter.setBrush(fill)
            painter.drawPolygon(QPolygonF(self._lasso))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(palette.accent if self.hasFocus() else palette.border))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _paint_ring(self, painter: QPainter, drawn: RenderedFrame, image_id: int, colour: str) -> QPointF | None:
        """Draw a ring around an image's mark; return its position."""
        at = self.point_of(image_id) if image_id else None
        if at is not None:
            radius = drawn.radius / self.devicePixelRatioF() + 3
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colour), 2))
            painter.drawEllipse(at, radius, radius)
        return at

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._forget()
        super().changeEvent(event)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._forget()

    def sizeHint(self) -> QSize:
        return QSize(theme.scaled(560), theme.scaled(420))
