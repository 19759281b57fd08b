"""How right the labels so far make the program, and what more of them would give: a line and a small curve.

It shows what *Do you need to train?* measured last (`visionft/advice/kept.py`) and computes nothing: labels that were
given since move along the curve. Knows Qt and plain numbers only.
"""

from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QPainter, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Card, text

if TYPE_CHECKING:
    from visionft.advice.kept import KeptCurve
    from visionft.advice.learning_curve import LearningCurve

_HEIGHT, _BAND_ALPHA, _DOT = 52, 38, 4.0
_ROUND = (10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


class _Spark(QWidget):
    """The curve without axes: measured as a line, what is ahead dashed, today as a dot."""

    def __init__(self) -> None:
        super().__init__()
        self._curve: LearningCurve | None = None
        self._now = 0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        return QSize(120, theme.scaled(_HEIGHT))

    def show_curve(self, curve: "LearningCurve", now: int) -> None:
        """Show a curve and where on it `now` is."""
        self._curve, self._now = curve, now
        self.update()

    def paintEvent(self, _event) -> None:
        curve = self._curve
        if curve is None:
            return
        palette, box = theme.colours(), QRectF(self.rect()).adjusted(_DOT + 1, _DOT + 1, -_DOT - 1, -_DOT - 1)
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
        shade.setAlpha(_BAND_ALPHA)
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
    """Hidden until the curve was measured once."""

    def __init__(self) -> None:
        super().__init__(margin=theme.MEDIUM)
        self._now, self._more = text("", "strong", wrap=True), text("", "small", wrap=True)
        self._spark = _Spark()
        for part in (self._now, self._spark, self._more):
            self.body.addWidget(part)
        self.setToolTip(tr("Accuracy over the number of labels, without training. Train measures it anew."))
        self.hide()

    def show_progress(self, kept: "KeptCurve | None", labelled: int) -> None:
        """Say where `labelled` pictures with a label stand on the curve that was measured last."""
        self.setVisible(kept is not None)
        if kept is None:
            return
        labels = kept.labels_of(labelled)
        self._spark.show_curve(kept.curve, labels)
        is_measured = labels <= kept.curve.labels
        words = "About {share} right with {labels} labels"
        self._now.setText(tr(words, share=f"{kept.curve.at(labels).accuracy:.0%}", labels=f"{labels:,}"))
        measured = "" if is_measured else tr("Measured with {labels} labels.", labels=f"{kept.curve.labels:,}")
        self._more.setText(" ".join(filter(None, (_ahead(kept.curve, labels), measured))))

    def words(self) -> tuple[str, str]:
        """Return what is said of today and of more labels."""
        return self._now.text(), self._more.text()


def _ahead(curve: "LearningCurve", labels: int) -> str:
    """Say what a round number of more labels would give; nothing beyond what the curve reaches."""
    added = max((each for each in _ROUND if each <= max(labels, _ROUND[0])), default=_ROUND[0])
    then = curve.at(labels + added)
    if labels + added > curve.line[-1].labels:
        return ""
    return tr(
        "{count} more would give about {share} ({low} to {high}).",
        count=f"{added:,}", share=f"{then.accuracy:.0%}", low=f"{then.low:.0%}", high=f"{then.high:.0%}",
    )  # fmt: skip
