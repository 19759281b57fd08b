"""The classes of an evaluation: scores and confusion matrix in one table, and the images of the chosen cell.

Depends on Qt and plain data only.
"""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QPointF, QRect, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QPainter, QPen, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QStyle, QStyleOptionViewItem, QWidget

from gui.kit import theme
from gui.kit.parts import column, text, widget_of
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.kit.value_table import VALUE_ROLE, MarkDelegate, ValueTable
from gui.results.prediction_views import CorrectableGrid
from visionft.core.amounts import MIN_IMAGES_FOR_PERCENT, share_text
from visionft.core.messages import Message, shortened
from visionft.training.evaluation.metrics import ClassScore
from visionft.training.evaluation.stored import StoredEvaluation

_Index = QModelIndex | QPersistentModelIndex
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
CLASS, IMAGES, PRECISION, F1, RECALL, FIRST = range(6)  # columns; the predictions begin at `FIRST`
_SCORES = (
    Message("Class"),
    Message("Images"),
    Message("Precision"),
    "F1",
    Message("Recall"),
)
_HITS = (
    Message("True positives"),
    Message("False negatives"),
    Message("False positives"),
    Message("True negatives"),
)
MAX_MATRIX_CLASSES = 60  # with more classes, a table names the most frequent confusions of each class
_MAX_NAMED_CONFUSIONS = 3  # confusions in a row
_CELL_PX, _ROW_PX = (36, 88), (30, 52)  # least and largest
_RECALL_PX, _NAME_PX, _HEAD_PX, _PADDING_PX = 158, 110, 110, 24
_RECALL_TEXT_PX = 62


