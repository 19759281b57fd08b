"""Several runs in one chart: validation loss and accuracy, each run in the colour it has in the table. Plain data."""

from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import Qt
from PySide6.QtGui import QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QHBoxLayout, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.metric_plot import Chart, bare_plot, dress
from gui.kit.parts import ElidedLabel, clear, column, row, text
from gui.results.evaluations import RunCurve

STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)


class CompareChart(Chart):
    """Loss on the left, accuracy on the right."""

    def __init__(self) -> None:
        super().__init__()
        pg.setConfigOptions(antialias=True)
        self._curves: list[RunCurve] = []
        self._legend = QHBoxLayout()
        self._legend.setSpacing(theme.LARGE)
        self._plots = (self._plot("Validation loss"), self._plot("Validation accuracy"))
        self._plots[1].setXLink(self._plots[0])
        charts = row(
            column(text("Validation loss", "strong"), self._plots[0]),
            column(text("Validation accuracy", "strong"), self._plots[1]),
            spacing=theme.LARGE,
        )
        layout = column(self._legend, charts, spacing=theme.SMALL)
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.restyle()

    def show_curves(self, curves: list[RunCurve]) -> None:
        """Show these runs."""
        self._curves = curves
        self.redraw()

    def run_names(self) -> list[str]:
        """Return the runs shown."""
        return [curve.name for curve in self._curves]

    def _plot(self, name: str) -> Any:
        plot = bare_plot(tr(name), least_height=150, zooms=True)
        plot.getPlotItem().getAxis("left").setWidth(46)
        return plot

    def restyle(self) -> None:
        """Take the colours of the theme."""
        for plot in self._plots:
            dress(plot)

    def redraw(self) -> None:
        """Draw anew what is shown."""
        clear(self._legend)
        for plot in self._plots:
            plot.clear()
        for place, curve in enumerate(self._curves):
            pen = pg.mkPen(theme.class_colour(curve.colour), width=2, style=STYLES[place % len(STYLES)])
            for plot, values in zip(self._plots, (curve.loss, curve.accuracy), strict=True):
                plot.plot(curve.epochs, values, pen=pen, symbol="o" if len(values) < 3 else None)
                if curve.best_epoch in curve.epochs:
                    best = values[curve.epochs.index(curve.best_epoch)]
                    dot = pg.ScatterPlotItem([curve.best_epoch], [best], size=10, brush=pen.color())
                    dot.setPen(pg.mkPen(theme.colours().surface, width=2))
                    plot.addItem(dot)
            self._legend.addWidget(_Key(pen, curve.name), 1)
        self._legend.addStretch(1)


class _Line(QWidget):
    """A piece of a curve, with its colour and its style."""

    def __init__(self, pen: QPen) -> None:
        super().__init__()
        self._pen = pen
        self.setFixedSize(26, 8)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setPen(self._pen)
        painter.drawLine(1, 4, self.width() - 1, 4)


class _Key(QWidget):
    """A run's line and name."""

    def __init__(self, pen: QPen, name: str) -> None:
        super().__init__()
        label = ElidedLabel(name, "small")
        label.setMinimumWidth(60)
        layout = row(_Line(pen), label)
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.setMaximumWidth(theme.scaled(260))
