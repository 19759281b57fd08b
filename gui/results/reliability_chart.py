"""Reliability before and after the temperature: how often a run is right when it is so sure. Knows plain data only."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import Qt

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.metric_plot import Chart, bare_plot, dress
from gui.kit.parts import column, row, text
from visionft.evaluation.metrics import ReliabilityBin

_TICKS = [[(share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]]
_BAR_WIDTH = 0.052


class ReliabilityChart(Chart):
    """Two diagrams side by side; a bar below the dashed line means: surer than right."""

    def __init__(self) -> None:
        super().__init__()
        self._bins: tuple[tuple[ReliabilityBin, ...], tuple[ReliabilityBin, ...]] = ((), ())
        self._heads = (text("", "strong"), text("", "strong"))
        self._notes = (text("", "small", wrap=True), text("", "small", wrap=True))
        self._plots = (self._plot("Reliability before"), self._plot("Reliability after"))
        parts = [
            column(head, note, plot, spacing=theme.TIGHT)
            for head, note, plot in zip(self._heads, self._notes, self._plots, strict=True)
        ]
        for part in parts:
            part.setStretch(2, 1)
        charts = row(*parts, spacing=theme.HUGE)
        charts.setStretch(0, 1)
        charts.setStretch(1, 1)
        words = (
            "A bar is the share of right answers among pictures the run was about this sure of; it should end at the "
            "dashed line. Below the line the run is surer than it is right, above it too modest."
        )
        layout = column(charts, text(words, "muted", wrap=True), spacing=theme.MEDIUM)
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self.restyle()

    def show_bins(
        self,
        before: tuple[ReliabilityBin, ...],
        after: tuple[ReliabilityBin, ...],
        *,
        ece_before: float,
        ece: float,
        temperature: float,
    ) -> None:
        """Show both diagrams; `ece` and `ece_before` are shares of 1."""
        self._bins = (before, after)
        self._heads[0].setText(tr("As trained: off by {error} on average", error=f"{ece_before:.1%}"))
        self._heads[1].setText(tr("After calibration: off by {error} on average", error=f"{ece:.1%}"))
        self._notes[0].setText(tr("Expected calibration error of the network's own probabilities"))
        self._notes[1].setText(tr("Temperature {value}; this is what an export answers", value=f"{temperature:.2f}"))
        self.redraw()

    def titles(self) -> tuple[str, str]:
        """Return what stands over the two diagrams."""
        return self._heads[0].text(), self._heads[1].text()

    def bar_counts(self) -> tuple[int, int]:
        """Return how many bars each diagram shows."""
        return len(self._bins[0]), len(self._bins[1])

    def _plot(self, name: str) -> Any:
        plot = bare_plot(tr(name), least_height=160)
        item: Any = plot.getPlotItem()
        item.setLabel("bottom", tr("How sure"))
        item.setLabel("left", tr("How often right"))
        for side in ("left", "bottom"):
            item.getAxis(side).setTicks(_TICKS)
        plot.setRange(xRange=(0, 1), yRange=(0, 1.02), padding=0.01)
        return plot

    def restyle(self) -> None:
        """Take the colours of the theme."""
        for plot in self._plots:
            dress(plot, grid=None)
            for side in ("left", "bottom"):
                plot.getPlotItem().getAxis(side).label.setFont(self.font())

    def redraw(self) -> None:
        """Draw anew what is shown."""
        palette = theme.colours()
        for plot, bins in zip(self._plots, self._bins, strict=True):
            plot.clear()
            largest = max((each.count for each in bins), default=1)
            for each in bins:
                colour = pg.mkColor(palette.train_line)
                # A bar of few pictures says little: it is drawn fainter, and the tooltip is not needed to see it.
                colour.setAlphaF(0.35 + 0.65 * each.count / largest)
                bar = pg.BarGraphItem(x=[each.confidence], height=[each.accuracy], width=_BAR_WIDTH, brush=colour)
                bar.setOpts(pen=pg.mkPen(palette.surface))
                bar.setToolTip(
                    tr(
                        "{count} pictures, {sure} sure, {right} right",
                        count=f"{each.count:,}",
                        sure=f"{each.confidence:.0%}",
                        right=f"{each.accuracy:.0%}",
                    )
                )
                plot.addItem(bar)
            plot.plot([0, 1], [0, 1], pen=pg.mkPen(palette.outline, width=1.5, style=Qt.PenStyle.DashLine))
