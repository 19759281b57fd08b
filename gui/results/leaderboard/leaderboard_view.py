"""The leaderboard view: ranks, accuracy with intervals drawn to one scale, and costs. Depends on Qt and plain data."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QWidget

from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.parts import Button, ElidedLabel, column, row, text
from gui.kit.side_by_side import divided
from gui.kit.value_table import VALUE_ROLE, ValueTable
from gui.results.interval_delegate import LEFT, IntervalDelegate
from gui.results.leaderboard import leaderboard_text
from gui.results.leaderboard.cost_chart import CostChart
from models.messages import Message, Text
from visionft.evaluation.leaderboard import ComparedModel, Leaderboard

_Index = QModelIndex | QPersistentModelIndex
HEADERS: tuple[Text, ...] = (
    "Rank",
    "Model",
    "Accuracy with its 95 % interval",
    "Difference to the best",
    "Balanced accuracy",
    "ECE",
    "Made in",
    "Time per image",
    "Size",
    "Trained",
)
RANK, NAME, ACCURACY, DIFFERENCE, BALANCED, ECE, MADE, TIME, SIZE, TRAINED = range(len(HEADERS))
# A column, and the table width below which it is hidden.
_HIDDEN_BELOW = (
    (TRAINED, 1240),
    (ECE, 1160),
    (BALANCED, 1060),
    (SIZE, 920),
    (DIFFERENCE, 800),
    (MADE, 710),
    (TIME, 560),
)
ROW_ROLE = Qt.ItemDataRole.UserRole + 7
_RANK_PX, _ACCURACY_PX, _ROW_PX = 70, 205, 34


class LeaderboardTable(ValueTable):
    """One row for each run; a click on one selects it."""

    run_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__(HEADERS, name=Message("Leaderboard"))
        self._intervals = IntervalDelegate(self, _interval_of, text_px=52, rank_of=lambda at: at.data(ROW_ROLE).rank)
        self._shown_run = ""
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setItemDelegateForColumn(ACCURACY, self._intervals)
        self.verticalHeader().setDefaultSectionSize(theme.scaled(_ROW_PX))
        header = self.horizontalHeader()
        header.setSectionResizeMode(RANK, QHeaderView.ResizeMode.Interactive)
        header.setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(ACCURACY, QHeaderView.ResizeMode.Interactive)
        for place in (NAME, ACCURACY):
            if (title := self.horizontalHeaderItem(place)) is not None:
                title.setTextAlignment(LEFT)
        self.itemSelectionChanged.connect(self._on_selected)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Hide columns where there is no room for all: name, accuracy and interval are the most important."""
        for place, needed in _HIDDEN_BELOW:
            self.setColumnHidden(place, event.size().width() < theme.scaled(needed))
        self.setColumnWidth(RANK, theme.scaled(_RANK_PX))
        self.setColumnWidth(ACCURACY, max(theme.scaled(_ACCURACY_PX), event.size().width() // 5))
        super().resizeEvent(event)

    def show_board(self, board: Leaderboard, *, colours: Mapping[str, int], chosen: str) -> None:
        """Show the runs and the selected one; `colours` are places by the runs' names."""
        self._intervals.fit_scale([each.top1_interval for each in board.rows if each.top1_interval is not None])
        self._intervals.best = board.best.top1_interval if board.best is not None else None
        with QSignalBlocker(self):
            self.show_rows([leaderboard_text.cells(each, order) for order, each in enumerate(board.rows)])
            for line in range(self.rowCount()):  # sorting may have moved the rows
                first = self.item(line, RANK)
                row = board.rows[first.data(VALUE_ROLE)] if first is not None else None
                for column in range(self.columnCount()):
                    if (item := self.item(line, column)) is not None and row is not None:
                        item.setData(ROW_ROLE, row)
                        item.setToolTip(leaderboard_text.tip(row))
                        if column in (NAME, ACCURACY):
                            item.setTextAlignment(LEFT)
                        if column == NAME:
                            item.setIcon(swatch(theme.class_colour(colours.get(row.run, 0)).name()))
        self.choose(chosen)

    def row_at(self, line: int) -> ComparedModel | None:
        item = self.item(line, RANK)
        return item.data(ROW_ROLE) if item is not None else None

    def runs(self) -> list[str]:
        found = (self.row_at(line) for line in range(self.rowCount()))
        return [each.run for each in found if each is not None]

    def choose(self, run: str) -> None:
        """Mark a run as selected, without a signal."""
        with QSignalBlocker(self):
            self.clearSelection()
            if run in (runs := self.runs()):
                self.selectRow(runs.index(run))
                if run != self._shown_run and (item := self.item(runs.index(run), NAME)) is not None:
                    self.scrollToItem(item)
                self._shown_run = run
        self.viewport().update()

    def _on_selected(self) -> None:
        lines = {index.row() for index in self.selectedIndexes()}
        if lines and (row := self.row_at(min(lines))) is not None:
            self.run_chosen.emit(row.run)


def _interval_of(index: _Index) -> tuple[float, float, float] | None:
    row: ComparedModel | None = index.data(ROW_ROLE)
    if row is None or row.top1_interval is None:
        return None
    return row.top1_interval[0], row.top1 or 0.0, row.top1_interval[1]


class LeaderboardView(QWidget):
    """A sentence and the buttons to fill the leaderboard, over the table and the chart."""

    run_chosen = Signal(str)

    def __init__(self, *, on_measure: Callable[[], object], on_fit: Callable[[], object]) -> None:
        super().__init__()
        self.table, self.chart = LeaderboardTable(), CostChart()
        self.measure_button = Button("Measure all", "gauge", on_click=on_measure)
        self.fit_button = Button("Fit training-free models", "sample", on_click=on_fit)
        self.sentence = text("", "strong", wrap=True)
        self.facts = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        summary = column(self.sentence, self.facts, spacing=theme.HAIR)
        head = row(summary, self.fit_button, self.measure_button, spacing=theme.SMALL, grows=0)
        split = divided(self.table, self.chart)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([700, 340])
        self.setLayout(column(head, split, spacing=theme.SMALL, grows=1))
        self.table.run_chosen.connect(self.run_chosen)
        self.chart.run_chosen.connect(self.run_chosen)

    def show_board(self, board: Leaderboard, *, colours: Mapping[str, int], chosen: str) -> None:
        """Show a leaderboard; `colours` are places by the runs' names."""
        self.sentence.setText(leaderboard_text.sentence(board))
        self.facts.setText(leaderboard_text.facts(board))
        self.measure_button.setVisible(bool(board.unmeasured))
        self.table.show_board(board, colours=colours, chosen=chosen)
        self.chart.show_board(board, colours=colours, chosen=chosen)
        self.chart.setVisible(bool(board.ranked))

    def choose(self, run: str) -> None:
        self.table.choose(run)
        self.chart.choose(run)

    def show_stage(self, stage: str) -> None:
        """Show the work in progress, in place of the facts."""
        if stage:
            self.facts.setText(stage if stage.endswith("…") else f"{stage} …")
