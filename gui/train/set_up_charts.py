"""The small chart of the set-up: the learning curve. Depends on Qt and pyqtgraph."""

from typing import TYPE_CHECKING

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import Qt

from gui.kit import theme
from gui.kit.metric_plot import Chart, bare_plot, dress
from gui.kit.parts import column, text
from gui.kit.translation import tr
from models.messages import Message

if TYPE_CHECKING:
    from visionft.advice.learning_curve import LearningCurve


class CurveChart(Chart):
    """Draws one learning curve; the axis of labels is logarithmic, where a power law is nearly straight."""

    def __init__(self) -> None:
        super().__init__()
        self.curve: LearningCurve | None = None
        self._plot = bare_plot(tr("Accuracy over the number of labels"), least_height=theme.scaled(190))
        self._plot.setMaximumHeight(theme.scaled(190))
        item = self._plot.getPlotItem()
        item.getAxis("left").setWidth(theme.scaled(44))
        item.getAxis("bottom").setHeight(theme.scaled(22))
        for side in ("left", "bottom"):
            item.getAxis(side).setStyle(hideOverlappingLabels=False)
            item.getAxis(side).setTicks([[]])  # no numbers on an empty axis
        self._edges = (pg.PlotCurveItem(), pg.PlotCurveItem())
        self._band = pg.FillBetweenItem(*self._edges)
        self._past, self._ahead = pg.PlotCurveItem(), pg.PlotCurveItem()
        self._bars = pg.ErrorBarItem(x=np.zeros(1), y=np.zeros(1), height=np.zeros(1))
        self._dots = pg.ScatterPlotItem(size=8)
        self._today = pg.InfiniteLine(angle=90)
        for each in (self._band, *self._edges, self._past, self._ahead, self._today, self._bars, self._dots):
            item.addItem(each, ignoreBounds=True)
        self._words = text("", "small", wrap=True)
        self.setLayout(column(text("Accuracy over the number of labels", "strong"), self._plot, self._words))
        self.restyle()

    def show_curve(self, curve: "LearningCurve") -> None:
        self.curve = curve
        labels = np.array([point.labels for point in curve.line], float)
        middle, low, high = (
            np.array([getattr(point, name) for point in curve.line]) for name in ("accuracy", "low", "high")
        )
        x, now = np.log2(labels), np.log2(curve.labels)
        for edge, values in zip(self._edges, (low, high), strict=True):
            edge.setData(x, values)
        is_past = labels <= curve.labels
        joint = ([now], [curve.now.accuracy])  # where solid becomes dashed
        self._past.setData(np.append(x[is_past], joint[0]), np.append(middle[is_past], joint[1]))
        self._ahead.setData(np.append(joint[0], x[~is_past]), np.append(joint[1], middle[~is_past]))
        dots = np.log2([point.labels for point in curve.measured])
        y = np.array([point.accuracy for point in curve.measured])
        below = y - [point.low for point in curve.measured]
        above = np.array([point.high for point in curve.measured]) - y
        self._dots.setData(dots, y)
        self._bars.setData(x=dots, y=y, top=above, bottom=below)
        self._today.setValue(now)
        self._set_axes(curve, x, float(low.min()), float(high.max()))
        ahead = curve.ahead[-1]
        words = Message(
            "Without training. Dots were measured; beyond {labels} labels it is a forecast: {share} with {more}."
        )
        if curve.is_estimated:
            words = Message(
                "Without training. Dots are estimated; beyond {labels} labels it is a forecast: {share} with {more}."
            )
        share = f"{ahead.accuracy:.0%} ({ahead.low:.0%}–{ahead.high:.0%})"
        self._words.setText(tr(words, labels=f"{curve.labels:,}", share=share, more=f"{ahead.labels:,}"))

    def _set_axes(self, curve: "LearningCurve", x: np.ndarray, least: float, most: float) -> None:
        item = self._plot.getPlotItem()
        ticks = [curve.measured[0].labels, curve.labels, *(point.labels for point in curve.ahead)]
        shown = [(float(np.log2(each)), f"{each:,}") for each in dict.fromkeys(ticks)]
        item.getAxis("bottom").setTicks([shown])
        low = max(0.0, np.floor(10 * (least - 0.02)) / 10)
        high = min(1.0, np.ceil(10 * (most + 0.005)) / 10)
        step = 0.05 if high - low <= 0.2 else 0.1 if high - low <= 0.5 else 0.2
        places = np.arange(low, high + 1e-9, step)
        item.getAxis("left").setTicks([[(float(place), f"{place:.0%}") for place in places]])
        self._plot.setXRange(float(x[0]), float(x[-1]), padding=0.08)
        self._plot.setYRange(low, float(high), padding=0.05)

    def restyle(self) -> None:
        palette = theme.colours()
        dress(self._plot, grid=70)
        shade = pg.mkColor(palette.train_line)
        shade.setAlpha(38)
        self._band.setBrush(pg.mkBrush(shade))
        for edge in self._edges:
            edge.setPen(pg.mkPen(None))
        self._past.setPen(pg.mkPen(palette.train_line, width=2))
        self._ahead.setPen(pg.mkPen(palette.train_line, width=2, style=Qt.PenStyle.CustomDashLine, dash=[4, 2.4]))
        self._bars.setData(pen=pg.mkPen(palette.train_line, width=1))
        self._dots.setBrush(pg.mkBrush(palette.train_line))
        self._dots.setPen(pg.mkPen(palette.surface))
        self._today.setPen(pg.mkPen(palette.outline, width=1, style=Qt.PenStyle.DotLine))
