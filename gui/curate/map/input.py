"""Mouse, wheel, touch and keyboard input of the map. Knows Qt only.

Dragging with the left button draws a lasso (with Shift a rectangle, with Ctrl it adds to the caught images), or pans
where that tool is active; the right and the middle button always pan. A click catches the point under it.
"""

import numpy as np
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QNativeGestureEvent, QWheelEvent
from PySide6.QtWidgets import QGestureEvent, QPinchGesture

from gui.curate.map.canvas import MapCanvas, Tool
from gui.curate.map.raster import inside_polygon

_HIT_PX = 10  # largest distance from the pointer to a mark
_STEP_PX = 60  # step of an arrow key
_KEY_ZOOM, _NOTCH_ZOOM = 1.4, 1.2
_ARROWS = {Qt.Key.Key_Left: (1, 0), Qt.Key.Key_Right: (-1, 0), Qt.Key.Key_Up: (0, 1), Qt.Key.Key_Down: (0, -1)}
_HELD = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier | Qt.KeyboardModifier.MetaModifier
_MOVES = Qt.MouseButton.RightButton | Qt.MouseButton.MiddleButton


class MapWidget(MapCanvas):
    """A map with pan, zoom and lasso selection."""

    def set_tool(self, tool: Tool) -> None:
        self.tool = tool
        self._show_cursor()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._pressed_at = event.position()
        if event.button() & _MOVES or (event.button() == Qt.MouseButton.LeftButton and self.tool == "move"):
            self._pulled_from = event.position()
            self.setCursor(Qt.CursorShape.ClosedHandCursor)
        elif event.button() == Qt.MouseButton.LeftButton:
            self._lasso = [event.position()]

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        at = event.position()
        if self._pulled_from is not None:
            by = at - self._pulled_from
            self._pulled_from = at
            self.move_by(by.x(), by.y())
        elif self._lasso:
            start = self._pressed_at
            is_rectangle = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            corners = [start, QPointF(at.x(), start.y()), at, QPointF(start.x(), at.y())]
            self._lasso = corners if is_rectangle else [*self._lasso, at]
            self.update()
        else:
            self._set_hovered(self._mark_at(at))
            self._show_cursor()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        was_pulled, lasso = self._pulled_from is not None, self._lasso
        self._pulled_from, self._lasso = None, []
        self._show_cursor()
        if event.button() != Qt.MouseButton.LeftButton:
            return
        is_adding = bool(event.modifiers() & Qt.KeyboardModifier.ControlModifier)
        caught = np.zeros(len(self.image_ids), bool)
        if (event.position() - self._pressed_at).manhattanLength() < 4:  # a shorter drag is a click
            place = self._mark_at(event.position())
            if place < 0:
                if not is_adding:
                    self.clear()
                return
            caught[place] = True
        elif not was_pulled and len(lasso) > 2:
            drawn, ratio = self._frame(), self.devicePixelRatioF()
            corners = np.array([(corner.x() * ratio, corner.y() * ratio) for corner in lasso])
            caught[drawn.places[inside_polygon(drawn.screen, corners)]] = True
            place = -1
        else:
            return
        if is_adding and place >= 0 and self._caught[place]:
            self._catch(self._caught & ~caught)
        else:
            self._catch((self._caught | caught) if is_adding else caught)
        self.caught_changed.emit()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        place = self._mark_at(event.position())
        if place >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.opened.emit(int(self.image_ids[place]))

    def leaveEvent(self, event: QEvent) -> None:
        self._set_hovered(-1)
        super().leaveEvent(event)

    def clear(self) -> None:
        if self._caught.any():
            self._catch(np.zeros(len(self.image_ids), bool))
            self.caught_changed.emit()

    def _mark_at(self, at: QPointF) -> int:
        """Return the place of the mark nearest to a point of the widget, the topmost on ties; -1 for none."""
        drawn, ratio = self._frame(), self.devicePixelRatioF()
        if not len(drawn.places):
            return -1
        thumbnail = self.images.place_at(at)
        if thumbnail >= 0:
            return thumbnail
        away = drawn.screen - np.array([at.x() * ratio, at.y() * ratio], np.float32)
        distances = np.einsum("nd,nd->n", away, away)
        nearest = len(distances) - 1 - int(distances[::-1].argmin())
        return int(drawn.places[nearest]) if distances[nearest] <= (_HIT_PX * ratio) ** 2 else -1

    def _set_hovered(self, place: int) -> None:
        if place != self._hovered:
            self._hovered = place
            tile = self.images.tile(int(self.image_ids[place])) if place >= 0 else None
            self.setAccessibleDescription(tile.spoken() if tile is not None else "")
            self.update()

    def _show_cursor(self) -> None:
        shapes = Qt.CursorShape
        usual = shapes.OpenHandCursor if self.tool == "move" else shapes.CrossCursor
        self.setCursor(shapes.PointingHandCursor if self._hovered >= 0 else usual)

    def wheelEvent(self, event: QWheelEvent) -> None:
        turned = event.angleDelta().y() or event.angleDelta().x()
        self.zoom_by(_NOTCH_ZOOM ** (turned / 120), event.position())  # Qt's eighths of a degree
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
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        super().focusOutEvent(event)
        self.update()
