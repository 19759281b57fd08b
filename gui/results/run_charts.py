"""The chart of runs: their validation curves overlaid. Depends on Qt, pyqtgraph and results."""

from collections.abc import Mapping, Sequence

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout

from gui.kit import theme
from gui.kit.charts import Chart, LineSample, Plot
from gui.kit.parts import ElidedLabel, clear, column, row, text, widget_of
from gui.kit.translation import tr
from visionft.training.runs.run_folder import StoredRun

_STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)


class CompareChart(Chart):
    """Loss on the left, accuracy on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: Sequence[StoredRun] = ()
        self._colours: Mapping[str, int] = {}
        self._legend = QHBoxLayout()
        self._legend.setSpacing(theme.LARGE)
        names = (tr("Validation loss"), tr("Validation accuracy"))
        self._plots = tuple(Plot(name, min_height=150, zooms=True) for name in names)
        self._plots[1].setXLink(self._plots[0])
        charts = row(
            column(text("Validation loss", "strong"), self._plots[0]),
            column(text("Validation accuracy (used to choose the epoch)", "strong"), self._plots[1]),
            spacing=theme.LARGE,
        )
        self.setLayout(column(self._legend, charts, spacing=theme.SMALL, grows=1))

    def show_runs(self, runs: Sequence[StoredRun], colours: Mapping[str, int]) -> None:
        """Show the validation curves of these runs; `colours` are places by the runs' names."""
        self.runs, self._colours = runs, colours
        self.redraw()

    def redraw(self) -> None:
        clear(self._legend)
        for plot in self._plots:
            plot.clear_lines()
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
