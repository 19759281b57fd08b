"""Markdown as a styled document: headings, code, tables and the space between paragraphs."""

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
from PySide6.QtWidgets import QWidget

from gui.kit import theme

_FEATURES = QTextDocument.MarkdownFeature


def markdown_document(parent: QWidget, markdown: str) -> QTextDocument:
    """Return the styled document of a Markdown text; HTML stays text.

    It has no layout yet and one edit block, so each change is cheap. `parent` shows it and loads its images.
    """
    document = QTextDocument(parent)
    document.setUndoRedoEnabled(False)
    document.setDocumentMargin(theme.LARGE)
    document.setDefaultFont(parent.font())
    document.setMarkdown(markdown, _FEATURES.MarkdownDialectGitHub | _FEATURES.MarkdownNoHTML)
    edit = QTextCursor(document)
    edit.beginEditBlock()
    block = document.begin()
    while block.isValid():
        _style(block)
        block = block.next()
    for table in _tables(document.rootFrame()):
        _style_table(table)
    edit.endEditBlock()
    return document


def _fragments(block: QTextBlock) -> list[QTextFragment]:
    found = list[QTextFragment]()
    place = block.begin()
    while not place.atEnd():
        found.append(place.fragment())
        place += 1
    return found


def _tables(frame: QTextFrame) -> list[QTextTable]:
    inner = frame.childFrames()
    return [each for each in inner if isinstance(each, QTextTable)] + [
        table for each in inner for table in _tables(each)
    ]


def _style(block: QTextBlock) -> None:
    """Apply the program's style to a block: headings, code, and space between paragraphs."""
    form = block.blockFormat()
    space = QTextBlockFormat()
    kinds = QTextFormat.Property
    level = form.headingLevel()
    if level:
        space.setTopMargin(theme.HUGE if level > 1 else 0)
        space.setBottomMargin(theme.SMALL)
    elif form.nonBreakableLines() or any(map(form.hasProperty, (kinds.BlockCodeFence, kinds.BlockCodeLanguage))):
        space.setBackground(QBrush(QColor(theme.colours().sunken)))
        space.setNonBreakableLines(False)
    elif not form.indent() and QTextCursor(block).currentTable() is None:
        space.setTopMargin(theme.TIGHT)
        space.setBottomMargin(theme.SMALL)
    QTextCursor(block).mergeBlockFormat(space)
    for fragment in _fragments(block):
        letters = fragment.charFormat()
        if letters.isImageFormat():
            letters = letters.toImageFormat()
            letters.setMaximumWidth(QTextLength(QTextLength.Type.PercentageLength, 100))
        cursor = QTextCursor(block)
        cursor.setPosition(fragment.position())
        cursor.setPosition(fragment.position() + fragment.length(), QTextCursor.MoveMode.KeepAnchor)
        cursor.setCharFormat(_letters(letters, level))


def _letters(form: QTextCharFormat, level: int) -> QTextCharFormat:
    """Return the character format: code in its own font, bold text semi-bold, headings large."""
    is_code = form.fontFixedPitch()
    is_bold = form.fontWeight() > QFont.Weight.Medium
    form.clearProperty(QTextFormat.Property.FontSizeAdjustment)
    pixels = {1: 22, 2: 16}.get(level, 14) if level else 12 if is_code else theme.FONT_PX
    form.setProperty(QTextFormat.Property.FontPixelSize, theme.scaled(pixels))
    if is_code:
        form.setFontFamilies([QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont).family()])
    if is_bold or level:
        form.setFontWeight(QFont.Weight.DemiBold)
    return form


def _style_table(table: QTextTable) -> None:
    header = (table.cellAt(0, place).firstCursorPosition().block().text() for place in range(table.columns()))
    if table.rows() > 1 and not any(header):  # Markdown tables always have a header
        table.removeRows(0, 1)
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
