"""The charts of a training run: loss and accuracy of each epoch, and the accuracy over time.

Running and stored runs both provide events and accuracy points of the engine.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from operator import itemgetter

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QGridLayout, QHBoxLayout, QSlider, QWidget

from gui.kit import theme
from gui.kit.charts import Chart, LineSample, Plot, grey_pen, train_pen, val_pen
from gui.kit.parts import ElidedLabel, IconButton, IconLabel, TextRole, column, row, text, widget_of
from gui.kit.translation import tr
from visionft.core.amounts import duration_text
from visionft.core.events import EpochDone
from visionft.core.messages import Message, Text
from visionft.training.runs.metrics_file import AccuracyPoint
from visionft.training.runs.run_folder import StoredRun

BEST_EPOCH_TIP = Message(
    "The latest epoch within one standard error of the highest validation accuracy: smaller differences are not "
    "significant."
)
REDRAW_INTERVAL_MS = 200
_MIN_WIDTH_PX, _SIDE_BY_SIDE_WIDTH_PX = 400, 840
_MAX_DOTS = 40
_MAX_SCALING_STEPS = 2_000  # evenly spaced steps in view that set the height of the chart
_MAX_STAGE_LINES = 5  # newest stages, below the accuracy over time


class MetricPlot(QWidget):
    """A plot of one metric over the epochs, and a legend with values. `train_of` and `val_of` read it from an event."""

    pointed_at = Signal(float)  # epoch

    def __init__(
        self,
        title: Text,
        name: Text,
        form: str,
        *,
        train_of: Callable[[EpochDone], float | None],
        val_of: Callable[[EpochDone], float | None],
    ) -> None:
        super().__init__()
        self._form, self._of = form, {"train": train_of, "val": val_of}
        self.plot = Plot(tr(name), min_height=100, zooms=True)
        self.plot.item.getViewBox().disableAutoRange()
        self._best, self._pointer = pg.InfiniteLine(angle=90), pg.InfiniteLine(angle=90)
        for line in (self._best, self._pointer):
            self.plot.item.addItem(line, ignoreBounds=True)
            line.hide()
        self._values = {"train": text("", "strong"), "val": text("", "strong")}
        self._note = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self._note.setAlignment(Qt.AlignmentFlag.AlignRight)
        items: list[QWidget | int | None] = [text(title, "heading"), 8]
        captions = {"train": text("Training", "small"), "val": text("Validation", "small")}
        captions["val"].setToolTip(tr("Used to choose the best epoch"))
        for key, pen_of in (("train", train_pen), ("val", val_pen)):
            items += [LineSample(pen_of), captions[key], self._values[key], 8]
        legend = row(*items, self._note)
        legend.setStretch(legend.count() - 1, 1)
        self.setLayout(column(widget_of(legend), self.plot, grows=1))
        scene = self.plot.scene()
        scene.sigMouseMoved.connect(lambda at: self.pointed_at.emit(self._epoch_at(at)))  # type: ignore[union-attr]

    def _epoch_at(self, position: QPointF) -> float:
        return self.plot.item.getViewBox().mapSceneToView(position).x()

    def draw(self, epochs: Sequence[EpochDone], earlier: Sequence[StoredRun]) -> None:
        """Draw the epochs with a mark at the newest best one, and the validation lines of earlier runs in grey."""
        validated = [[event for event in run.epochs if event.figures] for run in earlier]
        self.plot.draw_line(  # one line with gaps
            "earlier",
            [event.epoch if event else 0.0 for run in validated for event in (*run, None)],
            [self._of["val"](event) or 0.0 if event else np.nan for run in validated for event in (*run, None)],
            grey_pen(),
            layer=-10,
        )
        for name, pen in (("train", train_pen()), ("val", val_pen())):
            points = [(event.epoch, value) for event in epochs if (value := self._of[name](event)) is not None]
            self.plot.draw_line(name, [x for x, _ in points], [y for _, y in points], pen)
            dots = points if len(points) <= _MAX_DOTS else []
            self.plot.draw_dots(f"{name} dots", [x for x, _ in dots], [y for _, y in dots], pen.color())
        best_events = [event for event in epochs if event.is_best and event.figures][-1:]
        best_colour = theme.colours().good
        self._best.setVisible(bool(best_events))
        self._best.setPen(pg.mkPen(best_colour, width=1, style=Qt.PenStyle.DotLine))
        for event in best_events:
            self._best.setValue(event.epoch)
        heights = [self._of["val"](event) or 0.0 for event in best_events]
        self.plot.draw_dots("best", [event.epoch for event in best_events], heights, best_colour, px=11, layer=6)

    def show_values(self, event: EpochDone | None, *, is_pointed_at: bool) -> None:
        """Show the values of an epoch in the legend; mark the epoch if the pointer is on it."""
        self._pointer.setVisible(is_pointed_at)
        note = "" if event is not None else tr("Nothing measured yet")
        if event is not None and is_pointed_at:
            self._pointer.setPen(pg.mkPen(theme.colours().outline, width=1))
            self._pointer.setValue(event.epoch)
            note = tr("at epoch {epoch}", epoch=event.epoch)
        self._note.setText(note)
        for name, label in self._values.items():
            value = self._of[name](event) if event is not None else None
            label.setText("" if value is None else self._form.format(value))


class LiveChart(Chart):
    """Loss and accuracy over the epochs of one run. The wheel and drags zoom; new points keep the zoom."""

    def __init__(self) -> None:
        super().__init__()
        self._has_new_epoch = False
        self._y_top = 0.0
        self._loss = MetricPlot(
            "Loss", "Loss chart", "{:.3f}", train_of=lambda each: each.train_loss, val_of=lambda each: each.val_loss
        )
        self._accuracy = MetricPlot(
            "Accuracy",
            "Accuracy chart",
            "{:.1%}",
            train_of=lambda each: each.train_accuracy,
            val_of=lambda each: each.val_accuracy,
        )
        self._accuracy.plot.set_percent_axis()
        self._accuracy.plot.setXLink(self._loss.plot)
        self._view = self._loss.plot.item.getViewBox()
        for each in (self._loss, self._accuracy):
            each.pointed_at.connect(self._on_pointed_at)
            each.plot.item.getViewBox().sigRangeChangedManually.connect(lambda _mask: self._on_zoomed())
        self._note_label = text("", "small", wrap=True, tone="warn")
        self._plots_layout = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._plots_layout.setSpacing(theme.LARGE)
        self._plots_layout.addWidget(self._loss, 1)
        self._plots_layout.addWidget(self._accuracy, 1)
        self.setLayout(column(self._tools(), self._plots_layout, self._note_label, grows=1))
        self._redraw_timer = QTimer(self, singleShot=True, interval=REDRAW_INTERVAL_MS)
        self._redraw_timer.timeout.connect(self._redraw_changes)
        self._earlier_runs: Sequence[StoredRun] = ()
        self.clear()

    def _tools(self) -> QHBoxLayout:
        self.smoothing_slider = QSlider(Qt.Orientation.Horizontal)
        self.smoothing_slider.setRange(0, 95)
        self.smoothing_slider.setFixedSize(theme.scaled(110), 22)
        self.smoothing_slider.setAccessibleName(tr("Smoothing of the steps"))
        self.smoothing_slider.setToolTip(tr("Average the loss of each step over the steps before it"))
        self.smoothing_slider.valueChanged.connect(lambda _value: self._draw_steps())
        self.fit_button = IconButton("fit", "Show the whole run", on_click=self.show_whole)
        self._earlier_runs_legend = widget_of(row(LineSample(grey_pen), text("Earlier runs", "small")))
        self._earlier_runs_legend.hide()
        caption = text("Best epoch", "small")
        caption.setToolTip(tr(BEST_EPOCH_TIP))
        kept = row(IconLabel("check-circle", size=14, tone="good"), caption, spacing=6)
        smoothing = row(text("Smoothing", "small"), self.smoothing_slider)
        return row(kept, theme.SMALL, self._earlier_runs_legend, None, smoothing, theme.SMALL, self.fit_button)

    def clear(self, *, epochs: int = 0) -> None:
        """Remove all points and prepare the x axis for a number of epochs."""
        self._planned_epochs = epochs
        self.epochs: list[EpochDone] = []
        self.steps: list[tuple[float, float]] = []  # fractional epoch, loss
        self.notes: list[tuple[float, str]] = []  # epoch, message
        self._pointed_at: EpochDone | None = None
        self._is_zoomed = False
        self._note_label.hide()
        self.redraw()

    def set_context(self, runs: Sequence[StoredRun]) -> None:
        """Replace the earlier runs, the validation curves of which are drawn in grey."""
        self._earlier_runs = runs
        self._earlier_runs_legend.setVisible(bool(self._earlier_runs))
        self._earlier_runs_legend.setToolTip("\n".join(run.title for run in self._earlier_runs))
        self._schedule(has_new_epoch=True)

    def add_step(self, epoch: float, loss: float) -> None:
        """Add the loss of a step at a fractional epoch; 1.5 is half through the second epoch."""
        while self.steps and self.steps[-1][0] >= epoch:  # the run has repeated these steps
            self.steps.pop()
        self.steps.append((epoch, loss))
        self._schedule()

    def add_epoch(self, event: EpochDone) -> None:
        """Add the metrics of an epoch."""
        self.epochs.append(event)
        self._schedule(has_new_epoch=True)

    def add_note(self, epoch: float, message: str) -> None:
        """Add a note below the charts, such as a smaller batch after memory ran out."""
        self.notes.append((epoch, message))
        lines = [f"{tr('epoch {epoch}', epoch=f'{x:.1f}')}: {tr(note)}" for x, note in self.notes]
        self._note_label.setText("\n".join(lines[-3:]))
        self._note_label.setToolTip("\n".join(lines))
        self._note_label.show()

    def redraw(self) -> None:
        self._has_new_epoch = False
        for plot in (self._loss, self._accuracy):
            plot.draw(self.epochs, self._earlier_runs)
        self._show_values()
        self._draw_steps()

    def _draw_steps(self) -> None:
        epochs, losses = [x for x, _ in self.steps], [y for _, y in self.steps]
        colour = pg.mkColor(theme.colours().train_line)
        colour.setAlpha(110)
        values = smoothed(losses, self.smoothing_slider.value() / 100)
        self._loss.plot.draw_line("steps", epochs, values, pg.mkPen(colour, width=1), layer=-5)
        first = 3 if len(epochs) <= 3 else 0  # a line with one point is invisible
        self._loss.plot.draw_dots("first steps", epochs[:first], values[:first], colour, px=5, layer=-5)
        self._fit()

    def _redraw_changes(self) -> None:
        """Draw the changes since the last call; between epochs only the loss of the steps.

        Painting is the window's largest cost during a run, and the run's threads wait for it.
        """
        if self._has_new_epoch:
            self.redraw()
        else:
            self._draw_steps()

    def _fit(self) -> None:
        """Show the whole run, unless the user has zoomed; scale the loss axis from 0 to the maximum in view."""
        if not self._is_zoomed:
            xs = [*(event.epoch for event in self.epochs[-1:]), *(x for x, _ in self.steps[-1:])]
            has_epoch = any(event.epoch for event in self.epochs)
            last = max([self._planned_epochs if has_epoch else 1, *xs])  # the first epoch fills the chart
            self._view.setXRange(-0.015 * last, 1.015 * last, padding=0)
        low, high = self._view.viewRange()[0]
        shown_epochs = (self.epochs, *(run.epochs for run in self._earlier_runs if not self.epochs))
        points = [
            (event.epoch, y) for epochs in shown_epochs for event in epochs for y in (event.train_loss, event.val_loss)
        ]
        start, end = (side(self.steps, x, key=itemgetter(0)) for side, x in ((bisect_left, low), (bisect_right, high)))
        sampled_steps = self.steps[start : end : max(1, (end - start) // _MAX_SCALING_STEPS)]
        values = np.array([y for x, y in (*points, *sampled_steps) if low <= x <= high and y is not None], dtype=float)
        values = values[np.isfinite(values)]
        if values.size:
            # A few outliers at the start must not flatten the rest of the curve.
            top = 1.08 * float(np.quantile(values, 0.99)) if values.size > 50 else 1.08 * float(values.max())
            if not top <= self._y_top <= 1.25 * top:  # each change draws the axis anew
                self._y_top = max(1.04 * top, 1e-3)
                self._loss.plot.item.setYRange(min(0.0, float(values.min())), self._y_top, padding=0)

    def _on_zoomed(self) -> None:
        self._is_zoomed = True
        self._fit()

    def show_whole(self) -> None:
        self._is_zoomed = False
        self._fit()

    def minimumSizeHint(self) -> QSize:
        """Return the minimum size. Its width fits one plot, because plots are stacked in a narrow window."""
        return QSize(theme.scaled(_MIN_WIDTH_PX), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the plots side by side if the window is wide enough."""
        is_wide = event.size().width() >= theme.scaled(_SIDE_BY_SIDE_WIDTH_PX)
        self._plots_layout.setDirection(
            QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom
        )
        super().resizeEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._pointed_at = None
        self._show_values()
        super().leaveEvent(event)

    def _schedule(self, *, has_new_epoch: bool = False) -> None:
        self._has_new_epoch = self._has_new_epoch or has_new_epoch
        if not self._redraw_timer.isActive():
            self._redraw_timer.start()

    def _on_pointed_at(self, epoch: float) -> None:
        self._pointed_at = min(self.epochs, key=lambda event: abs(event.epoch - epoch), default=None)
        self._show_values()

    def _show_values(self) -> None:
        event = self._pointed_at or (self.epochs[-1] if self.epochs else None)
        for plot in (self._loss, self._accuracy):
            plot.show_values(event, is_pointed_at=self._pointed_at is not None)


