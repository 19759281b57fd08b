"""The table of training runs: colour, name (edited in place), figures; pinned runs on top. Knows plain data only."""

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QPainter, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.icons import pixmap

_Index = QModelIndex | QPersistentModelIndex
SORT_ROLE, ROW_ROLE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
_COLUMNS = ("Name", "Backbone", "Method", "Epochs", "Accuracy", "Loss", "State")
_NUMERIC = (3, 4, 5)
_OF_KEPT = (3, 4, 5)  # what these say is of the epoch that is kept, or leads to asking which one that is
ROW_PX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """One run in figures.

    Attributes:
        name: Its folder's name, by which it is known.
        title: The name to show.
        colour: Its place among the colours; the same in the chart.
        accuracy: On validation, of the epoch it kept, as is `loss`; None before the first has ended.
        kept: Which epoch that is, and why, in words.
    """

    name: str
    title: str
    colour: int
    backbone: str
    method: str
    epochs: int
    planned_epochs: int
    accuracy: float | None
    loss: float | None
    state: str
    is_pinned: bool = False
    kept: str = ""


class RunTableModel(QAbstractTableModel):
    """The runs as an item model; the first column can be edited where `is_editable`."""

    renamed = Signal(str, str)  # name, new title

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[RunRow] = []
        self.is_editable = False

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

    def flags(self, index: _Index) -> Qt.ItemFlag:
        """Let the name be edited."""
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == 0 and self.is_editable else flags

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the column titles."""
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return tr(_COLUMNS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return text, alignment or the value to sort by."""
        row, column = self.rows[index.row()], index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return _texts(row)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(row, column)
        if role == Qt.ItemDataRole.AccessibleTextRole and column == 0 and row.is_pinned:
            return f"{row.title}, {tr('pinned')}"
        if role == SORT_ROLE:
            return _sort_values(row)[column]
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        return None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Tell that the user gave a run another name; whoever keeps the runs then shows it."""
        row = self.rows[index.row()]
        if role != Qt.ItemDataRole.EditRole or str(value).strip() == row.title:
            return False
        self.renamed.emit(row.name, str(value).strip())
        return True


def _tip(row: RunRow, column: int) -> str:
    if column == 0:
        return row.title if row.title == row.name else f"{row.title}\n{row.name}"
    return row.kept if column in _OF_KEPT and row.kept else _texts(row)[column]


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMERIC else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _texts(row: RunRow) -> tuple[str, ...]:
    accuracy = "–" if row.accuracy is None else f"{row.accuracy:.1%}"
    loss = "–" if row.loss is None else f"{row.loss:.3f}"
    values = {"done": row.epochs, "planned": row.planned_epochs}
    epochs = tr("{done} of {planned}", **values) if row.planned_epochs else "–"
    return (row.title, row.backbone, row.method, epochs, accuracy, loss, row.state)


def _sort_values(row: RunRow) -> tuple[Any, ...]:
    accuracy = -1.0 if row.accuracy is None else row.accuracy
    loss = float("inf") if row.loss is None else row.loss
    return (row.title.casefold(), row.backbone, row.method, row.epochs, accuracy, loss, row.state)


class _PinnedFirst(QSortFilterProxyModel):
    """Sorts by the chosen column, in both directions below the pinned runs."""

    def lessThan(self, left: _Index, right: _Index) -> bool:
        first, second = left.data(ROW_ROLE).is_pinned, right.data(ROW_ROLE).is_pinned
        if first != second:
            return first == (self.sortOrder() == Qt.SortOrder.AscendingOrder)
        return left.data(SORT_ROLE) < right.data(SORT_ROLE)


class _NameDelegate(QStyledItemDelegate):
    """A run's name behind its colour, with a pin where it is pinned."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        row: RunRow = index.data(ROW_ROLE)
        super().paint(painter, self._beside(option, row), index)
        swatch = QRectF(option.rect.left() + 11, option.rect.center().y() - 5, 11, 11)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.class_colour(row.colour))
        painter.drawRoundedRect(swatch, 3, 3)
        if row.is_pinned:
            side = theme.scaled(14)
            picture = pixmap("pin", theme.colours().accent, size=side)
            painter.drawPixmap(option.rect.right() - side - 6, option.rect.center().y() - side // 2, picture)
        painter.restore()

    def updateEditorGeometry(self, editor, option: QStyleOptionViewItem, index: _Index) -> None:
        """Edit the name where it stands, behind the colour."""
        editor.setGeometry(option.rect.adjusted(20, 0, 0, 0))

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        """Return room for colour, name and pin."""
        return super().sizeHint(option, index) + QSize(theme.scaled(44), 0)

    def _beside(self, option: QStyleOptionViewItem, row: RunRow) -> QStyleOptionViewItem:
        beside = QStyleOptionViewItem(option)
        beside.rect = option.rect.adjusted(20, 0, -theme.scaled(22) if row.is_pinned else 0, 0)
        return beside


class RunTable(QTableView):
    """All runs; `selection_changed` carries the chosen names in the order shown."""

    selection_changed = Signal(list)
    renamed = Signal(str, str)  # name, new title

    def __init__(self, *, is_multiple: bool = False) -> None:
        super().__init__()
        self._rows = RunTableModel()
        self._rows.is_editable = is_multiple
        self._rows.renamed.connect(self.renamed)
        self._preferred = ""
        self._sorted = _PinnedFirst(self)
        self._sorted.setSourceModel(self._rows)
        self._sorted.setSortRole(SORT_ROLE)
        self.setModel(self._sorted)
        self.setItemDelegateForColumn(0, _NameDelegate(self))
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.DescendingOrder)
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.ExtendedSelection if is_multiple else mode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setEditTriggers(QAbstractItemView.EditTrigger.EditKeyPressed)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Training runs"))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(ROW_PX))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit(self.selected()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Leave columns out where there is no room for all."""
        width = event.size().width()
        for column, needed in ((5, 820), (3, 720), (1, 620), (2, 520), (6, 400)):
            self.setColumnHidden(column, width < theme.scaled(needed))
        super().resizeEvent(event)

    def height_of_rows(self) -> int:
        """Return the height at which all rows are seen."""
        rows = max(1, self.model().rowCount()) * self.verticalHeader().defaultSectionSize()
        return self.horizontalHeader().sizeHint().height() + rows + 2

    def set_rows(self, rows: list[RunRow], *, preferred: str) -> None:
        """Show these runs; choose the preferred one, unless the user chose others that still exist."""
        if rows == self._rows.rows:
            return
        chosen = [] if self.selected() == [self._preferred] else self.selected()
        self._preferred = preferred
        was_silent = self.blockSignals(True)  # one change of the selection, not one for each step of it
        self._rows.set_rows(rows)
        kept = [name for name in chosen if any(row.name == name for row in rows)]
        self.select(kept or ([preferred] if preferred else []))
        self.blockSignals(was_silent)
        self.selection_changed.emit(self.selected())

    def selected(self) -> list[str]:
        """Return the names of the chosen runs."""
        indexes = sorted(self.selectionModel().selectedRows(), key=lambda index: index.row())
        return [index.data(ROW_ROLE).name for index in indexes]

    def select(self, names: list[str]) -> None:
        """Choose these runs."""
        self.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for line in range(self.model().rowCount()):
            index = self.model().index(line, 0)
            if index.data(ROW_ROLE).name in names:
                self.selectionModel().select(index, flags)
                # Not the view's own `setCurrentIndex`: it toggles while Ctrl is down, and Ctrl+5 opens a page.
                self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)

    def edit_name(self) -> None:
        """Let the user edit the name of the first chosen run in place."""
        indexes = self.selectionModel().selectedRows()
        if indexes:
            self.edit(min(indexes, key=lambda index: index.row()))
