"""The learning-rate range test as a chart: loss over the rate on a logarithmic axis, the suggestion marked.

Knows Qt, pyqtgraph and plain numbers.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QPointF, Signal

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.metric_plot import Chart, bare_plot, dress, line_pen
from gui.kit.parts import Button, column, row, text


class RateChart(Chart):
    """Shows one test; a click in the chart chooses another rate than the suggested one."""

    rate_chosen = Signal(float)

    def __init__(self) -> None:
        super().__init__()
        pg.setConfigOptions(antialias=True)
        self._rates: Sequence[float] = ()
        self._losses: Sequence[float] = ()
        self.rate = 0.0
        self._plot = bare_plot(tr("Loss over the learning rate"), least_height=theme.scaled(190))
        self._plot.setMaximumHeight(theme.scaled(190))
        item = self._plot.getPlotItem()
        item.setLogMode(x=True, y=False)
        item.getAxis("bottom").enableAutoSIPrefix(False)
        item.getAxis("left").setWidth(theme.scaled(40))
        self._line = item.plot([], [])
        self._mark = pg.InfiniteLine(angle=90)
        item.addItem(self._mark, ignoreBounds=True)
        self._plot.scene().sigMouseClicked.connect(self._on_clicked)
        self._words = text("", "small", wrap=True)
        self.use_button = Button("Use this rate", "check", on_click=lambda: self.rate_chosen.emit(self.rate))
        self.setLayout(column(self._plot, self._words, row(self.use_button, None)))
        self.restyle()

    def show_curve(self, rates: Sequence[float], losses: Sequence[float], suggestion: float) -> None:
        """Show what the test saw."""
        self._rates, self._losses = tuple(rates), tuple(losses)
        self._line.setData(self._rates, self._losses)
        values = np.array(self._losses, dtype=float)
        values = values[np.isfinite(values)]
        if values.size:
            top = min(float(values.max()), float(values[0]) * 1.6)  # the explosion at the end is of no interest
            self._plot.setYRange(float(values.min()) * 0.95, top, padding=0.02)
        self.choose(suggestion)

    def choose(self, rate: float) -> None:
        """Mark a rate."""
        self.rate = rate
        self._mark.setValue(np.log10(max(rate, 1e-12)))
        self._words.setText(
            tr("At a rate of {rate} the loss falls fastest. Click into the chart for another.", rate=f"{rate:.2g}")
        )

    def restyle(self) -> None:
        """Take the colours of the theme."""
        dress(self._plot, grid=90)
        self._line.setPen(line_pen("train"))
        self._mark.setPen(pg.mkPen(theme.colours().good, width=2))

    def _on_clicked(self, event: Any) -> None:
        self.choose_at(event.scenePos())

    def choose_at(self, position: QPointF) -> None:
        """Choose the tried rate nearest to a point of the scene."""
        if not self._rates:
            return
        place = self._plot.getPlotItem().getViewBox().mapSceneToView(position).x()
        nearest = min(self._rates, key=lambda rate: abs(np.log10(rate) - place))
        self.rate = nearest
        self._mark.setValue(np.log10(nearest))
        self._words.setText(tr("Rate {rate}, chosen by you.", rate=f"{nearest:.2g}"))
