"""One plot of a training run over its epochs: two lines with their points, step values, grey context, marks.

Only changed items are redrawn: a training run competes for the same cores.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, Signal
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QResizeEvent
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.parts import text

pg.setConfigOptions(antialias=True)

MAX_STEP_POINTS = 600  # more points than pixels only cost time
_ROOMY = 125  # pixels of height


class Chart(QWidget):
    """A widget of plots in the colours of the theme."""

    def restyle(self) -> None:
        """Apply the colours of the theme."""

    def redraw(self) -> None:
        """Redraw everything in the current colours."""

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.restyle()
            self.redraw()
        super().changeEvent(event)


@dataclass(slots=True)
class Curve:
    """Points of one line, in order of x."""

    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)

    def add(self, x: float, y: float) -> None:
        """Append a point; NaN and infinity leave a gap."""
        self.x.append(x)
        self.y.append(y)

    def nearest(self, x: float) -> float | None:
        """Return y of the point nearest to `x`, or None without points."""
        if not self.x:
            return None
        i = bisect_left(self.x, x)
        choices = [k for k in (i - 1, i) if 0 <= k < len(self.x)]
        return self.y[min(choices, key=lambda k: abs(self.x[k] - x))]

    def between(self, low: float, high: float) -> list[float]:
        """Return y of the points with x in [low, high]."""
        return self.y[bisect_left(self.x, low) : bisect_right(self.x, high)]


def smoothed(values: Sequence[float], weight: float) -> np.ndarray:
    """Return the exponential moving average with `weight` (0 to 1) on the past, corrected for its start.

    NaN and infinity are returned as NaN.
    """
    result = np.array(values, dtype=float)
    result[~np.isfinite(result)] = np.nan  # infinity would break the scene's arithmetic
    if weight <= 0:
        return result
    average, mass = 0.0, 0.0
    for place, value in enumerate(result):
        if np.isfinite(value):
            average = weight * average + (1 - weight) * value
            mass = weight * mass + (1 - weight)
            result[place] = average / mass
    return result


def dress(plot: Any, *, grid: int | None = 110) -> None:
    """Style a plot with the theme's colours and the widget's font; `grid` is the opacity of its lines, 0 to 255."""
    palette = theme.colours()
    plot.setBackground(palette.surface)
    for side in ("left", "bottom"):
        axis = plot.getPlotItem().getAxis(side)
        axis.setPen(pg.mkPen(palette.border))
        axis.setTextPen(pg.mkPen(palette.muted))
        axis.setTickFont(plot.font())
        if grid is not None:
            axis.setGrid(grid)


def bare_plot(name: str, *, least_height: int, zooms: bool = False) -> Any:
    """Return an empty plot without pyqtgraph's buttons and menu; `zooms`: the mouse pans and zooms its x axis."""
    plot: Any = pg.PlotWidget()
    plot.setAccessibleName(name)
    plot.setMinimumHeight(least_height)
    plot.getPlotItem().setMenuEnabled(False)
    plot.getPlotItem().hideButtons()
    plot.setMouseEnabled(x=zooms, y=False)
    return plot


def line_pen(name: str) -> Any:
    """Return the pen of the training (solid) or validation (dashed) line."""
    palette = theme.colours()
    if name == "val":
        return pg.mkPen(palette.val_line, width=2, style=Qt.PenStyle.CustomDashLine, dash=[4, 2.4])
    return pg.mkPen(palette.train_line, width=2)


class LineSample(QWidget):
    """A short segment of a curve, for a legend; `pen_of` returns its pen in the present theme."""

    def __init__(self, pen_of: Callable[[], QPen]) -> None:
        super().__init__()
        self._pen_of = pen_of
        self.setFixedSize(26, 12)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._pen_of())
        painter.drawLine(QPointF(1, 6), QPointF(25, 6))


