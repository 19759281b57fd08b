"""The table of training runs: colour, name (edited in place), figures; pinned runs on top; and runs as its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
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
from PySide6.QtGui import QPainter, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyledItemDelegate, QStyleOptionViewItem, QTableView

from gui.kit import theme
from gui.kit.icons import pixmap
from gui.kit.translation import tr
from models.messages import Message
from visionft.evaluation.unseen import accuracy_sentence, unseen_evaluation
from visionft.training.runs.run_folder import RunSummary
from visionft.training.runs.run_titles import backbone_title, method_title

_Index = QModelIndex | QPersistentModelIndex
SORT_ROLE, ROW_ROLE = Qt.ItemDataRole.UserRole, Qt.ItemDataRole.UserRole + 1
_COLUMNS = (
    Message("Name"),
    Message("Backbone"),
    Message("Method"),
    Message("Epochs"),
    Message("Accuracy"),
    Message("Loss"),
    Message("State"),
)
_NUMERIC = _OF_BEST = (3, 4, 5)  # columns about the best epoch; their tooltip names it
ROW_PX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """The figures of one run."""

    name: str  # of its folder, the identifier
    title: str
    colour: int  # the index of its colour, the same in the chart
    backbone: str
    method: str
    epochs: int
    planned_epochs: int
    accuracy: float | None  # on unseen images; None where that was not measured
    loss: float | None  # on validation, of the best epoch; None before the first epoch has ended
    state: str
    is_pinned: bool = False
    kept: str = ""  # the accuracy, the best epoch and the reason for it, in words


class RunTableModel(QAbstractTableModel):
    """The runs as an item model; with `is_editable` the first column can be edited."""

    renamed = Signal(str, str)  # name, new title

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[RunRow] = []
        self.is_editable = False

    def set_rows(self, rows: list[RunRow]) -> None:
        self.beginResetModel()
        self.rows = rows
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return len(self.rows)

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
        row = self.rows[index.row()]
        column = index.column()
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.EditRole):
            return _texts(row)[column]
        if role == Qt.ItemDataRole.ToolTipRole:
            return _tip(row, column)
        if role == Qt.ItemDataRole.AccessibleTextRole and column == 0 and row.is_pinned:
            return f"{row.title}, {tr('pinned')}"
        if role == SORT_ROLE:
            return _sort_values(row)[column]
        if role == ROW_ROLE:
            return row
        if role == Qt.ItemDataRole.TextAlignmentRole:
            return _alignment(column)
        return None

    def setData(self, index: _Index, value: Any, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Emit `renamed` after an edit by the user; the owner of the runs then updates the table."""
        row = self.rows[index.row()]
        if role != Qt.ItemDataRole.EditRole or str(value).strip() == row.title:
            return False
        self.renamed.emit(row.name, str(value).strip())
        return True


def _tip(row: RunRow, column: int) -> str:
    if column == 0:
        return row.title if row.title == row.name else f"{row.title}\n{row.name}"
    return row.kept if column in _OF_BEST and row.kept else _texts(row)[column]


