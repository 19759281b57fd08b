"""The live chart of a training run: loss above, accuracy below, training solid, validation dashed, best epoch marked.

Knows Qt, pyqtgraph and plain numbers. Redraws at most ten times a second however fast points come.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt, QTimer
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from gui import theme
from gui.widgets.parts import IconLabel, column, row, text

REDRAW_INTERVAL_MS = 100
MAX_STEP_POINTS = 800  # more than the pixels across would only cost time


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
        """Return y of the point nearest to `x`, or None when there is no point."""
        if not self.x:
            return None
        i = bisect_left(self.x, x)
        choices = [k for k in (i - 1, i) if 0 <= k < len(self.x)]
        return self.y[min(choices, key=lambda k: abs(self.x[k] - x))]


class _Legend(QWidget):
    """Heading and values above one plot; a line sample in front of each name says solid or dashed."""

    def __init__(self, title: str) -> None:
        super().__init__()
        self._values = {"train": text("", "strong"), "val": text("", "strong")}
        self._note = text("", "small")
        items: list[QWidget | int | None] = [text(title, "heading"), 8]
        for name, caption in (("train", "Training"), ("val", "Validation")):
            items += [_LineSample(name), text(caption, "small"), self._values[name], 8]
        self.setLayout(row(*items, None, self._note, spacing=theme.SMALL))

    def show_values(self, values: dict[str, str], note: str) -> None:
        for name, label in self._values.items():
            label.setText(values.get(name, ""))
        self._note.setText(note)


class _LineSample(QWidget):
    """A short piece of the line a name stands for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self.setFixedSize(26, 12)

    def paintEvent(self, _event) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(_pen(self._name))
        painter.drawLine(QPointF(1, 6), QPointF(25, 6))


def _pen(name: str, *, width: float = 2.0):
    palette = theme.colours()
    if name == "val":
        return pg.mkPen(palette.val_line, width=width, style=Qt.PenStyle.CustomDashLine, dash=[4, 2.4])
    return pg.mkPen(palette.train_line, width=width)


