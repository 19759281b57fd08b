"""The messages over the pages.

They come from the state, from jobs (notices and results), and from interrupted runs to resume.
"""

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QApplication, QWidget

from gui.errors import ReportDialog
from gui.jobs import Job
from gui.kit.folders import show_folder
from gui.kit.translation import tr
from gui.next_steps import step_action
from gui.shell.shell_actions import Shell
from gui.state import ToastContent
from visionft.core.amounts import rough_duration_text
from visionft.core.events import Event, Notice
from visionft.core.messages import Message

if TYPE_CHECKING:
    from visionft.training.runs.run_folder import StoredRun, TrainResult

_OFFER, _UNDO = "offer", "edit.undo"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSummary:
    """The end of a job, in words; `action` is the button to its `page`."""

    title: str
    words: str
    page: str
    action: str


def ending_of(job: Job[Any]) -> JobSummary | None:
    """Return the message about an ended job; None for a cancelled one."""
    from visionft.training.runs.run_folder import StoredRun, TrainResult  # slow to import: not at the start

    if job.was_stopped:
        return None
    failure = job.failure
    title = tr("{job}: done", job=job.title) if failure is None else tr("{job}: failed", job=job.title)
    match job.result:
        case StoredRun(result=TrainResult() as result) as run if failure is None:  # training has ended
            words = _accuracy_in_words(run, result)
            return JobSummary(title=title, words=words, page="results", action=tr("See results"))
    took = rough_duration_text(job.seconds)
    words = tr(failure.message if failure else Message("It took {time}.", time=took))
    return JobSummary(title=title, words=words, page=job.page, action=tr("Show"))


def _accuracy_in_words(run: "StoredRun", result: "TrainResult") -> str:
    from visionft.training.evaluation.unseen import (  # slow to import: not at the start
        accuracy_words,
        unseen_evaluation,
    )

    unseen, time = unseen_evaluation(run), rough_duration_text(result.seconds)
    if result.best is None:
        return tr("It ended before its first epoch.")
    if result.best.val_accuracy is None and unseen is None:
        return tr("It predicts from your prompts, not validated; it took {time}.", time=time)
    return tr("Accuracy: {accuracy}; it took {time}.", accuracy=accuracy_words(unseen), time=time)


class Messenger(QObject):
    """Shows events as toasts; the window asks for attention when a job ends while another program is in front."""

    def __init__(self, window: Shell, parent: QWidget) -> None:
        """Args: `window` and `parent` are the same object, as interface and as widget."""
        super().__init__(parent)
        self._window, self._state, self._toasts = window, window.state, window.toasts
        self._parent = parent
        state = window.state
        window.toasts.changed.connect(state.actions.refresh)
        state.message_raised.connect(self._on_message_raised)
        state.jobs.added.connect(self._on_job_added)
        state.jobs.reported.connect(self._on_job_reported)
        state.jobs.ended.connect(self._on_job_ended)

    def follow_session(self) -> None:
        """Drop the messages of the previous project; offer to resume its interrupted run."""
        self._toasts.drop()
        session = self._state.session
        if session is not None:  # an offer to undo would now undo something else
            session.content_changed.connect(lambda _effects: self._toasts.drop(lambda toast: toast.about == _UNDO))
            QTimer.singleShot(0, self, self._show_offer)  # after the messages raised by opening it

    def follow_page(self, name: str) -> None:
        """Drop the offer on the train page, because that has its own card."""
        if name == "train":
            self._toasts.drop(lambda toast: toast.about == _OFFER)

    def _show_offer(self) -> None:
        """Offer to resume an interrupted run, on every page except the train page with its own card."""
        session, window = self._state.session, self._window
        offer = session.runner.offer if session is not None else None
        is_free = not self._state.jobs.requested and self._toasts.newest is None
        if offer is not None and is_free and window.current_page.name != "train":
            words = tr("A training run can be continued: {run}", run=offer.title)
            self._toasts.show_message(words, action=(tr("Show it"), lambda: window.show_page("train")), about=_OFFER)

    def _on_message_raised(self, content: ToastContent) -> None:
        actions, command = self._state.actions, content.command
        action = step_action(content.next_step, self._window.take_step)
        if command:
            action = (actions[command].title, partial(actions.run, command))
        elif content.folder is not None:
            action = (tr("Open folder"), partial(show_folder, content.folder))
        tone, details = content.tone, content.details
        self._toasts.show_message(
            content.message, content.hint, tone=tone, details=details, action=action, about=command
        )

    def _on_job_added(self, job: Job[Any]) -> None:
        if job.page == self._window.current_page.name:  # errors about the previous attempt
            self._toasts.drop(lambda toast: toast.tone in ("bad", "warn"))

    def _on_job_reported(self, _job: Job[Any], event: Event) -> None:
        if isinstance(event, Notice) and event.level == "warning":
            self._toasts.show_message(
                event.message, tone="warn", action=step_action(event.next_step, self._window.take_step)
            )

    def _on_job_ended(self, job: Job[Any], is_told: bool) -> None:
        window = self._window
        ending = ending_of(job)
        failure = job.failure
        is_shown = ending is not None and (job.owner_shows_result or window.current_page.name == ending.page)
        if failure is not None and not is_told:
            action = step_action(failure.next_step, window.take_step)
            tone = "info" if failure.is_cancelled else "bad"
            self._toasts.show_message(failure.message, failure.hint, tone=tone, details=failure.details, action=action)
        elif failure is None and ending is not None and not is_shown:
            action = (ending.action, lambda: window.show_page(ending.page))
            self._toasts.show_message(ending.title, ending.words, tone="good", action=action)
        if ending is not None and not self._parent.isActiveWindow():
            QApplication.alert(self._parent)
        if failure is not None and failure.details:
            window.open_over(ReportDialog(self._parent, failure.details))