def _alignment(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column in _NUMERIC else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter


def _texts(row: RunRow) -> tuple[str, ...]:
    accuracy = "–" if row.accuracy is None else f"{row.accuracy:.1%}"
    loss = "–" if row.loss is None else f"{row.loss:.3f}"
    epochs = tr("{done} of {planned}", done=row.epochs, planned=row.planned_epochs) if row.planned_epochs else "–"
    return (row.title, row.backbone, row.method, epochs, accuracy, loss, row.state)


def _sort_values(row: RunRow) -> tuple[Any, ...]:
    accuracy = -1.0 if row.accuracy is None else row.accuracy
    loss = float("inf") if row.loss is None else row.loss
    return (row.title.casefold(), row.backbone, row.method, row.epochs, accuracy, loss, row.state)


class _PinnedFirst(QSortFilterProxyModel):
    """Sorts by the selected column; pinned runs stay on top in both directions."""

    def lessThan(self, left: _Index, right: _Index) -> bool:
        first, second = left.data(ROW_ROLE).is_pinned, right.data(ROW_ROLE).is_pinned
        if first != second:
            return first == (self.sortOrder() == Qt.SortOrder.AscendingOrder)
        return left.data(SORT_ROLE) < right.data(SORT_ROLE)


class _NameDelegate(QStyledItemDelegate):
    """A run's name after its colour, with a pin if it is pinned."""

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        row: RunRow = index.data(ROW_ROLE)
        name = QStyleOptionViewItem(option)
        name.rect = option.rect.adjusted(20, 0, -theme.scaled(22) if row.is_pinned else 0, 0)
        super().paint(painter, name, index)
        swatch = QRectF(option.rect.left() + 11, option.rect.center().y() - 5, 11, 11)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.class_colour(row.colour))
        painter.drawRoundedRect(swatch, 3, 3)
        if row.is_pinned:
            side = theme.scaled(14)
            image = pixmap("pin", theme.colours().accent, size=side)
            painter.drawPixmap(option.rect.right() - side - 6, option.rect.center().y() - side // 2, image)
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
        self._sorted = _PinnedFirst(self)
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
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Training runs"))
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(theme.scaled(ROW_PX))
        header = self.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setHighlightSections(False)
        self.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit(self.selected()))

    def resizeEvent(self, event: QResizeEvent) -> None:
        width = event.size().width()
        for column, needed in ((5, 820), (3, 720), (1, 620), (2, 520), (6, 400)):
            self.setColumnHidden(column, width < theme.scaled(needed))
        super().resizeEvent(event)

    def height_of_rows(self) -> int:
        """Return the height at which all rows are visible."""
        rows = max(1, self.model().rowCount()) * self.verticalHeader().defaultSectionSize()
        return self.horizontalHeader().sizeHint().height() + rows + 2

    def set_rows(self, rows: list[RunRow], *, preferred: str) -> None:
        """Show these runs; select the preferred one, unless the user selected others that still exist."""
        if rows == self._rows.rows:
            return
        chosen = [] if self.selected() == [self._preferred] else self.selected()
        self._preferred = preferred
        was_silent = self.blockSignals(True)  # one selection change, not one per step
        self._rows.set_rows(rows)
        kept = [name for name in chosen if any(row.name == name for row in rows)]
        self.select(kept or ([preferred] if preferred else []))
        self.blockSignals(was_silent)
        self.selection_changed.emit(self.selected())

    def selected(self) -> list[str]:
        indexes = sorted(self.selectionModel().selectedRows(), key=lambda index: index.row())
        return [index.data(ROW_ROLE).name for index in indexes]

    def select(self, names: list[str]) -> None:
        self.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for line in range(self.model().rowCount()):
            index = self.model().index(line, 0)
            if index.data(ROW_ROLE).name in names:
                self.selectionModel().select(index, flags)
                # Not the view's own `setCurrentIndex`: it toggles while Ctrl is down, and Ctrl+5 opens a page.
                self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.NoUpdate)

    def edit_name(self) -> None:
        if indexes := self.selectionModel().selectedRows():
            self.edit(min(indexes, key=lambda index: index.row()))


def run_rows(runs: Sequence[RunSummary]) -> list[RunRow]:
    """Return table rows of runs, each with its own colour."""
    return [run_row(run, colour=index) for index, run in enumerate(runs)]


def run_row(run: RunSummary, *, colour: int = 0) -> RunRow:
    best = run.best
    config = run.config
    unseen = unseen_evaluation(run)
    accuracy = tr(accuracy_sentence(unseen)) if best else ""
    network, method = tr(backbone_title(config.backbone)), tr(method_title(config.method))
    return RunRow(
        name=run.name,
        title=run.title,
        colour=colour,
        backbone=network,
        method=method,
        epochs=run.last_epoch,
        planned_epochs=config.total_epochs,
        accuracy=unseen.top1 if unseen else None,
        loss=best.val_loss if best else None,
        state=run_state(run),
        is_pinned=run.notes.is_pinned,
        kept=" ".join(filter(None, (accuracy, kept_words(run)))),
    )


def kept_words(run: RunSummary) -> str:
    """Return a run's best epoch in words, and the reason if another epoch has the highest accuracy."""
    kept = run.best
    highest = max(run.epochs, key=lambda epoch: (epoch.right_share, -(epoch.val_loss or 0)), default=None)
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
            "Kept are weights {share} of the way from the start to epoch {epoch}, with a head solved anew (accuracy "
            "{accuracy} on validation images held out)."
        )
        words = tr(words, share=f"{kept.share:.0%}", **values)
    elif kept.val_accuracy >= highest.right_share:
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


def best_run(runs: Sequence[RunSummary]) -> RunSummary | None:
    """Return the run with the highest validation accuracy, the newest of equal ones; None if no run has weights."""
    usable = [run for run in runs if run.best is not None and run.has_weights and not run.faults]
    return max(usable, key=lambda run: (run.best.right_share if run.best else 0.0, run.name), default=None)


def run_state(run: RunSummary) -> str:
    if run.faults:
        return tr("Weights damaged")
    if run.best is not None and not run.has_weights:
        return tr("No weights")
    if run.is_going:
        return tr("Running")
    if run.result is None:
        return tr("Unfinished")
    return tr("Stopped") if run.result.stopped else tr("Finished")


def can_continue(run: RunSummary) -> bool:
    """Return whether a run ended early: stopped or killed; without weights it cannot be resumed."""
    return run.is_unfinished and (run.has_weights or run.best is None)