class ConfusionTable(ValueTable):
    """A row for each true class: its scores, and the number of its images predicted as each class.

    With many classes, the most frequent confusions in place of the numbers; with several labels per image, where an
    image belongs to no single cell, hits and misses.
    """

    cell_chosen = Signal(int, int)  # true class, predicted class

    def __init__(self) -> None:
        self.names: tuple[str, ...] = ()
        self.counts: Sequence[Sequence[int]] = ()
        self.has_matrix = False
        super().__init__(_SCORES, name=Message("Classes"))
        self.setHorizontalHeader(_Head(self))
        self._cells = _CellDelegate(self)
        self.setItemDelegate(self._cells)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectItems)
        self.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.currentCellChanged.connect(lambda line, place, *_: self._choose_at(line, place))

    def show_evaluation(self, found: StoredEvaluation) -> None:
        """Show the classes; of one label per image the worst confusion is chosen at first."""
        self.names, self.counts = found.class_names, found.confusion
        self.has_matrix = not found.is_multilabel and len(self.names) <= MAX_MATRIX_CLASSES
        further = _HITS if found.is_multilabel else self.names if self.has_matrix else (Message("Confused with"),)
        rows = [
            [*_score_cells(true, name, found.per_class[name]), *self._further(true, is_several=found.is_multilabel)]
            for true, name in enumerate(self.names)
        ]
        with QSignalBlocker(self):
            self.show_columns((*_SCORES, *further))
            self.show_rows(rows)
            self._dress()
        self._cells.fit_scale([cells[RECALL][1] for cells in rows if cells[RECALL][1][0] >= 0])
        self._fit()
        if not found.is_multilabel and self.names:
            self.choose(*(found.worst_pair() or (0, 0)))

    def _further(self, true: int, *, is_several: bool) -> list[tuple[str, Any]]:
        counts = self.counts[true]
        if is_several:
            left, false, missed, hit = counts
            return [(f"{each:,}", each) for each in (hit, missed, false, left)]
        if self.has_matrix:
            return [(f"{each:,}" if each else "·", each) for each in counts]
        wrong = sorted(((each, said) for said, each in enumerate(counts) if each and said != true), reverse=True)
        return [(", ".join(f"{self.names[said]} {each:,}" for each, said in wrong[:_MAX_NAMED_CONFUSIONS]), wrong[:1])]

    def _dress(self) -> None:
        """Name the columns of the matrix and its cells; put texts at the left."""
        for place in (RECALL, *(() if self.has_matrix or self.columnCount() > FIRST + 1 else (FIRST,))):
            for line in range(-1, self.rowCount()):
                item = self.item(line, place) if line >= 0 else self.horizontalHeaderItem(place)
                if item is not None:
                    item.setTextAlignment(LEFT)
        for said, name in enumerate(self.names if self.has_matrix else ()):
            if (head := self.horizontalHeaderItem(FIRST + said)) is not None:
                head.setText("")  # the header draws it
                head.setToolTip(name)
                head.setData(Qt.ItemDataRole.AccessibleTextRole, name)
            for line in range(self.rowCount()):
                if (item := self.item(line, FIRST + said)) is not None:
                    item.setToolTip(self.describe(self.true_at(line), said))

    def true_at(self, line: int) -> int:
        """Return the class of a row."""
        return self.model().index(line, CLASS).data(VALUE_ROLE)

    def choose(self, true: int, predicted: int) -> None:
        line = next(line for line in range(self.rowCount()) if self.true_at(line) == true)
        with QSignalBlocker(self):
            self.setCurrentCell(line, FIRST + predicted if self.has_matrix else CLASS)
        self.cell_chosen.emit(true, predicted)

    def _choose_at(self, line: int, place: int) -> None:
        """Choose a cell of the matrix; elsewhere the most frequent confusion of the class."""
        if line < 0 or len(self.counts) != len(self.names) or self.horizontalHeaderItem(FIRST) is None:
            return
        true = self.true_at(line)
        if self.has_matrix and place >= FIRST:
            self.cell_chosen.emit(true, place - FIRST)
        elif len(self.counts[true]) == len(self.names):
            wrong = [0 if said == true else count for said, count in enumerate(self.counts[true])]
            self.cell_chosen.emit(true, wrong.index(max(wrong)) if any(wrong) else true)

    def describe(self, true: int, predicted: int) -> str:
        count = self.counts[true][predicted]
        said = shortened(self.names[predicted])
        values = {"n": f"{count:,}", "name": shortened(self.names[true])}
        if true == predicted:
            one = Message("{n} image of “{name}” predicted correctly")
            many = Message("{n} images of “{name}” predicted correctly")
            return tr(one if count == 1 else many, **values)
        one = Message("{n} image of “{name}” predicted as “{said}”")
        many = Message("{n} images of “{name}” predicted as “{said}”")
        return tr(one if count == 1 else many, **values, said=said)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Give the cells the room; scores are hidden where it is short, recall last."""
        header, metrics, width = self.horizontalHeader(), self.fontMetrics(), self.viewport().width()
        least, most = (theme.scaled(each) for each in _CELL_PX)
        cells = self.columnCount() - FIRST
        if not self.has_matrix:
            least = most = max(theme.scaled(_NAME_PX), width // 4 if cells == 1 else 0)
        longest = max((metrics.horizontalAdvance(name) for name in self.names), default=0)
        name = max(theme.scaled(_NAME_PX), min(longest + theme.scaled(_PADDING_PX), width // 4))
        header.resizeSection(CLASS, name)
        header.resizeSection(RECALL, theme.scaled(_RECALL_PX))
        room = width - name - theme.scaled(_RECALL_PX) - cells * least
        for place in (IMAGES, PRECISION, F1):
            needed = max(map(metrics.horizontalAdvance, (tr(_SCORES[place]), "100.0%"))) + theme.scaled(_PADDING_PX)
            self.setColumnHidden(place, room < needed)
            header.resizeSection(place, needed)
            room -= needed if room >= needed else 0
        for place in range(FIRST, self.columnCount()):
            header.resizeSection(place, max(least, min(most, least + room // max(1, cells))))
        header.setStretchLastSection(not self.has_matrix)
        height = self.viewport().height() // max(1, self.rowCount())
        low, high = (theme.scaled(each) for each in _ROW_PX)
        self.verticalHeader().setDefaultSectionSize(max(low, min(high, height)))


class _Head(QHeaderView):
    """A header whose names of predicted classes are upright over narrow columns."""

    def __init__(self, table: ConfusionTable) -> None:
        super().__init__(Qt.Orientation.Horizontal, table)
        self._table = table
        self.setSectionsClickable(True)
        self.setHighlightSections(False)
        self.setMinimumSectionSize(theme.scaled(_CELL_PX[0]))
        self.setSortIndicator(CLASS, Qt.SortOrder.AscendingOrder)

    def _longest(self) -> int:
        names = self._table.names if self._table.has_matrix else ()
        return max((self.fontMetrics().horizontalAdvance(name) for name in names), default=0) + theme.MEDIUM

    @property
    def _is_upright(self) -> bool:
        return self._table.has_matrix and self._longest() > self.sectionSize(FIRST)

    def sizeHint(self) -> QSize:
        size = super().sizeHint()
        upright = min(self._longest(), theme.scaled(_HEAD_PX)) if self._is_upright else 0
        return QSize(size.width(), max(size.height(), upright))

    def paintSection(self, painter: QPainter, rect: QRect, index: int) -> None:
        height = super().sizeHint().height()
        painter.save()
        super().paintSection(painter, QRect(rect.left(), rect.bottom() + 1 - height, rect.width(), height), index)
        painter.restore()
        if index < FIRST or not self._table.has_matrix:
            return
        painter.save()
        painter.setPen(QColor(theme.colours().muted))
        length = rect.width() - 4
        across = Qt.AlignmentFlag.AlignHCenter
        if self._is_upright:
            painter.translate(rect.left(), rect.bottom())
            painter.rotate(-90)
            length = rect.height() - theme.SMALL
            across = Qt.AlignmentFlag.AlignLeft
            rect = QRect(theme.TIGHT, 0, rect.height() - theme.TIGHT, rect.width())
        name = painter.fontMetrics().elidedText(self._table.names[index - FIRST], Qt.TextElideMode.ElideMiddle, length)
        painter.drawText(rect, int(across | Qt.AlignmentFlag.AlignVCenter), name)
        painter.restore()


class _CellDelegate(MarkDelegate):
    """Draws an interval behind each recall, and shades the cells of the matrix by their share of the row."""

    def __init__(self, table: ConfusionTable) -> None:
        super().__init__(table)
        self._table = table
        self._low, self._high = 0.0, 1.0  # the scale of the intervals

    def fit_scale(self, intervals: Sequence[tuple[float, ...]]) -> None:
        """Fit the scale to tens of percent around all (low, ..., high): from 0 on whiskers would be too small."""
        low = min((int(10 * each[0]) / 10 for each in intervals), default=0.0)
        high = max((-int(-10 * each[-1] - 0.999) / 10 for each in intervals), default=1.0)
        self._low = max(0.0, low)
        self._high = min(1.0, max(high, low + 0.1))

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        if self._table.has_matrix and index.column() >= FIRST:
            self._paint_cell(painter, option, index)
            return
        super().paint(painter, option, index)
        if index.column() == RECALL:
            self._paint_interval(painter, option, index)

    def _paint_interval(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw a dot with whiskers for the 95 % interval, on the scale of all rows."""
        low, middle, high = index.data(VALUE_ROLE)
        palette = theme.colours()
        area = QRectF(option.rect).adjusted(11 + theme.scaled(_RECALL_TEXT_PX), 0, -12, 0)
        if low < 0 or area.width() < 40:
            return

        def at(share: float) -> QPointF:
            across = (share - self._low) / (self._high - self._low)
            return QPointF(area.left() + area.width() * across, area.center().y())

        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(QColor(palette.text), 1.5))
        painter.drawLine(at(low), at(high))
        for end in (at(low), at(high)):
            painter.drawLine(end - QPointF(0, 4), end + QPointF(0, 4))
        painter.setBrush(QColor(palette.train_line))
        painter.setPen(QPen(QColor(palette.surface), 1.5))
        painter.drawEllipse(at(middle), 5, 5)
        painter.restore()

    def _paint_cell(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Shade a cell: correct ones in one hue, mistakes in another."""
        true = self._table.true_at(index.row())
        count = index.data(VALUE_ROLE)
        palette = theme.colours()
        share = count / (sum(self._table.counts[true]) or 1)
        is_right = index.column() - FIRST == true
        box = QRectF(option.rect).adjusted(1, 1, -1, -1)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        tint = QColor(palette.sunken)
        if count:
            tint = QColor(palette.good if is_right else palette.bad)
            tint.setAlphaF(0.10 + 0.42 * (share if is_right else min(1.0, 2 * share)))
        is_chosen = option.state & QStyle.StateFlag.State_Selected
        painter.setPen(QPen(QColor(palette.accent), 2.5) if is_chosen else Qt.PenStyle.NoPen)
        painter.setBrush(tint)
        painter.drawRoundedRect(box, 4, 4)
        font = painter.font()
        font.setBold(bool(count))
        painter.setFont(font)
        painter.setPen(QColor(palette.text if count else palette.muted))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), index.data())
        painter.restore()


class ClassesView(QWidget):
    """The table of the classes beside the images of its chosen cell."""

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self.table = ConfusionTable()
        self.grid = CorrectableGrid(thumbnails, name=Message("Images of the selected cell"))
        self.strip, self.open_button = self.grid.strip, self.grid.open_button
        self._cell_text = text("", "strong", wrap=True)
        self._legend = text(
            "A row is a true class; its cells count what its images were predicted as.", "small", wrap=True
        )
        self._images = widget_of(column(self._cell_text, self.grid, grows=1))
        split = divided(widget_of(column(self._legend, self.table, grows=1)), self._images)
        split.setSizes([680, 360])
        self.setLayout(column(split))
        self.table.cell_chosen.connect(lambda *cell: self._cell_text.setText(self.table.describe(*cell)))

    def show_evaluation(self, found: StoredEvaluation) -> None:
        self._images.setVisible(not found.is_multilabel)
        self.table.show_evaluation(found)
        self._legend.setVisible(self.table.has_matrix)

    def cell_text(self) -> str:
        return self._cell_text.text()


def _score_cells(true: int, name: str, score: ClassScore) -> list[tuple[str, Any]]:
    """Return the scores of a class in the order of `_SCORES`; the name sorts by the order of the classes."""
    rates = [
        (tr("not measured"), -1.0) if rate is None else (f"{rate:.1%}", rate) for rate in (score.precision, score.f1)
    ]
    recall, interval = tr("not measured"), (-1.0, -1.0, -1.0)  # below all others
    if score.recall is not None and score.recall_interval is not None:
        low, high = score.recall_interval
        interval = (low, score.recall, high)
        is_few = score.support < MIN_IMAGES_FOR_PERCENT
        recall = share_text(score.recall, score.support, of=tr("of")) if is_few else f"{score.recall:.1%}"
    return [(name, true), (f"{score.support:,}", score.support), *rates, (recall, interval)]
