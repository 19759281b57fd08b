"""The table of training runs: name (edited in place), accuracy, costs; and runs in words."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from gui.kit import theme
from gui.kit.translation import tr
from visionft.core.messages import Message
from visionft.training.evaluation.comparison import cost_of_run
from visionft.training.evaluation.stored import Evaluation
from visionft.training.evaluation.unseen import accuracy_sentence, unseen_evaluation
from visionft.training.runs.run_folder import StoredRun
from visionft.training.runs.run_titles import backbone_title, method_title

_Index = QModelIndex | QPersistentModelIndex
# For sorting; a `StoredRun`; the index of its colour, the same in the chart.
SORT_ROLE, RUN_ROLE, COLOUR_ROLE = (Qt.ItemDataRole.UserRole + number for number in range(3))
_COLUMNS = (
    Message("Name"),
    Message("Method"),
    Message("Backbone"),
    Message("Accuracy"),
    Message("Training"),
    Message("Memory"),
    Message("Trained"),
    Message("File"),
    Message("Time per image"),
    Message("Drift"),
    Message("State"),
)
ACCURACY, FIRST_COST = 3, 4
STATE = len(_COLUMNS) - 1
ROW_PX, _MAX_COLUMN_PX = 32, 280
_UNKNOWN = float("inf")  # a cost that is not known counts as the highest


class RunTableModel(QAbstractTableModel):
    """The runs as an item model; with `is_editable` the first column can be edited."""

    renamed = Signal(str, str)  # name, new title

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[StoredRun] = []
        self.is_editable = False
        self._unseen: list[Evaluation | None] = []  # of each run, as `unseen_evaluation`
        self._cells: list[tuple[tuple[str, str | float], ...]] = []  # (text, value to sort by) of each run
        self._colours: Mapping[str, int] = {}

    def set_runs(self, runs: Sequence[StoredRun], colours: Mapping[str, int]) -> bool:
        """Show these runs with colours by name; return whether anything changed."""
        unseen = [unseen_evaluation(run) for run in runs]
        cells = list(map(run_cells, runs, unseen))
        if (list(runs), unseen, cells, colours) == (self.runs, self._unseen, self._cells, self._colours):
            return False
        self.beginResetModel()
        self.runs, self._unseen, self._cells, self._colours = list(runs), unseen, cells, colours
        self.endResetModel()
        return True

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return len(self.runs)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return len(_COLUMNS)

    def flags(self, index: _Index) -> Qt.ItemFlag:
        flags = super().flags(index)
        return flags | Qt.ItemFlag.ItemIsEditable if index.column() == 0 and self.is_editable else flags

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return tr(_COLUMNS[section])
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(section)
        return None

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        run, column = self.runs[index.row()], index.column()
        text, value = self._cells[index.row()][column]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return text
        if role == Qt.ItemDataRole.ToolTipRole and column == 0:
            return run.title if run.title == run.name else f"{run.title}\n{run.name}"
        if role == Qt.ItemDataRole.ToolTipRole:
            return (column == ACCURACY and quality_words(run, self._unseen[index.row()])) or text
        if role == SORT_ROLE:
            return value
        if role == RUN_ROLE:
            return run
        if role == COLOUR_ROLE:
            return self._colours[run.name]
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        return None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Emit `renamed` after an edit by the user; the owner of the runs then updates the table."""
        run = self.runs[index.row()]
        if role != Qt.ItemDataRole.EditRole or str(value).strip() == run.title:
            return False
        self.renamed.emit(run.name, str(value).strip())
        return True


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if ACCURACY <= column < STATE else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def run_cells(run: StoredRun, unseen: Evaluation | None) -> tuple[tuple[str, str | float], ...]:
    """Return (text, value to sort by) of the cells of a run; `unseen` is its `unseen_evaluation`."""
    cost = cost_of_run(run)
    values = [_UNKNOWN if value is None else float(value) for value in astuple(cost)]
    accuracy = ("", -1.0)
    if unseen is not None:
        low, high = unseen.top1_interval
        accuracy = (f"{unseen.top1:.1%}  ({100 * low:.1f}–{100 * high:.1f})", unseen.top1)
    method, backbone = tr(method_title(run.config.method)), tr(backbone_title(run.config.backbone))
    state = run_state(run)
    return (
        (run.title, run.title.casefold()),
        (method, method),
        (backbone, backbone),
        accuracy,
        *zip(cost.texts(), values, strict=True),
        (state, state),
    )


