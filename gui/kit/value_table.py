"""A plain table of texts with aligned columns, marked rows and sorting by value."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, Qt
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QTableWidget, QTableWidgetItem

from gui.kit import theme
from gui.kit.translation import tr

VALUE_ROLE, MARK_ROLE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1


class _ValueItem(QTableWidgetItem):
    """A cell that sorts by its value, not by its text."""

    def __init__(self, shown: str, value: Any) -> None:
        super().__init__(shown)
        self._value = value
        self.setData(VALUE_ROLE, value)
        self.setToolTip(shown)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return self._value < other._value if isinstance(other, _ValueItem) else False


class MarkDelegate(QStyledItemDelegate):
    """Tints marked rows: the style sheet would draw over an item's own background."""

    def paint(self, painter: QPainter, option: Any, index: QModelIndex | QPersistentModelIndex) -> None:
        if index.data(MARK_ROLE):
            painter.fillRect(option.rect, QColor(theme.colours().hover))
        super().paint(painter, option, index)


class ValueTable(QTableWidget):
    """Read-only; the first column stretches, the others are as wide as their text.

    If the values are texts rather than numbers (`is_of_texts`), they are left-aligned, next to their names.
    """

    def __init__(
        self, headers: Sequence[str], *, name: str, is_sortable: bool = True, is_of_texts: bool = False
    ) -> None:
        super().__init__(0, len(headers))
        self._is_of_texts, self._is_sortable = is_of_texts, is_sortable
        self.setAccessibleName(tr(name))
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setItemDelegate(MarkDelegate(self))
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(30))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        if is_of_texts:
            header.setStretchLastSection(True)
        else:
            header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self.show_columns(headers)

    def show_columns(self, headers: Sequence[str]) -> None:
        """Replace the columns; the rows must be shown again afterwards."""
        self.setColumnCount(len(headers))
        self.setHorizontalHeaderLabels([tr(name) for name in headers])
        for place in range(len(headers)):
            if (title := self.horizontalHeaderItem(place)) is not None:
                title.setTextAlignment(self._alignment(place))

    def _alignment(self, place: int) -> Qt.AlignmentFlag:
        is_figure = place > 0 and not self._is_of_texts
        side = Qt.AlignmentFlag.AlignRight if is_figure else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter

    def show_rows(self, rows: Sequence[Sequence[tuple[str, Any]]], *, marked: Sequence[int] = ()) -> None:
        """Show rows of (text, sort value); `marked` rows are bold, on a tinted background."""
        self.setSortingEnabled(False)
        self.setRowCount(len(rows))
        for line, cells in enumerate(rows):
            for place, (shown, value) in enumerate(cells):
                item = _ValueItem(shown, value)
                item.setTextAlignment(self._alignment(place))
                if line in marked:
                    font = item.font()
                    font.setWeight(QFont.Weight.DemiBold)
                    item.setFont(font)
                    item.setData(MARK_ROLE, True)
                self.setItem(line, place, item)
        self.setSortingEnabled(self._is_sortable)

    def fit_rows(self, most: int = 1000) -> None:
        """Fix the height at that of its rows, at most so many."""
        rows = min(max(1, self.rowCount()), most) * self.verticalHeader().defaultSectionSize()
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + rows + theme.TIGHT)

    def texts(self) -> list[list[str]]:
        return [
            [item.text() if (item := self.item(line, place)) else "" for place in range(self.columnCount())]
            for line in range(self.rowCount())
        ]
