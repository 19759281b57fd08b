"""The answer first: what a run is worth in a sentence, how far to believe it, and the figures. Knows Qt only."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QProgressBar

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, choice_box, column, row, text
from visionft.events import Progress


class AnswerCard(Card):
    """Always as high: what changes while somebody looks (progress, a label) moves nothing below it."""

    split_changed = Signal()

    def __init__(self, splits: Sequence[str], *, on_measure: Callable[[], object]) -> None:
        """Args: `splits` are the names of what can be measured on, as they are shown."""
        super().__init__(margin=theme.LARGE, spacing=theme.TIGHT)
        self._sentence = text("", "heading", wrap=True)
        self._meaning = text("", "muted", wrap=True)
        self._figures = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._price = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedWidth(theme.scaled(120))
        self._progress.setAccessibleName(tr("Progress of the evaluation"))
        self.split_box = choice_box("Split to evaluate on", splits)
        self.split_box.currentIndexChanged.connect(lambda _place: self.split_changed.emit())
        self.evaluate_button = Button("Measure again", "refresh", role="quiet", on_click=on_measure)
        words = column(self._sentence, self._meaning, spacing=theme.HAIR)
        top = row(words, self.split_box, spacing=theme.LARGE)
        top.setStretch(0, 1)
        top.setAlignment(self.split_box, Qt.AlignmentFlag.AlignTop)
        below = row(self._figures, self._progress, self.evaluate_button, spacing=theme.MEDIUM)
        below.setStretch(0, 1)
        self.body.addLayout(top)
        self.body.addStretch(1)
        self.body.addLayout(below)
        self.body.addWidget(self._price)

    def show_answer(self, sentence: str, meaning: str, figures: str = "") -> None:
        """Say what was found, or why nothing was."""
        self._sentence.setText(sentence)
        self._meaning.setText(meaning)
        self._figures.setText(figures)
        self.setAccessibleName(f"{sentence}. {meaning}")

    def show_price(self, words: str, tip: str = "") -> None:
        """Say what the run costs, beside what it is worth; `tip` says more."""
        self._price.setText(words)
        self._price.show_tip(tip)

    def price(self) -> str:
        """Return what is said of the price."""
        return self._price.text()

    def show_progress(self, progress: Progress | None) -> None:
        """Show how far the measurement is; nothing while there is none."""
        self._progress.setVisible(progress is not None)
        if progress is not None:
            self._progress.setRange(0, progress.total)
            self._progress.setValue(progress.done)

    def words(self) -> tuple[str, str, str]:
        """Return the sentence, its meaning and the figures."""
        return self._sentence.text(), self._meaning.text(), self._figures.text()
