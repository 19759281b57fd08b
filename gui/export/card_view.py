"""A safe view of a model card: Markdown from an untrusted file, displayed without following links.

Qt's reader of Markdown makes headings, lists and tables of it. HTML stays text, images become their alternative text,
links become plain text, and nothing is loaded.
"""

import re
from typing import Any

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QTextCursor
from PySide6.QtWidgets import QTextBrowser

from gui.kit.markdown import markdown_document

_HEADER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)  # for the hub, not for people
# Limits of a card shown as Markdown; ours have at most 30,000 characters and 700 cells. Qt needs up to 1 ms for a cell
# of a table, and for lists a time that grows with the square of their items.
MOST_CHARACTERS, MOST_LINES, MOST_CELLS = 60_000, 3_000, 2_000


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
