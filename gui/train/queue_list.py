"""The training runs that wait: drag or move them, tweak, take out, try again. Knows Qt, keys and plain data only."""

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from gui.actions import Actions
from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.icons import icon
from gui.kit.parts import Button, Card, IconButton, row, text


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """One run that waits; `failure` says why it could not be trained."""

    number: int
    title: str
    details: str
    failure: str = ""


class QueueList(Card):
    """The queue with its buttons; they act on the chosen run."""

    moved = Signal(int, int)  # number, new place
    removed = Signal(int)
    tweak_requested = Signal(int)
    retry_requested = Signal(int)
    start_requested = Signal()

    def __init__(self, actions: Actions) -> None:
        """Args: `actions` give the keys."""
        super().__init__()
        self._title = text("Queue", "heading")
        self._words = text("", "small", wrap=True)
        self.start_button = Button("Start queue", "play", role="quiet", on_click=self.start_requested.emit)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Training runs that wait"))
        self.list.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.list.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.model().rowsMoved.connect(self._on_rows_moved)
        self.list.currentRowChanged.connect(self._show_enabled)
        self.up_button = IconButton("chevron-up", "Move up")
        self.down_button = IconButton("chevron-down", "Move down")
        self.tweak_button = IconButton("edit", "Take it out and change its settings")
        self.retry_button = IconButton("refresh", "Try again")
        self.remove_button = IconButton("trash", "Take it out of the queue")
        for button, act in (
            (self.up_button, lambda: self.move_chosen(-1)),
            (self.down_button, lambda: self.move_chosen(1)),
            (self.tweak_button, lambda: self._emit(self.tweak_requested)),
            (self.retry_button, lambda: self._emit(self.retry_requested)),
            (self.remove_button, self.remove_chosen),
        ):
            button.clicked.connect(lambda _checked=False, act=act: act())
        for button, name in (
            (self.up_button, "queue.up"),
            (self.down_button, "queue.down"),
            (self.remove_button, "queue.remove"),
        ):
            actions.attach(button, name, enables=False)
            actions.bind(name, self.list)
        self.body.addLayout(row(self._title, None, self.start_button))
        self.body.addWidget(self._words)
        self.body.addWidget(self.list, 1)
        self.body.addLayout(
            row(self.up_button, self.down_button, None, self.retry_button, self.tweak_button, self.remove_button)
        )

    def show_runs(self, rows: Sequence[QueueRow], *, is_held: bool) -> None:
        """Show what waits; `is_held` when nothing runs that the queue would follow."""
        chosen = self.chosen()
        self.list.blockSignals(True)
        self.list.clear()
        for index, run in enumerate(rows, 1):
            item = QListWidgetItem(f"{index}. {run.title}\n{run.failure or run.details}")
            item.setData(Qt.ItemDataRole.UserRole, run)
            item.setToolTip(f"{run.title}\n{run.details}\n{run.failure}".strip())
            if run.failure:
                item.setIcon(icon("error", theme.colours().bad))
            self.list.addItem(item)
            if run.number == chosen:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        waiting = sum(not run.failure for run in rows)
        self.start_button.setVisible(is_held and waiting > 0)
        self._words.setText(_words(waiting, len(rows) - waiting, is_held))
        self._show_enabled()

    def numbers(self) -> list[int]:
        """Return the runs in the order shown."""
        return [self._run(index).number for index in range(self.list.count())]

    def chosen(self) -> int:
        """Return the number of the chosen run, or 0."""
        index = self.list.currentRow()
        return self._run(index).number if index >= 0 else 0

    def _run(self, index: int) -> QueueRow:
        return self.list.item(index).data(Qt.ItemDataRole.UserRole)

    def _emit(self, signal) -> None:
        if number := self.chosen():
            signal.emit(number)

    def remove_chosen(self) -> None:
        """Take the chosen run out."""
        self._emit(self.removed)

    def move_chosen(self, step: int) -> None:
        """Move the chosen run up (-1) or down (1)."""
        index = self.list.currentRow() + step
        if self.chosen() and 0 <= index < self.list.count():
            self.moved.emit(self.chosen(), index)

    def _on_rows_moved(self, _parent: QModelIndex, start: int, _end: int, _to: QModelIndex, row_to: int) -> None:
        index = row_to - 1 if row_to > start else row_to
        number = self._run(index).number
        # The list is still in the middle of its drop; who listens will fill it anew.
        QTimer.singleShot(0, self, lambda: self.moved.emit(number, index))

    def _show_enabled(self, _place: int = 0) -> None:
        index, last = self.list.currentRow(), self.list.count() - 1
        self.up_button.setEnabled(index > 0)
        self.down_button.setEnabled(0 <= index < last)
        for button in (self.tweak_button, self.remove_button):
            button.setEnabled(index >= 0)
        self.retry_button.setVisible(index >= 0 and bool(self._run(index).failure))


def _words(waiting: int, failed: int, is_held: bool) -> str:
    words = tr("{count} waiting.", count=waiting)
    words += " " + (tr("They start when you say so.") if is_held else tr("The next one starts by itself."))
    return words if not failed else f"{words} " + tr("{count} could not be trained.", count=failed)
