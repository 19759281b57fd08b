"""What the window says over its pages: messages of the state, what tasks report and how they end, what can go on."""

from functools import partial
from typing import Protocol

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QDialog, QWidget

from gui.errors import BugDialog
from gui.kit.i18n import tr
from gui.kit.toasts import Toast, Toasts
from gui.next_steps import way_of
from gui.page import Page
from gui.shell.notify import Notifier, ending_of
from gui.state import AppState, Message
from gui.tasks import Outcome, TaskHandle
from visionft.errors import NextStep
from visionft.events import Event, Notice

_OFFER, _UNDO = "offer", "edit.undo"


class Window(Protocol):
    """What messages need of the window."""

    state: AppState
    toasts: Toasts

    @property
    def current_page(self) -> Page: ...
    def show_page(self, name: str) -> object: ...
    def take_step(self, step: NextStep) -> object: ...
    def open_over(self, dialog: QDialog) -> object: ...


class Messenger(QObject):
    """Turns what happens into toasts, and into notifications of the system while the window is not looked at."""

    def __init__(self, window: Window, parent: QWidget) -> None:
        """Args: `window` and `parent` are the same, as what it can do and as a widget."""
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
        """Forget what was said of another project; offer to go on where this one was left."""
        self._toasts.drop()
        session = self._state.session
        if session is not None:
            session.content_changed.connect(self._on_content_changed)
            QTimer.singleShot(0, self, self._show_offer)  # after the messages that opening it raises

    def follow_page(self, name: str) -> None:
        """Take the offer back on the page that has its own card for it."""
        if name == "train":
            self._toasts.drop(lambda toast: toast.about == _OFFER)

    def _show_offer(self) -> None:
        """Offer to go on with a run that was interrupted, on every page but the one that has its own card."""
        session, window = self._state.session, self._window
        offer = session.runner.offer if session is not None else None
        is_free = not self._state.tasks.pending and self._toasts.newest is None
        if offer is not None and is_free and window.current_page.name != "train":
            words = tr("A training run can be continued: {run}", run=offer.name)
            self._toasts.say(words, way=(tr("Show it"), lambda: window.show_page("train")), about=_OFFER)

    @Slot(object)
    def _on_message_raised(self, said: Message) -> None:
        actions, way = self._state.actions, way_of(said.next_step, self._window.take_step)
        if said.command:
            way = (actions[said.command].title, partial(actions.run, said.command))
        self._toasts.say(
            said.message, said.hint, tone=said.tone, details=said.details, way=way, about=said.command
        )  # fmt: skip

    @Slot(object)
    def _on_content_changed(self, _effects: object) -> None:
        """Take back the offers to undo: from now on that would undo something else."""
        self._toasts.drop(lambda toast: toast.about == _UNDO)

    @Slot(object)
    def _on_task_added(self, handle: TaskHandle) -> None:
        if handle.task.page == self._window.current_page.name:
            self._toasts.drop(_is_trouble)  # it is about what was tried before

    @Slot(object, object)
    def _on_task_reported(self, _handle: TaskHandle, event: Event) -> None:
        if isinstance(event, Notice) and event.level == "warning":
            self._toasts.say(event.message, tone="warn", way=way_of(event.next_step, self._window.take_step))

    @Slot(object, bool)
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


def _is_trouble(toast: Toast) -> bool:
    return toast.tone in ("bad", "warn")
