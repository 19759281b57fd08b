"""A region drawn on an image with the mouse or the keyboard. Knows Qt only; regions are thousandths of the sides."""

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent

from gui.kit.translation import tr
from gui.train.framing.seen_part import SeenPart
from visionft.data.preprocess import Region

KEY_STEP = 5  # thousandths of a side
_FIRST: Region = (250, 250, 750, 750)  # of an arrow key where nothing is drawn
_ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}


class RegionCanvas(SeenPart):
    """Edits one region: a drag draws a new one, arrow keys move it, with Shift they resize it."""

    changed = Signal()

    def __init__(self, region: Region | None) -> None:
        super().__init__(width=640, height=320)
        self.region: Region | None = None
        self._drag: tuple[tuple[int, int], Region | None] | None = None  # where it began, the region before
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
            self._drag = self._place(event.position()), self.region

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None:
            (x, y), (other_x, other_y) = self._drag[0], self._place(event.position())
            is_empty = x == other_x or y == other_y
            self._set(None if is_empty else (min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None and event.button() == Qt.MouseButton.LeftButton:
            if self.region is None:  # a click
                self._set(self._drag[1])
            self._drag = None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape and self._drag is not None:
            before, self._drag = self._drag[1], None
            self._set(before)
        elif key in _ARROWS and self._drag is None:
            self._step(*_ARROWS[key], resizes=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        else:
            super().keyPressEvent(event)

    def _step(self, across: int, down: int, *, resizes: bool) -> None:
        """Move the region by a step inside the image, or its right and lower sides; draw the first one."""
        if self.region is None:
            self._set(_FIRST)
            return
        left, top, right, bottom = self.region
        by_x = min(1000 - right, max(left + KEY_STEP - right if resizes else -left, KEY_STEP * across))
        by_y = min(1000 - bottom, max(top + KEY_STEP - bottom if resizes else -top, KEY_STEP * down))
        start = (left, top) if resizes else (left + by_x, top + by_y)
        self._set((*start, right + by_x, bottom + by_y))

    def _place(self, at: QPointF) -> tuple[int, int]:
        """Return a point of the widget in thousandths of the image's sides, inside it."""
        target = self.target()
        across, down = (at.x() - target.left()) / target.width(), (at.y() - target.top()) / target.height()
        return min(1000, max(0, round(1000 * across))), min(1000, max(0, round(1000 * down)))
