"""An interactive scatter plot of images with pan, zoom and lasso selection.

Dragging with the left button draws a lasso (with Shift a rectangle, with Ctrl it adds to the caught images), or pans
where that tool is active; the right and the middle button always pan. A click catches the point under it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QColor,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPen,
    QPixmap,
    QPolygonF,
    QWheelEvent,
)

from gui.kit import theme
from gui.kit.image_model import ImageModel, Tile
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr

Tool = Literal["lasso", "move"]
SYMBOLS = ("o", "s", "t1", "d")  # pyqtgraph's disc, square, triangle and diamond
_FADED_ALPHA = 70  # of unselected marks
_MIN_MARK_PX, _MAX_MARK_PX = 4.0, 11.0  # diameter of a mark
_MAX_ZOOM_OUT, _MIN_VISIBLE_PART = 2.0, 1 / 4000  # visible part of the map, as a multiple of the whole map
_CARD_PX = 148
_HIT_PX = 10  # largest distance from the pointer to a mark
_STEP_PX = 60  # step of an arrow key
_KEY_ZOOM, _NOTCH_ZOOM = 1.4, 1.2
_ARROWS = {Qt.Key.Key_Left: (1, 0), Qt.Key.Key_Right: (-1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}
_MODIFIERS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
_PAN_BUTTONS = Qt.MouseButton.RightButton | Qt.MouseButton.MiddleButton


@dataclass(frozen=True, slots=True)
class MarkLook:
    """How the marks of a group look: a colour as #rrggbb, a place in `SYMBOLS`, and whether all others cover it."""

    colour: str
    shape: int = 0
    is_quiet: bool = False


