"""The table of training runs. Knows Qt and plain data only."""

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from gui import theme

_Index = QModelIndex | QPersistentModelIndex
SORT_ROLE = Qt.ItemDataRole.UserRole
_COLUMNS = ("Run", "Backbone", "Method", "Epochs", "Best accuracy", "Lowest loss", "State")
_NUMERIC = (3, 4, 5)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in figures; `accuracy` and `loss` are those of its best epoch, None before the first has ended."""

    name: str
    backbone: str
    method: str
    epochs: int
    planned_epochs: int
    accuracy: float | None
    loss: float | None
    state: str


class RunTableModel(QAbstractTableModel):
    """The runs as an item model."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[RunRow] = []

    def set_rows(self, rows: list[RunRow]) -> None:
        """Replace all rows."""
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of runs."""
        return len(self.rows)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return len(_COLUMNS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the column titles."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return _COLUMNS[section]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, alignment or the value to sort by."""
        row, column = self.rows[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return _texts(row)[column]
        if role == SORT_ROLE:
            return _sort_values(row)[column]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        return None


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMERIC else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _texts(row: RunRow) -> tuple[str, ...]:
    accuracy = "–" if row.accuracy is None else f"{row.accuracy:.1%}"
    loss = "–" if row.loss is None else f"{row.loss:.3f}"
    epochs = f"{row.epochs} of {row.planned_epochs}"
    return (row.name, row.backbone, row.method, epochs, accuracy, loss, row.state)


def _sort_values(row: RunRow) -> tuple[Any, ...]:
    accuracy = -1.0 if row.accuracy is None else row.accuracy
    loss = float("inf") if row.loss is None else row.loss
    return (row.name, row.backbone, row.method, row.epochs, accuracy, loss, row.state)


class RunTable(QTableView):
    """All runs; `selection_changed` carries the chosen names in the order shown."""

    selection_changed = Signal(list)

    def __init__(self, *, is_multiple: bool = False) -> None:
        super().__init__()
        self._rows = RunTableModel()
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._rows)
        self._sorted.setSortRole(SORT_ROLE)
        self.setModel(self._sorted)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.DescendingOrder)
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.ExtendedSelection if is_multiple else mode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Training runs")
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(32))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit(self.selected()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave columns out where there is no room for all."""
        width = event.size().width()
        for column, needed in ((5, 820), (3, 720), (1, 560)):
            self.setColumnHidden(column, width < theme.scaled(needed))
        super().resizeEvent(event)

    def set_rows(self, rows: list[RunRow]) -> None:
        """Show these runs; keep the selection where its runs still exist, else choose the newest."""
        if rows == self._rows.rows:
            return
        chosen = self.selected()
        self._rows.set_rows(rows)
        kept = [name for name in chosen if any(row.name == name for row in rows)]
        self.select(kept or [row.name for row in rows[-1:]])

    def selected(self) -> list[str]:
        """Return the names of the chosen runs."""
        indexes = sorted(self.selectionModel().selectedRows(), key=lambda index: index.row())
        return [index.data() for index in indexes]

    def select(self, names: list[str]) -> None:
        """Choose these runs."""
        self.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for line in range(self.model().rowCount()):
            index = self.model().index(line, 0)
            if index.data() in names:
                self.selectionModel().select(index, flags)
                # Not the view's own `setCurrentIndex`: it toggles while Ctrl is down, and Ctrl+5 opens a page.
                self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)
