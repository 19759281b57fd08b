"""How many findings have which score, as a strip of bars with the threshold in it. Knows Qt and plain data only."""

import math
from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.i18n import tr

BINS = 24
WIDTH_PX, HEIGHT_PX = 150, 30


class ScoreStrip(QWidget):
    """Bars from a score of 1 at the left to 0 at the right, as the slider; a click chooses a threshold."""

    threshold_chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        self.counts: list[int] = [0] * BINS
        self.threshold = 0.5
        self.setFixedSize(self.sizeHint())
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(tr("How the scores spread"))
        self.setToolTip(tr("How many pictures have which score: the worst at the left, those that are shown in colour"))

    def sizeHint(self) -> QSize:
        """Return its size."""
        return QSize(theme.scaled(WIDTH_PX), theme.scaled(HEIGHT_PX))

    def show_scores(self, scores: Iterable[float], threshold: float) -> None:
        """Show how scores from 0 to 1 spread, and which of them the threshold lets through."""
        self.counts, self.threshold = [0] * BINS, threshold
        for score in scores:
            self.counts[min(BINS - 1, int((1 - score) * BINS))] += 1
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take the score at the pointer as the threshold."""
        self._choose(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Follow the pointer while the button is down."""
        if event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event)

    def _choose(self, event: QMouseEvent) -> None:
        self.threshold_chosen.emit(min(1.0, max(0.0, 1 - event.position().x() / max(1, self.width()))))

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the bars, their height by the square root: many have little, and few are bad."""
        painter, palette = QPainter(self), theme.colours()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        wide, high = self.width() / BINS, self.height() - 2
        most = math.sqrt(max(1, *self.counts))
        for place, count in enumerate(self.counts):
            is_shown = 1 - (place + 0.5) / BINS >= self.threshold
            painter.setBrush(QColor(palette.accent if is_shown else palette.grey_line))
            tall = max(2.0, high * math.sqrt(count) / most) if count else 0.0
            painter.drawRoundedRect(QRectF(place * wide + 0.5, high - tall, wide - 1.0, tall), 1.5, 1.5)
        painter.setPen(QColor(palette.border))
        painter.drawLine(QPointF(0, high + 0.5), QPointF(self.width(), high + 0.5))
        painter.setPen(QColor(palette.text))
        at = (1 - self.threshold) * (self.width() - 1)
        painter.drawLine(QPointF(at, 0), QPointF(at, self.height()))
