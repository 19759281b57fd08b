"""Programs in several languages to read and to copy."""

from collections.abc import Sequence
from typing import Final

from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QButtonGroup, QPlainTextEdit

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, column, row, text, verbatim
from visionft.export.bundle.samples import Sample

LINES: Final = 22
# What each needs, and how it is started.
NEEDS: Final = {
    "python": "Needs onnxruntime, numpy and Pillow. Start it with: python predict.py picture.jpg",
    "node": "Needs Node.js and, once in its folder, npm install. Start it with: node predict.mjs picture.jpg",
    "web": "A page that answers chosen pictures; none leaves the browser. index.html beside it says how it is started.",
    "csharp": "Needs the .NET SDK, 8 or newer. Start it in its folder with: dotnet run -- picture.jpg",
    "cpp": "Needs ONNX Runtime and OpenCV. Its first lines say how it is built.",
}


class CodeCard(Card):
    """Shows one program whole, with what it needs above it, and the others behind their buttons."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        super().__init__(margin=theme.HUGE)
        self.view = QPlainTextEdit()
        self.view.setReadOnly(True)
        self.view.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(theme.scaled(12))
        self.view.setFont(font)
        self.view.setFixedHeight(LINES * self.view.fontMetrics().lineSpacing() + 2 * theme.SMALL)
        self.copy_button = Button("Copy", "copy", on_click=self._copy)
        self._file, self._needs = verbatim("", "strong"), text("", "muted", wrap=True)
        self.buttons: dict[str, Button] = {}
        switch, choice = row(spacing=0), QButtonGroup(self)
        for sample in samples:
            button = Button("", role="segment", on_click=lambda sample=sample: self.show_sample(sample))
            button.setText(sample.title)  # the name of a language is the same in every other
            button.setCheckable(True)
            choice.addButton(button)
            switch.addWidget(button)
            self.buttons[sample.name] = button
        head = row(text("Use it without this program", "heading"), None, self.copy_button)
        self.body.addLayout(head)
        self.body.addLayout(row(switch, None))
        self.body.addLayout(column(self._file, self._needs, spacing=theme.HAIR))
        self.body.addWidget(self.view)
        self.show_sample(samples[0])

    def show_sample(self, sample: Sample) -> None:
        """Show a program from its first line."""
        self.buttons[sample.name].setChecked(True)
        self.view.setPlainText(sample.code)
        self.view.setAccessibleName(tr("Program in {language}", language=sample.title))
        self._file.setText(sample.file)
        self._needs.setText(tr(NEEDS[sample.name]))
        self.copy_button.setText(tr("Copy"))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.view.toPlainText())
        self.copy_button.setText(tr("Copied"))
