"""The table of classes: colour, name, images per split as numbers and as a bar. Depends on Qt and plain data only."""

from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QStyleOptionViewItem

from gui.kit import theme
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.messages import Text

_Index = QModelIndex | QPersistentModelIndex
_HEADERS: tuple[Text, ...] = ("Class", "Images", "Training", "Validation", "Test", "Balance")
_BAR_COLUMN = 5
_ROW_ROLE = Qt.ItemDataRole.UserRole + 7
_MOST_ROWS = 12  # without scrolling


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class: its colour, and the number of its labelled images in each split."""

    colour: theme.ClassColour
    name: str
    total: int
    train: int
    val: int
    test: int


class _NameDelegate(QStyledItemDelegate):
    """A class name behind its colour."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        swatch = QRectF(option.rect.left() + 11, option.rect.center().y() - 5, 11, 11)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.class_colour(index.data(_ROW_ROLE).colour))
        painter.drawRoundedRect(swatch, 3, 3)
        painter.restore()
        option.rect.adjust(20, 0, 0, 0)
        super().paint(painter, option, index)


class _BarDelegate(QStyledItemDelegate):
    """Training, validation, test and unsplit images as one bar; its length shows the size of the class."""

    largest = 1

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        row: ClassRow = index.data(_ROW_ROLE)
        rest = row.total - row.train - row.val - row.test
        palette = theme.colours()
        parts = ((row.train, palette.train_line), (row.val, palette.val_line), (row.test, palette.test_line))
        area = QRectF(option.rect).adjusted(11, 0, -8, 0)
        bar = QRectF(area.left(), area.center().y() - 4, area.width(), 8)
        painter.save()
        painter.fillRect(bar, QColor(palette.sunken))
        left = bar.left()
        for count, colour in (*parts, (rest, palette.grey_line)):
            width = bar.width() * count / self.largest
            painter.fillRect(QRectF(left, bar.top(), width, bar.height()), QColor(colour))
            left += width
        painter.restore()

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        return QSize(160, theme.scaled(30))


class ClassTable(ValueTable):
    """All classes of the project; as tall as its rows, up to twelve."""

    def __init__(self) -> None:
        super().__init__(_HEADERS, name="Classes")
        self._bars = _BarDelegate(self)
        self.setItemDelegateForColumn(0, _NameDelegate(self))
        self.setItemDelegateForColumn(_BAR_COLUMN, self._bars)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        header = self.horizontalHeader()
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)  # at first in the order of the class list
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, name in enumerate(_HEADERS):
            header.resizeSection(column, header.fontMetrics().horizontalAdvance(tr(name)) + theme.scaled(30))
        header.resizeSection(_BAR_COLUMN, theme.scaled(130))
        if (title := self.horizontalHeaderItem(_BAR_COLUMN)) is not None:
            title.setTextAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def show_classes(self, rows: list[ClassRow]) -> None:
        self._bars.largest = max((row.total for row in rows), default=1) or 1
        cells = []
        for row in rows:
            counts = [(f"{count:,}", count) for count in (row.total, row.train, row.val, row.test)]
            cells.append([(row.name, row.name.casefold()), *counts, ("", row.total)])
        self.show_rows(cells)
        by_name = {row.name: row for row in rows}
        for line in range(self.rowCount()):
            row = by_name[self.model().index(line, 0).data()]
            for column in (0, _BAR_COLUMN):
                self.model().setData(self.model().index(line, column), row, _ROW_ROLE)
        height = self.horizontalHeader().sizeHint().height() + 4
        height += min(max(len(rows), 1), _MOST_ROWS) * self.verticalHeader().defaultSectionSize()
        self.setMinimumHeight(height)
        self.setMaximumHeight(height if len(rows) <= _MOST_ROWS else 16777215)
