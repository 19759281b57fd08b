"""Publishing an export on the Hugging Face hub, from the dialog to its end: only the dialog's Send sends."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QSize, Qt, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QShowEvent
from PySide6.QtWidgets import QCheckBox, QDialog, QLabel, QLineEdit, QSizePolicy, QWidget

from gui.export import exporting
from gui.export.exporting import UploadOffer
from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.parts import Button, Card, CopyButton, Segments, column, row, scrolling, text, verbatim
from gui.kit.progress import ProgressBar, progress_text
from gui.kit.translation import tr
from gui.state import AppState
from gui.tasks import Failure, Lane, Task
from models.messages import Message
from visionft.amounts import size_text
from visionft.events import Event, Progress
from visionft.export.bundle.verifying import UploadFile
from visionft.export.uploading import Destination, UploadResult

_WIDTH, _LEAST_FORM = 720, 120
_PRIVATE, _PUBLIC, _KNOWN, _OTHER = "private", "public", "known", "other"
_TOKEN_WORDS = {
    "environment": Message("From this computer (HF_TOKEN)"),
    "login": Message("From this computer (your login)"),
}


class PublishDialog(QDialog):
    """Nothing is sent before `send_requested`; closing the dialog does not stop the sending."""

    send_requested = Signal(Destination, bool)  # whether to store the token on this computer

    def __init__(self, parent: QWidget, offer: UploadOffer, *, name: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Publish to Hugging Face"))
        self._room = parent.window().size() - QSize(2 * theme.HUGE, 2 * theme.HUGE)
        self._width = min(theme.scaled(_WIDTH), self._room.width())
        self.setMinimumWidth(self._width)
        self._offer, self._address = offer, ""
        self.name_edit = QLineEdit(proposed_name(name))
        self.name_edit.setPlaceholderText(tr("NAME, or ORGANISATION/NAME"))
        self.name_edit.setAccessibleName(tr("Name of the repository"))
        self.replace_box = QCheckBox(tr("Replace the files of an existing repository"))
        self.who = Segments({_PRIVATE: tr("Only me"), _PUBLIC: tr("Everybody")}, tr("Visibility"))
        self._who_note = text("", "small", wrap=True)
        known = {_KNOWN: tr(_TOKEN_WORDS[offer.token])} if offer.token else {}
        self.which = Segments({**known, _OTHER: tr("Another token")}, tr("Token"))
        self.which.setVisible(bool(offer.token))
        self.token_edit = QLineEdit()
        self.token_edit.setEchoMode(QLineEdit.EchoMode.Password)
        self.token_edit.setPlaceholderText(tr("hf_…"))
        self.token_edit.setAccessibleName(tr("Token"))
        self.keep_box = QCheckBox(tr("Remember it on this computer"))
        made = Message(
            "Create one on huggingface.co under Settings, Access Tokens, with write access. It is not stored."
        )
        self._token_note = text(made, "small", wrap=True)
        self.fault = Banner()
        self.progress = ProgressBar()
        self.stage = text("", "small")
        self.arrived = Card(tone="good", margin=theme.MEDIUM)
        self.address_label = text("", "strong", wrap=True)
        self.page_button = Button("Open page", "export", on_click=self._open_page)
        self.copy_button = CopyButton("Copy address", lambda: self._address)
        self.close_button = Button("Cancel", on_click=self.reject)
        self.send_button = Button("Send", role="primary", on_click=self._send)
        self.send_button.setDefault(True)
        self.stop_button = Button("Stop", "stop")
        self._lay_out()
        for edit in (self.name_edit, self.token_edit):
            edit.textChanged.connect(lambda _words: self._show_enabled())
        self.who.chosen.connect(lambda _value: self._show_who())
        self.which.chosen.connect(lambda _value: self._show_token())
        self.fault.dismissed.connect(self._fit)
        self._show_who()
        self._show_token()
        self.show_form()
        self.name_edit.setFocus()

    def _lay_out(self) -> None:
        offer = self._offer
        words = tr(
            "{count} file, {size}, goes to {hub}. Nothing is sent before you press Send.",
            "{count} files, {size}, go to {hub}. Nothing is sent before you press Send.",
            count=len(offer.files),
            size=size_text(sum(each.bytes for each in offer.files)),
            hub=offer.hub,
        )
        self.about = verbatim(words, "muted", wrap=True)
        self._form = QWidget()
        self.files = verbatim(files_text(offer.files), "small", wrap=True)
        plain = Message("None of your images is included. The model card has your classes, image counts and results.")
        named = Message(
            "None of your images is included, but index.safetensors has names, notes and tags of the labelled ones."
        )
        is_named = offer.names_images
        self.notes = [text(named if is_named else plain, "small", wrap=True, tone="warn" if is_named else "")]
        for each in offer.caveats:
            words = tr("Before a commercial use: {what}", what=tr(each))
            self.notes.append(verbatim(words, "small", wrap=True, tone="warn"))
        where = column(text("Name of the repository", "caption"), self.name_edit, self.replace_box, None)
        who = column(text("Visibility", "caption"), self.who, self._who_note, None)
        both = row(where, who, spacing=theme.HUGE)
        both.setStretch(0, 1)
        both.setStretch(1, 1)
        token = (text("Token", "caption"), self.which, self.token_edit, self.keep_box, self._token_note)
        self._form.setLayout(column(both, theme.SMALL, *token))
        self.arrived.body.addWidget(self.address_label)
        self.arrived.body.addLayout(row(self.page_button, self.copy_button, None))
        head = column(text("Publish to Hugging Face", "title"), self.about, spacing=theme.HAIR)
        self._content = column(self.files, *self.notes, theme.SMALL, self._form, None)
        state = (self.fault, self.arrived, self.stage, self.progress)
        foot = column(*state, theme.SMALL, row(None, self.close_button, self.stop_button, self.send_button))
        for part in (head, self._content, foot):  # the scroll bar is at the edge
            part.setContentsMargins(theme.HUGE, 0, theme.HUGE, 0)
        self._area = scrolling(self._content)
        layout = column(head, self._area, foot, spacing=theme.MEDIUM)
        layout.setContentsMargins(0, theme.HUGE, 0, theme.HUGE)
        self.setLayout(layout)
        policy = QSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        for label in self.findChildren(QLabel):  # else each has room for its lines in a narrow column
            if label.wordWrap():
                label.setSizePolicy(policy)

    def sizeHint(self) -> QSize:
        """Return the size of the content, as far as it fits without scrolling."""
        layout = self.layout()
        width = self._width
        return QSize(width, layout.totalHeightForWidth(width)) if layout is not None else super().sizeHint()

    def showEvent(self, event: QShowEvent) -> None:
        """Fit the height once the fonts have their sizes."""
        super().showEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Fit the height to the content; where that exceeds the window, the middle part scrolls."""
        for layout in (self._form.layout(), self._content):  # the inner layout first: the outer one reads it
            if layout is not None:
                layout.activate()
        whole = self._content.totalHeightForWidth(self._width)
        self._area.setFixedHeight(whole)
        too_much = max(0, self.sizeHint().height() - self._room.height())
        self._area.setFixedHeight(max(whole - too_much, min(whole, theme.scaled(_LEAST_FORM))))
        self.setFixedHeight(self.sizeHint().height())

    def _destination(self) -> Destination:
        return Destination(
            repository=self.name_edit.text().strip(),
            is_public=self.who.value() == _PUBLIC,
            may_replace=self.replace_box.isChecked(),
            token=self.token_edit.text() if self.which.value() == _OTHER else "",
        )

    def show_progress(self, progress: Progress) -> None:
        self.stage.setText(progress_text(progress))
        self.progress.show_progress(progress.done, progress.total)

    def show_failure(self, failure: Failure) -> None:
        self.show_form()
        self.fault.show_message(failure.message, failure.hint, tone="info" if failure.is_stop else "bad")
        self._fit()

    def show_sent(self, sent: UploadResult) -> None:
        self.show_form()
        self._address = sent.address
        who = tr("Everybody can see it.") if sent.is_public else tr("Only you, and people you give access, can see it.")
        self.address_label.setText(f"{tr('Sent to {address}.', address=sent.address)} {who}")
        for widget in (self.about, self._area, self.send_button):  # all texts about the coming sending
            widget.hide()
        self.arrived.show()
        self.close_button.setText(tr("Close"))
        self._fit()

    def show_form(self, *, is_sending: bool = False) -> None:
        """Show the form, enabled while nothing is being sent; the typed values stay, to be corrected."""
        for widget in (self.stage, self.progress, self.stop_button):
            widget.setVisible(is_sending)
        self.send_button.setVisible(not is_sending)
        self._form.setEnabled(not is_sending)
        self.arrived.hide()
        self.fault.hide()
        self.close_button.setText(tr("Close, continue sending") if is_sending else tr("Cancel"))
        self._show_enabled()
        self._fit()

    def _show_who(self) -> None:
        words = {
            _PRIVATE: tr("A private repository. You can open it to others there later."),
            _PUBLIC: tr("Anyone can find it and download it, with the names of your classes and the results."),
        }
        self._who_note.setText(words[self.who.value()])
        self._fit()

    def _show_token(self) -> None:
        is_typed = self.which.value() == _OTHER
        for widget in (self.token_edit, self.keep_box, self._token_note):
            widget.setVisible(is_typed)
        self._show_enabled()
        self._fit()

    def _show_enabled(self) -> None:
        to = self._destination()
        reason = ""
        if not to.repository:
            reason = tr("Enter a name for the repository.")
        elif self.which.value() == _OTHER and not to.token.strip():
            reason = tr("Enter a token.")
        self.send_button.setEnabled(not reason)
        self.send_button.setToolTip(reason)

    def _send(self) -> None:
        self.show_form(is_sending=True)
        self.show_progress(Progress(stage="Sending", done=0, total=0))
        self.send_requested.emit(self._destination(), self.which.value() == _OTHER and self.keep_box.isChecked())

    def _open_page(self) -> None:
        url = QUrl(self._address)
        if url.scheme() in ("http", "https"):  # the text comes from the hub
            QDesktopServices.openUrl(url)


