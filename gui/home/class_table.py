"""The table of classes: colour, name, pictures per split as numbers and as a bar. Knows Qt and plain data only."""

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
)
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from gui.kit import theme
from gui.kit.i18n import tr

_Index = QModelIndex | QPersistentModelIndex
SORT_ROLE = Qt.ItemDataRole.UserRole
ROW_ROLE = Qt.ItemDataRole.UserRole + 1
_HEADERS = ("Class", "Pictures", "Training", "Validation", "Test", "Balance")
_BAR_COLUMN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRow:
    """One class: its colour, and how many labelled pictures each split has of it."""

    colour: theme.ClassColour
    name: str
    total: int
    train: int
    val: int
    test: int


class ClassTableModel(QAbstractTableModel):
    """The rows as an item model; numbers sort as numbers."""

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[ClassRow] = []
        self.largest = 1

    def set_rows(self, rows: list[ClassRow]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self._rows = rows
        self.largest = max((row.total for row in rows), default=1) or 1
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of classes."""
        return len(self._rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return len(_HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the column titles."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _HEADERS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if 0 < section < _BAR_COLUMN else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, alignment or the value to sort by."""
        row, column = self._rows[index.row()], index.column()
        values = (row.name, row.total, row.train, row.val, row.test, row.total)
        if role == Qt.ItemDataRole.DisplayRole and column != _BAR_COLUMN:
            return row.name if column == 0 else f"{values[column]:,}"
        if role == SORT_ROLE:
            return row.name.casefold() if column == 0 else values[column]
        if role == Qt.ItemDataRole.TextAlignmentRole and 0 < column < _BAR_COLUMN:
            return Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        if role == Qt.ItemDataRole.ToolTipRole and column == 0:
            return row.name
        if role == ROW_ROLE:
            return row
        return None


class _NameDelegate(QStyledItemDelegate):
    """A class name behind its colour."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        swatch = QRectF(option.rect.left() + 11, option.rect.center().y() - 5, 11, 11)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.class_colour(index.data(ROW_ROLE).colour))
        painter.drawRoundedRect(swatch, 3, 3)
        painter.restore()
        option.rect.adjust(20, 0, 0, 0)
        super().paint(painter, option, index)


class _BarDelegate(QStyledItemDelegate):
    """Training, validation, test and not yet divided pictures as one bar, long as the class is large."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        model = index.model()
        source = model.sourceModel() if isinstance(model, QSortFilterProxyModel) else model
        assert isinstance(source, ClassTableModel)
        row: ClassRow = index.data(ROW_ROLE)
        rest = row.total - row.train - row.val - row.test
        palette = theme.colours()
        parts = ((row.train, palette.train_line), (row.val, palette.val_line), (row.test, palette.test_line))
        area = QRectF(option.rect).adjusted(11, 0, -8, 0)
        bar = QRectF(area.left(), area.center().y() - 4, area.width(), 8)
        painter.save()
        painter.setPen(Qt.PenStyle.NoPen)
        painter.fillRect(bar, QColor(palette.sunken))
        left = bar.left()
        for count, colour in (*parts, (rest, palette.grey_line)):
            width = bar.width() * count / source.largest
            painter.fillRect(QRectF(left, bar.top(), width, bar.height()), QColor(colour))
            left += width
        painter.restore()

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        return QSize(160, theme.scaled(30))


class ClassTable(QTableView):
    """All classes of the project; as tall as its rows, up to twelve."""

    def __init__(self) -> None:
        super().__init__()
        self._rows = ClassTableModel()
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._rows)
        self._sorted.setSortRole(SORT_ROLE)
        self.setModel(self._sorted)
        self.setItemDelegateForColumn(0, _NameDelegate(self))
        self.setItemDelegateForColumn(_BAR_COLUMN, _BarDelegate(self))
        self.setSortingEnabled(True)
        self.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setTabKeyNavigation(False)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Classes"))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(30))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column, name in enumerate(_HEADERS):
            header.resizeSection(column, header.fontMetrics().horizontalAdvance(name) + theme.scaled(30))
        header.resizeSection(_BAR_COLUMN, theme.scaled(130))

    def set_rows(self, rows: list[ClassRow]) -> None:
        """Show these classes, keeping the chosen order."""
        self._rows.set_rows(rows)
        shown = min(max(len(rows), 1), 12)
        height = self.horizontalHeader().sizeHint().height() + shown * self.verticalHeader().defaultSectionSize() + 4
        self.setMinimumHeight(height)
        self.setMaximumHeight(height if len(rows) <= 12 else 16777215)

    def texts(self) -> list[list[str]]:
        """Return what the rows say, in the order shown."""
        model = self.model()
        return [[model.index(r, c).data() or "" for c in range(_BAR_COLUMN)] for r in range(model.rowCount())]
