"""The waiting training runs: drag or move, edit, remove, retry. Depends on Qt, keys and queued runs only."""

from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal
from PySide6.QtWidgets import QAbstractItemView, QListWidget, QListWidgetItem

from gui.actions import Actions
from gui.kit import theme
from gui.kit.icons import icon
from gui.kit.parts import Button, Card, IconButton, row, text
from gui.kit.translation import tr
from gui.run_queue import QueuedRun
from gui.train.train_choices import run_details


class QueueList(Card):
    """The queue with its buttons; they act on the selected run."""

    moved = Signal(int, int)  # number, new place
    removed = Signal(int)
    tweak_requested = Signal(int)
    retry_requested = Signal(int)
    start_requested = Signal()

    def __init__(self, actions: Actions) -> None:
        super().__init__()
        self._words = text("", "small", wrap=True)
        self.start_button = Button("Start queue", "play", role="quiet", on_click=self.start_requested.emit)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Queued training runs"))
        self.list.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.list.setDefaultDropAction(Qt.DropAction.MoveAction)
        self.list.setWordWrap(True)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.model().rowsMoved.connect(self._on_rows_moved)
        self.list.currentRowChanged.connect(self._show_enabled)
        self.up_button = IconButton("chevron-up", "Move up")
        self.down_button = IconButton("chevron-down", "Move down")
        self.tweak_button = IconButton("edit", "Remove from the queue and edit its settings")
        self.retry_button = IconButton("refresh", "Try again")
        self.remove_button = IconButton("trash", "Remove from the queue")
        for button, act, name in (
            (self.up_button, lambda: self.move_chosen(-1), "queue.up"),
            (self.down_button, lambda: self.move_chosen(1), "queue.down"),
            (self.tweak_button, lambda: self._emit(self.tweak_requested), ""),
            (self.retry_button, lambda: self._emit(self.retry_requested), ""),
            (self.remove_button, self.remove_chosen, "queue.remove"),
        ):
            button.clicked.connect(lambda _checked=False, act=act: act())
            if name:
                actions.attach(button, name, enables=False)
                actions.bind(name, self.list)
        self.body.addLayout(row(text("Queue", "heading"), None, self.start_button))
        self.body.addWidget(self._words)
        self.body.addWidget(self.list, 1)
        right = (self.retry_button, self.tweak_button, self.remove_button)
        self.body.addLayout(row(self.up_button, self.down_button, None, *right))

    def show_runs(self, runs: Sequence[QueuedRun], *, is_held: bool) -> None:
        """Show the waiting runs; `is_held` when no run is active, so that the queue does not advance."""
        chosen = self.chosen()
        self.list.blockSignals(True)
        self.list.clear()
        for index, run in enumerate(runs, 1):
            title, failure, details = tr(run.title), tr(run.failure), run_details(run.config)
            item = QListWidgetItem(f"{index}. {title}\n{failure or details}")
            item.setData(Qt.ItemDataRole.UserRole, run)
            item.setToolTip(f"{title}\n{details}\n{failure}".strip())
            if run.failure:
                item.setIcon(icon("error", theme.colours().bad))
            self.list.addItem(item)
            if run.number == chosen:
                self.list.setCurrentItem(item)
        self.list.blockSignals(False)
        waiting = sum(not run.failure for run in runs)
        self.start_button.setVisible(is_held and waiting > 0)
        parts = [tr("{count} run waiting.", "{count} runs waiting.", count=waiting)]
        parts += [tr("They start with Start queue.") if is_held else tr("The next one starts automatically.")]
        failed = len(runs) - waiting
        if failed:
            parts.append(tr("{count} run could not be trained.", "{count} runs could not be trained.", count=failed))
        self._words.setText(" ".join(parts))
        self._show_enabled()

    def numbers(self) -> list[int]:
        return [self._run(index).number for index in range(self.list.count())]

    def chosen(self) -> int:
        index = self.list.currentRow()
        return self._run(index).number if index >= 0 else 0

    def _run(self, index: int) -> QueuedRun:
        return self.list.item(index).data(Qt.ItemDataRole.UserRole)

    def _emit(self, signal) -> None:
        if number := self.chosen():
            signal.emit(number)

    def remove_chosen(self) -> None:
        self._emit(self.removed)

    def move_chosen(self, step: int) -> None:
        """Move the selected run up (-1) or down (1)."""
        index = self.list.currentRow() + step
        if self.chosen() and 0 <= index < self.list.count():
            self.moved.emit(self.chosen(), index)

    def _on_rows_moved(self, _parent: QModelIndex, start: int, _end: int, _to: QModelIndex, row_to: int) -> None:
        index = row_to - 1 if row_to > start else row_to
        number = self._run(index).number
        # The list is still handling its drop; the listener will refill it.
        QTimer.singleShot(0, self, lambda: self.moved.emit(number, index))

    def _show_enabled(self, _place: int = 0) -> None:
        index = self.list.currentRow()
        last = self.list.count() - 1
        self.up_button.setEnabled(index > 0)
        self.down_button.setEnabled(0 <= index < last)
        for button in (self.tweak_button, self.remove_button):
            button.setEnabled(index >= 0)
        self.retry_button.setVisible(index >= 0 and bool(self._run(index).failure))
