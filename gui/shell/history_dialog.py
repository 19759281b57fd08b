"""The history of a project as a list, newest first: choose the point to go back (or forward) to. Qt and plain data."""

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtWidgets import QAbstractItemView, QDialog, QHeaderView, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text
from gui.kit.value_table import ValueTable
from visionft.project.db.journal import Step

_BEGINNING = 0  # before the first step that is known


class HistoryDialog(QDialog):
    """All steps that are known; the mark begins at the project as it is now, undone steps stand above it."""

    def __init__(self, parent: QWidget, steps: Sequence[Step]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("History"))
        self.setMinimumSize(theme.scaled(620), theme.scaled(480))
        self._now = next((step.step_id for step in steps if not step.is_undone), _BEGINNING)
        self._ids = [*(step.step_id for step in steps), _BEGINNING]
        columns = ("What changed", "When", "State")
        self.table = ValueTable(columns, name="Changes, newest first", is_sortable=False, is_of_texts=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.horizontalHeader().setStretchLastSection(False)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        rows = [(tr(step.title), _when(step), self._state_of(step)) for step in steps]
        rows.append((tr("Before all of these"), "", "" if self._now else tr("now")))
        cells = [[(words, words) for words in row] for row in rows]
        self.table.show_rows(cells, marked=[self._ids.index(self._now)])
        self.go_button = Button("Go to this point", role="primary", on_click=self.accept)
        self.go_button.setDefault(True)
        self._told = text("", "small", wrap=True)
        note = (
            "The project goes to its state after the marked change. Nothing is lost: until you change something else "
            "you can go forward again."
        )
        layout = column(
            text("History", "title"),
            text(note, "muted", wrap=True),
            theme.SMALL,
            self.table,
            self._told,
            theme.SMALL,
            row(None, Button("Cancel", on_click=self.reject), self.go_button),
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self.table.itemSelectionChanged.connect(self._show_what_follows)
        self.table.itemActivated.connect(lambda _item: self.go_button.click())
        self.table.selectRow(self._ids.index(self._now))

    def chosen(self) -> int:
        """Return the step that is to be the newest; 0 for none."""
        rows = self.table.selectionModel().selectedRows()
        return self._ids[rows[0].row()] if rows else self._now

    def told(self) -> str:
        """Return what is said of the marked point."""
        return self._told.text()

    def _state_of(self, step: Step) -> str:
        return tr("now") if step.step_id == self._now else tr("undone") if step.is_undone else ""

    def _show_what_follows(self) -> None:
        far = self._ids.index(self.chosen()) - self._ids.index(self._now)
        self.go_button.setEnabled(far != 0)
        words = tr("The project is at this point.")
        if far:
            words = tr("Changes that are undone: {count}.", count=far) if far > 0 else ""
            words = words or tr("Changes that are done again: {count}.", count=-far)
        self._told.setText(words)


def _when(step: Step) -> str:
    return f"{datetime.fromtimestamp(step.at / 1000):%Y-%m-%d %H:%M}"
