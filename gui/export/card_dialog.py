"""The model card of an export, to read, to copy and to open. Depends on Qt and the file, not on the state."""

from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QDialog, QWidget

from gui.export.card_view import CardView
from gui.kit import theme
from gui.kit.parts import Button, ElidedLabel, column, row, text
from gui.kit.translation import tr
from models.messages import Message
from visionft.export.bundle.card.model_card import CARD_FILE

_MOST_BYTES = 80_000  # our cards have 30,000 at most; Qt breaks a word of 400,000 letters into lines for 16 s


def card_of(folder: Path) -> Path | None:
    """Return the card of an export; None where there is none, as in exports of earlier versions."""
    path = folder / CARD_FILE
    return path if path.is_file() else None


class CardDialog(QDialog):
    def __init__(self, parent: QWidget, path: Path) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Model card"))
        self.setMinimumSize(theme.scaled(720), theme.scaled(480))
        self.resize(theme.scaled(840), theme.scaled(660))
        self._card = _read(path)
        self.view = CardView()
        self.view.setAccessibleName(tr("Model card"))
        self.view.show_card(self._card)
        self.copy_button = Button("Copy", "copy", on_click=self._copy)
        self.file_button = Button("Open file", "file", on_click=lambda: _open(path))
        self.folder_button = Button("Open folder", "folder-open", on_click=lambda: _open(path.parent))
        close = Button("Close", role="primary", on_click=self.accept)
        close.setDefault(True)
        about = Message("The model, its evaluation and its limitations. The file is part of the export.")
        layout = column(
            column(text("Model card", "title"), text(about, "muted", wrap=True), spacing=theme.HAIR),
            ElidedLabel(str(path), "small"),
            self.view,
            row(self.file_button, self.folder_button, self.copy_button, None, close),
            spacing=theme.MEDIUM,
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._card)
        self.copy_button.setText(tr("Copied"))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        return tr("{path} cannot be read: {reason}.", path=path, reason=error.strerror or error)
    if len(content) > _MOST_BYTES:
        return tr("This file is too long to show here. Open it in another program.")
    return content.decode("utf-8", "replace")


def _open(path: Path) -> None:
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
