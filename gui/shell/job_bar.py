"""The bar along the bottom of every page: what runs, how far it is, what waits for what, and Stop.

One line for each task; idle facts while there is none. Knows handles and events, no state.
"""

from collections.abc import Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QProgressBar, QSizePolicy, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, IconLabel, row, text
from gui.kit.progress_text import progress_text
from gui.tasks import TaskHandle
from visionft.amounts import duration_text
from visionft.events import EpochDone, Event, Progress, RunStarted, StepDone

MAX_LINES = 4  # more tasks than that are only counted
LINE_PX = 36


class TaskLine(QWidget):
    """One task: its title, which leads to its page, how far it is or what it waits for, and Stop."""

    def __init__(self, handle: TaskHandle) -> None:
        super().__init__()
        self.handle = handle
        self._epochs, self._steps_per_epoch = 0, 1
        self._icon = IconLabel("clock", size=16, tone="accent")
        self.job_button = Button("", role="quiet")
        self.job_button.setText(handle.task.title)
        self.job_button.setToolTip(tr("Show the page of this task"))
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedWidth(theme.scaled(200))
        self._progress.setAccessibleName(tr("Progress of {task}", task=handle.task.title))
        self._progress.setRange(0, 0)
        self._stage = ElidedLabel(tr("Starting"), "small")
        self._stage.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.stop_button = Button("Stop", "stop", on_click=handle.stop)
        self.stop_button.setToolTip(tr("End the task well; what it has done so far is kept"))
        layout = row(self._icon, self.job_button, self._progress, self._stage, self.stop_button, spacing=theme.MEDIUM)
        layout.setStretch(3, 1)
        self.setLayout(layout)
        self._was_waiting = False

    def show_state(self) -> None:
        """Show whether the task runs, waits or is being stopped."""
        handle = self.handle
        self._progress.setVisible(not handle.waits_for)
        self._icon.show_icon("queue" if handle.waits_for else "clock", "muted" if handle.waits_for else "accent")
        if handle.waits_for:
            self._stage.setText(handle.waits_for)
        elif self._was_waiting:
            self._stage.setText(tr("Starting"))
        self._was_waiting = bool(handle.waits_for)
        self.stop_button.setEnabled(not handle.is_stopping)
        self.stop_button.setText(tr("Stopping") if handle.is_stopping else tr("Stop"))

    def show_event(self, event: Event) -> None:
        """Show how far the task is."""
        match event:
            case Progress(done=done, total=total):
                self._show_progress(done, total, progress_text(event))
            case RunStarted(epochs=epochs, steps_per_epoch=steps):
                self._epochs, self._steps_per_epoch = epochs, steps
                words = tr("Epoch {epoch} of {epochs}", epoch=1, epochs=epochs) if epochs else tr("Validating")
                self._show_progress(0, epochs * steps, words)
            case StepDone(epoch=epoch, step=step, steps=steps, eta_s=eta):
                words = tr(
                    "Epoch {epoch} of {epochs}, {time} left", epoch=epoch, epochs=self._epochs, time=duration_text(eta)
                )
                self._show_progress((epoch - 1) * steps + step, self._epochs * steps, words)
            case EpochDone(epoch=epoch, epochs=epochs) if epoch:
                steps = self._steps_per_epoch
                self._show_progress(epoch * steps, epochs * steps, tr("Epoch {epoch} done", epoch=epoch))
            case _:
                pass

    def _show_progress(self, done: int, total: int, stage: str) -> None:
        """Show how far the task is; `total` 0 means unknown."""
        self._progress.setRange(0, total)
        self._progress.setValue(done)
        self._stage.setText(stage)

    def words(self) -> str:
        """Return how far the task is, or what it waits for."""
        return self._stage.text()


class JobBar(QFrame):
    """Idle facts, or a line for each task."""

    task_chosen = Signal(object)  # TaskHandle

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("jobBar")
        self.lines: list[TaskLine] = []
        self._icon = IconLabel("check-circle", size=16, tone="muted")
        self._idle = ElidedLabel("", "small")
        self._idle_line = QWidget()
        idle = row(self._icon, self._idle, spacing=theme.MEDIUM)
        idle.setStretch(1, 1)
        self._idle_line.setLayout(idle)
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
        """Set what is said while nothing runs."""
        self._idle.setText(message)
        self._icon.setVisible(bool(message))
        self._icon.show_icon(icon_name, "muted")

    def show_tasks(self, handles: Sequence[TaskHandle]) -> None:
        """Show these tasks, those that run first."""
        shown, kept = handles[:MAX_LINES], {line.handle: line for line in self.lines}
        self.lines = [kept.pop(handle, None) or self._new_line(handle) for handle in shown]
        for line in kept.values():
            line.hide()
            self._layout.removeWidget(line)
            line.deleteLater()
        for place, line in enumerate(self.lines):
            self._layout.insertWidget(place, line)
            line.show_state()
            line.show()
        widest = max((line.job_button.sizeHint().width() for line in self.lines), default=0)
        for line in self.lines:
            line.job_button.setMinimumWidth(widest)  # bars of progress stand below each other
        more = len(handles) - len(shown)
        self._more.setText(tr("and {count} more wait", count=more))
        self._more.setVisible(more > 0)
        self._idle_line.setVisible(not handles)

    def _new_line(self, handle: TaskHandle) -> TaskLine:
        line = TaskLine(handle)
        line.setFixedHeight(theme.scaled(LINE_PX))
        line.job_button.clicked.connect(lambda _checked=False: self.task_chosen.emit(handle))
        return line

    def show_event(self, handle: TaskHandle, event: Event) -> None:
        """Show how far a task is."""
        for line in self.lines:
            if line.handle is handle:
                line.show_event(event)

    def line(self, title: str) -> TaskLine | None:
        """Return the line of the task with this title."""
        return next((line for line in self.lines if line.handle.task.title == title), None)

    def idle_words(self) -> str:
        """Return what is said while nothing runs; empty while something does."""
        return "" if self._idle_line.isHidden() else self._idle.text()
