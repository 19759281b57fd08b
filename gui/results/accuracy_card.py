"""The headline card: how many images a run has right, what to do next, and the accuracy. Depends on Qt only."""

from PySide6.QtCore import Qt

from gui.kit import theme
from gui.kit.parts import Card, ElidedLabel, row, text
from gui.kit.progress import ProgressBar
from visionft.core.events import Progress


class AccuracyCard(Card):
    """Of constant height, so that progress or a new label moves nothing below it."""

    def __init__(self) -> None:
        super().__init__(margin=theme.LARGE, spacing=theme.TIGHT)
        self._sentence = text("", "title", wrap=True)
        self._meaning = text("", wrap=True)
        self._figures = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._progress = ProgressBar("Progress of the evaluation", width=120)
        self.add(self._sentence, self._meaning, None)
        self.body.addLayout(row(self._figures, self._progress, spacing=theme.MEDIUM, grows=0))

    def show_accuracy(self, sentence: str, meaning: str, figures: str = "") -> None:
        self._sentence.setText(sentence)
        self._meaning.setText(meaning)
        self._figures.setText(figures)
        self.setAccessibleName(f"{sentence}. {meaning}")

    def show_progress(self, progress: Progress | None) -> None:
        self._progress.setVisible(progress is not None)
        if progress is not None:
            self._progress.show_progress(progress.done, progress.total)

    def words(self) -> tuple[str, str, str]:
        return self._sentence.text(), self._meaning.text(), self._figures.text()
