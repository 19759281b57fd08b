"""The accuracy of a run over time: each figure of its stages, the best so far, and what each stage was worth."""

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from PySide6.QtWidgets import QGridLayout

from gui.kit import theme
from gui.kit.metric_plot import Chart, bare_plot, dress
from gui.kit.parts import TextRole, column, row, text, widget_of
from gui.kit.translation import tr
from visionft.amounts import duration_text
from visionft.training.runs.metrics_file import AccuracyPoint

_MOST_LINES = 5  # below the chart, the newest


class AccuracyChart(Chart):
    """Shows the validation accuracy of one run from the click on; the best so far is a line of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[AccuracyPoint] = []
        self._plot: Any = bare_plot(tr("Accuracy over time"), least_height=theme.scaled(120))
        self._best = self._plot.plot([], [])
        self._dots = pg.ScatterPlotItem(size=7)
        self._plot.addItem(self._dots)
        axis = self._plot.getPlotItem().getAxis("left")
        axis.setWidth(theme.scaled(46))
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.MEDIUM)
        grid.setVerticalSpacing(theme.TIGHT)
        grid.setColumnStretch(1, 1)
        roles: tuple[TextRole, ...] = ("small", "body", "strong", "small")
        self._lines = [[text("", role) for role in roles] for _ in range(_MOST_LINES)]
        for number, cells in enumerate(self._lines):
            for place, cell in enumerate(cells):
                grid.addWidget(cell, number, place)
        head = row(text("Accuracy over time", "heading"), None)
        lines = widget_of(column(grid, None))
        lines.setMinimumWidth(theme.scaled(300))
        self.setLayout(column(head, row(self._plot, lines, spacing=theme.LARGE, grows=0), grows=1))
        self.restyle()

    def show_points(self, points: Sequence[AccuracyPoint]) -> None:
        """Show these points, in order of time, in place of the earlier ones."""
        self.points = list(points)
        self.redraw()

    def add(self, point: AccuracyPoint) -> None:
        self.show_points([*self.points, point])

    def restyle(self) -> None:
        dress(self._plot)
        palette = theme.colours()
        self._best.setPen(pg.mkPen(palette.good, width=2))

    def redraw(self) -> None:
        palette = theme.colours()
        kept = [point for point in self.points if point.is_kept]
        if kept:
            until = max(self.points[-1].at_s, 1.05 * kept[-1].at_s)  # the best so far holds until now
            times = [*(point.at_s for point in kept), until]
            self._best.setData(times, [point.accuracy for point in kept], stepMode="center")
        else:
            self._best.setData([], [], stepMode=None)
        self._dots.setData(
            x=[point.at_s for point in self.points],
            y=[point.accuracy for point in self.points],
            brush=[pg.mkBrush(palette.good if point.is_kept else palette.grey_line) for point in self.points],
            pen=pg.mkPen(palette.surface),
        )
        last = self.points[-1].at_s if self.points else 60.0
        low = min((point.accuracy for point in self.points), default=0.0)
        floor = max(0.0, min(0.9, round(low - 0.1, 1)))
        plot = self._plot.getPlotItem()
        plot.setXRange(0, 1.08 * max(last, 1.0), padding=0)
        plot.setYRange(floor, 1.02, padding=0)
        step = 0.25 if floor < 0.4 else 0.1 if floor < 0.8 else 0.05
        shares = [round(place * step, 2) for place in range(round(1 / step) + 1)]
        plot.getAxis("left").setTicks([[(share, f"{share:.0%}") for share in shares if share >= floor]])
        plot.getAxis("bottom").setTicks([[(second, _tick_text(second)) for second in _seconds(1.08 * last)]])
        self._show_lines()

    def _show_lines(self) -> None:
        shown = stage_lines(self.points)[-_MOST_LINES:]
        for number, cells in enumerate(self._lines):
            words = shown[number] if number < len(shown) else ("", "", "", "")
            for cell, word in zip(cells, words, strict=True):
                cell.setText(word)


def stage_lines(points: Sequence[AccuracyPoint]) -> list[tuple[str, str, str, str]]:
    """Return (time, stage, accuracy, gain) of each model that took the place of the one before, as text."""
    lines: list[tuple[str, str, str, str]] = []
    before: AccuracyPoint | None = None
    for point in points:
        if not point.is_kept:
            continue
        if point.epoch:
            words = tr("Network, epoch {epoch}", epoch=point.epoch)
        else:
            words = tr("Linear probe") if before is None else tr("Linear probe on what it sees best")
        gain = ""
        if before is not None:
            gain = tr("{points} points", points=f"{100 * (point.accuracy - before.accuracy):+.1f}")
        lines.append((duration_text(point.at_s), words, f"{point.accuracy:.1%}", gain))
        before = point
    return lines


def _seconds(last: float) -> list[float]:
    """Return about five round times up to `last` seconds."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)
    step = next((each for each in steps if last / each <= 6), steps[-1])
    return [float(place * step) for place in range(int(last // step) + 1)]


def _tick_text(seconds: float) -> str:
    return duration_text(seconds).removesuffix(" 00 s")
