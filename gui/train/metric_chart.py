"""The live chart of a training run: loss and accuracy, training solid, validation dashed, best epoch marked.

Wheel and buttons zoom, dragging pans, and both stay while points arrive. Depends on Qt and plain numbers.
"""

from functools import partial
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, QSize, Qt, QTimer
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QSlider, QWidget

from gui.kit import theme
from gui.kit.metric_plot import Chart, Curve, LineSample, MetricPlot, line_pen
from gui.kit.parts import ElidedLabel, IconButton, IconLabel, column, row, text, widget_of
from gui.kit.translation import tr
from models.messages import Message, Text

BEST_EPOCH_TIP = Message(
    "The latest epoch within one standard error of the highest validation accuracy: smaller differences are not "
    "significant."
)
REDRAW_INTERVAL_MS = 200
_ZOOM = 0.6
_LEAST_PX, _WIDE_PX = 400, 840  # of one plot, of two side by side


class _Legend(QWidget):
    """Heading and values above one plot; a line sample before each name shows solid or dashed."""

    def __init__(self, title: Text) -> None:
        super().__init__()
        self._values = {"train": text("", "strong"), "val": text("", "strong")}
        self.note = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.note.setAlignment(Qt.AlignmentFlag.AlignRight)
        items: list[QWidget | int | None] = [text(title, "heading"), 8]
        captions = {"train": text("Training", "small"), "val": text("Validation", "small")}
        captions["val"].setToolTip(tr("Used to choose the best epoch"))
        for name, caption in captions.items():
            items += [LineSample(partial(line_pen, name)), caption, self._values[name], 8]
        layout = row(*items, self.note, spacing=theme.SMALL)
        layout.setStretch(layout.count() - 1, 1)
        self.setLayout(layout)

    def show_values(self, values: dict[str, str], note: str) -> None:
        for label, words in ((self.note, note), *((label, values[name]) for name, label in self._values.items())):
            if label.text() != words:
                label.setText(words)


