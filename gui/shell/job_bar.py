"""The bar along the bottom of every page: running and waiting tasks with their progress, and Stop.

One line for each task; facts about the project while there is none. Knows tasks and events, no state.
"""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QSizePolicy, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.parts import Button, ElidedLabel, IconLabel, row, text, widget_of
from gui.kit.progress import JobShare, ProgressBar, progress_text
from gui.kit.translation import tr
from gui.tasks import Task
from visionft.core.events import Event, Progress, RunStarted, StepDone

MAX_LINES = 4  # further tasks are only counted
LINE_PX = 36


class TaskLine(QWidget):
    """The line of a task: its title, a link to its page, its progress or the reason to wait, and Stop."""

    def __init__(self, task: Task[Any]) -> None:
        super().__init__()
        self.task = task
        self.setFixedHeight(theme.scaled(LINE_PX))
        self._epochs = 0
        self._share = JobShare()
        self._icon = IconLabel("clock", size=16, tone="accent")
        self.job_button = Button("", role="quiet")
        self.job_button.setText(task.title)
        self.job_button.setToolTip(tr("Show the page of this task"))
        self._progress = ProgressBar(width=200)
        self._progress.setAccessibleName(tr("Progress of {task}", task=task.title))
        self._progress.show_share(None)
        self._stage = ElidedLabel(tr("Starting"), "small")
        self._stage.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.stop_button = Button("Stop", "stop", on_click=task.stop)
        self.stop_button.setToolTip(tr("Stop the task; its results so far are kept"))
        parts = (self._icon, self.job_button, self._progress, self._stage, self.stop_button)
        self.setLayout(row(*parts, spacing=theme.MEDIUM, grows=3))
        self._was_waiting = False

    def show_state(self) -> None:
        task = self.task
        self._progress.setVisible(not task.waits_for)
        self._icon.show_icon("queue" if task.waits_for else "clock", "muted" if task.waits_for else "accent")
        if task.waits_for:
            self._stage.setText(task.waits_for)
        elif self._was_waiting:
            self._stage.setText(tr("Starting"))
        self._was_waiting = bool(task.waits_for)
        self.stop_button.setEnabled(not task.is_stopping)
        self.stop_button.setText(tr("Stopping") if task.is_stopping else tr("Stop"))

    def show_event(self, event: Event) -> None:
        match event:
            case RunStarted(epochs=epochs):
                self._epochs = epochs
            case Progress():
                self._show_progress(event, progress_text(event))
            case StepDone(epoch=epoch):
                self._show_progress(event, tr("Epoch {epoch} of {epochs}", epoch=epoch, epochs=self._epochs))
            case _:
                pass

    def _show_progress(self, event: Progress | StepDone, words: str) -> None:
        self._share.take(event)
        self._progress.show_share(self._share.share)
        self._stage.setText(", ".join(filter(None, (words, self._share.words()))))

    def words(self) -> str:
        return self._stage.text()


class JobBar(QFrame):
    """Facts about the project, or a line for each task."""

    task_chosen = Signal(object)  # Task

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("jobBar")
        self.lines: list[TaskLine] = []
        self._icon = IconLabel("check-circle", size=16, tone="muted")
        self.idle = ElidedLabel("", "small")
        self._idle_line = widget_of(row(self._icon, self.idle, spacing=theme.MEDIUM, grows=1))
        self._more = text("", "small")
        self._more.hide()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(theme.LARGE, theme.TIGHT, theme.LARGE, theme.TIGHT)
        self._layout.setSpacing(theme.HAIR)
        self._layout.addWidget(self._idle_line)
        self._layout.addWidget(self._more)
        self._idle_line.setFixedHeight(theme.scaled(LINE_PX))
        self.show_idle("")

    def show_idle(self, message: str, *, icon_name: str = "info") -> None:
        self.idle.setText(message)
        self._icon.setVisible(bool(message))
        self._icon.show_icon(icon_name, "muted")

    def show_tasks(self, tasks: Sequence[Task[Any]]) -> None:
        shown = tasks[:MAX_LINES]
        kept = {line.task: line for line in self.lines}
        self.lines = []
        for place, task in enumerate(shown):
            if (line := kept.pop(task, None)) is None:
                line = TaskLine(task)
                line.job_button.clicked.connect(lambda _checked=False, task=task: self.task_chosen.emit(task))
            self.lines.append(line)
            self._layout.insertWidget(place, line)
            line.show_state()
            line.show()
        for line in kept.values():
            line.hide()
            self._layout.removeWidget(line)
            line.deleteLater()
        widest = max((line.job_button.sizeHint().width() for line in self.lines), default=0)
        for line in self.lines:
            line.job_button.setMinimumWidth(widest)  # aligns the progress bars
        more = len(tasks) - len(shown)
        self._more.setText(tr("and {count} more wait", count=more))
        self._more.setVisible(more > 0)
        self._idle_line.setVisible(not tasks)

    def show_event(self, task: Task[Any], event: Event) -> None:
        for line in self.lines:
            if line.task is task:
                line.show_event(event)
