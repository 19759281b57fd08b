"""A script to read and to copy. Knows Qt only."""

from typing import LiteralString

from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QPlainTextEdit

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, column, row, text


class CodeCard(Card):
    """Shows a script whole, with what it is for above it."""

    def __init__(self, title: LiteralString, words: LiteralString, code: str) -> None:
        super().__init__(margin=theme.HUGE)
        self.view = QPlainTextEdit(code)
        self.view.setReadOnly(True)
        self.view.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.view.setAccessibleName(tr(title))
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(theme.scaled(12))
        self.view.setFont(font)
        lines = self.view.document().blockCount() + 2
        self.view.setFixedHeight(lines * self.view.fontMetrics().lineSpacing() + 2 * theme.SMALL)
        self.copy_button = Button("Copy", "copy", on_click=self._copy)
        head = row(
            column(text(title, "heading"), text(words, "muted", wrap=True), spacing=theme.HAIR), self.copy_button
        )
        head.setStretch(0, 1)
        self.body.addLayout(head)
        self.body.addWidget(self.view)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.view.toPlainText())
        self.copy_button.setText(tr("Copied"))
