"""The current accuracy of the labels, and the forecast for more of them: a line and a small learning curve.

It shows the stored recommendation (`visionft/advice/stored_recommendation.py`) and computes nothing: labels added
since move along the curve. Knows Qt and plain numbers only.
"""

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.parts import Card, text
from gui.kit.translation import tr
from models.messages import Message

if TYPE_CHECKING:
    from visionft.advice.learning_curve import LearningCurve
    from visionft.advice.stored_recommendation import StoredCurve

_DOT = 4.0
_ROUND = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


class _Spark(QWidget):
    """The curve without axes: the measured part solid, the forecast dashed, today as a dot."""

    def __init__(self) -> None:
        super().__init__()
        self._curve: LearningCurve | None = None
        self._now = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(120, theme.scaled(52))

    def show_curve(self, curve: "LearningCurve", now: int) -> None:
        self._curve, self._now = curve, now
        self.update()

    def paintEvent(self, _event) -> None:
        curve = self._curve
        if curve is None:
            return
        palette = theme.colours()
        box = QRectF(self.rect()).adjusted(_DOT + 1, _DOT + 1, -_DOT - 1, -_DOT - 1)
        low, high = min(point.low for point in curve.line), max(point.high for point in curve.line)
        first, last = np.log(curve.line[0].labels), np.log(curve.line[-1].labels)

        def place(labels: float, share: float) -> QPointF:
            along = (np.log(max(labels, 1)) - first) / max(last - first, 1e-9)
            up = (share - low) / max(high - low, 1e-9)
            return QPointF(box.left() + float(np.clip(along, 0, 1)) * box.width(), box.bottom() - up * box.height())

        now = min(max(self._now, curve.line[0].labels), curve.line[-1].labels)
        today = place(now, curve.at(now).accuracy)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ink, shade = QColor(palette.train_line), QColor(palette.train_line)
        shade.setAlpha(38)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(shade)
        above = [place(point.labels, point.high) for point in curve.line]
        below = [place(point.labels, point.low) for point in reversed(curve.line)]
        painter.drawPolygon(QPolygonF([*above, *below]))
        joint = place(curve.labels, curve.at(curve.labels).accuracy)
        before = [place(point.labels, point.accuracy) for point in curve.line if point.labels < curve.labels]
        after = [place(point.labels, point.accuracy) for point in curve.line if point.labels > curve.labels]
        painter.setPen(QPen(ink, 2))
        painter.drawPolyline(QPolygonF([*before, joint]))
        painter.setPen(QPen(ink, 2, Qt.PenStyle.DashLine))
        painter.drawPolyline(QPolygonF([joint, *after]))
        painter.setPen(QPen(QColor(palette.surface), 1.5))
        painter.setBrush(ink)
        painter.drawEllipse(today, _DOT, _DOT)


class ProgressCard(Card):
    """Hidden until the curve has been measured."""

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self._now, self._more = text("", "strong", wrap=True), text("", "small", wrap=True)
        self._spark = _Spark()
        self.add(self._now, self._spark, self._more)
        self.setToolTip(tr("Accuracy over the number of labels, without training. Train measures it again."))
        self.hide()

    def show_progress(self, stored: "StoredCurve | None", labelled: int) -> None:
        self.setVisible(stored is not None)
        if stored is None:
            return
        labels = stored.labels_of(labelled)
        self._spark.show_curve(stored.curve, labels)
        is_measured = labels <= stored.curve.labels
        words = Message("Accuracy about {share} with {labels} labels")
        self._now.setText(tr(words, share=f"{stored.curve.at(labels).accuracy:.0%}", labels=f"{labels:,}"))
        measured = "" if is_measured else tr("Measured with {labels} labels.", labels=f"{stored.curve.labels:,}")
        # the forecast for a round number of additional labels, up to the end of the curve
        added = max((each for each in _ROUND if each <= max(labels, _ROUND[0])), default=_ROUND[0])
        forecast = ""
        then = stored.curve.at(labels + added)
        if labels + added <= stored.curve.line[-1].labels:
            forecast = tr(
                "{count} more would give about {share} ({low} to {high}).",
                count=f"{added:,}",
                share=f"{then.accuracy:.0%}",
                low=f"{then.low:.0%}",
                high=f"{then.high:.0%}",
            )
        self._more.setText(" ".join(filter(None, (forecast, measured))))

    def words(self) -> tuple[str, str]:
        """Return the texts about the current labels and about more of them."""
        return self._now.text(), self._more.text()
