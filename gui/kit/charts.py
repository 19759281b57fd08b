"""The base of all charts: pyqtgraph plots in the colours of the theme, and line samples for legends."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from PySide6.QtCore import QEvent, QPointF, Qt
from PySide6.QtGui import QColor, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gui.kit import theme

pg.setConfigOptions(antialias=True)


class Chart(QWidget):
    """A widget with plots that is redrawn when the theme changes."""

    def redraw(self) -> None:
        """Draw everything in the current colours of the theme."""

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            for plot in self.findChildren(Plot):
                plot.apply_theme()
            self.redraw()
        super().changeEvent(event)


class Plot(pg.PlotWidget):
    """A plot without the buttons and menu of pyqtgraph; each line has a name, by which it is replaced."""

    def __init__(self, name: str, *, min_height: int, zooms: bool = False, grid: int = 110) -> None:
        """Build an empty plot.

        Args:
            name: The accessible name.
            min_height: The minimum height in pixels.
            zooms: Whether wheel and drag zoom and pan the x axis.
            grid: The opacity of the grid lines, 0 to 255.
        """
        super().__init__()
        self._grid = grid
        self._lines: dict[str, Any] = {}
        self.item: Any = self.getPlotItem()  # pyqtgraph forwards many methods by name, invisible to type checkers
        self.left, self.bottom = self.item.getAxis("left"), self.item.getAxis("bottom")
        self.left.setWidth(theme.scaled(46))
        self.setAccessibleName(name)
        self.setMinimumHeight(min_height)
        self.item.setMenuEnabled(False)
        self.item.hideButtons()
        self.setMouseEnabled(x=zooms, y=False)
        self.apply_theme()

    def apply_theme(self) -> None:
        """Apply the colours of the theme and the font of the widget."""
        palette = theme.colours()
        self.setBackground(palette.surface)
        for axis in (self.left, self.bottom):
            axis.setPen(pg.mkPen(palette.border))
            axis.setTextPen(pg.mkPen(palette.muted))
            axis.setTickFont(self.font())
            axis.setGrid(self._grid)

    def set_percent_axis(self, low: float = 0.0) -> None:
        """Show fractions from `low` to 1 as percentages on the left axis."""
        step = 0.25 if low < 0.4 else 0.1 if low < 0.8 else 0.05
        ticks = [round(index * step, 2) for index in range(round(1 / step) + 1)]
        self.left.setTicks([[(tick, f"{tick:.0%}") for tick in ticks if tick >= low]])
        padding = 0.06 * (1 - low)  # keeps the numbers at both ends visible
        self.item.setYRange(low - padding, 1 + padding, padding=0)

    def draw_line(self, name: str, x: Sequence[float], y: Sequence[float], pen: QPen, *, layer: int = 0) -> None:
        """Draw a line, replacing the line with this name; NaN and infinity leave a gap.

        Args:
            name: The name of the line.
            x: The x coordinates of the points.
            y: The y coordinates, of the same length.
            pen: The pen of the line.
            layer: The z value: lower layers are drawn behind higher ones.
        """
        self._set(name, x, y, layer, pen=pen)

    def draw_dots(
        self, name: str, x: Sequence[float], y: Sequence[float], colour: QColor | str, *, px: int = 7, layer: int = 5
    ) -> None:
        """Draw dots with a diameter of `px`, replacing the dots with this name; other arguments as in `draw_line`."""
        edge = pg.mkPen(theme.colours().surface, width=1)
        self._set(name, x, y, layer, pen=None, symbol="o", symbolSize=px, symbolBrush=colour, symbolPen=edge)

    def _set(self, name: str, x: Sequence[float], y: Sequence[float], layer: int, **style: Any) -> None:
        if name not in self._lines:
            self._lines[name] = self.item.plot([], [])
            self._lines[name].setZValue(layer)
            self._lines[name].setDownsampling(auto=True, method="subsample")
        xs, ys = np.array(x, dtype=float), np.array(y, dtype=float)
        is_finite = np.isfinite(ys)
        ys[~is_finite] = np.nan  # infinity would break the arithmetic of the scene
        if "symbol" in style or not is_finite.any():  # symbols need finite coordinates
            xs, ys = xs[is_finite], ys[is_finite]
        self._lines[name].setData(xs, ys, connect="finite", **style)

    def clear_lines(self) -> None:
        """Remove all lines and dots."""
        self._lines = {}
        self.item.clear()


class LineSample(QWidget):
    """A line segment for a legend; `make_pen` returns its pen in the current theme."""

    def __init__(self, make_pen: Callable[[], QPen]) -> None:
        super().__init__()
        self._make_pen = make_pen
        self.setFixedSize(26, 12)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(self._make_pen())
        painter.drawLine(QPointF(1, 6), QPointF(25, 6))


def grey_pen() -> QPen:
    """Return the pen for earlier runs."""
    return pg.mkPen(theme.colours().grey_line, width=1)


def train_pen() -> QPen:
    """Return the solid pen for training curves."""
    return pg.mkPen(theme.colours().train_line, width=2)


def val_pen() -> QPen:
    """Return the dashed pen for validation curves."""
    return pg.mkPen(theme.colours().val_line, width=2, style=Qt.PenStyle.CustomDashLine, dash=[4, 2.4])
