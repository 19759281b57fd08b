"""The headline card: the accuracy of a run as a sentence, its reliability, and the figures. Depends on Qt only."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt

from gui.kit import theme
from gui.kit.parts import Button, Card, ElidedLabel, choice_box, column, row, text
from gui.kit.progress import ProgressBar
from visionft.events import Progress


class AccuracyCard(Card):
    """Of constant height, so that progress or a new label moves nothing below it."""

    def __init__(self, splits: Sequence[str], *, on_measure: Callable[[], object]) -> None:
        """Args: `splits` are the displayed names of the splits to measure on."""
        super().__init__(margin=theme.LARGE, spacing=theme.TIGHT)
        self._sentence, self._meaning = text("", "heading", wrap=True), text("", "muted", wrap=True)
        self._figures = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.cost = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._progress = ProgressBar("Progress of the evaluation", width=120)
        self.split_box = choice_box("Split to evaluate on", splits)
        self.evaluate_button = Button("Evaluate again", "refresh", role="quiet", on_click=on_measure)
        words = column(self._sentence, self._meaning, spacing=theme.HAIR)
        top = row(words, self.split_box, spacing=theme.LARGE, grows=0)
        top.setAlignment(self.split_box, Qt.AlignmentFlag.AlignTop)
        below = row(self._figures, self._progress, self.evaluate_button, spacing=theme.MEDIUM, grows=0)
        self.body.addLayout(top)
        self.body.addStretch(1)
        self.body.addLayout(below)
        self.body.addWidget(self.cost)

    def show_accuracy(self, sentence: str, meaning: str, figures: str = "") -> None:
        self._sentence.setText(sentence)
        self._meaning.setText(meaning)
        self._figures.setText(figures)
        self.setAccessibleName(f"{sentence}. {meaning}")

    def show_cost(self, words: str, tip: str = "") -> None:
        self.cost.setText(words)
        self.cost.show_tip(tip)

    def show_progress(self, progress: Progress | None) -> None:
        self._progress.setVisible(progress is not None)
        if progress is not None:
            self._progress.show_progress(progress.done, progress.total)

    def words(self) -> tuple[str, str, str]:
        return self._sentence.text(), self._meaning.text(), self._figures.text()
