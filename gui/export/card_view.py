"""The model card of an export: to read, to copy and to open. Links and images of its file are inert.

Qt's reader of Markdown makes headings, lists and tables of it. HTML stays text, images become their alternative text,
links become plain text, and nothing is loaded.
"""

import re
from pathlib import Path
from typing import Any

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QTextCursor
from PySide6.QtWidgets import QTextBrowser, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.folders import show_folder
from gui.kit.markdown import markdown_document
from gui.kit.parts import Button, CopyButton, ElidedLabel
from gui.kit.translation import tr
from models.messages import Message
from visionft.export.bundle.card.model_card import CARD_FILE

_HEADER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)  # for the hub, not for people
# Limits of a card shown as Markdown; ours have at most 30,000 characters and 700 cells. Qt needs up to 1 ms for a cell
# of a table, and for lists a time that grows with the square of their items.
MOST_CHARACTERS, MOST_LINES, MOST_CELLS = 60_000, 3_000, 2_000
_MOST_BYTES = 80_000  # Qt breaks a word of 400,000 letters into lines for 16 s


def readable(card: str) -> str:
    """Return the Markdown of a card without its header for the hub, and with links in place of images."""
    lines = card.replace("\r\n", "\n").replace("\r", "\n")
    return _HEADER.sub("", lines).replace("![", "[")  # links become plain text later


def is_within_limits(markdown: str) -> bool:
    """Return whether Qt can lay out a Markdown text without delay, whoever wrote it.

    Cells are counted from above: a table ends at an empty line, and each of its rows has as many cells as its widest.
    """
    if len(markdown) > MOST_CHARACTERS or markdown.count("\n") > MOST_LINES:
        return False
    tables = [block.split("\n") for block in re.split(r"\n[ \t]*\n", markdown) if "|" in block]
    cells = sum(len(rows) * (1 + max(row.count("|") for row in rows)) for rows in tables)
    return cells <= MOST_CELLS


class CardView(QTextBrowser):
    """Shows a card; its links are disabled."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def loadResource(self, _kind: int, _name: QUrl | str) -> Any:
        """Load nothing: neither an image nor a style sheet, from this computer or another."""
        return b""

    def show_card(self, card: str) -> None:
        """Show the text of a card file: as Markdown, or as plain text where its layout would block the window."""
        markdown = readable(card)
        if is_within_limits(markdown):
            self.setDocument(markdown_document(self, markdown, has_links=False))
        else:
            self.setPlainText(card)
        self.moveCursor(QTextCursor.MoveOperation.Start)


def card_of(folder: Path) -> Path | None:
    """Return the card of an export; None where there is none."""
    path = folder / CARD_FILE
    return path if path.is_file() and not path.is_symlink() else None  # a link may lead to a program


class CardDialog(Dialog):
    def __init__(self, parent: QWidget | None, path: Path) -> None:
        about = Message("The model, its evaluation and its limitations. The file is part of the export.")
        super().__init__(parent, Message("Model card"), about, width=720, height=480)
        self.resize(theme.scaled(840), theme.scaled(660))
        card = _read(path)
        self.view = CardView()
        self.view.setAccessibleName(tr("Model card"))
        self.view.show_card(card)
        self.copy_button = CopyButton("Copy", lambda: card)
        self.file_button = Button("Open file", "file", on_click=lambda: _open(path))
        self.folder_button = Button("Open folder", "folder-open", on_click=lambda: show_folder(path.parent))
        aside = (self.file_button, self.folder_button, self.copy_button)
        self.lay_out(ElidedLabel(str(path), "small"), self.view, aside=aside, spacing=theme.MEDIUM)


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
