"""A region drawn on an image with the mouse or the keyboard. Knows Qt only; regions are thousandths of the sides."""

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter

from gui.kit import theme
from gui.kit.translation import tr
from gui.train.framing.seen_part import SeenPart
from visionft.data.preprocess import Region

KEY_STEP = 5  # thousandths of a side
_FIRST: Region = (250, 250, 750, 750)  # of an arrow key where nothing is drawn
_REACH_PX, _HANDLE_PX = 9, 9
_ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}
_Sides = tuple[int, int]  # -1, 0, 1: the left, none or the right side; likewise top and bottom
_INSIDE: _Sides = (0, 0)
_CURSORS = {
    _INSIDE: Qt.CursorShape.SizeAllCursor,
    (-1, 0): Qt.CursorShape.SizeHorCursor,
    (1, 0): Qt.CursorShape.SizeHorCursor,
    (0, -1): Qt.CursorShape.SizeVerCursor,
    (0, 1): Qt.CursorShape.SizeVerCursor,
    (-1, -1): Qt.CursorShape.SizeFDiagCursor,
    (1, 1): Qt.CursorShape.SizeFDiagCursor,
    (-1, 1): Qt.CursorShape.SizeBDiagCursor,
    (1, -1): Qt.CursorShape.SizeBDiagCursor,
}


@dataclass(frozen=True, slots=True)
class _Drag:
    """A drag of sides of the region or of all of it; of a new region where `sides` is None."""

    sides: _Sides | None
    start: tuple[int, int]
    before: Region | None


class RegionCanvas(SeenPart):
    """Edits one region: drag for a new one, its handles or inside to change it; arrow keys move, with Shift resize."""

    changed = Signal()

    def __init__(self, region: Region | None) -> None:
        super().__init__(width=640, height=320)
        self.region: Region | None = None
        self._drag: _Drag | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName(tr("Region"))
        self.setAccessibleDescription(tr("Arrow keys move the region, with Shift they resize it."))
        self._set(region)

    def _set(self, region: Region | None) -> None:
        self.region = region
        left, top, right, bottom = (side / 1000 for side in region or (0, 0, 0, 0))
        self.show_part(QRectF(left, top, right - left, bottom - top) if region else None)
        self.changed.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self.target().isEmpty():
            self._drag = _Drag(self._sides_at(event.position()), self._place(event.position()), self.region)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None:
            changed = _dragged(self._drag, self._place(event.position()))
            self._set(None if _is_empty(changed) else changed)
            return
        sides = self._sides_at(event.position())
        self.setCursor(Qt.CursorShape.CrossCursor if sides is None else _CURSORS[sides])

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._drag is None or event.button() != Qt.MouseButton.LeftButton:
            return
        if self.region is None:  # a click
            self._set(self._drag.before)
        self._drag = None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape and self._drag is not None:
            before, self._drag = self._drag.before, None
            self._set(before)
        elif key in _ARROWS and self._drag is None:
            across, down = (KEY_STEP * each for each in _ARROWS[key])
            resizes = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
            drag = _Drag((1, 1) if resizes else _INSIDE, (0, 0), self.region)
            changed = _dragged(drag, (across, down)) if self.region else _FIRST
            self._set(self.region if _is_empty(changed) else changed)
        else:
            super().keyPressEvent(event)

    def _place(self, at: QPointF) -> tuple[int, int]:
        """Return a point of the widget in thousandths of the image's sides, inside it."""
        target = self.target()
        across, down = (at.x() - target.left()) / target.width(), (at.y() - target.top()) / target.height()
        return _inside(round(1000 * across)), _inside(round(1000 * down))

    def _sides_at(self, at: QPointF) -> _Sides | None:
        """Return the sides of the region that a drag from here moves; None outside."""
        drawn = self.part_on_screen()
        reach = theme.scaled(_REACH_PX)
        if self.region is None or not drawn.adjusted(-reach, -reach, reach, reach).contains(at):
            return None
        across = (abs(at.x() - drawn.right()) <= reach) - (abs(at.x() - drawn.left()) <= reach)
        down = (abs(at.y() - drawn.bottom()) <= reach) - (abs(at.y() - drawn.top()) <= reach)
        return across, down

    def paint_part(self, painter: QPainter) -> None:
        """Draw the handles too, in the accent colour while the keyboard moves them."""
        super().paint_part(painter)
        drawn = self.part_on_screen()
        side = theme.scaled(_HANDLE_PX)
        painter.setPen(QColor(theme.OVER_IMAGE))
        painter.setBrush(QColor(theme.colours().accent if self.hasFocus() else theme.DARK.text))
        centre = drawn.center()
        for x in (drawn.left(), centre.x(), drawn.right()):
            for y in (drawn.top(), centre.y(), drawn.bottom()):
                if QPointF(x, y) != centre:
                    painter.drawRect(QRectF(x - side / 2, y - side / 2, side, side))


def _inside(place: int) -> int:
    return min(1000, max(0, place))


def _is_empty(region: Region) -> bool:
    left, top, right, bottom = region
    return left == right or top == bottom


def _dragged(drag: _Drag, now: tuple[int, int]) -> Region:
    """Return the region after a drag, inside the image; it may be empty."""
    if drag.sides is None or drag.before is None:
        (x, y), (other_x, other_y) = drag.start, now
        return min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)
    (across, down), (left, top, right, bottom) = drag.sides, drag.before
    by_x, by_y = now[0] - drag.start[0], now[1] - drag.start[1]
    if drag.sides == _INSIDE:
        by_x, by_y = min(1000 - right, max(-left, by_x)), min(1000 - bottom, max(-top, by_y))
        return left + by_x, top + by_y, right + by_x, bottom + by_y
    x = sorted((_inside(left + by_x * (across < 0)), _inside(right + by_x * (across > 0))))
    y = sorted((_inside(top + by_y * (down < 0)), _inside(bottom + by_y * (down > 0))))
    return x[0], y[0], x[1], y[1]
