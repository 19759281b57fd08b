"""Accuracy against cost: each run a point with its interval, and the Pareto front. Plain data."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetricsF, QResizeEvent

from gui.kit import theme
from gui.kit.metric_plot import Chart, bare_plot, dress
from gui.kit.parts import choice_box, column, row, text
from gui.kit.translation import tr
from models.messages import shortened
from visionft.advice import comparison_text as words
from visionft.advice.comparison_text import Column
from visionft.evaluation.leaderboard import ComparedModel, Leaderboard

_LONGEST_NAME = 26
_FEW = 12  # up to this many points every interval is drawn


COSTS = (words.TIME, words.MADE, words.SIZE)


class CostChart(Chart):
    """Cheaper runs are further left; a click on a point selects its run."""

    run_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._board: Leaderboard | None = None
        self._colours: Mapping[str, int] = {}
        self._chosen = ""
        self._points: list[tuple[float, ComparedModel]] = []
        self.cost_box = choice_box("Cost to compare with", [tr(each.title) for each in COSTS])
        self.cost_box.currentIndexChanged.connect(lambda _place: self.redraw())
        self._settle = QTimer(self, singleShot=True, interval=60)
        self._settle.timeout.connect(self.redraw)
        self.note = text("", "small", wrap=True)
        self._plot: Any = bare_plot(tr("Accuracy against cost"), least_height=130)
        self._plot.getPlotItem().getAxis("left").setWidth(theme.scaled(46))
        layout = column(
            row(text("Accuracy against", "strong"), self.cost_box, None), self._plot, self.note, spacing=theme.TIGHT
        )
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.restyle()

    def show_board(self, board: Leaderboard, *, colours: Mapping[str, int], chosen: str) -> None:
        """Show the ranked runs; `colours` are places by the runs' names."""
        self._board, self._colours, self._chosen = board, colours, chosen
        self.redraw()

    def choose(self, run: str) -> None:
        """Mark a run as selected, without a signal."""
        if run != self._chosen:
            self._chosen = run
            self.redraw()

    def runs(self) -> list[str]:
        return [each.run for _, each in self._points]

    def front(self) -> list[str]:
        return [each.run for each in self._board.pareto_front(self._cost.of)] if self._board is not None else []

    @property
    def _cost(self) -> Column:
        return COSTS[max(0, self.cost_box.currentIndex())]

    def restyle(self) -> None:
        dress(self._plot, grid=60)

    def redraw(self) -> None:
        self._plot.clear()
        board, cost = self._board, self._cost
        known = [] if board is None else [(value, each) for each in board.ranked if (value := cost.of(each))]
        self._points = sorted(((math.log10(value), each) for value, each in known), key=lambda pair: pair[0])
        ranked = 0 if board is None else len(board.ranked)
        front = self.front()
        missing = ranked - len(self._points)
        if not ranked:
            note = tr("Runs are shown here once they are measured.")
        elif missing:
            note = tr(
                "{count} run is missing: its cost was not measured on this computer.",
                "{count} runs are missing: their cost was not measured on this computer.",
                count=missing,
            )
        elif len(front) == 1:
            title = next(each.title for _, each in self._points if each.run == front[0])
            note = tr("{title} is the cheapest and the most accurate.", title=title)
        else:
            note = tr("The line connects the Pareto front: no other model is both cheaper and more accurate.")
        self.note.setText(note)
        if self._points:
            self._show_ranges()
            self._draw_front(front)
            self._draw_points(front)
            self._draw_names(front)

    def _show_ranges(self) -> None:
        """Show all points, with ticks at round costs: the axis is logarithmic."""
        xs = [x for x, _ in self._points]
        low, high = min(xs), max(xs)
        pad = max(0.18, 0.12 * (high - low))
        low, high = low - pad, high + pad
        intervals = [each.top1_interval or (0.0, 1.0) for _, each in self._points]
        bottom, top = min(each[0] for each in intervals), max(each[1] for each in intervals)
        room = max(0.02, 0.08 * (top - bottom))
        self._plot.setRange(xRange=(low, high), yRange=(bottom - room, top + 1.6 * room), padding=0)
        item: Any = self._plot.getPlotItem()
        item.getAxis("bottom").setTicks([_round_costs(low, high, self._cost.words)])
        item.getAxis("left").setTicks([[(tenth / 10, f"{tenth:.0f}0%") for tenth in range(1, 10)] + [(1.0, "100%")]])

    def _draw_front(self, front: list[str]) -> None:
        corners: list[tuple[float, float]] = []
        for x, each in sorted((pair for pair in self._points if pair[1].run in front), key=lambda pair: pair[0]):
            if corners:
                corners.append((x, corners[-1][1]))
            corners.append((x, each.top1 or 0.0))
        pen = pg.mkPen(theme.colours().good, width=1.6, style=Qt.PenStyle.DashLine)
        self._plot.plot([x for x, _ in corners], [y for _, y in corners], pen=pen)

    def _stands_out(self, row: ComparedModel, front: list[str]) -> bool:
        """Return whether a run is emphasized and named: the selected one and the front (only its best if many runs)."""
        shown = front if len(self._points) <= _FEW else front[-1:]
        return row.run == self._chosen or row.run in shown

    def _draw_points(self, front: list[str]) -> None:
        """Draw the dots, each with its interval where there is room for them."""
        palette = theme.colours()

        def tip(x: float, y: float, data: ComparedModel) -> str:
            return f"{tr(data.title)}\n{data.top1 or 0:.1%} · {self._cost.words(10**x)}"

        dots = pg.ScatterPlotItem(hoverable=True, tip=tip)
        for x, each in self._points:
            is_chosen = each.run == self._chosen
            if len(self._points) <= _FEW or self._stands_out(each, front):
                low, high = each.top1_interval or (0.0, 1.0)
                line = pg.PlotDataItem([x, x], [low, high], pen=pg.mkPen(palette.outline, width=1.2))
                line.setZValue(-1)
                self._plot.addItem(line)
            brush = pg.mkBrush(theme.class_colour(self._colours.get(each.run, 0)))
            pen = pg.mkPen(palette.text if is_chosen else palette.surface, width=2)
            place = (x, each.top1 or 0.0)
            size = 15 if is_chosen else 11
            dots.addPoints([{"pos": place, "size": size, "brush": brush, "pen": pen, "data": each}])
        dots.sigClicked.connect(lambda _item, points, _event: self.run_chosen.emit(points[0].data().run))
        self._plot.addItem(dots)

    def _draw_names(self, front: list[str]) -> None:
        """Name the selected run and the front without overlaps; the others are named under the pointer."""
        named = [pair for pair in self._points if self._stands_out(pair[1], front)]
        named.sort(key=lambda pair: (pair[1].run != self._chosen, -(pair[1].top1 or 0)))
        view = self._plot.getPlotItem().getViewBox()
        metrics = QFontMetricsF(self.font())
        taken = list[QRectF]()
        ground = pg.mkColor(theme.colours().surface)
        ground.setAlpha(190)
        room = view.mapRectToScene(view.boundingRect())
        for x, each in named:
            shown = shortened(tr(each.title), _LONGEST_NAME)
            at = view.mapViewToScene(QPointF(x, each.top1 or 0.0))
            size = QSizeF(metrics.horizontalAdvance(shown) + 12, metrics.height() + 4)
            is_right = at.x() + size.width() > room.right()
            place = QRectF(at - QPointF(size.width() if is_right else 0, size.height()), size)
            if place.left() < room.left() or any(place.intersects(other) for other in taken):
                continue
            taken.append(place)
            name = pg.TextItem(shown, color=theme.colours().text, anchor=(1.04 if is_right else -0.04, 1.15))
            name.setFont(self.font())
            name.fill = pg.mkBrush(ground)
            name.setPos(x, each.top1 or 0.0)
            self._plot.addItem(name, ignoreBounds=True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the names again: the available room depends on the size."""
        super().resizeEvent(event)
        self._settle.start()


def _round_costs(low: float, high: float, shown: Callable[[float], str]) -> list[tuple[float, str]]:
    """Return (place, text) of some of the costs 1, 2, 5, 10 ... in a range of their decimal logarithms."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    found = [step * 10.0**decade for decade in decades for step in (1, 2, 5)]
    inside = [value for value in found if low <= math.log10(value) <= high]
    if len(inside) > 4:
        inside = [value for value in inside if math.log10(value) % 1 < 1e-9] or inside[::3]
    return [(math.log10(value), shown(value)) for value in inside]
