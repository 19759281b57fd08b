"""What an exported file says of one picture: bars, and how long it took where. Knows Qt and the engine's plain data."""

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from gui.kit.i18n import tr
from gui.kit.parts import Card, ElidedLabel, IconLabel, column, row, text
from gui.predict.probability_bars import MOST, ProbabilityBars
from visionft.export.parity import Border
from visionft.export.predictor import Prediction
from visionft.retrieval.evidence import PROBABLE


class AnswerCard(Card):
    """Name, whether it is unlike the pictures of training, the five most probable classes, and the measurement."""

    def __init__(self, *, keeps_room: bool = False) -> None:
        """Args: `keeps_room` says that what is unlike has its room always, so that nothing jumps in a film."""
        super().__init__()
        self._name = ElidedLabel("", "heading")
        self.bars = ProbabilityBars()
        self._facts = text("", "small", wrap=True)
        self.unlike = _Unlike()
        policy = self.unlike.sizePolicy()
        policy.setRetainSizeWhenHidden(keeps_room)
        self.unlike.setSizePolicy(policy)
        for item in (self._name, self.unlike, self.bars, self._facts):
            self.body.addWidget(item)

    def show_answer(self, answer: Prediction | None, title: str, facts: Sequence[str]) -> None:
        """Show an answer; `facts` are sentences about how it was found."""
        is_unlike = answer is not None and answer.is_unlike
        self.unlike.setVisible(is_unlike)
        # Those that pictures are shown for and against below: the room is theirs.
        most = PROBABLE if answer is not None and answer.evidence is not None else MOST
        self.bars.show_bars(answer.top5 if answer else (), is_doubtful=is_unlike, most=most)
        fault = tr("Cannot be read: {reason}", reason=answer.error) if answer and answer.error else ""
        self._name.setText(fault or title)
        self._facts.setText(" ".join(facts))

    def title(self) -> str:
        """Return what stands over the bars."""
        return self._name.text()

    def facts(self) -> str:
        """Return what is said under the bars."""
        return self._facts.text()


class _Unlike(QWidget):
    """A warning: the model never learned from anything like this."""

    def __init__(self) -> None:
        super().__init__()
        words = "The model has seen nothing like it: this is a guess."
        said = column(text("Unlike your pictures", "strong"), text(words, "small", wrap=True), spacing=0)
        line = row(IconLabel("warning", tone="warn"), said)
        line.setStretch(1, 1)
        self.setLayout(line)
        self.hide()


def speed(answer: Prediction, provider: str) -> str:
    """Return how long the file took for this picture, and what ran it."""
    return tr("{time} ms in the model, on {provider}.", time=f"{answer.model_ms:.1f}", provider=short_name(provider))


def several(answer: Prediction) -> list[str]:
    """Return, where a picture may have several labels, those whose threshold is reached."""
    if answer.classes is None:
        return []
    return [tr("Labels: {classes}.", classes=", ".join(answer.classes)) if answer.classes else tr("No label.")]


def likeness(answer: Prediction, border: Border | None) -> list[str]:
    """Return how near the picture is to those of training, and where the border was drawn; nothing where unknown."""
    if answer.distance is None or border is None:
        return []
    words = "Distance to your pictures {distance}; from 1.00 on it is unlike them."
    facts = [tr(words, distance=f"{answer.distance:.2f}")]
    if border.split != "val":
        facts.append(tr("That border is rough: it was drawn on training pictures, as few were kept for validation."))
    return facts


def short_name(provider: str) -> str:
    """Return an ONNX Runtime provider's name without its suffix: CPU, CUDA."""
    return provider.removesuffix("ExecutionProvider")