def smoothed(values: Sequence[float], weight: float) -> list[float]:
    """Return the exponential moving average with `weight` (0 to 1) on the past, corrected for its start."""
    if weight <= 0:
        return list(values)
    result, average, mass = [], 0.0, 0.0
    for value in values:
        if np.isfinite(value):
            average = weight * average + (1 - weight) * value
            mass = weight * mass + (1 - weight)
        result.append(average / mass if np.isfinite(value) else np.nan)
    return result


class AccuracyChart(Chart):
    """Validation accuracy of one run over the time since its start; a stepped line shows the best so far."""

    def __init__(self) -> None:
        super().__init__()
        self.points: list[AccuracyPoint] = []
        self._plot = Plot(tr("Accuracy over time"), min_height=theme.scaled(120))
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.MEDIUM)
        grid.setVerticalSpacing(theme.TIGHT)
        grid.setColumnStretch(1, 1)
        roles: tuple[TextRole, ...] = ("small", "body", "strong", "small")
        self._lines = [[text("", role) for role in roles] for _ in range(_MAX_STAGE_LINES)]
        for number, cells in enumerate(self._lines):
            for place, cell in enumerate(cells):
                grid.addWidget(cell, number, place)
        lines = widget_of(column(grid, None))
        lines.setMinimumWidth(theme.scaled(300))
        head = row(text("Accuracy over time", "heading"), None)
        self.setLayout(column(head, row(self._plot, lines, spacing=theme.LARGE, grows=0), grows=1))
        self.redraw()

    def show_points(self, points: Sequence[AccuracyPoint]) -> None:
        """Replace the points; they are in order of time."""
        self.points = list(points)
        self.redraw()

    def redraw(self) -> None:
        plot, points = self._plot, self.points
        kept = [point for point in points if point.is_kept]
        last = points[-1].at_s if points else 60.0
        successors = [*kept[1:], None]  # a point is the best so far until its successor
        steps = [
            (at_s, point.accuracy)
            for point, successor in zip(kept, successors, strict=False)
            for at_s in (point.at_s, successor.at_s if successor else max(last, 1.05 * point.at_s))
        ]
        best = pg.mkPen(theme.colours().good, width=2)
        plot.draw_line("best", [x for x, _ in steps], [y for _, y in steps], best)
        for name, pen, shown in (
            ("others", grey_pen(), [plot for plot in points if not plot.is_kept]),
            ("kept", best, kept),
        ):
            times, accuracies = [plot.at_s for plot in shown], [plot.accuracy for plot in shown]
            plot.draw_dots(name, times, accuracies, pen.color())
        low = min((point.accuracy for point in points), default=0.0)
        plot.set_percent_axis(max(0.0, min(0.9, round(low - 0.1, 1))))
        plot.item.setXRange(0, 1.08 * max(last, 1.0), padding=0)
        plot.bottom.setTicks(
            [[(at_s, duration_text(at_s).removesuffix(" 00 s")) for at_s in _tick_seconds(1.08 * last)]]
        )
        shown = stage_lines(points)[-_MAX_STAGE_LINES:]
        for number, cells in enumerate(self._lines):
            words = shown[number] if number < len(shown) else ("", "", "", "")
            for cell, word in zip(cells, words, strict=True):
                cell.setText(word)


def stage_lines(points: Sequence[AccuracyPoint]) -> list[tuple[str, str, str, str]]:
    """Return (time, stage, accuracy, gain) as text, for each new best model."""
    lines: list[tuple[str, str, str, str]] = []
    previous: AccuracyPoint | None = None
    for point in points:
        if not point.is_kept:
            continue
        if point.epoch:
            stage = tr("Network, epoch {epoch}", epoch=point.epoch)
        else:
            stage = tr("Linear probe") if previous is None else tr("Linear probe, best image size")
        gain = ""
        if previous is not None:
            gain = tr("{points} points", points=f"{100 * (point.accuracy - previous.accuracy):+.1f}")
        lines.append((duration_text(point.at_s), stage, f"{point.accuracy:.1%}", gain))
        previous = point
    return lines


def _tick_seconds(last: float) -> list[float]:
    """Return about five round times in seconds from 0 to `last`, for the ticks."""
    steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 36000)
    step = next((step for step in steps if last / step <= 6), steps[-1])
    return [float(place * step) for place in range(int(last // step) + 1)]
