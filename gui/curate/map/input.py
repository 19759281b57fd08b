"""What mouse, wheel, fingers and keys do on a map. Knows Qt only.

Pulling with the left button draws a lasso (with Shift a rectangle, with Ctrl beside what is caught), or moves the map
where that tool was chosen; the right and the middle button always move it. A click catches the mark under it.
"""

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QGestureEvent, QPinchGesture

from gui.curate.map.canvas import MapCanvas, Tool
from gui.curate.map.raster import inside_polygon

_HIT_PX = 10  # how near the pointer a mark must be
_CLICK_PX = 4  # a pull shorter than this is a click
_STEP_PX = 60  # an arrow key moves by
_KEY_ZOOM, _NOTCH_ZOOM = 1.4, 1.2
_NOTCH = 120  # Qt's eighths of a degree
_ARROWS = {
    Qt.Key.Key_Left: (1, 0),
    Qt.Key.Key_Right: (-1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}
_HELD = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
_MOVES = Qt.MouseButton.RightButton | Qt.MouseButton.MiddleButton


class MapWidget(MapCanvas):
    """A map that is looked around in and caught from."""

    def set_tool(self, tool: Tool) -> None:
        """Say what pulling with the left button does."""
        self.tool = tool
        self._show_cursor()

    # -- mouse --------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to move the map, or a lasso."""
        self._pressed_at = event.position()
        if event.button() & _MOVES or (event.button() == Qt.MouseButton.LeftButton and self.tool == "move"):
            self._pulled_from = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.button() == Qt.MouseButton.LeftButton:
            self._lasso = [event.position()]

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the map, draw the lasso, or find what is under the pointer."""
        at = event.position()
        if self._pulled_from is not None:
            by = at - self._pulled_from
            self._pulled_from = at
            self.move_by(by.x(), by.y())
        elif self._lasso:
            self._lasso = _rectangle(self._pressed_at, at) if _is_shift(event) else [*self._lasso, at]
            self.update()
        else:
            self._hover(at)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Take what the lasso caught, or the mark that was clicked."""
        was_pulled, lasso = self._pulled_from is not None, self._lasso
        self._pulled_from, self._lasso = None, []
        self._show_cursor()
        is_click = (event.position() - self._pressed_at).manhattanLength() < _CLICK_PX
        if event.button() != Qt.MouseButton.LeftButton:
            return
        beside = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        if is_click:
            self._click(event.position(), beside=beside)
        elif not was_pulled and len(lasso) > 2:
            self._catch_inside(lasso, beside=beside)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open the picture."""
        place = self._mark_at(event.position())
        if place >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.opened.emit(int(self.image_ids[place]))

    def leaveEvent(self, event: QEvent) -> None:
        """Forget what was under the pointer."""
        self._set_hovered(-1)
        super().leaveEvent(event)

    def _click(self, at: QPointF, *, beside: bool) -> None:
        place = self._mark_at(at)
        if place < 0:
            if not beside:
                self.clear()
            return
        caught = np.zeros(len(self.image_ids), bool)
        caught[place] = True
        if beside and self._caught[place]:
            self._take(self._caught & ~caught)
        else:
            self._take(caught, beside=beside)
        self.caught_changed.emit()

    def _catch_inside(self, lasso: list[QPointF], *, beside: bool) -> None:
        drawn, ratio = self._frame(), self.devicePixelRatioF()
        corners = np.array([(corner.x() * ratio, corner.y() * ratio) for corner in lasso])
        caught = np.zeros(len(self.image_ids), bool)
        caught[drawn.places[inside_polygon(drawn.screen, corners)]] = True
        self._take(caught, beside=beside)
        self.caught_changed.emit()

    def clear(self) -> None:
        """Let go of what was caught."""
        if self._caught.any():
            self._take(np.zeros(len(self.image_ids), bool))
            self.caught_changed.emit()

    def _mark_at(self, at: QPointF) -> int:
        """Return the place of the mark nearest to a point of the widget, the topmost of equals; -1 where none is."""
        drawn, ratio = self._frame(), self.devicePixelRatioF()
        if not len(drawn.places):
            return -1
        thumbnail = self.pictures.place_at(at)
        if thumbnail >= 0:
            return thumbnail
        away = drawn.screen - np.array([at.x() * ratio, at.y() * ratio], np.float32)
        distances = np.einsum("nd,nd->n", away, away)
        nearest = len(distances) - 1 - int(distances[::-1].argmin())
        return int(drawn.places[nearest]) if distances[nearest] <= (_HIT_PX * ratio) ** 2 else -1

    def _hover(self, at: QPointF) -> None:
        self._set_hovered(self._mark_at(at))
        self._show_cursor()

    def _set_hovered(self, place: int) -> None:
        if place != self._hovered:
            self._hovered = place
            tile = self.pictures.tile(int(self.image_ids[place])) if place >= 0 else None
            self.setAccessibleDescription(tile.spoken() if tile is not None else "")
            self.update()

    def _show_cursor(self) -> None:
        shapes = Qt.CursorShape
        usual = shapes.OpenHandCursor if self.tool == "move" else shapes.CrossCursor
        self.setCursor(shapes.PointingHandCursor if self._hovered >= 0 else usual)

    # -- zoom ---------------------------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer."""
        turned = event.angleDelta().y() or event.angleDelta().x()
        self.zoom_by(_NOTCH_ZOOM ** (turned / _NOTCH), event.position())
        event.accept()

    def event(self, event: QEvent) -> bool:
        """Zoom with two fingers, on a touchpad and on a screen."""
        if isinstance(event, QNativeGestureEvent):
            if event.gestureType() == Qt.NativeGestureType.ZoomNativeGesture:
                self.zoom_by(1 + event.value(), event.position())
                return True
        elif isinstance(event, QGestureEvent):
            pinch = event.gesture(Qt.GestureType.PinchGesture)
            if isinstance(pinch, QPinchGesture):
                self._lasso = []
                self.zoom_by(pinch.scaleFactor(), QPointF(self.mapFromGlobal(pinch.centerPoint().toPoint())))
                return True
        return super().event(event)

    # -- keys ---------------------------------------------------------------------------------------------------

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Zoom by + and -, show all by 0, move by arrows, let go by Escape."""
        key = Qt.Key(event.key())
        if event.modifiers() & _HELD:
            super().keyPressEvent(event)
        elif event.text() in ("+", "="):
            self.zoom_by(_KEY_ZOOM)
        elif event.text() == "-":
            self.zoom_by(1 / _KEY_ZOOM)
        elif event.text() == "0":
            self.fit()
        elif key in _ARROWS:
            x, y = _ARROWS[key]
            self.move_by(x * _STEP_PX, y * _STEP_PX)
        elif key == Qt.Key.Key_Escape and (self._caught.any() or self._lasso):
            self._lasso = []
            self.clear()
            self.update()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show that keys arrive here."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Show that keys arrive elsewhere."""
        super().focusOutEvent(event)
        self.update()


def _is_shift(event: QMouseEvent) -> bool:
    return bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)


def _rectangle(first: QPointF, last: QPointF) -> list[QPointF]:
    return [first, QPointF(last.x(), first.y()), last, QPointF(first.x(), last.y())]