class _NameDelegate(QStyledItemDelegate):
    """A run's name after its colour."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        name = QStyleOptionViewItem(option)
        name.rect = option.rect.adjusted(20, 0, 0, 0)
        super().paint(painter, name, index)
        swatch = QRectF(option.rect.left() + 11, option.rect.center().y() - 5, 11, 11)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.class_colour(index.data(COLOUR_ROLE)))
        painter.drawRoundedRect(swatch, 3, 3)
        painter.restore()

    def updateEditorGeometry(self, editor, option: QStyleOptionViewItem, index: _Index) -> None:
        editor.setGeometry(option.rect.adjusted(20, 0, 0, 0))

    def sizeHint(self, option: QStyleOptionViewItem, index: _Index) -> QSize:
        return super().sizeHint(option, index) + QSize(theme.scaled(44), 0)


class RunTable(QTableView):
    """All runs; `selection_changed` carries the selected names in the order shown."""

    selection_changed = Signal(list)
    renamed = Signal(str, str)  # name, new title

    def __init__(self, *, is_multiple: bool = False) -> None:
        super().__init__()
        self._rows = RunTableModel()
        self._rows.is_editable = is_multiple
        self._rows.renamed.connect(self.renamed)
        self._preferred = ""
        self._sorted = QSortFilterProxyModel(self)
        self._sorted.setSourceModel(self._rows)
        self._sorted.setSortRole(SORT_ROLE)
        self.setModel(self._sorted)
        self.setItemDelegateForColumn(0, _NameDelegate(self))
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.DescendingOrder)
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.ExtendedSelection if is_multiple else mode.SingleSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.EditKeyPressed | triggers.DoubleClicked)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setAccessibleName(tr("Training runs"))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(ROW_PX))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setMaximumSectionSize(theme.scaled(_MAX_COLUMN_PX))
        header.setHighlightSections(False)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit(self.selected()))

    def height_of_rows(self) -> int:
        """Return the height at which all rows are visible."""
        rows = max(1, self.model().rowCount()) * self.verticalHeader().defaultSectionSize()
        bar = self.horizontalScrollBar().sizeHint().height()
        return self.horizontalHeader().sizeHint().height() + rows + bar + 2

    def set_runs(self, runs: Sequence[StoredRun], *, colours: Mapping[str, int], preferred: str) -> None:
        """Show these runs, with colours by name; select the preferred one, unless the user selected others of them."""
        chosen = [] if self.selected() == [self._preferred] else self.selected()
        was_silent = self.blockSignals(True)  # one selection change, not one per step
        has_changed = self._rows.set_runs(runs, colours)
        if has_changed:
            self._preferred = preferred
            kept = [name for name in chosen if any(run.name == name for run in runs)]
            self.select(kept or ([preferred] if preferred else []))
        self.blockSignals(was_silent)
        if has_changed:
            self.selection_changed.emit(self.selected())

    def selected(self) -> list[str]:
        indexes = sorted(self.selectionModel().selectedRows(), key=lambda index: index.row())
        return [index.data(RUN_ROLE).name for index in indexes]

    def select(self, names: list[str]) -> None:
        self.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for line in range(self.model().rowCount()):
            index = self.model().index(line, 0)
            if index.data(RUN_ROLE).name in names:
                self.selectionModel().select(index, flags)
                # Not the view's own `setCurrentIndex`: it toggles while Ctrl is down, and Ctrl+5 opens a page.
                self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)

    def edit_name(self) -> None:
        if indexes := self.selectionModel().selectedRows():
            self.edit(min(indexes, key=lambda index: index.row()))


def quality_words(run: StoredRun, unseen: Evaluation | None) -> str:
    """Return the accuracy of a run, its best epoch and the reason for that, in words."""
    accuracy = tr(accuracy_sentence(unseen)) if run.best else ""
    return " ".join(filter(None, (accuracy, kept_words(run))))


def kept_words(run: StoredRun) -> str:
    """Return a run's best epoch in words, and the reason if another epoch has the highest accuracy."""
    kept = run.best
    highest = max(run.epochs, key=lambda epoch: (epoch.accuracy_for_ranking, -(epoch.val_loss or 0)), default=None)
    if kept is None or highest is None:
        return ""
    if kept.val_accuracy is None:
        return tr("Not validated: no labelled image is in the validation split.")
    values = {"epoch": kept.epoch, "accuracy": kept.accuracy_text}
    if run.parts:
        words = tr("Ensemble of {parts} runs, without training.", parts=len(run.parts))
    elif not run.config.total_epochs:
        words = tr("Fitted in closed form, without epochs.")
    elif not kept.epoch:
        words = tr(
            "The initial weights are kept (validation accuracy {accuracy}): training did not improve them.", **values
        )
    elif kept.share < 1:
        words = Message(
            "Kept: weights {share} of the way from the start to epoch {epoch}, with a new head (accuracy {accuracy} "
            "on held-out validation images)."
        )
        words = tr(words, share=f"{kept.share:.0%}", **values)
    elif kept.val_accuracy >= highest.accuracy_for_ranking:
        words = tr("Epoch {epoch} is kept: it has the highest validation accuracy ({accuracy}).", **values)
    else:
        words = tr(
            "Epoch {epoch} is kept (validation accuracy {accuracy}), though epoch {other} reached {more}: with so few "
            "images that difference is luck (less than one standard error), and the later epoch has learnt more.",
            **values,
            other=highest.epoch,
            more=highest.accuracy_text,
        )
    return words


def best_run(runs: Sequence[StoredRun]) -> StoredRun | None:
    """Return the run with the highest validation accuracy, the newest of equal ones; None if no run has weights."""
    usable = [run for run in runs if run.best is not None and run.has_weights and not run.faults]
    return max(usable, key=lambda run: (run.best.accuracy_for_ranking if run.best else 0.0, run.name), default=None)


def run_state(run: StoredRun) -> str:
    if run.faults:
        return tr("Weights damaged")
    if run.best is not None and not run.has_weights:
        return tr("No weights")
    if run.is_going:
        return tr("Running")
    if run.result is None:
        return tr("Unfinished")
    return tr("Stopped") if run.result.stopped or run.plan is not None else tr("Finished")


def can_continue(run: StoredRun) -> bool:
    """Return whether a run ended early: stopped or killed; without weights it cannot be resumed."""
    return run.is_unfinished and (run.has_weights or run.best is None)
