"""The prediction of an exported model for one image: bars, time and provider. Depends on Qt and plain engine data."""

from collections.abc import Sequence

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.parts import Card, ElidedLabel, IconLabel, column, row, text
from gui.kit.translation import tr
from visionft.core.messages import Message
from visionft.export.predictor import Prediction
from visionft.training.retrieval import PROBABLE

LINE_PX = 40
MOST = 5


class ProbabilityBars(QWidget):
    """Up to a given number of bars, the first one strong unless all are doubtful."""

    def __init__(self) -> None:
        super().__init__()
        self.bars: tuple[tuple[str, float], ...] = ()
        self._most = MOST
        self._is_doubtful = False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def show_bars(self, bars: tuple[tuple[str, float], ...], *, is_doubtful: bool = False, most: int = MOST) -> None:
        """Show (class, share of 1), best first; reserve room for `most` bars."""
        self.bars, self._is_doubtful, self._most = bars[:most], is_doubtful, most
        self.setAccessibleName("; ".join(f"{name} {share:.1%}" for name, share in self.bars))
        self.updateGeometry()
        self.update()

    def sizeHint(self) -> QSize:
        return QSize(220, self._most * theme.scaled(LINE_PX))

    def minimumSizeHint(self) -> QSize:
        return self.sizeHint()

    def paintEvent(self, _event: QPaintEvent) -> None:
        palette = theme.colours()
        painter = QPainter(self)
        height = theme.scaled(LINE_PX)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        for index, (name, share) in enumerate(self.bars):
            top, vertical = index * height, Qt.AlignmentFlag.AlignVCenter
            words = QRect(0, top, self.width(), height - 14)
            figure = f"{share:.1%}"
            room = self.width() - painter.fontMetrics().horizontalAdvance(figure) - 12
            font = painter.font()
            is_strong = index == 0 and not self._is_doubtful
            font.setBold(is_strong)
            painter.setFont(font)
            painter.setPen(QColor(palette.muted if self._is_doubtful else palette.text))
            shown = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, room)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignLeft | vertical), shown)
            painter.drawText(words, int(Qt.AlignmentFlag.AlignRight | vertical), figure)
            painter.setPen(Qt.PenStyle.NoPen)
            groove = QRectF(0, top + height - 13, self.width(), 7)
            painter.setBrush(QColor(palette.sunken))
            painter.drawRoundedRect(groove, 3.5, 3.5)
            painter.setBrush(QColor(palette.accent if is_strong else palette.outline))
            painter.drawRoundedRect(QRectF(0, groove.top(), max(3.0, groove.width() * share), 7), 3.5, 3.5)


class PredictionCard(Card):
    """Name, out-of-distribution warning, the five most probable classes, and the inference time."""

    def __init__(self) -> None:
        super().__init__()
        self.name = ElidedLabel("", "heading")
        self.bars = ProbabilityBars()
        self.facts = text("", "small", wrap=True)
        self.unlike = QWidget()  # the warning: the image is out of distribution
        words = Message("The training images do not cover it: the prediction is a guess.")
        said = column(text("Out of distribution", "strong"), text(words, "small", wrap=True), spacing=0)
        self.unlike.setLayout(row(IconLabel("warning", tone="warn"), said, grows=1))
        self.unlike.hide()
        for item in (self.name, self.unlike, self.bars, self.facts):
            self.body.addWidget(item)

    def show_prediction(self, prediction: Prediction | None, title: str, facts: Sequence[str]) -> None:
        """Show a prediction; `facts` are sentences about its computation."""
        is_unlike = prediction is not None and prediction.is_unlike
        self.unlike.setVisible(is_unlike)
        # Classes with supporting and opposing images below: the room is theirs.
        most = PROBABLE if prediction is not None and prediction.evidence is not None else MOST
        self.bars.show_bars(prediction.top5 if prediction else (), is_doubtful=is_unlike, most=most)
        fault = tr("Could not be decoded: {reason}", reason=prediction.error) if prediction and prediction.error else ""
        self.name.setText(fault or title)
        self.facts.setText(" ".join(facts))


def speed(prediction: Prediction, provider: str) -> str:
    chip = provider.removesuffix("ExecutionProvider")
    return tr("{time} ms for inference, on {provider}.", time=f"{prediction.model_ms:.1f}", provider=chip)


def several(prediction: Prediction) -> list[str]:
    """Return the labels above their threshold, for a multi-label model."""
    if prediction.classes is None:
        return []
    return [tr("Labels: {classes}.", classes=", ".join(prediction.classes)) if prediction.classes else tr("No label.")]
