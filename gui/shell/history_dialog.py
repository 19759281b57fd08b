"""The history of a project as a list, newest first: choose the point to go back (or forward) to."""

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.messages import Message
from visionft.project.db.journal import Step

_BEGINNING = 0  # before the first known step


class HistoryDialog(Dialog):
    """All known steps; the selection starts at the current state, undone steps are above it."""

    def __init__(self, parent: QWidget, steps: Sequence[Step]) -> None:
        super().__init__(parent, Message("History"), width=620, height=480)
        self._now = next((step.step_id for step in steps if not step.is_undone), _BEGINNING)
        self._ids = [*(step.step_id for step in steps), _BEGINNING]
        columns = (Message("What changed"), Message("When"), Message("State"))
        self.table = ValueTable(columns, name="Changes, newest first", is_sortable=False, is_of_texts=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.horizontalHeader().setStretchLastSection(False)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        rows = []
        for step in steps:
            state = tr("now") if step.step_id == self._now else tr("undone") if step.is_undone else ""
            rows.append((tr(step.title), f"{datetime.fromtimestamp(step.at / 1000):%Y-%m-%d %H:%M}", state))
        rows.append((tr("Before all of these"), "", "" if self._now else tr("now")))
        cells = [[(words, words) for words in row] for row in rows]
        self.table.show_rows(cells, marked=[self._ids.index(self._now)])
        self.go_button = Button("Go to this point", role="primary", on_click=self.accept)
        self.go_button.setDefault(True)
        self.effect = text("", "small", wrap=True)
        note = Message(
            "The project goes to its state after the marked change. Nothing is lost: until you change something else "
            "you can go forward again."
        )
        buttons = row(None, Button("Cancel", on_click=self.reject), self.go_button)
        lead = (text("History", "title"), text(note, "muted", wrap=True))
        self.lay_out(*lead, theme.SMALL, self.table, self.effect, theme.SMALL, buttons)
        self.table.itemSelectionChanged.connect(self._show_effect)
        self.table.itemActivated.connect(lambda _item: self.go_button.click())
        self.table.selectRow(self._ids.index(self._now))

    def chosen(self) -> int:
        """Return the step to become the newest; 0 for none."""
        rows = self.table.selectionModel().selectedRows()
        return self._ids[rows[0].row()] if rows else self._now

    def _show_effect(self) -> None:
        far = self._ids.index(self.chosen()) - self._ids.index(self._now)
        self.go_button.setEnabled(far != 0)
        words = tr("The project is at this point.")
        if far:
            words = tr("Changes that are undone: {count}.", count=far) if far > 0 else ""
            words = words or tr("Changes that are done again: {count}.", count=-far)
        self.effect.setText(words)
