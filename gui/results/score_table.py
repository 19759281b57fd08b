"""The per-class table, and the delegate that draws 95 % intervals to compare rows at a glance."""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QHeaderView, QStyledItemDelegate, QStyleOptionViewItem, QTableWidget

from gui.kit import theme
from gui.kit.value_table import VALUE_ROLE, ValueTable
from models.messages import Message

_Index = QModelIndex | QPersistentModelIndex
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter


class IntervalDelegate(QStyledItemDelegate):
    """The text of a cell, then a dot with whiskers on the scale of all rows; the interval `best` is shaded behind them.

    A row without a rank has a hollow dot, the first one is green.
    """

    def __init__(
        self, parent: QTableWidget, interval_of: Callable[[_Index], tuple[float, float, float] | None], *,
        text_px: int, rank_of: Callable[[_Index], int | None] = lambda _index: 0,
    ) -> None:  # fmt: skip
        """Args: `interval_of` returns (low, middle, high) of a cell; `text_px` is the width of its text."""
        super().__init__(parent)
        self._interval_of, self._rank_of, self._text_px = interval_of, rank_of, text_px
        self.low, self.high = 0.0, 1.0
        self.best: tuple[float, float] | None = None

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        return QSize(theme.scaled(140 + self._text_px), theme.scaled(30))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        super().paint(painter, option, index)
        interval, palette = self._interval_of(index), theme.colours()
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
        (low, middle, high), y, rank = interval, area.center().y(), self._rank_of(index)
        painter.setPen(QPen(QColor(palette.outline if rank is None else palette.text), 1.5))
        painter.drawLine(QPointF(at(low), y), QPointF(at(high), y))
        for end in (low, high):
            painter.drawLine(QPointF(at(end), y - 4), QPointF(at(end), y + 4))
        fill = palette.surface if rank is None else palette.good if rank == 1 else palette.train_line
        painter.setBrush(QColor(fill))
        painter.setPen(QPen(QColor(palette.outline if rank is None else palette.surface), 1.5))
        painter.drawEllipse(QPointF(at(middle), y), 5, 5)
        painter.restore()


class ScoreTable(ValueTable):
    """Classes with their scores; the last column holds (low, recall, high)."""

    def __init__(self, headers: Sequence[str]) -> None:
        self._names_px = 0  # of the longest name
        super().__init__(headers, name=Message("Scores of each class"))
        last = len(headers) - 1
        self.setItemDelegateForColumn(last, IntervalDelegate(self, _measured, text_px=96))
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setSectionResizeMode(last, QHeaderView.ResizeMode.Stretch)
        if (title := self.horizontalHeaderItem(last)) is not None:
            title.setTextAlignment(LEFT)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Hide columns where there is no room for all: the interval is the most important."""
        for place, needed in ((3, 640), (2, 560), (1, 420)):
            self.setColumnHidden(place, event.size().width() < theme.scaled(needed))
        super().resizeEvent(event)
        self._fit_names()

    def show_scores(self, rows: Sequence[Sequence[tuple[str, Any]]]) -> None:
        """Show classes; the names get their full width, up to a third of the table."""
        self.show_rows(rows)
        for line in range(self.rowCount()):
            if (item := self.item(line, self.columnCount() - 1)) is not None:
                item.setTextAlignment(LEFT)
        advance = self.fontMetrics().horizontalAdvance
        self._names_px = max((advance(cells[0][0]) for cells in rows), default=0) + theme.scaled(40)
        self._fit_names()

    def _fit_names(self) -> None:
        least = theme.scaled(140)
        self.setColumnWidth(0, min(max(self._names_px, least), max(least, self.width() // 3)))


def _measured(index: _Index) -> tuple[float, float, float] | None:
    low, middle, high = index.data(VALUE_ROLE)
    return (low, middle, high) if low >= 0 else None
