"""The most probable classes as bars with their shares. Depends on Qt and plain data only."""

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme

LINE_PX = 40
MOST = 5


class ProbabilityBars(QWidget):
    """Up to a given number of bars, the first one strong unless all are doubtful."""

    def __init__(self) -> None:
        super().__init__()
        self.bars: tuple[tuple[str, float], ...] = ()
        self._most = MOST
        self._is_doubtful = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: tuple[tuple[str, float], ...], *, is_doubtful: bool = False, most: int = MOST) -> None:
        """Show (class, share of 1), best first; reserve room for `most` bars."""
        self.bars, self._is_doubtful, self._most = bars[:most], is_doubtful, most
        self.setAccessibleName("; ".join(f"{name} {share:.1%}" for name, share in self.bars))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        """Return room for the maximum number of bars, so that nothing jumps."""
        return QSize(220, self._most * theme.scaled(LINE_PX))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw name and share over each bar."""
        palette, painter, height = theme.colours(), QPainter(self), theme.scaled(LINE_PX)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for index, (name, share) in enumerate(self.bars):
            top, vertical = index * height, Qt.AlignmentFlag.AlignVCenter
            words, figure = QRect(0, top, self.width(), height - 14), f"{share:.1%}"
            room = self.width() - painter.fontMetrics().horizontalAdvance(figure) - 12
            font = painter.font()
            is_strong = index == 0 and not self._is_doubtful
            font.setBold(is_strong)
            painter.setFont(font)
            painter.setPen(QColor(palette.muted if self._is_doubtful else palette.text))
            shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, room)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignLeft | vertical), shown)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignRight | vertical), figure)
            painter.setPen(Qt.PenStyle.NoPen)
            groove = QRectF(0, top + height - 13, self.width(), 7)
            painter.setBrush(QColor(palette.sunken))
            painter.drawRoundedRect(groove, 3.5, 3.5)
            painter.setBrush(QColor(palette.accent if is_strong else palette.outline))
            painter.drawRoundedRect(QRectF(0, groove.top(), max(3.0, groove.width() * share), 7), 3.5, 3.5)
