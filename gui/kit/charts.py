"""The base of all charts: plots of pyqtgraph in the colours of the theme, and samples of their lines for a legend."""

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
    """A widget of plots that is drawn anew when the theme changes."""

    def redraw(self) -> None:
        """Draw everything in the current colours."""

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            for plot in self.findChildren(Plot):
                plot.dress()
            self.redraw()
        super().changeEvent(event)


class Plot(pg.PlotWidget):
    """A plot without pyqtgraph's buttons and menu; a line keeps its name, so that one can change alone."""

    def __init__(self, name: str, *, least_height: int, zooms: bool = False, grid: int = 110) -> None:
        """Return an empty plot.

        Args:
            name: For screen readers.
            least_height: In pixels.
            zooms: Wheel and drag zoom and move the x axis.
            grid: The opacity of its lines, 0 to 255.
        """
        super().__init__()
        self._grid = grid
        self._lines: dict[str, Any] = {}
        self.item: Any = self.getPlotItem()  # pyqtgraph forwards many methods by name, invisible to type checkers
        self.left, self.bottom = self.item.getAxis("left"), self.item.getAxis("bottom")
        self.left.setWidth(theme.scaled(46))
        self.setAccessibleName(name)
        self.setMinimumHeight(least_height)
        self.item.setMenuEnabled(False)
        self.item.hideButtons()
        self.setMouseEnabled(x=zooms, y=False)
        self.dress()

    def dress(self) -> None:
        """Take the colours of the theme and the font of the widget."""
        palette = theme.colours()
        self.setBackground(palette.surface)
        for axis in (self.left, self.bottom):
            axis.setPen(pg.mkPen(palette.border))
            axis.setTextPen(pg.mkPen(palette.muted))
            axis.setTickFont(self.font())
            axis.setGrid(self._grid)

    def show_shares(self, low: float = 0.0) -> None:
        """Show shares from `low` to 1 on the left axis, in percent."""
        step = 0.25 if low < 0.4 else 0.1 if low < 0.8 else 0.05
        shares = [round(place * step, 2) for place in range(round(1 / step) + 1)]
        self.left.setTicks([[(share, f"{share:.0%}") for share in shares if share >= low]])
        room = 0.06 * (1 - low)  # for the numbers at both ends
        self.item.setYRange(low - room, 1 + room, padding=0)

    def draw_line(self, name: str, x: Sequence[float], y: Sequence[float], pen: QPen, *, layer: int = 0) -> None:
        """Draw a line, in place of the earlier one of this name; NaN and infinity leave a gap.

        Args:
            name: Of the line.
            x: Places of the points, as many as `y`.
            y: Their heights.
            pen: Of the line.
            layer: A lower one is drawn behind.
        """
        self._set(name, x, y, layer, pen=pen)

    def draw_dots(
        self, name: str, x: Sequence[float], y: Sequence[float], colour: QColor | str, *, px: int = 7, layer: int = 5
    ) -> None:
        """Draw dots of a diameter of `px`, in place of the earlier ones of this name; others as `draw_line`."""
        edge = pg.mkPen(theme.colours().surface, width=1)
        self._set(name, x, y, layer, pen=None, symbol="o", symbolSize=px, symbolBrush=colour, symbolPen=edge)

    def _set(self, name: str, x: Sequence[float], y: Sequence[float], layer: int, **style: Any) -> None:
        if name not in self._lines:
            self._lines[name] = self.item.plot([], [])
            self._lines[name].setZValue(layer)
            self._lines[name].setDownsampling(auto=True, method="subsample")
        places, heights = np.array(x, dtype=float), np.array(y, dtype=float)
        is_known = np.isfinite(heights)
        heights[~is_known] = np.nan  # infinity would break the scene's arithmetic
        if "symbol" in style or not is_known.any():  # a dot without a place cannot be drawn
            places, heights = places[is_known], heights[is_known]
        self._lines[name].setData(places, heights, connect="finite", **style)

    def forget_lines(self) -> None:
        """Remove everything drawn."""
        self._lines = {}
        self.item.clear()


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


def grey_pen() -> QPen:
    """Return the pen of earlier runs."""
    return pg.mkPen(theme.colours().grey_line, width=1)


def train_pen() -> QPen:
    """Return the pen of the training line: solid."""
    return pg.mkPen(theme.colours().train_line, width=2)


def val_pen() -> QPen:
    """Return the pen of the validation line: dashed."""
    return pg.mkPen(theme.colours().val_line, width=2, style=Qt.PenStyle.CustomDashLine, dash=[4, 2.4])
