"""Programs in several languages to read and to copy."""

from collections.abc import Sequence
from typing import Final

from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QButtonGroup, QPlainTextEdit

from gui.kit import theme
from gui.kit.parts import Button, Card, column, row, text, verbatim
from gui.kit.translation import tr
from models.messages import Message
from visionft.export.bundle.sample_programs import Sample

# Requirements and start command of each.
NEEDS: Final = {
    "python": Message("Needs onnxruntime, numpy and Pillow. Start it with: python predict.py image.jpg"),
    "node": Message("Needs Node.js and, once in its folder, npm install. Start it with: node predict.mjs image.jpg"),
    "web": Message(
        "A web page that classifies images in the browser; none is uploaded. Open index.html beside it to start."
    ),
    "csharp": Message("Needs the .NET SDK, 8 or newer. Start it in its folder with: dotnet run -- image.jpg"),
    "cpp": Message("Needs ONNX Runtime and OpenCV. Its first lines explain how to build it."),
}


class CodeCard(Card):
    """Shows one program in full below its requirements; buttons switch to the others."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        super().__init__(margin=theme.HUGE)
        self.view = QPlainTextEdit()
        self.view.setReadOnly(True)
        self.view.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
        font.setPixelSize(theme.scaled(12))
        self.view.setFont(font)
        self.view.setFixedHeight(22 * self.view.fontMetrics().lineSpacing() + 2 * theme.SMALL)
        self.copy_button = Button("Copy", "copy", on_click=self._copy)
        self._file, self._needs = verbatim("", "strong"), text("", "muted", wrap=True)
        self.buttons: dict[str, Button] = {}
        switch, choice = row(spacing=0), QButtonGroup(self)
        for sample in samples:
            button = Button("", role="segment", on_click=lambda sample=sample: self.show_sample(sample))
            button.setText(sample.title)  # a language's name is never translated
            button.setCheckable(True)
            choice.addButton(button)
            switch.addWidget(button)
            self.buttons[sample.name] = button
        self.body.addLayout(row(text("Use it without VisionFT", "heading"), None, self.copy_button))
        self.body.addLayout(row(switch, None))
        self.body.addLayout(column(self._file, self._needs, spacing=theme.HAIR))
        self.body.addWidget(self.view)
        self.show_sample(samples[0])

    def show_sample(self, sample: Sample) -> None:
        self.buttons[sample.name].setChecked(True)
        self.view.setPlainText(sample.content.decode())
        self.view.setAccessibleName(tr("Program in {language}", language=sample.title))
        self._file.setText(sample.file)
        self._needs.setText(tr(NEEDS[sample.name]))
        self.copy_button.setText(tr("Copy"))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.view.toPlainText())
        self.copy_button.setText(tr("Copied"))
