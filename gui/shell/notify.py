"""Notifications of ended tasks for an inactive window: the task bar, and the system's notifications."""

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from gui.kit.icons import app_icon
from gui.kit.plain_text import without_markup
from gui.kit.translation import tr
from gui.tasks import Outcome
from models.messages import Message
from visionft.amounts import duration_text


class Notifier(QObject):
    """Notifies only while the window is inactive; a click on the notification raises it."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._tray: QSystemTrayIcon | None = None

    def tell(self, title: str, words: str, *, is_bad: bool = False) -> bool:
        """Show a message outside the window; return whether it was necessary and possible."""
        if self._window.isActiveWindow():
            return False
        QApplication.alert(self._window)
        if not QSystemTrayIcon.isSystemTrayAvailable():
            return False
        if self._tray is None:
            self._tray = QSystemTrayIcon(app_icon(), self)
            self._tray.messageClicked.connect(self._on_message_clicked)
        kind = QSystemTrayIcon.MessageIcon.Warning if is_bad else QSystemTrayIcon.MessageIcon.Information
        self._tray.show()  # a notification needs a visible icon
        self._tray.showMessage(without_markup(title), without_markup(words), kind, 10_000)
        return True

    def put_away(self) -> None:
        """Remove the tray icon: the window is active again, or it closes."""
        if self._tray is not None:
            self._tray.hide()

    def _on_message_clicked(self) -> None:
        self.put_away()
        if self._window.isMinimized():
            self._window.showNormal()
        self._window.raise_()
        self._window.activateWindow()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSummary:
    """The end of a task, in words; `action` is the button to its `page`."""

    title: str
    words: str
    page: str
    action: str


def ending_of(outcome: Outcome[Any]) -> TaskSummary | None:
    """Return the message about an ended task; None for a cancelled one."""
    if outcome.was_stopped:
        return None
    task, failure, time = outcome.task, outcome.failure, duration_text(outcome.seconds)
    if failure is not None:
        title = tr("{job}: failed", job=task.title)
        return TaskSummary(title=title, words=tr(failure.message), page=task.page, action=tr("Show"))
    from visionft.training.runs.run_folder import TrainResult  # slow to import: not at the start

    title, result = tr("{job}: done", job=task.title), outcome.result
    if not isinstance(result, TrainResult):
        words = tr("It took {time}.", time=time)
        return TaskSummary(title=title, words=words, page=task.page, action=tr("Show"))
    best, time = result.best, duration_text(result.seconds)
    if best is None:
        words = tr("It ended before its first epoch.")
    elif best.val_accuracy is None:
        words = tr("It predicts from your prompts, not validated; it took {time}.", time=time)
    elif not best.epochs:
        words = tr("Validation accuracy {accuracy}; it took {time}.", accuracy=best.accuracy_text, time=time)
    else:
        words = Message("Validation accuracy {accuracy}, in epoch {epoch}; it took {time}.")
        words = tr(words, accuracy=best.accuracy_text, epoch=best.epoch, time=time)
    return TaskSummary(title=title, words=words, page="results", action=tr("See results"))
