"""Publishing an export on the Hugging Face hub: a dialog shows what is sent, and only its Send sends."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QCheckBox, QLineEdit, QWidget

from gui.export import exporting
from gui.export.exporting import UploadOffer
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, text, verbatim
from gui.kit.translation import tr
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.core.amounts import size_text
from visionft.core.messages import Message
from visionft.export.verifying import UploadFile


class PublishDialog(Dialog):
    """The files to send, the repository, who may see it, and a token."""

    def __init__(self, parent: QWidget, offer: UploadOffer, *, name: str) -> None:
        words = Message(
            "{count} file, {size}, goes to {hub}. Nothing is sent before you press Send.",
            "{count} files, {size}, go to {hub}. Nothing is sent before you press Send.",
            count=len(offer.files),
            size=size_text(sum(each.bytes for each in offer.files)),
            hub=offer.hub,
        )
        super().__init__(parent, Message("Publish to Hugging Face"), words, width=640)
        self.name_edit = QLineEdit(proposed_name(name))
        self.name_edit.setPlaceholderText(tr("NAME, or ORGANISATION/NAME"))
        self.name_edit.setAccessibleName(tr("Name of the repository"))
        self.public_box = QCheckBox(tr("Everybody can see it, with the names of your classes and the results"))
        self.token_edit = QLineEdit()
        self.token_edit.setEchoMode(QLineEdit.EchoMode.Password)
        has_token = Message("Empty: the token of this computer")
        self.token_edit.setPlaceholderText(tr(has_token) if offer.has_token else "")
        self.token_edit.setAccessibleName(tr("Token"))
        self._has_token = offer.has_token
        self.files = verbatim(files_text(offer.files), "small", wrap=True)
        plain = Message("None of your images is included. The model card has your classes, image counts and results.")
        named = Message(
            "None of your images is included, but index.safetensors has names, notes and tags of the labelled ones."
        )
        is_named = offer.names_images
        self.notes = [text(named if is_named else plain, "small", wrap=True, tone="warn" if is_named else "")]
        for each in offer.caveats:
            caveat = tr("Before a commercial use: {what}", what=tr(each))
            self.notes.append(verbatim(caveat, "small", wrap=True, tone="warn"))
        made = Message(
            "Create one on huggingface.co under Settings, Access Tokens, with write access. It is not stored."
        )
        self.send_button = Button("Send", role="primary")
        self.lay_out(
            self.files,
            *self.notes,
            text("Name of the repository", "caption"),
            self.name_edit,
            self.public_box,
            text("Token", "caption"),
            self.token_edit,
            text(made, "small", wrap=True),
            accept=self.send_button,
        )
        for edit in (self.name_edit, self.token_edit):
            edit.textChanged.connect(lambda _words: self._show_enabled())
        self._show_enabled()
        self.name_edit.setFocus()

    def _show_enabled(self) -> None:
        reason = ""
        if not self.name_edit.text().strip():
            reason = tr("Enter a name for the repository.")
        elif not (self._has_token or self.token_edit.text().strip()):
            reason = tr("Enter a token.")
        self.send_button.setEnabled(not reason)
        self.send_button.setToolTip(reason)


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
    """One upload at a time; the window reports its outcome."""

    changed = Signal()  # whether an upload can start

    def __init__(self, state: AppState, window: QWidget) -> None:
        super().__init__(window)
        self._state, self._window = state, window
        self._task: Task[Any] | None = None

    def why_not(self) -> str:
        return tr("An export is being sent already.") if self._task is not None else ""

    def begin(self, folder: Path) -> None:
        """Read the files to send of an export, then show the dialog."""
        if self._task is None:
            title, work = tr("Verifying an export"), partial(exporting.upload_offer, folder)
            self._run(title, work, partial(self._ask, folder))

    def _ask(self, folder: Path, offer: UploadOffer) -> None:
        dialog = PublishDialog(self._window.window(), offer, name=folder.name)
        dialog.accepted.connect(lambda: self._send(folder, dialog))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def _send(self, folder: Path, dialog: PublishDialog) -> None:
        work = partial(
            exporting.send,
            folder,
            dialog.name_edit.text().strip(),
            is_public=dialog.public_box.isChecked(),
            token=dialog.token_edit.text(),
        )
        self._run(tr("Sending {name}", name=folder.name), work, self._show_sent, makes_files=True)

    def _show_sent(self, address: str) -> None:
        self._state.say(tr("Sent to {address}.", address=address), tone="good")

    def _run(self, title: str, work: Any, on_done: Any, *, makes_files: bool = False) -> None:
        task = Task(title=title, work=work, lane=Lane.DISK, page="export", makes_files=makes_files)
        self._task = self._state.tasks.run(task, owner=self, on_done=on_done, on_end=self._on_end)
        self.changed.emit()

    def _on_end(self, _task: Task[Any]) -> None:
        self._task = None
        self.changed.emit()
