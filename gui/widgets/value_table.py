"""A plain table of texts with aligned columns, marked rows and sorting by value. Knows Qt and plain data only."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QColor
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableWidget, QTableWidgetItem

from gui import theme
from gui.i18n import tr

VALUE_ROLE = Qt.ItemDataRole.UserRole


class _ValueItem(QTableWidgetItem):
    """A cell that sorts by its value, not by its text."""

    def __init__(self, shown: str, value: Any) -> None:
        super().__init__(shown)
        self._value = value
        self.setData(VALUE_ROLE, value)
        self.setToolTip(shown)

    def __lt__(self, other: QTableWidgetItem) -> bool:
        return self._value < other._value if isinstance(other, _ValueItem) else False


class ValueTable(QTableWidget):
    """Read-only; the first column stretches, the others are as wide as their text."""

    def __init__(self, headers: Sequence[str], *, name: str, is_sortable: bool = True) -> None:
        super().__init__(0, len(headers))
        self.setHorizontalHeaderLabels([tr(name) for name in headers])
        self.setAccessibleName(name)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(30))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._is_sortable = is_sortable
        header.setSortIndicator(0, Qt.SortOrder.AscendingOrder)
        self._align_titles()

    def show_columns(self, headers: Sequence[str]) -> None:
        """Show other columns; the rows are to be shown anew afterwards."""
        self.setColumnCount(len(headers))
        self.setHorizontalHeaderLabels([tr(name) for name in headers])
        self._align_titles()

    def _align_titles(self) -> None:
        for place in range(self.columnCount()):
            side = Qt.AlignmentFlag.AlignRight if place else Qt.AlignmentFlag.AlignLeft
            if (title := self.horizontalHeaderItem(place)) is not None:
                title.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)

    def show_rows(self, rows: Sequence[Sequence[tuple[str, Any]]], *, marked: Sequence[int] = ()) -> None:
        """Show rows of (text, value to sort by); `marked` rows are bold, on a tinted ground."""
        self.setSortingEnabled(False)
        self.setRowCount(len(rows))
        for line, cells in enumerate(rows):
            for place, (shown, value) in enumerate(cells):
                item = _ValueItem(shown, value)
                side = Qt.AlignmentFlag.AlignRight if place else Qt.AlignmentFlag.AlignLeft
                item.setTextAlignment(side | Qt.AlignmentFlag.AlignVCenter)
                if line in marked:
                    font = item.font()
                    font.setBold(True)
                    item.setFont(font)
                self.setItem(line, place, item)
        self._tint()
        self.setSortingEnabled(self._is_sortable)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        if event.type() == QEvent.Type.PaletteChange:
            self._tint()
        super().changeEvent(event)

    def _tint(self) -> None:
        ground = QColor(theme.colours().warn_soft)
        for line in range(self.rowCount()):
            for place in range(self.columnCount()):
                item = self.item(line, place)
                if item is not None and item.font().bold():
                    item.setBackground(ground)

    def texts(self) -> list[list[str]]:
        """Return what the rows say, in the order shown."""
        return [
            [item.text() if (item := self.item(line, place)) else "" for place in range(self.columnCount())]
            for line in range(self.rowCount())
        ]