class MetricChart(Chart):
    """Loss and accuracy over the epochs of one run, drawn while it trains."""

    def __init__(self) -> None:
        super().__init__()
        self._epochs = 0
        self._is_zoomed = False
        self._has_new_epoch = False
        self._hovered: float | None = None
        self.notes: list[tuple[float, str]] = []  # epoch, message
        self._loss, self._share = MetricPlot(is_share=False), MetricPlot(is_share=True)
        self._plots = (self._loss, self._share)
        self._legends = {self._loss: _Legend("Loss"), self._share: _Legend("Accuracy")}
        self._share.setXLink(self._loss)
        for plot in self._plots:
            scene: Any = plot.scene()
            scene.sigMouseMoved.connect(self._on_mouse_moved)
            plot.zoomed.connect(lambda: self._show_x(*self._loss.view_x()))
            plot.setMinimumHeight(100)
        self._loss.setAccessibleName(tr("Loss chart"))
        self._share.setAccessibleName(tr("Accuracy chart"))
        self._note_label = text("", "small", wrap=True, tone="warn")
        self._note_label.hide()
        self._sides = QBoxLayout(QBoxLayout.Direction.TopToBottom)
        self._sides.setSpacing(theme.LARGE)
        for plot, legend in self._legends.items():
            self._sides.addLayout(column(legend, plot, grows=1), 1)
        self.setLayout(column(self._tools(), self._sides, self._note_label, grows=1))
        self._redraw_timer = QTimer(self, singleShot=True, interval=REDRAW_INTERVAL_MS)
        self._redraw_timer.timeout.connect(self._redraw_what_changed)
        self._share_timer = QTimer(self, singleShot=True, interval=REDRAW_INTERVAL_MS // 4)
        self._share_timer.timeout.connect(self._share.redraw)
        self.redraw()

    def _tools(self) -> QHBoxLayout:
        self.smoothing_slider = QSlider(Qt.Orientation.Horizontal)
        self.smoothing_slider.setRange(0, 95)
        self.smoothing_slider.setFixedSize(theme.scaled(110), 22)
        self.smoothing_slider.setAccessibleName(tr("Smoothing of the lines"))
        self.smoothing_slider.setToolTip(tr("Average each line over its past; the dots stay where they were measured"))
        self.smoothing_slider.valueChanged.connect(self._on_smoothing_changed)
        words = "Zoom in (or turn the wheel over a chart)"
        self.zoom_in_button = IconButton("plus", words, on_click=lambda: self.zoom(_ZOOM))
        self.zoom_out_button = IconButton("minus", "Zoom out", on_click=lambda: self.zoom(1 / _ZOOM))
        self.fit_button = IconButton("fit", "Show the whole run", on_click=self.show_whole)
        self._context_key = widget_of(
            row(LineSample(lambda: pg.mkPen(theme.colours().grey_line, width=2)), text("Earlier runs", "small"))
        )
        self._context_key.hide()
        caption = text("Best epoch", "small")
        caption.setToolTip(tr(BEST_EPOCH_TIP))
        kept = row(IconLabel("check-circle", size=14, tone="good"), caption, spacing=6)
        buttons = row(self.zoom_in_button, self.zoom_out_button, self.fit_button, spacing=0)
        smoothing = row(text("Smoothing", "small"), self.smoothing_slider)
        return row(kept, theme.SMALL, self._context_key, None, smoothing, theme.SMALL, buttons)

    def clear(self, *, epochs: int = 0) -> None:
        """Remove all points; the x axis will show `epochs` epochs."""
        self._epochs = epochs
        self.notes = []
        self._is_zoomed = False
        for plot in self._plots:
            plot.clear_run()
        self._show_notes()
        self.redraw()

    def set_context(self, runs: list[tuple[str, list[tuple[int, float, float]]]]) -> None:
        """Show earlier runs in grey: (name, [(epoch, validation loss, validation accuracy)])."""
        for plot, index in ((self._loss, 1), (self._share, 2)):
            plot.set_context([Curve([p[0] for p in points], [p[index] for p in points]) for _, points in runs])
        self._context_key.setVisible(bool(runs))
        self._context_key.setToolTip("\n".join(name for name, _ in runs))
        self._schedule()

    def add_step(self, epoch_share: float, loss: float) -> None:
        """Add the loss of one step at `epoch_share` epochs (1.5: half through the second)."""
        self._loss.steps.add(epoch_share, loss)
        self._schedule(is_step=True)

    def add_epoch(
        self,
        epoch: int,
        *,
        train_loss: float | None,
        val_loss: float,
        train_accuracy: float | None,
        val_accuracy: float,
        is_best: bool,
    ) -> None:
        """Add one epoch's figures; accuracies are shares of 1. Epoch 0 has no training figures."""
        if train_loss is not None and train_accuracy is not None:
            self._loss.train.add(epoch, train_loss)
            self._share.train.add(epoch, train_accuracy)
        self._loss.val.add(epoch, val_loss)
        self._share.val.add(epoch, val_accuracy)
        if is_best:
            self._loss.best = self._share.best = float(epoch)
        self._schedule()

    def add_note(self, epoch_share: float, message: str) -> None:
        """Mark an event, such as a smaller batch after memory ran out."""
        self.notes.append((epoch_share, message))
        for plot in self._plots:
            plot.add_note(epoch_share, len(self.notes))
        self._show_notes()

    def point_counts(self) -> dict[str, int]:
        return {"steps": len(self._loss.steps.x), "epochs": len(self._loss.val.x)}

    def redraw(self) -> None:
        self._has_new_epoch = False
        for plot in self._plots:
            plot.redraw()
        self._fit()
        self._show_values()

    def _redraw_what_changed(self) -> None:
        """Draw the changes since the last call; between epochs only the loss has new points.

        Painting is the window's largest cost during a run, and the run's threads wait for it.
        """
        if self._has_new_epoch:
            self._has_new_epoch = False
            self._loss.redraw()
            self._show_values()
            self._share_timer.start()  # one plot at a time: both together would block the window for a frame
        else:
            self._loss.redraw_steps()
        self._fit()

    def _fit(self) -> None:
        if not self._is_zoomed:
            xs = self._loss.val.x[-1:] + self._loss.steps.x[-1:]
            has_epoch = max(self._loss.val.x, default=0.0) >= 1
            last = max([float(self._epochs) if has_epoch else 1.0, *xs])  # the first epoch fills the chart
            self._loss.show_x(-0.015 * last, 1.015 * last)
        self._loss.fit_y()

    def zoom(self, factor: float) -> None:
        """Show `factor` times as many epochs as now, around the same middle."""
        low, high = self._loss.view_x()
        middle, half = (low + high) / 2, (high - low) / 2 * factor
        self._show_x(middle - half, middle + half)

    def _show_x(self, low: float, high: float) -> None:
        self._is_zoomed = True
        self._loss.show_x(low, high)
        self._loss.fit_y()

    def show_whole(self) -> None:
        self._is_zoomed = False
        self._fit()

    def restyle(self) -> None:
        for plot in self._plots:
            plot.restyle()

    def minimumSizeHint(self) -> QSize:
        """Return the minimum size; its width is that of one plot, so that they can be stacked."""
        return QSize(theme.scaled(_LEAST_PX), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the plots side by side where there is room."""
        is_wide = event.size().width() >= theme.scaled(_WIDE_PX)
        self._sides.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)
        super().resizeEvent(event)

    def leaveEvent(self, event: QEvent) -> None:
        self._hovered = None
        self._show_values()
        super().leaveEvent(event)

    def _schedule(self, *, is_step: bool = False) -> None:
        self._has_new_epoch = self._has_new_epoch or not is_step
        if not self._redraw_timer.isActive():
            self._redraw_timer.start()

    def _on_smoothing_changed(self, value: int) -> None:
        for plot in self._plots:
            plot.smoothing = value / 100
        self._schedule()

    def _on_mouse_moved(self, position: QPointF) -> None:
        plot = self._loss if self.sender() is self._loss.scene() else self._share
        x = plot.x_at(position)
        xs = self._loss.val.x
        self._hovered = min(xs, key=lambda known: abs(known - x)) if xs else None
        self._show_values()

    def _show_notes(self) -> None:
        lines = [
            f"{number}  {tr('epoch {epoch}', epoch=f'{x:.1f}')}: {tr(message)}"
            for number, (x, message) in enumerate(self.notes, 1)
        ]
        self._note_label.setText("\n".join(lines[-3:]))
        self._note_label.setToolTip("\n".join(lines))
        self._note_label.setVisible(bool(lines))

    def _show_values(self) -> None:
        x = self._hovered
        for plot, legend in self._legends.items():
            plot.show_hover(x)
            at = x if x is not None else (plot.val.x[-1] if plot.val.x else 0.0)
            lines = {"train": plot.train, "val": plot.val}
            nearest = {name: curve.nearest(at) for name, curve in lines.items()}
            form = "{:.1%}" if plot.is_share else "{:.3f}"
            values = {name: "" if value is None else form.format(value) for name, value in nearest.items()}
            legend.show_values(values, tr("at epoch {epoch}", epoch=f"{at:.0f}") if x is not None else "")
