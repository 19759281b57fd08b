"""Accuracy against cost: each run a point with its interval, and the front that no other beats in both. Plain data."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, LiteralString

import pyqtgraph as pg
from PySide6.QtCore import QPointF, QRectF, QSizeF, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetricsF, QResizeEvent

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.metric_plot import Chart, bare_plot, dress
from gui.kit.parts import choice_box, column, row, text
from gui.results.board.words import number
from visionft.amounts import duration_text, size_text
from visionft.evaluation.scoreboard import Scoreboard, Standing

_LONGEST_NAME = 26
_FEW = 12  # up to so many points every interval is drawn
_STEPS = (1, 2, 5)


@dataclass(frozen=True, slots=True)
class Cost:
    """Something that an answerer costs: how it is called, how much, and how an amount is written."""

    title: LiteralString
    of: Callable[[Standing], float | None]
    words: Callable[[float], str]


COSTS = (
    Cost("Time a picture", lambda each: each.milliseconds, lambda value: f"{number(value)} ms"),
    Cost("Time to make it", lambda each: each.price.seconds, duration_text),
    Cost("Size to ship", lambda each: each.price.shipped_bytes, size_text),
)


class CostChart(Chart):
    """The cheaper, the further left; a click on a point chooses its run."""

    run_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._board: Scoreboard | None = None
        self._colours: Mapping[str, int] = {}
        self._chosen = ""
        self._points: list[tuple[float, Standing]] = []
        self.cost_box = choice_box("Cost to compare with", [tr(each.title) for each in COSTS])
        self.cost_box.currentIndexChanged.connect(lambda _place: self.redraw())
        self._settle = QTimer(self, singleShot=True, interval=60)
        self._settle.timeout.connect(self.redraw)
        self._note = text("", "small", wrap=True)
        self._plot: Any = bare_plot(tr("Accuracy against cost"), least_height=130)
        self._plot.getPlotItem().getAxis("left").setWidth(theme.scaled(46))
        layout = column(row(text("Right, against", "strong"), self.cost_box, None), self._plot, self._note,
                        spacing=theme.TIGHT)  # fmt: skip
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.restyle()

    def show_board(self, board: Scoreboard, *, colours: Mapping[str, int], chosen: str) -> None:
        """Show the runs that have a place; `colours` are places by the runs' names."""
        self._board, self._colours, self._chosen = board, colours, chosen
        self.redraw()

    def choose(self, run: str) -> None:
        """Mark a run as chosen, without telling."""
        if run != self._chosen:
            self._chosen = run
            self.redraw()

    def runs(self) -> list[str]:
        """Return the runs that are drawn, the cheapest first."""
        return [each.run for _, each in self._points]

    def front(self) -> list[str]:
        """Return the runs on the front, the cheapest first."""
        return [each.run for each in self._board.front(self._cost.of)] if self._board is not None else []

    def note(self) -> str:
        """Return what is said below the chart."""
        return self._note.text()

    @property
    def _cost(self) -> Cost:
        return COSTS[max(0, self.cost_box.currentIndex())]

    def restyle(self) -> None:
        """Take the colours of the theme."""
        dress(self._plot, grid=60)

    def redraw(self) -> None:
        """Draw anew what is shown."""
        self._plot.clear()
        board, cost = self._board, self._cost
        known = [] if board is None else [(value, each) for each in board.placed if (value := cost.of(each))]
        self._points = sorted(((math.log10(value), each) for value, each in known), key=lambda pair: pair[0])
        self._show_note(0 if board is None else len(board.placed))
        if not self._points:
            return
        self._show_ranges()
        self._draw_front(self.front())
        self._draw_whiskers()
        self._draw_dots()
        self._draw_names(self.front())

    def _show_note(self, placed: int) -> None:
        missing = placed - len(self._points)
        if not placed:
            words = tr("Runs show here once they were measured.")
        elif missing:
            words = tr("{count} runs are not here: what they cost was not measured on this computer.", count=missing)
        elif len(front := self.front()) == 1:
            words = tr("No other is as cheap and as often right as {title}.", title=self._title_of(front[0]))
        else:
            words = tr("The line joins those that no other beats in both.")
        self._note.setText(words)

    def _show_ranges(self) -> None:
        """Show all points, with marks at round costs: the axis is logarithmic."""
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
            corners += [(x, corners[-1][1])] if corners else []
            corners.append((x, each.top1 or 0.0))
        pen = pg.mkPen(theme.colours().good, width=1.6, style=Qt.PenStyle.DashLine)
        self._plot.plot([x for x, _ in corners], [y for _, y in corners], pen=pen)

    def _draw_whiskers(self) -> None:
        palette = theme.colours()
        front, are_few = self.front(), len(self._points) <= _FEW
        for x, each in self._points:
            if not are_few and not self._stands_out(each, front):
                continue
            low, high = each.top1_interval or (0.0, 1.0)
            line = pg.PlotDataItem([x, x], [low, high], pen=pg.mkPen(palette.outline, width=1.2))
            line.setZValue(-1)
            self._plot.addItem(line)

    def _stands_out(self, standing: Standing, front: list[str]) -> bool:
        """Tell whether a run is drawn whole, with its name: the chosen one and the front, of many only its best."""
        shown = front if len(self._points) <= _FEW else front[-1:]
        return standing.run == self._chosen or standing.run in shown

    def _draw_dots(self) -> None:
        palette = theme.colours()
        dots = pg.ScatterPlotItem(hoverable=True, tip=lambda x, y, data: self._tip(data))
        dots.addPoints(
            [
                {
                    "pos": (x, each.top1 or 0.0),
                    "size": 15 if each.run == self._chosen else 11,
                    "brush": pg.mkBrush(theme.class_colour(self._colours.get(each.run, 0))),
                    "pen": pg.mkPen(palette.text if each.run == self._chosen else palette.surface, width=2),
                    "data": each,
                }
                for x, each in self._points
            ]
        )
        dots.sigClicked.connect(self._on_clicked)
        self._plot.addItem(dots)

    def _draw_names(self, front: list[str]) -> None:
        """Name the chosen run and those on the front, as far as no name lies on another; the others when pointed at."""
        named = [pair for pair in self._points if self._stands_out(pair[1], front)]
        named.sort(key=lambda pair: (pair[1].run != self._chosen, -(pair[1].top1 or 0)))
        view = self._plot.getPlotItem().getViewBox()
        metrics, taken = QFontMetricsF(self.font()), list[QRectF]()
        ground = pg.mkColor(theme.colours().surface)
        ground.setAlpha(190)
        room = view.mapRectToScene(view.boundingRect())
        for x, each in named:
            words = _short(each.title)
            at = view.mapViewToScene(QPointF(x, each.top1 or 0.0))
            size = QSizeF(metrics.horizontalAdvance(words) + 12, metrics.height() + 4)
            is_right = at.x() + size.width() > room.right()
            place = QRectF(at - QPointF(size.width() if is_right else 0, size.height()), size)
            if place.left() < room.left() or any(place.intersects(other) for other in taken):
                continue
            taken.append(place)
            name = pg.TextItem(words, color=theme.colours().text, anchor=(1.04 if is_right else -0.04, 1.15))
            name.setFont(self.font())
            name.fill = pg.mkBrush(ground)
            name.setPos(x, each.top1 or 0.0)
            self._plot.addItem(name, ignoreBounds=True)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Place the names anew: which of them have room depends on the size."""
        super().resizeEvent(event)
        self._settle.start()

    def _title_of(self, run: str) -> str:
        return next((each.title for _, each in self._points if each.run == run), run)

    def _tip(self, standing: Standing) -> str:
        cost = self._cost.of(standing)
        shown = "" if cost is None else f" · {self._cost.words(cost)}"
        return f"{standing.title}\n{standing.top1 or 0:.1%}{shown}"

    def _on_clicked(self, _item: object, points: Any, _event: object = None) -> None:
        if len(points):
            self.run_chosen.emit(points[0].data().run)


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _round_costs(low: float, high: float, words: Callable[[float], str]) -> list[tuple[float, str]]:
    """Return (place, words) of some of the costs 1, 2, 5, 10 ... in a range of their decimal logarithms."""
    decades = range(math.floor(low), math.ceil(high) + 1)
    found = [step * 10.0**decade for decade in decades for step in _STEPS]
    inside = [value for value in found if low <= math.log10(value) <= high]
    if len(inside) > 4:
        inside = [value for value in inside if math.log10(value) % 1 < 1e-9] or inside[::3]
    return [(math.log10(value), words(value)) for value in inside]
