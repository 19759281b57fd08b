"""Sending an export to the Hugging Face hub, from the question to its end: only the dialog's Send sends."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from gui.export import exporting
from gui.export.exporting import Offer, Wish
from gui.export.publish_dialog import PublishDialog
from gui.kit.i18n import tr
from gui.kit.workers import Failure
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task, TaskHandle
from visionft.events import Event, Progress
from visionft.weights.uploading import Sent

PAGE = "export"


class Publishing(QObject):
    """One sending at a time; its dialog may be closed meanwhile, then the window says how it ended."""

    changed = Signal()  # whether one can begin

    def __init__(self, state: AppState, window: QWidget) -> None:
        """Args: `window` is the page whose window the dialog stands over."""
        super().__init__(window)
        self._state, self._window = state, window
        self._dialog: PublishDialog | None = None
        self._handle: TaskHandle | None = None

    def why_not(self) -> str:
        """Return why nothing can be sent now; empty where it can."""
        return tr("An export is being sent already.") if self._handle is not None else ""

    def begin(self, folder: Path) -> None:
        """See what would be sent of an export, then ask where to."""
        if self._handle is None:
            work = partial(exporting.look_at, folder)
            task = Task(title=tr("Checking an export"), work=work, lane=Lane.DISK, page=PAGE)
            self._follow(
                self._state.tasks.run(
                    task, owner=self, on_done=lambda offer: self._ask(folder, offer), on_end=self._on_end
                )
            )

    def _ask(self, folder: Path, offer: Offer) -> None:
        self._dialog = dialog = PublishDialog(self._window.window(), offer, name=folder.name)
        dialog.send_asked.connect(lambda wish: self._send(folder, wish))
        dialog.stop_asked.connect(self._stop)
        dialog.finished.connect(self._on_dialog_closed)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _send(self, folder: Path, wish: Wish) -> None:
        title, work = tr("Sending {name}", name=folder.name), partial(exporting.send, folder, wish)
        task = Task(title=title, work=work, lane=Lane.DISK, page=PAGE)
        self._follow(
            self._state.tasks.run(
                task,
                owner=self,
                on_done=self._on_sent,
                on_failed=self._on_failed,
                on_event=self._on_event,
                on_end=self._on_end,
            )
        )

    def _follow(self, handle: TaskHandle) -> None:
        self._handle = handle
        self.changed.emit()

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.stop()

    def _on_event(self, event: Event) -> None:
        if self._dialog is not None and isinstance(event, Progress):
            self._dialog.show_progress(event)

    def _on_sent(self, sent: Sent) -> None:
        if self._dialog is not None:
            self._dialog.show_sent(sent)
        else:
            self._state.say(tr("Sent to {address}.", address=sent.address), tone="good")

    def _on_failed(self, failure: Failure) -> None:
        if self._dialog is not None:
            self._dialog.show_failure(failure)
            return
        tone = "info" if failure.is_stop else "bad"
        self._state.say(failure.message, failure.hint, tone=tone, details=failure.details, next_step=failure.next_step)

    def _on_end(self, outcome: Outcome[Offer] | Outcome[Sent]) -> None:
        self._handle = None
        if self._dialog is not None and not outcome.has_begun:
            self._dialog.show_form()  # it was stopped while it waited
        self.changed.emit()

    def _on_dialog_closed(self) -> None:
        self._dialog = None
