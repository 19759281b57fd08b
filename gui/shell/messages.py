"""The messages over the pages: messages of the state, notices and results of tasks, and interrupted runs to resume."""

from functools import partial

from PySide6.QtCore import QObject, QTimer
from PySide6.QtWidgets import QWidget

from gui.errors import BugDialog
from gui.kit.translation import tr
from gui.next_steps import way_of
from gui.shell.notify import Notifier, ending_of
from gui.shell.shell_actions import Shell
from gui.state import ToastContent
from gui.tasks import Outcome, TaskHandle
from visionft.events import Event, Notice

_OFFER, _UNDO = "offer", "edit.undo"


class Messenger(QObject):
    """Shows events as toasts, and as system notifications while the window is inactive."""

    def __init__(self, window: Shell, parent: QWidget) -> None:
        """Args: `window` and `parent` are the same object, as interface and as widget."""
        super().__init__(parent)
        self._parent = parent
        self._window, self._state, self._toasts = window, window.state, window.toasts
        self.notifier = Notifier(parent)
        state = window.state
        window.toasts.changed.connect(state.actions.refresh)
        state.message_raised.connect(self._on_message_raised)
        state.tasks.added.connect(self._on_task_added)
        state.tasks.reported.connect(self._on_task_reported)
        state.tasks.ended.connect(self._on_task_ended)

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
        is_free = not self._state.tasks.pending and self._toasts.newest is None
        if offer is not None and is_free and window.current_page.name != "train":
            words = tr("A training run can be continued: {run}", run=offer.name)
            self._toasts.say(words, way=(tr("Show it"), lambda: window.show_page("train")), about=_OFFER)

    def _on_message_raised(self, content: ToastContent) -> None:
        actions, command = self._state.actions, content.command
        way = way_of(content.next_step, self._window.take_step)
        if command:
            way = (actions[command].title, partial(actions.run, command))
        tone, details = content.tone, content.details
        self._toasts.say(content.message, content.hint, tone=tone, details=details, way=way, about=command)

    def _on_task_added(self, handle: TaskHandle) -> None:
        if handle.task.page == self._window.current_page.name:  # errors about the previous attempt
            self._toasts.drop(lambda toast: toast.tone in ("bad", "warn"))

    def _on_task_reported(self, _handle: TaskHandle, event: Event) -> None:
        if isinstance(event, Notice) and event.level == "warning":
            self._toasts.say(event.message, tone="warn", way=way_of(event.next_step, self._window.take_step))

    def _on_task_ended(self, outcome: Outcome, is_told: bool) -> None:
        window, ending, failure = self._window, ending_of(outcome), outcome.failure
        if failure is not None and not is_told:
            way = way_of(failure.next_step, window.take_step)
            tone = "info" if failure.is_stop else "bad"
            self._toasts.say(failure.message, failure.hint, tone=tone, details=failure.details, way=way)
        elif failure is None and ending is not None and window.current_page.name != ending.page:
            way = (ending.action, lambda: window.show_page(ending.page))
            self._toasts.say(ending.title, ending.words, tone="good", way=way)
        if ending is not None:
            self.notifier.tell(ending.title, ending.words, is_bad=failure is not None)
        if failure is not None and failure.details:
            window.open_over(BugDialog(self._parent, failure.details))
