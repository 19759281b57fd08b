"""A map of pictures to look around in: up to 100,000 marks, pulled, zoomed and caught with a lasso. Knows Qt only.

The marks are one picture, drawn anew only when something about them changes (`gui.curate.map.raster`); hovering and
the lasso are painted over it. What a mark is, a page says by styles; pictures come as tiles when they are needed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PySide6.QtCore import QEasingCurve, QEvent, QPointF, QRectF, QSize, Qt, QVariantAnimation, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.curate.map.pictures import HoverCard, MapPictures
from gui.curate.map.raster import Camera, Drawn, Inks, Raster, mixed
from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore

Tool = Literal["lasso", "move"]
_LEAST_SIZE = (380, 220)
_FADED = 0.72  # how far marks that were not caught go to the ground
_MOVE_MS = 450
_NEAREST, _FARTHEST = 0.5, 4000.0  # zoom, as a multiple of the view in which all is seen


@dataclass(frozen=True, slots=True)
class MarkLook:
    """How the marks of a group look: a colour as #rrggbb, a shape of the raster's, and whether all others cover it."""

    colour: str
    shape: int = 0
    is_quiet: bool = False


class MapCanvas(QWidget):
    """Points that stand for pictures; one is under the pointer, any number are caught."""

    caught_changed = Signal()  # by the user
    view_changed = Signal()
    opened = Signal(int)  # image id, double-clicked

    def __init__(self, thumbnails: ThumbnailStore, load: Callable[[Sequence[int]], Iterable[Tile]]) -> None:
        """Args: `load` returns the tiles of pictures, those in view when they are large enough, and the hovered one."""
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
        self._camera: Camera | None = None  # None: all is seen, whatever the size
        self._drawn: Drawn | None = None
        self._image = QImage()
        self._hovered = -1
        self._current = 0
        self._lasso: list[QPointF] = []
        self._pulled_from: QPointF | None = None
        self._pressed_at = QPointF()
        self.pictures = MapPictures(thumbnails, load, self.update)
        self.card = HoverCard(thumbnails, self.pictures.want)
        thumbnails.loaded.connect(lambda _path: self.update())
        self._moving = QVariantAnimation(self)
        self._moving.setDuration(_MOVE_MS)
        self._moving.setStartValue(0.0)
        self._moving.setEndValue(1.0)
        self._moving.setEasingCurve(QEasingCurve.Type.InOutCubic)
        self._moving.valueChanged.connect(self._on_moved)
        self._ends = (self._raster.points, self._raster.points)

    # -- what is shown ------------------------------------------------------------------------------------------

    def set_points(self, image_ids: np.ndarray, points: np.ndarray, *, keeps_view: bool = False) -> None:
        """Show pictures (N,) at points (N, 2); those that were here before glide there, all of them seen.

        Args:
            image_ids: The pictures.
            points: Where they lie.
            keeps_view: It is the same map, of other pictures: what is seen of it stays.
        """
        is_same = np.array_equal(image_ids, self.image_ids)
        is_gliding = is_same and self.isVisible() and len(points) > 0
        self._moving.stop()
        if is_gliding and np.array_equal(points, self._raster.points):
            return
        if is_gliding:
            self._ends = (_fitted(self._raster.points, points), np.asarray(points, np.float32))
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
        """Say of which group (N,) each picture is, how groups look, and which are not drawn."""
        self._groups, self._looks = groups.astype(np.intp), tuple(looks)
        self._is_shown = ~np.isin(groups, list(hidden))
        self._restyle()

    def _restyle(self) -> None:
        """Give each point a style: its group's, or faded where something was caught and it was not."""
        count = max(1, len(self._looks))
        faded = bool(self._caught.any()) & ~self._caught
        shapes = np.array([look.shape for look in self._looks] * 2 or [0, 0], np.intp)
        is_loud = np.array([not look.is_quiet for look in self._looks] or [True])[self._groups]
        self._raster.set_styles(self._groups + count * faded, shapes, layers=2 * ~faded + is_loud, shown=self._is_shown)
        self._forget()

    def _inks(self) -> Inks:
        colours = np.array([int(QColor(look.colour).rgb()) for look in self._looks] or [0xFF808080], np.uint32)
        ground = int(QColor(theme.colours().surface).rgb())
        return Inks(np.concatenate([colours, mixed(colours, ground, _FADED)]), ground)

    # -- what is caught -----------------------------------------------------------------------------------------

    def caught_ids(self) -> tuple[int, ...]:
        """Return the pictures that were caught, in the order of the map's pictures."""
        return tuple(self.image_ids[self._caught].tolist())

    def catch(self, image_ids: Iterable[int]) -> None:
        """Mark these pictures as caught, and no others."""
        self._take(np.isin(self.image_ids, list(image_ids)))

    def _take(self, caught: np.ndarray, *, beside: bool = False) -> None:
        self._caught = (self._caught | caught) if beside else caught
        self._restyle()

    @Slot(int)
    def show_current(self, image_id: int) -> None:
        """Mark the picture that is current elsewhere; 0 for none."""
        self._current = image_id
        self.update()

    def visible_ids(self) -> tuple[int, ...]:
        """Return the pictures in view, in the order of the map's pictures."""
        drawn = self._frame()
        width, height = self._device_size()
        inside = ((drawn.screen >= 0) & (drawn.screen <= (width, height))).all(axis=1)
        return tuple(self.image_ids[np.sort(drawn.places[inside])].tolist())

    # -- where it is seen from ----------------------------------------------------------------------------------

    @property
    def camera(self) -> Camera:
        """What is seen, in device pixels."""
        if self._camera is None:
            points = self._ends[1] if self._moving.state() == QVariantAnimation.State.Running else self._raster.points
            margin = round(theme.scaled(24) * self.devicePixelRatioF())
            return Camera.around(points, *self._device_size(), margin=margin)
        return self._camera

    def fit(self) -> None:
        """Show all of it."""
        self._camera = None
        self._look_elsewhere()

    def zoom_by(self, factor: float, about: QPointF | None = None) -> None:
        """Zoom about a point of the widget, else about its middle."""
        ratio, (width, height) = self.devicePixelRatioF(), self._device_size()
        at = about if about is not None else QPointF(self.width() / 2, self.height() / 2)
        whole = Camera.around(self._raster.points, width, height).scale
        wanted = min(max(self.camera.scale * factor, _NEAREST * whole), _FARTHEST * whole)
        factor = wanted / self.camera.scale
        self._camera = self.camera.zoomed(factor, at.x() * ratio, at.y() * ratio, width, height)
        self._look_elsewhere()

    def move_by(self, dx: float, dy: float) -> None:
        """Pull the map by logical pixels."""
        ratio = self.devicePixelRatioF()
        self._camera = self.camera.moved(dx * ratio, dy * ratio)
        self._look_elsewhere()

    def _look_elsewhere(self) -> None:
        self._hovered = -1  # until the pointer moves: another mark is under it now
        self._forget()
        self.view_changed.emit()

    def point_of(self, image_id: int) -> QPointF | None:
        """Return where a picture's mark stands in the widget; None where it is not on the map."""
        places = np.flatnonzero(self.image_ids == image_id)
        if not len(places):
            return None
        x, y = self.camera.to_screen(self._raster.points[places], *self._device_size())[0] / self.devicePixelRatioF()
        return QPointF(float(x), float(y))

    def _device_size(self) -> tuple[int, int]:
        ratio = self.devicePixelRatioF()
        return max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))

    # -- drawing ------------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._drawn = None
        self.update()

    def _frame(self) -> Drawn:
        """Return the marks as they are seen now."""
        if self._drawn is None:
            width, height = self._device_size()
            ratio = self.devicePixelRatioF()
            self._drawn = drawn = self._raster.draw(self.camera, width, height, self._inks(), scale=ratio)
            pixels = drawn.pixels
            self._image = QImage(pixels.data, width, height, pixels.strides[0], QImage.Format.Format_RGB32)
            self._image.setDevicePixelRatio(ratio)
            self.pictures.follow(drawn, self.image_ids, ratio, QSize(self.width(), self.height()))
        return self._drawn

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the marks, pictures where there is room, and what the pointer does."""
        drawn, palette = self._frame(), theme.colours()
        painter = QPainter(self)
        painter.drawImage(0, 0, self._image)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self.pictures.paint(painter, self._colour_at)
        self._paint_ring(painter, drawn, self._current, palette.accent)
        if self._hovered >= 0 and not self._lasso:
            self._paint_hovered(painter, drawn)
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

    def _paint_ring(self, painter: QPainter, drawn: Drawn, image_id: int, colour: str) -> QPointF | None:
        """Draw a ring around a picture's mark; return where it is."""
        at = self.point_of(image_id) if image_id else None
        if at is not None:
            radius = drawn.radius / self.devicePixelRatioF() + 3
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colour), 2))
            painter.drawEllipse(at, radius, radius)
        return at

    def _paint_hovered(self, painter: QPainter, drawn: Drawn) -> None:
        image_id = int(self.image_ids[self._hovered])
        at = self._paint_ring(painter, drawn, image_id, theme.colours().text)
        tile = self.pictures.tile(image_id)
        if at is not None and tile is not None:
            self.card.paint(painter, tile, at, QRectF(self.rect()))

    def _colour_at(self, place: int) -> str:
        return self._looks[self._groups[place]].colour if self._looks else theme.colours().muted

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme and the size of the text."""
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange):
            self._forget()
        super().changeEvent(event)

    def resizeEvent(self, event) -> None:
        """Draw anew; what was in the middle stays there."""
        super().resizeEvent(event)
        self._forget()

    def sizeHint(self) -> QSize:
        """Return a size at which there is something to see."""
        return QSize(theme.scaled(560), theme.scaled(420))


def _fitted(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return points in the room that others take, so that they glide there without flying off."""
    low, high = points.min(axis=0), points.max(axis=0)
    to_low, to_high = target.min(axis=0), target.max(axis=0)
    return ((points - low) / np.maximum(high - low, 1e-12) * (to_high - to_low) + to_low).astype(np.float32)
