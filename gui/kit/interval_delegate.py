"""The delegate that draws 95 % intervals, to compare rows at a glance."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen
from PySide6.QtWidgets import QStyleOptionViewItem, QTableWidget

from gui.kit import theme
from gui.kit.value_table import MarkDelegate

_Index = QModelIndex | QPersistentModelIndex
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class IntervalDelegate(MarkDelegate):
    """The text of a cell, then a dot with whiskers on the scale of all rows; the interval `best` is shaded behind them.

    A row without a rank has a hollow dot, the first one is green.
    """

    def __init__(
        self,
        parent: QTableWidget,
        interval_of: Callable[[_Index], tuple[float, float, float] | None],
        *,
        text_px: int,
        rank_of: Callable[[_Index], int | None] = lambda _index: 0,
    ) -> None:
        """Args: `interval_of` returns (low, middle, high) of a cell; `text_px` is the width of its text."""
        super().__init__(parent)
        self._interval_of, self._rank_of, self._text_px = interval_of, rank_of, text_px
        self.low, self.high = 0.0, 1.0
        self.best: tuple[float, float] | None = None

    def fit_scale(self, intervals: Sequence[tuple[float, ...]]) -> None:
        """Fit the scale to tens of percent around all (low, ..., high): from 0 on whiskers would be too small."""
        low = min((int(10 * each[0]) / 10 for each in intervals), default=0.0)
        high = max((-int(-10 * each[-1] - 0.999) / 10 for each in intervals), default=1.0)
        self.low = max(0.0, low)
        self.high = min(1.0, max(high, low + 0.1))

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        return QSize(theme.scaled(140 + self._text_px), theme.scaled(30))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        super().paint(painter, option, index)
        interval = self._interval_of(index)
        palette = theme.colours()
        area = QRectF(option.rect).adjusted(11 + theme.scaled(self._text_px), 0, -12, 0)
        if interval is None or area.width() < 40:
            return

        def at(share: float) -> float:
            return area.left() + area.width() * (share - self.low) / (self.high - self.low)

        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.best is not None:
            tint = QColor(palette.good)
            tint.setAlpha(28)
            ends = QPointF(at(self.best[0]), area.top()), QPointF(at(self.best[1]), area.bottom() + 1)
            painter.fillRect(QRectF(*ends), tint)
        low, middle, high = interval
        y = area.center().y()
        rank = self._rank_of(index)
        painter.setPen(QPen(QColor(palette.outline if rank is None else palette.text), 1.5))
        painter.drawLine(QPointF(at(low), y), QPointF(at(high), y))
        for end in (low, high):
            painter.drawLine(QPointF(at(end), y - 4), QPointF(at(end), y + 4))
        fill = palette.surface if rank is None else palette.good if rank == 1 else palette.train_line
        painter.setBrush(QColor(fill))
        painter.setPen(QPen(QColor(palette.outline if rank is None else palette.surface), 1.5))
        painter.drawEllipse(QPointF(at(middle), y), 5, 5)
        painter.restore()
