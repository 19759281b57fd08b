"""Telling someone who looks elsewhere that a task has ended: the task bar, and the system's notifications."""

from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Slot
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

from gui.kit.i18n import tr
from gui.kit.icons import app_icon
from gui.kit.plain_text import without_markup
from gui.tasks import Outcome
from visionft.amounts import duration_text
from visionft.training.runs.run_folder import TrainResult

_SHOWN_MS = 10_000


class Notifier(QObject):
    """Speaks up only while the window is not the active one; a click on the notification brings it forward."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self._tray: QSystemTrayIcon | None = None

    def tell(self, title: str, words: str, *, is_bad: bool = False) -> bool:
        """Show a message outside the window; return whether there was need and a way to."""
        if self._window.isActiveWindow():
            return False
        QApplication.alert(self._window)
        if not QSystemTrayIcon.isSystemTrayAvailable():
            return False
        if self._tray is None:
            self._tray = QSystemTrayIcon(app_icon(), self)
            self._tray.messageClicked.connect(self._on_message_clicked)
        kind = QSystemTrayIcon.MessageIcon.Warning if is_bad else QSystemTrayIcon.MessageIcon.Information
        self._tray.show()  # a notification needs an icon that is shown
        self._tray.showMessage(without_markup(title), without_markup(words), kind, _SHOWN_MS)
        return True

    def put_away(self) -> None:
        """Take the icon out of the tray again: the window has been looked at, or it closes."""
        if self._tray is not None:
            self._tray.hide()

    @Slot()
    def _on_message_clicked(self) -> None:
        self.put_away()
        if self._window.isMinimized():
            self._window.showNormal()
        self._window.raise_()
        self._window.activateWindow()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a task ended, in words; `action` is the button that leads to its `page`."""

    title: str
    words: str
    page: str
    action: str


def ending_of(outcome: Outcome[Any]) -> Ending | None:
    """Return what to say of a task that ended; None for one that the user stopped."""
    if outcome.was_stopped:
        return None
    task = outcome.task
    if outcome.failure is not None:
        title = tr("{job}: failed", job=task.title)
        return Ending(title=title, words=tr(outcome.failure.message), page=task.page, action=tr("Show"))
    title = tr("{job}: done", job=task.title)
    if isinstance(outcome.result, TrainResult):
        return Ending(title=title, words=_words_of_run(outcome.result), page="results", action=tr("See results"))
    words = tr("It took {time}.", time=duration_text(outcome.seconds))
    return Ending(title=title, words=words, page=task.page, action=tr("Show"))


def _words_of_run(result: TrainResult) -> str:
    if result.best is None:
        return tr("It ended before its first epoch.")
    accuracy, time = result.best.accuracy_text, duration_text(result.seconds)
    if result.best.val_accuracy is None:
        return tr("It answers from your prompts, not validated; it took {time}.", time=time)
    if not result.best.epochs:
        return tr("{accuracy} right on validation; it took {time}.", accuracy=accuracy, time=time)
    words = "{accuracy} right on validation, in epoch {epoch}; it took {time}."
    return tr(words, accuracy=accuracy, epoch=result.best.epoch, time=time)
