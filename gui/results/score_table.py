"""The per-class table: scores, and the recall's 95 % interval drawn so that classes compare at a glance."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QHeaderView, QStyledItemDelegate, QStyleOptionViewItem

from gui.kit import theme
from gui.kit.value_table import VALUE_ROLE, ValueTable

_Index = QModelIndex | QPersistentModelIndex
BAR_PX, TEXT_PX = 140, 96


class ScoreTable(ValueTable):
    """Classes with their scores; the last column holds (low, recall, high)."""

    def __init__(self, headers: Sequence[str]) -> None:
        super().__init__(headers, name="Scores of each class")
        last = len(headers) - 1
        self.setItemDelegateForColumn(last, _IntervalDelegate(self))
        self.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Interactive)
        self.horizontalHeader().setSectionResizeMode(last, QHeaderView.ResizeMode.Stretch)
        if (title := self.horizontalHeaderItem(last)) is not None:
            title.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave columns out where there is no room for all: the interval says most."""
        for place, needed in ((3, 640), (2, 560)):
            self.setColumnHidden(place, event.size().width() < theme.scaled(needed))
        super().resizeEvent(event)

    def show_scores(self, rows: Sequence[Sequence[tuple[str, Any]]]) -> None:
        """Show classes; the names get as much room as they need, up to a third of the width."""
        self.show_rows(rows)
        metrics = self.fontMetrics()
        wanted = max((metrics.horizontalAdvance(cells[0][0]) for cells in rows), default=0) + theme.scaled(40)
        self.setColumnWidth(0, min(max(wanted, theme.scaled(140)), max(theme.scaled(140), self.width() // 3)))


class _IntervalDelegate(QStyledItemDelegate):
    """A bar up to the recall, a whisker over its interval, and both ends in figures."""

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        """Return room for the bar and the figures."""
        return QSize(theme.scaled(BAR_PX + TEXT_PX), theme.scaled(30))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw the interval of one class."""
        palette = theme.colours()
        low, middle, high = index.data(VALUE_ROLE)
        area = QRectF(option.rect).adjusted(11, 0, -8, 0)
        figures = theme.scaled(TEXT_PX)
        bar = QRectF(area.left(), area.center().y() - 4, area.width() - figures, 8)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.fillRect(bar, QColor(palette.sunken))
        painter.fillRect(QRectF(bar.left(), bar.top(), bar.width() * middle, bar.height()), QColor(palette.train_line))
        painter.setPen(QPen(QColor(palette.text), 1.6))
        left, right = bar.left() + bar.width() * low, bar.left() + bar.width() * high
        painter.drawLine(QPointF(left, bar.center().y()), QPointF(right, bar.center().y()))
        for x in (left, right):
            painter.drawLine(QPointF(x, bar.top() - 3), QPointF(x, bar.bottom() + 3))
        painter.setPen(QColor(palette.text))
        room = QRectF(bar.right(), area.top(), figures, area.height())
        painter.drawText(room, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), index.data())
        painter.restore()
