"""The table of compared models: ranks, accuracy with intervals drawn to one scale, and costs."""

from collections.abc import Mapping

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSignalBlocker, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView

from gui.kit import theme
from gui.kit.icons import swatch
from gui.kit.interval_delegate import LEFT, IntervalDelegate
from gui.kit.translation import tr
from gui.kit.value_table import VALUE_ROLE, ValueTable
from models.messages import Message
from visionft.advice import comparison_text as words
from visionft.evaluation.leaderboard import ComparedModel, Leaderboard

_Index = QModelIndex | QPersistentModelIndex
COLUMNS = (
    words.RANK,
    words.NAME,
    words.ACCURACY,
    words.DIFFERENCE,
    words.BALANCED,
    words.ECE,
    words.MADE,
    words.TIME,
    words.SIZE,
    words.TRAINED,
)
RANK, NAME, ACCURACY, DIFFERENCE, BALANCED, ECE, MADE, TIME, SIZE, TRAINED = range(len(COLUMNS))
_ACCURACY_TITLE = Message("Accuracy with its 95 % interval")  # the interval is drawn beside the figure
_WORST = float("inf")  # an unknown value is the worst: of most columns the highest
_WORST_OF = {ACCURACY: -1.0, BALANCED: -1.0}
# Columns beside name and accuracy, the most important first.
_ORDER = (RANK, TIME, MADE, DIFFERENCE, SIZE, BALANCED, ECE, TRAINED)
_NAME_PX = 185  # room for the name of a model, at least: "001-efficientnet_lite2" is 180
ROW_ROLE = Qt.ItemDataRole.UserRole + 7
_RANK_PX, _ACCURACY_PX, _ROW_PX = 70, 205, 34


class ModelTable(ValueTable):
    """One row for each model; a click on a run selects it. Columns without room for them are hidden."""

    run_chosen = Signal(str)

    def __init__(self) -> None:
        headers = [_ACCURACY_TITLE if each is words.ACCURACY else each.title for each in COLUMNS]
        super().__init__(headers, name=Message("Compared models"))
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
        self._fit_columns(event.size().width())
        super().resizeEvent(event)

    def _fit_columns(self, width: int) -> None:
        """Hide columns that have no room in `width` pixels: name, accuracy and interval are the most important."""
        accuracy = max(theme.scaled(_ACCURACY_PX), width // 5)
        self.setColumnWidth(RANK, theme.scaled(_RANK_PX))
        self.setColumnWidth(ACCURACY, accuracy)
        needed = theme.scaled(_NAME_PX) + accuracy
        for place in _ORDER:
            self.setColumnHidden(place, False)  # a hidden column has no size
            header, values = self.horizontalHeader().sectionSizeHint(place), self.sizeHintForColumn(place)
            needed += theme.scaled(_RANK_PX) if place == RANK else max(header, values)
            self.setColumnHidden(place, width < needed)
        for place in set(range(len(COLUMNS))) - {NAME, ACCURACY, *_ORDER}:
            self.setColumnHidden(place, True)

    def show_models(self, board: Leaderboard, *, colours: Mapping[str, int] | None = None, chosen: str = "") -> None:
        """Show the models of a comparison.

        Args:
            colours: Places of the runs' colours by their names; a run without one has no swatch.
            chosen: The selected run.
        """
        self._intervals.fit_scale([each.top1_interval for each in board.rows if each.top1_interval is not None])
        self._intervals.best = board.best.top1_interval if board.best is not None else None
        places = colours or {}
        with QSignalBlocker(self):
            self.show_rows([_cells(each, order) for order, each in enumerate(board.rows)])
            for line in range(self.rowCount()):  # sorting may have moved the rows
                first = self.item(line, RANK)
                model = board.rows[first.data(VALUE_ROLE)] if first is not None else None
                for place in range(self.columnCount()):
                    if (item := self.item(line, place)) is not None and model is not None:
                        item.setData(ROW_ROLE, model)
                        item.setToolTip(tr(words.tip(model)))
                        if place in (NAME, ACCURACY):
                            item.setTextAlignment(LEFT)
                        if place == NAME and model.run in places:
                            item.setIcon(swatch(theme.class_colour(places[model.run]).name()))
        self._fit_columns(self.viewport().width())
        self.choose(chosen)

    def row_at(self, line: int) -> ComparedModel | None:
        item = self.item(line, RANK)
        return item.data(ROW_ROLE) if item is not None else None

    def names(self) -> list[str]:
        """Return the names of the models, in the order of the rows."""
        found = (self.row_at(line) for line in range(self.rowCount()))
        return [each.run for each in found if each is not None]

    def choose(self, run: str) -> None:
        """Mark a run as selected, without a signal."""
        with QSignalBlocker(self):
            self.clearSelection()
            if run in (names := self.names()):
                self.selectRow(names.index(run))
                if run != self._shown_run and (item := self.item(names.index(run), NAME)) is not None:
                    self.scrollToItem(item)
                self._shown_run = run
        self.viewport().update()

    def _on_selected(self) -> None:
        lines = {index.row() for index in self.selectedIndexes()}
        if lines and (model := self.row_at(min(lines))) is not None:
            self.run_chosen.emit(model.run)


def _interval_of(index: _Index) -> tuple[float, float, float] | None:
    model: ComparedModel | None = index.data(ROW_ROLE)
    if model is None or model.top1_interval is None:
        return None
    return model.top1_interval[0], model.top1 or 0.0, model.top1_interval[1]


def _cells(model: ComparedModel, order: int) -> list[tuple[str, object]]:
    """Return the text and the sort value of each cell of the row at place `order`."""
    cells: list[tuple[str, object]] = []
    for place, column in enumerate(COLUMNS):
        shown = column.text(model)
        value = order if place in (RANK, DIFFERENCE) else column.of(model)
        sort_value = _WORST_OF.get(place, _WORST) if value is None else value
        cells.append((tr(shown) if isinstance(shown, Message) else shown, sort_value))
    return cells