class MetricPlot(pg.PlotWidget):
    """One plot with its lines; the x axis counts epochs. Change `train`, `val`, `steps`, `best`, then `redraw`."""

    zoomed = Signal()  # by the user

    def __init__(self, *, is_share: bool) -> None:
        super().__init__()
        self.is_share = is_share
        self.smoothing = 0.0
        self._context: list[Curve] = []
        self._context_items: list[Any] = []
        self._notes: list[Any] = []
        item: Any = self.getPlotItem()  # pyqtgraph forwards many methods by name, invisible to type checkers
        self._item = item
        self._steps_item = item.plot([], [], antialias=False)
        self._lines = {"train": item.plot([], []), "val": item.plot([], [])}
        self._dots = {name: pg.ScatterPlotItem(size=5) for name in self._lines}
        self._steps_item.setZValue(-5)
        self._best_line, self._hover_line = pg.InfiniteLine(angle=90), pg.InfiniteLine(angle=90)
        self._best_dot = pg.ScatterPlotItem(size=11)
        for extra in (*self._dots.values(), self._best_line, self._best_dot, self._hover_line):
            item.addItem(extra, ignoreBounds=True)
        for extra in (self._best_line, self._best_dot, self._hover_line):
            extra.hide()
        self._nothing = text("Nothing measured yet", "small")
        self._nothing.setParent(self)
        item.setMenuEnabled(False)
        item.hideButtons()
        view = item.getViewBox()
        view.setDefaultPadding(0.0)
        view.disableAutoRange()
        view.sigRangeChangedManually.connect(lambda _mask: self.zoomed.emit())
        item.getAxis("left").setWidth(theme.scaled(46))
        item.getAxis("bottom").setHeight(theme.scaled(22))
        self.setMouseEnabled(x=True, y=False)
        if is_share:
            item.setYRange(-0.12, 1.14, padding=0)  # room for the labels at both ends
        self._space_ticks(_ROOMY)
        self.clear_run()
        self.restyle()

    def resizeEvent(self, ev: QResizeEvent | None) -> None:
        super().resizeEvent(ev)
        if ev is not None:
            self._space_ticks(ev.size().height())
            self._nothing.move(self.rect().center() - self._nothing.rect().center())

    def _space_ticks(self, height: int) -> None:
        axis = self._item.getAxis("left")
        is_roomy = height >= theme.scaled(_ROOMY)
        if self.is_share:
            places = (0, 0.25, 0.5, 0.75, 1) if is_roomy else (0, 0.5, 1)
            axis.setTicks([[(place, f"{place:.0%}") for place in places]])
        else:
            axis.setTickDensity(1.0 if is_roomy else 0.5)

    def restyle(self) -> None:
        palette = theme.colours()
        dress(self)
        for name in ("left", "bottom"):
            self._item.getAxis(name).setStyle(hideOverlappingLabels=False)
        faint = pg.mkColor(palette.train_line)
        faint.setAlpha(110)
        self._steps_item.setPen(pg.mkPen(faint, width=1))
        self._steps_item.setSymbolBrush(faint)
        self._steps_item.setSymbolPen(None)
        for name, colour in (("train", palette.train_line), ("val", palette.val_line)):
            self._lines[name].setPen(line_pen(name))
            self._dots[name].setBrush(pg.mkBrush(colour))
            self._dots[name].setPen(pg.mkPen(palette.surface))
        self._best_line.setPen(pg.mkPen(palette.good, width=1, style=Qt.PenStyle.DotLine))
        self._best_dot.setBrush(pg.mkBrush(palette.good))
        self._best_dot.setPen(pg.mkPen(palette.surface, width=2))
        self._hover_line.setPen(pg.mkPen(palette.outline, width=1))
        for grey in self._context_items:
            grey.setPen(pg.mkPen(palette.grey_line, width=1))
        for line in self._notes:
            line.setPen(pg.mkPen(palette.warn, width=1, style=Qt.PenStyle.DashDotLine))
            line.label.setColor(palette.warn)

    def clear_run(self) -> None:
        self.train, self.val, self.steps = Curve(), Curve(), Curve()
        self.best: float | None = None
        self._y_range: tuple[float, float] | None = None
        for line in self._notes:
            self._item.removeItem(line)
        self._notes = []

    def set_context(self, curves: list[Curve]) -> None:
        for old in self._context_items:
            self._item.removeItem(old)
        self._context = curves
        pen = pg.mkPen(theme.colours().grey_line, width=1)
        self._context_items = [self._item.plot(curve.x, curve.y, pen=pen, connect="finite") for curve in curves]
        for grey in self._context_items:
            grey.setZValue(-10)
        self._y_range = None
        self._show_emptiness()

    def add_note(self, x: float, number: int) -> None:
        """Mark an epoch with the number of its note."""
        line = pg.InfiniteLine(x, angle=90, label=str(number), labelOpts={"position": 0.94, "movable": False})
        self._item.addItem(line, ignoreBounds=True)
        self._notes.append(line)
        self.restyle()

    def redraw_steps(self) -> None:
        stride = -(-len(self.steps.x) // MAX_STEP_POINTS) or 1
        if self.steps.x and not self._nothing.isHidden():
            self._show_emptiness()
        steps = smoothed(self.steps.y, self.smoothing)[::stride]
        is_seen = len(self.steps.x) > 3 or not np.isfinite(steps).all()
        dot = None if is_seen else "o"  # a line with one point is invisible
        self._steps_item.setData(self.steps.x[::stride], steps, connect="finite", symbol=dot, symbolSize=5)

    def redraw(self) -> None:
        """Draw all points; single points get a dot, to make the first epoch visible."""
        for name, curve in (("train", self.train), ("val", self.val)):
            self._lines[name].setData(curve.x, smoothed(curve.y, self.smoothing), connect="finite")
            dots = [point for point in zip(curve.x, curve.y, strict=True) if math.isfinite(point[1])]
            self._dots[name].setData(pos=dots if len(dots) <= 40 else [])
        self.redraw_steps()
        value = self.val.nearest(self.best) if self.best is not None else None
        value = value if value is not None and math.isfinite(value) else None
        for item in (self._best_line, self._best_dot):
            item.setVisible(value is not None)
        if self.best is not None and value is not None:
            self._best_line.setValue(self.best)
            self._best_dot.setData([self.best], [value])
        self._show_emptiness()

    @property
    def is_empty(self) -> bool:
        curves = (self.train, self.val, self.steps, *self._context)
        return not any(math.isfinite(value) for curve in curves for value in curve.y)

    def _show_emptiness(self) -> None:
        """Show the empty message, and hide the numbers of an axis without a scale."""
        is_empty = self.is_empty
        self._nothing.adjustSize()
        self._nothing.move(self.rect().center() - self._nothing.rect().center())
        self._nothing.setVisible(is_empty and not self.is_share)  # one plot with this message is enough
        self._item.getAxis("left").setStyle(showValues=self.is_share or not is_empty)

    def view_x(self) -> tuple[float, float]:
        low, high = self._item.getViewBox().viewRange()[0]
        return low, high

    def show_x(self, low: float, high: float) -> None:
        shown = self.view_x()
        if abs(shown[0] - low) > 1e-9 or abs(shown[1] - high) > 1e-9:
            self._item.setXRange(low, high, padding=0)

    def fit_y(self) -> None:
        """Fit the y range to the visible points; shares always show 0 to 100 %."""
        if self.is_share:
            return
        low, high = self.view_x()
        seen = [value for curve in (self.train, self.val, self.steps) for value in curve.between(low, high)]
        values = np.array(seen or [y for curve in self._context for y in curve.between(low, high)], dtype=float)
        values = values[np.isfinite(values)]
        if not values.size:
            return
        # A few wild steps at the start must not flatten the rest of the curve.
        top = float(np.quantile(values, 0.99)) if values.size > 50 else float(values.max())
        wanted = (min(0.0, float(values.min())), max(top * 1.08, 1e-3))
        # Each change redraws the axis: the range is updated only when it is off by a quarter.
        if self._y_range is None or not (wanted[1] <= self._y_range[1] <= wanted[1] * 1.25):
            self._y_range = (wanted[0], wanted[1] * 1.04)
            self._item.setYRange(*self._y_range, padding=0)

    def x_at(self, position: QPointF) -> float:
        """Return the epoch under a point of the scene."""
        return self._item.getViewBox().mapSceneToView(position).x()

    def show_hover(self, x: float | None) -> None:
        """Mark the position of the pointer, or nothing."""
        self._hover_line.setVisible(x is not None)
        if x is not None:
            self._hover_line.setValue(x)