def proposed_name(name: str) -> str:
    """Return a name valid on the hub: letters, digits, `-`, `_` and `.`, 96 of them at most."""
    return re.sub(r"-{2,}", "-", re.sub(r"\.{2,}|[^A-Za-z0-9._-]+", "-", name)).strip("-.")[:96].rstrip("-.")


def files_text(files: Sequence[UploadFile]) -> str:
    """Return the files with their sizes in a line; a folder counts as one, so that a model stays visible among them."""
    sizes: dict[str, int] = {}
    for each in files:
        first, slash, _ = each.name.partition("/")
        sizes[first + slash] = sizes.get(first + slash, 0) + each.bytes
    return " · ".join(f"{name}\u00a0{size_text(size)}".replace(" ", "\u00a0") for name, size in sizes.items())


class Publisher(QObject):
    """One upload at a time; if its dialog is closed meanwhile, the window reports the outcome."""

    changed = Signal()  # whether an upload can start

    def __init__(self, state: AppState, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._window = state, window
        self._dialog: PublishDialog | None = None
        self._task: Task[Any] | None = None

    def why_not(self) -> str:
        return tr("An export is being sent already.") if self._task is not None else ""

    def begin(self, folder: Path) -> None:
        """Read the files to send of an export, then show the dialog."""
        if self._task is not None:
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
        self._task = self._state.tasks.run(task, owner=self, on_done=show_dialog, on_end=self._on_end)
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
        task = Task(
            title=tr("Sending {name}", name=folder.name), work=work, lane=Lane.DISK, page="export", makes_files=True
        )
        self._task = self._state.tasks.run(
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

    def _on_end(self, task: Task[UploadOffer] | Task[UploadResult]) -> None:
        self._task = None
        if self._dialog is not None and not task.has_begun:
            self._dialog.show_form()  # it was cancelled while it waited
        self.changed.emit()

    def _stop(self) -> None:
        if self._task is not None:
            self._task.stop()

    def _forget_dialog(self) -> None:
        self._dialog = None
