"""The history of a project as a list, newest first: choose the point to go back (or forward) to. Qt and plain data."""

from collections.abc import Sequence
from datetime import datetime

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QListWidget, QListWidgetItem, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text
from visionft.project.db.journal import Step

_BEGINNING = 0  # before the first step that is known
_ROLE = Qt.ItemDataRole.UserRole


class HistoryDialog(QDialog):
    """All steps that are known; the mark begins at the project as it is now, undone steps stand above it."""

    def __init__(self, parent: QWidget, steps: Sequence[Step]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("History"))
        self.setMinimumSize(theme.scaled(620), theme.scaled(480))
        self._now = next((step.step_id for step in steps if not step.is_undone), _BEGINNING)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Changes, newest first"))
        for step in steps:
            self._add(step.step_id, _words(step), is_undone=step.is_undone)
        self._add(_BEGINNING, tr("Before all of these"), is_undone=False)
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
            self.list,
            self._told,
            theme.SMALL,
            row(None, Button("Cancel", on_click=self.reject), self.go_button),
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self.list.currentRowChanged.connect(self._show_what_follows)
        self.list.itemActivated.connect(lambda _item: self.go_button.click())
        self.list.setCurrentRow(self._row_of(self._now))

    def chosen(self) -> int:
        """Return the step that is to be the newest; 0 for none."""
        return self.list.currentItem().data(_ROLE)

    def told(self) -> str:
        """Return what is said of the marked point."""
        return self._told.text()

    def _add(self, step_id: int, words: str, *, is_undone: bool) -> None:
        is_now = step_id == self._now
        item = QListWidgetItem(tr("{change}  (now)", change=words) if is_now else words)
        item.setData(_ROLE, step_id)
        font = item.font()
        font.setBold(is_now)
        font.setItalic(is_undone)
        item.setFont(font)
        self.list.addItem(item)

    def _row_of(self, step_id: int) -> int:
        ids = [self.list.item(place).data(_ROLE) for place in range(self.list.count())]
        return ids.index(step_id)

    def _show_what_follows(self, place: int) -> None:
        far = place - self._row_of(self._now)
        self.go_button.setEnabled(far != 0)
        words = tr("The project is at this point.")
        if far:
            words = tr("Changes that are undone: {count}.", count=far) if far > 0 else ""
            words = words or tr("Changes that are done again: {count}.", count=-far)
        self._told.setText(words)


def _words(step: Step) -> str:
    when = f"{datetime.fromtimestamp(step.at / 1000):%Y-%m-%d %H:%M}"
    return f"{when}   {tr('{change}  (undone)', change=tr(step.title)) if step.is_undone else tr(step.title)}"
