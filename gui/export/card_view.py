"""A model card as a text to read: Markdown from a file that anybody may have written, shown without following it.

Qt's reader of Markdown makes headings, lists and tables of it. HTML stays text, pictures become their words, links are
plain words that lead nowhere, and nothing is loaded whatever the text asks for.
"""

import re
from typing import Any

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFont,
    QFontDatabase,
    QTextBlock,
    QTextBlockFormat,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFragment,
    QTextFrame,
    QTextFrameFormat,
    QTextLength,
    QTextTable,
)
from PySide6.QtWidgets import QTextBrowser

from gui.kit import theme

_FEATURES = QTextDocument.MarkdownFeature
_HEADER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)  # for the hub, not for people
_HEADING_PX, _LEAST_HEADING_PX, _CODE_PX = {1: 22, 2: 16}, 14, 12
_PICTURE = re.compile(r"!\[((?:[^\]\\]|\\.)*)\]")  # `![words](place)`: without the sign a link, which loses its place


def readable(card: str) -> str:
    """Return the Markdown of a card without its header for the hub, and without pictures."""
    return _PICTURE.sub(r"[\1]", _HEADER.sub("", card.replace("\r\n", "\n")))


class CardView(QTextBrowser):
    """Shows a card; a click on it leads nowhere."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self.setOpenLinks(False)
        self.setOpenExternalLinks(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.document().setDocumentMargin(theme.LARGE)

    def loadResource(self, _kind: int, _name: QUrl | str) -> Any:
        """Load nothing: neither a picture nor a style sheet, from this computer or another."""
        return b""

    def show_card(self, card: str) -> None:
        """Show the text of a card file."""
        document = self.document()
        document.setMarkdown(readable(card), _FEATURES.MarkdownDialectGitHub | _FEATURES.MarkdownNoHTML)
        _take_links_out(document)
        for block in _blocks(document):
            _dress(block)
        for table in _tables(document.rootFrame()):
            _dress_table(table)
        self.moveCursor(QTextCursor.MoveOperation.Start)


def _blocks(document: QTextDocument) -> list[QTextBlock]:
    found, block = list[QTextBlock](), document.begin()
    while block.isValid():
        found.append(block)
        block = block.next()
    return found


def _fragments(block: QTextBlock) -> list[QTextFragment]:
    found, place = list[QTextFragment](), block.begin()
    while not place.atEnd():
        found.append(place.fragment())
        place += 1
    return found


def _tables(frame: QTextFrame) -> list[QTextTable]:
    inner = frame.childFrames()
    return [each for each in inner if isinstance(each, QTextTable)] + [
        table for each in inner for table in _tables(each)
    ]


def _take_links_out(document: QTextDocument) -> None:
    """Leave of links and pictures their words, in the look of the text around them."""
    for block in _blocks(document):
        for fragment in _fragments(block):
            form = fragment.charFormat()
            if form.isAnchor() or form.isImageFormat():
                plain = QTextCharFormat()
                plain.setFontWeight(form.fontWeight())
                _selected(block, fragment).setCharFormat(plain)


def _dress(block: QTextBlock) -> None:
    """Give a block the look of the program: headings, code, and room between paragraphs."""
    form, space = block.blockFormat(), QTextBlockFormat()
    level = form.headingLevel()
    if level:
        space.setTopMargin(theme.HUGE if level > 1 else 0)
        space.setBottomMargin(theme.SMALL)
    elif _is_code(form):
        space.setBackground(QBrush(QColor(theme.colours().sunken)))
        space.setNonBreakableLines(False)
    elif not form.indent() and QTextCursor(block).currentTable() is None:
        space.setTopMargin(theme.TIGHT)
        space.setBottomMargin(theme.SMALL)
    QTextCursor(block).mergeBlockFormat(space)
    for fragment in _fragments(block):
        _selected(block, fragment).setCharFormat(_letters(fragment.charFormat(), level))


def _is_code(form: QTextBlockFormat) -> bool:
    """Tell code between fences, or indented, from other paragraphs."""
    kinds = (QTextFormat.Property.BlockCodeFence, QTextFormat.Property.BlockCodeLanguage)
    return form.nonBreakableLines() or any(map(form.hasProperty, kinds))


def _letters(form: QTextCharFormat, level: int) -> QTextCharFormat:
    """Return the letters of the program: code in its own font, what is bold half bold, headings large."""
    is_code, is_bold = form.fontFixedPitch(), form.fontWeight() > QFont.Weight.Medium
    form.clearProperty(QTextFormat.Property.FontSizeAdjustment)
    pixels = _HEADING_PX.get(level, _LEAST_HEADING_PX) if level else _CODE_PX if is_code else theme.FONT_PX
    form.setProperty(QTextFormat.Property.FontPixelSize, theme.scaled(pixels))
    if is_code:
        form.setFontFamilies([QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()])
    if is_bold or level:
        form.setFontWeight(QFont.Weight.DemiBold)
    return form


def _selected(block: QTextBlock, fragment: QTextFragment) -> QTextCursor:
    cursor = QTextCursor(block)
    cursor.setPosition(fragment.position())
    cursor.setPosition(fragment.position() + fragment.length(), QTextCursor.MoveMode.KeepAnchor)
    return cursor


def _dress_table(table: QTextTable) -> None:
    if not any(table.cellAt(0, place).firstCursorPosition().block().text() for place in range(table.columns())):
        table.removeRows(0, 1)  # Markdown has no table without a head
    form = table.format()
    form.setBorder(1)
    form.setBorderCollapse(True)
    form.setBorderStyle(QTextFrameFormat.BorderStyle.BorderStyle_Solid)
    form.setBorderBrush(QBrush(QColor(theme.colours().border)))
    form.setCellPadding(6)
    form.setCellSpacing(0)
    form.setTopMargin(theme.SMALL)
    form.setBottomMargin(theme.SMALL)
    form.setWidth(QTextLength(QTextLength.Type.PercentageLength, 100))
    table.setFormat(form)
