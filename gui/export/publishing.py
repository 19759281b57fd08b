"""Publishing an export on the Hugging Face hub, from the dialog to its end: only the dialog's Send sends."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from gui.export import exporting
from gui.export.exporting import UploadOffer
from gui.export.publish_dialog import PublishDialog
from gui.kit.translation import tr
from gui.kit.workers import Failure
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task, TaskHandle
from visionft.events import Event, Progress
from visionft.weights.uploading import Destination, UploadResult


class Publisher(QObject):
    """One upload at a time; if its dialog is closed meanwhile, the window reports the outcome."""

    changed = Signal()  # whether an upload can start

    def __init__(self, state: AppState, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._window = state, window
        self._dialog: PublishDialog | None = None
        self._handle: TaskHandle | None = None

    def why_not(self) -> str:
        return tr("An export is being sent already.") if self._handle is not None else ""

    def begin(self, folder: Path) -> None:
        """Read the files to send of an export, then show the dialog."""
        if self._handle is not None:
            return

        def show_dialog(offer: UploadOffer) -> None:
            self._dialog = dialog = PublishDialog(self._window.window(), offer, name=folder.name)
            dialog.send_requested.connect(partial(self._send, folder))
            dialog.stop_button.clicked.connect(self._stop)
            dialog.finished.connect(self._forget_dialog)
            dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            dialog.open()

        work = partial(exporting.upload_offer, folder)
        task = Task(title=tr("Verifying an export"), work=work, lane=Lane.DISK, page="export")
        self._handle = self._state.tasks.run(task, owner=self, on_done=show_dialog, on_end=self._on_end)
        self.changed.emit()

    def _send(self, folder: Path, to: Destination, keeps_token: bool) -> None:
        def show_progress(event: Event) -> None:
            if self._dialog is not None and isinstance(event, Progress):
                self._dialog.show_progress(event)

        def show_sent(sent: UploadResult) -> None:
            if self._dialog is not None:
                self._dialog.show_sent(sent)
            else:
                self._state.say(tr("Sent to {address}.", address=sent.address), tone="good")

        work = partial(exporting.send, folder, to, keeps_token=keeps_token)
        task = Task(title=tr("Sending {name}", name=folder.name), work=work, lane=Lane.DISK, page="export")
        self._handle = self._state.tasks.run(
            task,
            owner=self,
            on_done=show_sent,
            on_failed=self._on_failed,
            on_event=show_progress,
            on_end=self._on_end,
        )
        self.changed.emit()

    def _on_failed(self, failure: Failure) -> None:
        if self._dialog is not None:
            self._dialog.show_failure(failure)
            return
        tone = "info" if failure.is_stop else "bad"
        self._state.say(failure.message, failure.hint, tone=tone, details=failure.details, next_step=failure.next_step)

    def _on_end(self, outcome: Outcome[UploadOffer] | Outcome[UploadResult]) -> None:
        self._handle = None
        if self._dialog is not None and not outcome.has_begun:
            self._dialog.show_form()  # it was cancelled while it waited
        self.changed.emit()

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.stop()

    def _forget_dialog(self) -> None:
        self._dialog = None