class _Plot(pg.PlotWidget):
    """One plot with its lines; the x axis counts epochs."""

    def __init__(self, *, is_share: bool) -> None:
        super().__init__()
        self.is_share = is_share
        self.train, self.val, self.steps = Curve(), Curve(), Curve()
        self.context: list[tuple[str, Curve]] = []
        self.best: float | None = None
        self._context_items: list[pg.PlotDataItem] = []
        item: Any = self.getPlotItem()  # pyqtgraph forwards many methods by name, which no checker sees
        self._item = item
        self._steps_item = item.plot([], [], antialias=False)
        self._train_item = item.plot([], [])
        self._val_item = item.plot([], [])
        self._steps_item.setZValue(-5)
        self._best_line = pg.InfiniteLine(angle=90)
        self._best_dot = pg.ScatterPlotItem(size=11)
        self._hover_line = pg.InfiniteLine(angle=90)
        for extra in (self._best_line, self._best_dot, self._hover_line):
            item.addItem(extra, ignoreBounds=True)
            extra.hide()
        item.setMenuEnabled(False)
        item.hideButtons()
        item.getViewBox().setDefaultPadding(0.03)
        item.getAxis("left").setWidth(46)
        item.getAxis("bottom").setHeight(22)
        if is_share:
            item.setYRange(0, 1, padding=0.1)
            item.getAxis("left").setTicks([[(v, f"{v:.0%}") for v in (0, 0.25, 0.5, 0.75, 1)]])
        self.restyle()

    def restyle(self) -> None:
        """Take the colours of the theme in force."""
        palette = theme.colours()
        self.setBackground(palette.surface)
        for name in ("left", "bottom"):
            axis = self._item.getAxis(name)
            axis.setPen(pg.mkPen(palette.border))
            axis.setTextPen(pg.mkPen(palette.muted))
            axis.setTickFont(self.font())
            axis.setStyle(hideOverlappingLabels=False)
            axis.setGrid(110)
        faint = pg.mkColor(palette.train_line)
        faint.setAlpha(95)
        self._steps_item.setPen(pg.mkPen(faint, width=1))
        self._train_item.setPen(_pen("train"))
        self._val_item.setPen(_pen("val"))
        for item, colour in ((self._train_item, palette.train_line), (self._val_item, palette.val_line)):
            item.setSymbolBrush(colour)
            item.setSymbolPen(palette.surface)
        self._best_line.setPen(pg.mkPen(palette.good, width=1, style=Qt.PenStyle.DotLine))
        self._best_dot.setBrush(pg.mkBrush(palette.good))
        self._best_dot.setPen(pg.mkPen(palette.surface, width=2))
        self._hover_line.setPen(pg.mkPen(palette.outline, width=1))

    def redraw(self, last_x: float) -> None:
        """Draw all points; single points get a mark so that the first epoch is visible."""
        for curve, item in ((self.train, self._train_item), (self.val, self._val_item)):
            few = len(curve.x) <= 40
            item.setData(curve.x, curve.y, symbol="o" if few else None, symbolSize=5, connect="finite")
        palette = theme.colours()
        for item, colour in ((self._train_item, palette.train_line), (self._val_item, palette.val_line)):
            item.setSymbolBrush(colour)
            item.setSymbolPen(palette.surface)
        step = -(-len(self.steps.x) // MAX_STEP_POINTS) or 1
        self._steps_item.setData(self.steps.x[::step], self.steps.y[::step], connect="finite")
        self._draw_context()
        self._draw_best()
        self._item.setXRange(0, max(1.0, last_x), padding=0.02)
        if not self.is_share:
            self._fit_y()

    def _fit_y(self) -> None:
        values = np.array(self.train.y + self.val.y + self.steps.y, dtype=float)
        values = values[np.isfinite(values)]
        if values.size:
            # A few wild steps at the start must not flatten the rest of the curve.
            top = float(np.quantile(values, 0.99)) if values.size > 50 else float(values.max())
            self._item.setYRange(min(0.0, float(values.min())), max(top * 1.05, 1e-3), padding=0.02)

    def _draw_context(self) -> None:
        for old in self._context_items:
            self.removeItem(old)
        pen = pg.mkPen(theme.colours().grey_line, width=1.5)
        self._context_items = [self.plot(curve.x, curve.y, pen=pen) for _, curve in self.context]
        for item in self._context_items:
            item.setZValue(-10)

    def _draw_best(self) -> None:
        value = self.val.nearest(self.best) if self.best is not None else None
        for item in (self._best_line, self._best_dot):
            item.setVisible(value is not None)
        if self.best is not None and value is not None:
            self._best_line.setValue(self.best)
            self._best_dot.setData([self.best], [value])

    def x_at(self, position: QPointF) -> float:
        """Return the epoch under a point of the scene."""
        return self._item.getViewBox().mapSceneToView(position).x()

    def show_hover(self, x: float | None) -> None:
        """Mark the place the pointer is at, or nothing."""
        self._hover_line.setVisible(x is not None)
        if x is not None:
            self._hover_line.setValue(x)


class MetricChart(QWidget):
    """Loss and accuracy over the epochs of one run, drawn while it grows."""

    def __init__(self) -> None:
        super().__init__()
        pg.setConfigOptions(antialias=True)
        self._epochs = 0
        self._loss, self._share = _Plot(is_share=False), _Plot(is_share=True)
        self._legends = {self._loss: _Legend("Loss"), self._share: _Legend("Accuracy")}
        self._share.setXLink(self._loss)
        for plot in (self._loss, self._share):
            scene: Any = plot.scene()
            scene.sigMouseMoved.connect(self._on_mouse_moved)
            plot.setMouseEnabled(x=True, y=False)
            plot.setMinimumHeight(110)
        self._loss.setAccessibleName("Chart of the loss")
        self._share.setAccessibleName("Chart of the accuracy")
        layout = column(self._legends[self._loss], self._loss, 8, self._legends[self._share], self._share)
        layout.setStretch(1, 3)
        layout.setStretch(4, 2)
        kept = text("best epoch: the weights that are kept", "small")
        layout.addLayout(row(IconLabel("check-circle", size=14, tone="good"), kept, None, text("epoch", "small")))
        self.setLayout(layout)
        self._redraw_timer = QTimer(self, singleShot=True, interval=REDRAW_INTERVAL_MS)
        self._redraw_timer.timeout.connect(self.redraw)
        self.redraw()

    def clear(self, *, epochs: int = 0) -> None:
        """Forget all points; the x axis will show `epochs` epochs."""
        self._epochs = epochs
        for plot in (self._loss, self._share):
            plot.train, plot.val, plot.steps, plot.best = Curve(), Curve(), Curve(), None
        self.redraw()

    def set_context(self, runs: list[tuple[str, list[tuple[int, float, float]]]]) -> None:
        """Show earlier runs in grey: (name, [(epoch, validation loss, validation accuracy)])."""
        self._loss.context = [(name, Curve([p[0] for p in points], [p[1] for p in points])) for name, points in runs]
        self._share.context = [(name, Curve([p[0] for p in points], [p[2] for p in points])) for name, points in runs]
        self._schedule()

    def add_step(self, epoch_share: float, loss: float) -> None:
        """Add the loss of one step at `epoch_share` epochs (1.5: half through the second)."""
        self._loss.steps.add(epoch_share, loss)
        self._schedule()

    def add_epoch(
        self, epoch: int, *, train_loss: float, val_loss: float, train_top1: float, val_top1: float, is_best: bool
    ) -> None:
        """Add one epoch's figures; accuracies are shares of 1."""
        self._loss.train.add(epoch, train_loss)
        self._loss.val.add(epoch, val_loss)
        self._share.train.add(epoch, train_top1)
        self._share.val.add(epoch, val_top1)
        if is_best:
            self._loss.best = self._share.best = float(epoch)
        self._schedule()

    def point_counts(self) -> dict[str, int]:
        """Return how many points each line has."""
        return {"steps": len(self._loss.steps.x), "epochs": len(self._loss.train.x)}

    def redraw(self) -> None:
        """Draw what has come since the last time."""
        xs = self._loss.train.x + self._loss.steps.x[-1:]
        last = max([float(self._epochs), *xs])
        for plot in (self._loss, self._share):
            plot.redraw(last)
        self._show_values(None)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        if event.type() == QEvent.Type.PaletteChange:
            for plot in (self._loss, self._share):
                plot.restyle()
            self.redraw()
        super().changeEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        """Show the latest values again when the pointer leaves."""
        self._show_values(None)
        super().leaveEvent(event)

    def _schedule(self) -> None:
        if not self._redraw_timer.isActive():
            self._redraw_timer.start()

    def _on_mouse_moved(self, position: QPointF) -> None:
        plot = self._loss if self.sender() is self._loss.scene() else self._share
        x = plot.x_at(position)
        xs = self._loss.train.x
        self._show_values(min(xs, key=lambda known: abs(known - x)) if xs else None)

    def _show_values(self, x: float | None) -> None:
        for plot, legend in self._legends.items():
            plot.show_hover(x)
            at = x if x is not None else (plot.train.x[-1] if plot.train.x else 0.0)
            values = {name: _number(curve.nearest(at), plot.is_share) for name, curve in _lines(plot)}
            note = f"epoch {at:.0f}" if x is not None else (f"best epoch {plot.best:.0f}" if plot.best else "")
            legend.show_values(values, note)


def _lines(plot: _Plot) -> tuple[tuple[str, Curve], ...]:
    return (("train", plot.train), ("val", plot.val))


def _number(value: float | None, is_share: bool) -> str:
    if value is None:
        return ""
    return f"{value:.1%}" if is_share else f"{value:.3f}"