class MapCanvas(pg.GraphicsView):
    """Points of images, with one hovered point and any number of caught points."""

    caught_changed = Signal()  # by the user
    view_changed = Signal()
    opened = Signal(int)  # image id, double-clicked

    def __init__(self, thumbnails: ThumbnailStore, load: Callable[[Sequence[int]], Iterable[Tile]]) -> None:
        """Args: `load` returns the tiles of images: of the hovered one."""
        super().__init__(background=theme.colours().surface)
        self.setMinimumSize(theme.scaled(300), theme.scaled(220))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName(tr("Map"))
        self.image_ids = np.zeros(0, np.int64)
        self._points = np.zeros((0, 2))
        self._groups = np.zeros(0, np.intp)
        self._looks: tuple[MarkLook, ...] = (MarkLook("#808080"),)
        self._is_shown = self._caught = np.zeros(0, bool)
        self._is_whole = True  # the whole map is visible, at any size
        self._hovered = -1
        self._current = 0
        self._tool: Tool = "lasso"
        self._lasso: list[QPointF] = []
        self._pressed_at = QPointF()
        self._pulled_from: QPointF | None = None
        self._thumbnails = thumbnails
        thumbnails.set_side(theme.scaled(_CARD_PX))
        thumbnails.loaded.connect(lambda _path: self.viewport().update())
        self._tiles = ImageModel(load)
        self._box: Any = pg.ViewBox(enableMouse=False, enableMenu=False, lockAspect=True)
        self._box.disableAutoRange()
        self._marks = pg.ScatterPlotItem(pen=None)
        self._box.addItem(self._marks)
        self.setCentralItem(self._box)

    def set_points(self, image_ids: np.ndarray, points: np.ndarray, *, keeps_view: bool = False) -> None:
        """Place images (N,) at points (N, 2), all in view unless `keeps_view`; `set_groups` draws them."""
        caught = self.caught_ids()
        self.image_ids, self._points = image_ids, np.asarray(points, float)
        self._caught = np.isin(image_ids, caught)
        self._groups = np.zeros(len(image_ids), np.intp)
        self._is_shown = np.ones(len(image_ids), bool)
        self._hovered = -1
        if not keeps_view:
            self.fit()

    def set_groups(self, groups: np.ndarray, looks: Sequence[MarkLook], hidden: frozenset[int] = frozenset()) -> None:
        """Set the group (N,) of each image, the looks of the groups, and the hidden ones."""
        self._groups, self._looks = groups.astype(np.intp), tuple(looks)
        self._is_shown = ~np.isin(groups, list(hidden))
        self._restyle()

    def _restyle(self) -> None:
        """Draw the points in the style of their groups, faded outside a selection."""
        is_faded = bool(self._caught.any()) & ~self._caught
        is_loud = np.array([not look.is_quiet for look in self._looks])[self._groups]
        # In random order no class covers the others; caught points cover the faded ones, and the quiet group is lowest.
        order = np.lexsort((np.random.default_rng(0).random(len(self.image_ids)), is_loud, ~is_faded))
        order = order[self._is_shown[order]]
        brushes = [pg.mkBrush(look.colour) for look in self._looks]
        for look in self._looks:
            faded = QColor(look.colour)
            faded.setAlpha(_FADED_ALPHA)
            brushes.append(pg.mkBrush(faded))
        styles = (self._groups + len(self._looks) * is_faded)[order].tolist()
        self._marks.setData(
            pos=self._points[order],
            size=float(np.clip(700 / max(1, len(order)) ** 0.5, _MIN_MARK_PX, _MAX_MARK_PX)),
            brush=[brushes[style] for style in styles],
            symbol=[SYMBOLS[self._looks[style % len(self._looks)].shape] for style in styles],
        )
        self.viewport().update()

    def caught_ids(self) -> tuple[int, ...]:
        return tuple(self.image_ids[self._caught].tolist())

    def _catch(self, caught: np.ndarray) -> None:
        self._caught = caught
        self._restyle()
        self.caught_changed.emit()

    @Slot(int)
    def show_current(self, image_id: int) -> None:
        """Highlight the current image of the grid; 0 for none."""
        self._current = image_id
        self.viewport().update()

    @Slot(str)
    def set_tool(self, tool: Tool) -> None:
        self._tool = tool
        self._show_cursor()

    def forget_tiles(self) -> None:
        """Request tiles again: their texts have changed."""
        self._tiles.invalidate()
        self.viewport().update()

    def visible_ids(self) -> tuple[int, ...]:
        at = self._screen()
        inside = ((at >= 0) & (at <= (self.width(), self.height()))).all(axis=1)
        return tuple(self.image_ids[inside & self._is_shown].tolist())

    def view_range(self) -> QRectF:
        """Return the visible part of the map; y grows upwards."""
        return self._box.viewRect()

    def fit(self) -> None:
        self._is_whole = True
        if len(self._points):
            low, high = self._points.min(axis=0), self._points.max(axis=0)
            half = np.maximum(high - low, 1e-6 * max(1.0, float(np.abs(high).max()))) / 2
            left, bottom = (low + high) / 2 - half
            self._box.setRange(QRectF(left, bottom, *(2 * half)), padding=0.08)
        self._look_elsewhere()

    def zoom_by(self, factor: float, about: QPointF | None = None) -> None:
        """Zoom about a point of the widget, by default its centre."""
        whole = float(np.ptp(self._points, axis=0).max()) if len(self._points) else 1.0
        visible = min(self.view_range().width(), self.view_range().height())
        wanted = min(max(visible / factor, _MIN_VISIBLE_PART * whole), max(_MAX_ZOOM_OUT * whole, visible))
        at = self._box.mapSceneToView(about if about is not None else QPointF(self.rect().center()))
        self._box.scaleBy((wanted / visible, wanted / visible), center=at)
        self._is_whole = False
        self._look_elsewhere()

    def move_by(self, dx: float, dy: float) -> None:
        view = self.view_range()
        self._box.translateBy(x=-dx * view.width() / self.width(), y=dy * view.height() / self.height())
        self._is_whole = False
        self._look_elsewhere()

    def _look_elsewhere(self) -> None:
        self._hovered = -1  # until the pointer moves: another mark is below it now
        self.viewport().update()
        self.view_changed.emit()

    def _screen(self) -> np.ndarray:
        """Return (N, 2) pixels of all points."""
        view = self.view_range()
        x = (self._points[:, 0] - view.left()) / view.width() * self.width()
        y = (view.bottom() - self._points[:, 1]) / view.height() * self.height()
        return np.stack([x, y], axis=1)

    def point_of(self, image_id: int) -> QPointF | None:
        """Return the position of an image's mark in the widget; None where it is not on the map."""
        places = np.flatnonzero(self.image_ids == image_id)
        return QPointF(*self._screen()[places[0]].tolist()) if len(places) else None

    def _mark_at(self, at: QPointF) -> int:
        """Return the place of the mark nearest to a point of the widget; -1 for none."""
        away = np.hypot(*(self._screen() - (at.x(), at.y())).T)
        away[~self._is_shown] = np.inf
        nearest = int(away.argmin()) if len(away) else -1
        return nearest if nearest >= 0 and away[nearest] <= _HIT_PX else -1

    def _set_hovered(self, place: int) -> None:
        if place != self._hovered:
            self._hovered = place
            tile = self._tile(int(self.image_ids[place])) if place >= 0 else None
            self.setAccessibleDescription(tile.spoken() if tile is not None else "")
            self.viewport().update()

    def _tile(self, image_id: int) -> Tile | None:
        return next(iter(self._tiles.tiles([image_id])), None)

    def drawForeground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        palette = theme.colours()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_ring(painter, self._current, palette.accent)
        if self._hovered >= 0 and not self._lasso:
            image_id = int(self.image_ids[self._hovered])
            at, tile = self._paint_ring(painter, image_id, palette.text), self._tile(image_id)
            if at is not None and tile is not None:
                self._paint_card(painter, tile, at)
        if self._lasso:
            fill = QColor(palette.accent)
            fill.setAlphaF(0.12)
            painter.setPen(QPen(QColor(palette.accent), 1.5, Qt.PenStyle.DashLine))
            painter.setBrush(fill)
            painter.drawPolygon(QPolygonF(self._lasso))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QColor(palette.accent if self.hasFocus() else palette.border))
        painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _paint_ring(self, painter: QPainter, image_id: int, colour: str) -> QPointF | None:
        """Draw a ring around an image's mark; return its position."""
        at = self.point_of(image_id) if image_id else None
        if at is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(colour), 2))
            painter.drawEllipse(at, 8, 8)
        return at

    def _paint_card(self, painter: QPainter, tile: Tile, at: QPointF) -> None:
        """Paint an image with its facts, beside the hovered mark."""
        palette, room = theme.colours(), self.rect()
        side, pad, line_height = theme.scaled(_CARD_PX), theme.SMALL, painter.fontMetrics().height()
        lines = [each for each in (tile.title, tile.detail, tile.path.name, tile.aside, tile.mark) if each][:3]
        width, height = side + 2 * pad, side + len(lines) * line_height + 2.5 * pad
        right, left = at.x() + theme.LARGE, at.x() - theme.LARGE - width
        x = max(1.0, right if right + width < room.right() else left)
        y = min(max(1.0, at.y() - height / 2), room.bottom() - height - 1)
        painter.setPen(QColor(palette.outline))
        painter.setBrush(QColor(palette.surface))
        painter.drawRoundedRect(QRectF(x, y, width, height), theme.RADIUS, theme.RADIUS)
        image = QRectF(x + pad, y + pad, side, side)
        pixmap = self._thumbnails.get(tile.path)
        if isinstance(pixmap, QPixmap):
            least = min(pixmap.width(), pixmap.height())
            source = QRectF((pixmap.width() - least) / 2, (pixmap.height() - least) / 2, least, least)
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            painter.drawPixmap(image, pixmap, source)
        else:
            painter.fillRect(image, QColor(palette.sunken))
            if pixmap is None:
                self._thumbnails.prefetch([tile.path])
        for place, line in enumerate(lines):
            painter.setPen(QColor(palette.muted if place else palette.text))
            words = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideMiddle, side)
            row = QRectF(x + pad, image.bottom() + pad / 2 + place * line_height, side, line_height)
            painter.drawText(row, int(Qt.AlignmentFlag.AlignVCenter), words)

    def mousePressEvent(self, ev: QMouseEvent) -> None:
        self._pressed_at = ev.position()
        if ev.button() & _PAN_BUTTONS or (ev.button() == Qt.MouseButton.LeftButton and self._tool == "move"):
            self._pulled_from = ev.position()
            self.viewport().setCursor(Qt.CursorShape.ClosedHandCursor)
        elif ev.button() == Qt.MouseButton.LeftButton:
            self._lasso = [ev.position()]

    def mouseMoveEvent(self, ev: QMouseEvent) -> None:
        at, start = ev.position(), self._pressed_at
        if self._pulled_from is not None:
            by = at - self._pulled_from
            self._pulled_from = at
            self.move_by(by.x(), by.y())
        elif self._lasso:
            is_rectangle = ev.modifiers() & Qt.KeyboardModifier.ShiftModifier
            corners = [start, QPointF(at.x(), start.y()), at, QPointF(start.x(), at.y())]
            self._lasso = corners if is_rectangle else [*self._lasso, at]
            self.viewport().update()
        else:
            self._set_hovered(self._mark_at(at))
            self._show_cursor()

    def mouseReleaseEvent(self, ev: QMouseEvent) -> None:
        was_pulled, lasso = self._pulled_from is not None, QPolygonF(self._lasso)
        self._pulled_from, self._lasso = None, []
        self._show_cursor()
        if ev.button() != Qt.MouseButton.LeftButton:
            return
        is_adding = bool(ev.modifiers() & Qt.KeyboardModifier.ControlModifier)
        caught = np.zeros(len(self.image_ids), bool)
        if (ev.position() - self._pressed_at).manhattanLength() < 4:  # a shorter drag is a click
            place = self._mark_at(ev.position())
            if place >= 0:
                caught[place] = True
                self._catch(self._caught ^ caught if is_adding else caught)
            elif not is_adding:
                self._let_go()
        elif not was_pulled and lasso.count() > 2:
            for place, (x, y) in enumerate(self._screen().tolist()):
                caught[place] = lasso.containsPoint(QPointF(x, y), Qt.FillRule.OddEvenFill)
            caught &= self._is_shown
            self._catch(self._caught | caught if is_adding else caught)

    def mouseDoubleClickEvent(self, ev: QMouseEvent) -> None:
        place = self._mark_at(ev.position())
        if place >= 0 and ev.button() == Qt.MouseButton.LeftButton:
            self.opened.emit(int(self.image_ids[place]))

    def leaveEvent(self, ev: QEvent) -> None:
        self._set_hovered(-1)

    def _let_go(self) -> None:
        self._lasso = []
        if self._caught.any():
            self._catch(np.zeros(len(self.image_ids), bool))
        self.viewport().update()

    def _show_cursor(self) -> None:
        shapes = Qt.CursorShape
        usual = shapes.OpenHandCursor if self._tool == "move" else shapes.CrossCursor
        self.viewport().setCursor(shapes.PointingHandCursor if self._hovered >= 0 else usual)

    def wheelEvent(self, ev: QWheelEvent) -> None:
        turned = ev.angleDelta().y() or ev.angleDelta().x()
        self.zoom_by(_NOTCH_ZOOM ** (turned / 120), ev.position())  # Qt's eighths of a degree
        ev.accept()

    def keyPressEvent(self, ev: QKeyEvent) -> None:
        """Zoom by + and -, show all by 0, move by arrows, let go by Escape."""
        key = Qt.Key(ev.key())
        if ev.modifiers() & _MODIFIERS:
            ev.ignore()
        elif ev.text() in ("+", "="):
            self.zoom_by(_KEY_ZOOM)
        elif ev.text() == "-":
            self.zoom_by(1 / _KEY_ZOOM)
        elif ev.text() == "0":
            self.fit()
        elif key in _ARROWS:
            x, y = _ARROWS[key]
            self.move_by(x * _STEP_PX, y * _STEP_PX)
        elif key == Qt.Key.Key_Escape and (self._caught.any() or self._lasso):
            self._let_go()
        else:
            ev.ignore()  # the page has the keys of the classes

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.setBackground(theme.colours().surface)
        super().changeEvent(event)

    def resizeEvent(self, ev: Any) -> None:
        super().resizeEvent(ev)
        if ev is not None and self._is_whole:  # pyqtgraph's constructor calls this without an event
            self.fit()

    def sizeHint(self) -> QSize:
        return QSize(theme.scaled(560), theme.scaled(420))
