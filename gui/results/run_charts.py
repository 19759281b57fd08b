"""The charts of runs: validation curves overlaid, and reliability diagrams. Depend on Qt, pyqtgraph and results."""

from collections.abc import Mapping, Sequence

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout

from gui.kit import theme
from gui.kit.charts import Chart, LineSample, Plot
from gui.kit.parts import ElidedLabel, clear, column, row, text, widget_of
from gui.kit.translation import tr
from visionft.core.messages import Message
from visionft.training.evaluation.metrics import ReliabilityBin
from visionft.training.evaluation.stored import StoredEvaluation
from visionft.training.runs.run_folder import Run


class ReliabilityChart(Chart):
    """The diagrams before and after calibration, or the only one; a bar below the dashed line means overconfidence."""

    def __init__(self) -> None:
        super().__init__()
        self.bins: tuple[tuple[ReliabilityBin, ...], tuple[ReliabilityBin, ...]] = ((), ())
        self.heads = (text("", "strong"), text("", "strong"))
        self._notes = (text("", "small", wrap=True), text("", "small", wrap=True))
        self._plots = (self._plot("Reliability before"), self._plot("Reliability after"))
        charts = row(spacing=theme.HUGE)
        parts = [
            widget_of(column(*each, spacing=theme.TIGHT, grows=2))
            for each in zip(self.heads, self._notes, self._plots, strict=True)
        ]
        for part in parts:
            charts.addWidget(part, 1)
        self._after = parts[1]
        words = Message(
            "A bar is the accuracy on images predicted with about this confidence; it should end at the dashed line. "
            "Below the line the run is overconfident, above it underconfident."
        )
        self.setLayout(column(charts, text(words, "muted", wrap=True), spacing=theme.MEDIUM, grows=0))

    def show_evaluation(self, found: StoredEvaluation) -> None:
        self.bins = (found.reliability_before, found.reliability)
        is_calibrated = found.temperature != 1
        self._after.setVisible(is_calibrated)
        before = Message("Before calibration: ECE {error}") if is_calibrated else Message("Not calibrated: ECE {error}")
        self.heads[0].setText(tr(before, error=f"{found.ece_before:.1%}"))
        self.heads[1].setText(tr("After calibration: ECE {error}", error=f"{found.ece:.1%}"))
        kept = Message("Expected calibration error of the network's own probabilities; no temperature improves them")
        own = Message("Expected calibration error of the network's own probabilities")
        self._notes[0].setText(tr(own if is_calibrated else kept))
        words = Message("Temperature {value}, as in an export")
        if found.ece > found.ece_before:
            words = Message("Temperature {value} from the validation images, as in an export; worse on these images")
        self._notes[1].setText(tr(words, value=f"{found.temperature:.2f}"))
        self.redraw()

    def _plot(self, name: str) -> Plot:
        plot = Plot(tr(name), least_height=160, grid=0)
        for axis, title in ((plot.bottom, "Confidence"), (plot.left, "Accuracy")):
            axis.setTicks([[(share, f"{share:.0%}") for share in (0, 0.25, 0.5, 0.75, 1)]])
            axis.setLabel(tr(title))
            axis.label.setFont(self.font())
        plot.left.setWidth(None)  # room for its title
        plot.item.setRange(xRange=(0, 1), yRange=(0, 1.02), padding=0.01)
        return plot

    def redraw(self) -> None:
        palette = theme.colours()
        for plot, bins in zip(self._plots, self.bins, strict=True):
            plot.forget_lines()
            largest = max((each.count for each in bins), default=1)
            for each in bins:
                colour = pg.mkColor(palette.train_line)
                # A bar of few images is unreliable: it is drawn fainter, so that no tooltip is needed to see it.
                colour.setAlphaF(0.35 + 0.65 * each.count / largest)
                bar = pg.BarGraphItem(x=[each.confidence], height=[each.accuracy], width=0.052, brush=colour)
                bar.setOpts(pen=pg.mkPen(palette.surface))
                words = Message("{count} images, confidence {sure}, accuracy {right}")
                bar.setToolTip(
                    tr(words, count=f"{each.count:,}", sure=f"{each.confidence:.0%}", right=f"{each.accuracy:.0%}")
                )
                plot.item.addItem(bar)
            plot.draw_line("right", [0, 1], [0, 1], pg.mkPen(palette.outline, width=1.5, style=Qt.PenStyle.DashLine))


_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)


class CompareChart(Chart):
    """Loss on the left, accuracy on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: Sequence[Run] = ()
        self._colours: Mapping[str, int] = {}
        self._legend = QHBoxLayout()
        self._legend.setSpacing(theme.LARGE)
        names = (tr("Validation loss"), tr("Validation accuracy"))
        self._plots = tuple(Plot(name, least_height=150, zooms=True) for name in names)
        self._plots[1].setXLink(self._plots[0])
        charts = row(
            column(text("Validation loss", "strong"), self._plots[0]),
            column(text("Validation accuracy (used to choose the epoch)", "strong"), self._plots[1]),
            spacing=theme.LARGE,
        )
        self.setLayout(column(self._legend, charts, spacing=theme.SMALL, grows=1))

    def show_runs(self, runs: Sequence[Run], colours: Mapping[str, int]) -> None:
        """Show the validation curves of these runs; `colours` are places by the runs' names."""
        self.runs, self._colours = runs, colours
        self.redraw()

    def redraw(self) -> None:
        clear(self._legend)
        for plot in self._plots:
            plot.forget_lines()
        for place, run in enumerate(self.runs):
            epochs = [each.epoch for each in run.epochs if each.figures]
            colour = theme.class_colour(self._colours[run.name])
            pen = pg.mkPen(colour, width=2, style=_STYLES[place % len(_STYLES)])
            for figure, plot in enumerate(self._plots):  # (loss, accuracy)
                values = [each.figures[figure] for each in run.epochs if each.figures]
                plot.draw_line(run.name, epochs, values, pen)
                shown = [
                    (epoch, value)
                    for epoch, value in zip(epochs, values, strict=True)
                    if len(values) < 3 or (run.best is not None and run.best.epoch == epoch)
                ]
                plot.draw_dots(f"{run.name} dots", [x for x, _ in shown], [y for _, y in shown], colour, px=10)
            label = ElidedLabel(run.title, "small")
            label.setMinimumWidth(60)
            key = widget_of(row(LineSample(lambda pen=pen: pen), label, grows=1))
            key.setMaximumWidth(theme.scaled(260))
            self._legend.addWidget(key, 1)
        self._legend.addStretch(1)
