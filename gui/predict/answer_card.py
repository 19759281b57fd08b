"""What an exported file says of one picture: bars, and how long it took where. Knows Qt and the engine's plain data."""

from collections.abc import Sequence

from PySide6.QtWidgets import QLayout, QSplitter, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Card, ElidedLabel, column, text
from gui.predict.probability_bars import ProbabilityBars
from visionft.export.predictor import Prediction


class AnswerCard(Card):
    """Name, the five most probable classes, and the facts of the measurement."""

    def __init__(self) -> None:
        super().__init__()
        self._name = ElidedLabel("", "heading")
        self.bars = ProbabilityBars()
        self._facts = text("", "small", wrap=True)
        for item in (self._name, self.bars, self._facts):
            self.body.addWidget(item)

    def show_answer(self, answer: Prediction | None, title: str, facts: Sequence[str]) -> None:
        """Show an answer; `facts` are sentences about how it was found."""
        self.bars.show_bars(answer.top5 if answer else ())
        fault = tr("Cannot be read: {reason}", reason=answer.error) if answer and answer.error else ""
        self._name.setText(fault or title)
        self._facts.setText(" ".join(facts))

    def facts(self) -> str:
        """Return what is said under the bars."""
        return self._facts.text()


def speed(answer: Prediction, provider: str) -> str:
    """Return how long the file took for this picture, and what ran it."""
    return tr("{time} ms in the model, on {provider}.", time=f"{answer.model_ms:.1f}", provider=short_name(provider))


def several(answer: Prediction) -> list[str]:
    """Return, where a picture may have several labels, those whose threshold is reached."""
    if answer.classes is None:
        return []
    return [tr("Labels: {classes}.", classes=", ".join(answer.classes)) if answer.classes else tr("No label.")]


def short_name(provider: str) -> str:
    """Return an ONNX Runtime provider's name without its suffix: CPU, CUDA."""
    return provider.removesuffix("ExecutionProvider")


def answers_view(head: QLayout, grid: QWidget, view: QWidget, card: AnswerCard) -> QSplitter:
    """Return all answers on the left, below their head, and one of them large over its card on the right."""
    left, right = QWidget(), QWidget()
    left_layout = column(head, grid)
    left_layout.setStretch(1, 1)
    left.setLayout(left_layout)
    right_layout = column(view, card, spacing=theme.LARGE)
    right_layout.setStretch(0, 1)
    right.setLayout(right_layout)
    right.setMinimumWidth(theme.scaled(300))
    split = QSplitter()
    split.addWidget(left)
    split.addWidget(right)
    split.setHandleWidth(theme.LARGE)
    split.setChildrenCollapsible(False)
    split.setSizes([600, 440])
    return split
