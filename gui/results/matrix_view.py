"""The classes: their confusion matrix (true class by row), their scores, and the images of the selected cell.

Depends on Qt and plain data only.
"""

import heapq
from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, QSignalBlocker, QSize, Qt, Signal
from PySide6.QtGui import QColor, QHelpEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QToolTip, QWidget

from gui.kit import theme
from gui.kit.image_model import Tile
from gui.kit.parts import column, stacked, text, widget_of
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.results.fixable_grid import FixableGrid
from gui.results.score_table import ScoreTable
from models.messages import Message

MIN_CELL_PX, MAX_CELL_PX = 26, 156
WIDE_CELL_PX = 80  # from this width on a name is horizontal over its column, elided if necessary
MAX_NAME_PX = 190  # longer names are elided in the middle
HEAD_PX = 22
MAX_HEAD_PX = 120  # of rotated names


class ConfusionMatrix(QWidget):
    """Counts as shaded cells; correct ones have one hue, mistakes another, and the numbers show the same."""

    cell_chosen = Signal(int, int)  # true class, predicted class

    def __init__(self) -> None:
        super().__init__()
        self._names: tuple[str, ...] = ()
        self._counts: tuple[tuple[int, ...], ...] = ()
        self._chosen: tuple[int, int] | None = None
        self._longest_px: int | None = None
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setAccessibleName(tr("Confusion matrix"))

    def show_counts(self, names: tuple[str, ...], counts: tuple[tuple[int, ...], ...]) -> None:
        self._names, self._counts, self._chosen, self._longest_px = names, counts, None, None
        self.updateGeometry()
        self.update()

    def choose(self, true_index: int, predicted_index: int) -> None:
        self._chosen = (true_index, predicted_index)
        self.update()
        self.cell_chosen.emit(true_index, predicted_index)

    def minimumSizeHint(self) -> QSize:
        return self._size_of(MIN_CELL_PX)

    def sizeHint(self) -> QSize:
        return self._size_of(52)

    def _size_of(self, cell_px: int) -> QSize:
        side = len(self._names) * cell_px
        return QSize(self._name_width() + side, self._head_height(cell_px) + side + 4)

    def cell_rect(self, true_index: int, predicted_index: int) -> QRect:
        left, top, side = self._geometry()
        return QRect(left + predicted_index * side, top + true_index * side, side, side)

    def _longest(self) -> int:
        if self._longest_px is None:
            metrics = self.fontMetrics()
            self._longest_px = max((metrics.horizontalAdvance(name) for name in self._names), default=0)
        return min(theme.scaled(MAX_NAME_PX), self._longest_px)

    def _name_width(self) -> int:
        return max(self._longest(), self.fontMetrics().horizontalAdvance(tr("True class"))) + 12

    def _are_upright(self, side: int) -> bool:
        """Whether the column names are rotated, because a cell is too narrow for them."""
        return self._longest() > side - 6 and side < theme.scaled(WIDE_CELL_PX)

    def _head_height(self, side: int) -> int:
        upright = min(self._longest() + 8, theme.scaled(MAX_HEAD_PX))
        names = upright if self._are_upright(side) else theme.scaled(HEAD_PX)
        return theme.scaled(HEAD_PX) + names + 2

    def _geometry(self) -> tuple[int, int, int]:
        count, left = max(1, len(self._names)), self._name_width()
        across = (self.width() - left) // count
        side = across
        for _ in range(2):  # the height of the header depends on the cells, and they on it
            side = min(across, (self.height() - self._head_height(side) - 4) // count)
        side = max(MIN_CELL_PX, min(theme.scaled(MAX_CELL_PX), side))
        return left, self._head_height(side), side

    def _cell_at(self, point: QPoint) -> tuple[int, int] | None:
        left, top, side = self._geometry()
        column, line = (point.x() - left) // side, (point.y() - top) // side
        inside = 0 <= column < len(self._names) and 0 <= line < len(self._names)
        return (line, column) if inside else None

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.FontChange:
            self._longest_px = None
        super().changeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if (cell := self._cell_at(event.position().toPoint())) is not None:
            self.choose(*cell)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        moves = {Qt.Key.Key_Up: (-1, 0), Qt.Key.Key_Down: (1, 0), Qt.Key.Key_Left: (0, -1), Qt.Key.Key_Right: (0, 1)}
        move = moves.get(Qt.Key(event.key()))
        if move is None or not self._names:
            super().keyPressEvent(event)
            return
        line, column = self._chosen or (0, 0)
        last = len(self._names) - 1
        self.choose(min(last, max(0, line + move[0])), min(last, max(0, column + move[1])))

    def event(self, event) -> bool:
        if isinstance(event, QHelpEvent) and (cell := self._cell_at(event.pos())) is not None:
            QToolTip.showText(event.globalPos(), self.describe(*cell), self)
            return True
        return super().event(event)

    def describe(self, true_index: int, predicted_index: int) -> str:
        count, true_name = self._counts[true_index][predicted_index], self._names[true_index]
        said, values = self._names[predicted_index], {"n": f"{count:,}", "name": true_name}
        if true_index == predicted_index:
            one = Message("{n} image of “{name}” predicted correctly")
            many = Message("{n} images of “{name}” predicted correctly")
            return tr(one if count == 1 else many, **values)
        one = Message("{n} image of “{name}” predicted as “{said}”")
        many = Message("{n} images of “{name}” predicted as “{said}”")
        return tr(one if count == 1 else many, **values, said=said)

    def paintEvent(self, _event: QPaintEvent) -> None:
        if not self._names:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._draw_names(painter)
        for line, counts in enumerate(self._counts):
            total = sum(counts) or 1
            for place, count in enumerate(counts):
                self._draw_cell(painter, line, place, count, count / total)
        if self._chosen is not None:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(theme.colours().accent), 2.5))
            painter.drawRoundedRect(QRectF(self.cell_rect(*self._chosen)).adjusted(1, 1, -1, -1), 4, 4)

    def _draw_cell(self, painter: QPainter, line: int, column: int, count: int, share: float) -> None:
        palette = theme.colours()
        box = QRectF(self.cell_rect(line, column)).adjusted(1, 1, -1, -1)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.sunken))
        painter.drawRoundedRect(box, 4, 4)
        is_right = line == column
        if count:
            tint = QColor(palette.good if is_right else palette.bad)
            tint.setAlphaF(0.10 + 0.42 * (share if is_right else min(1.0, 2 * share)))
            painter.setBrush(tint)
            painter.drawRoundedRect(box, 4, 4)
        font = painter.font()
        font.setBold(bool(count))
        painter.setFont(font)
        painter.setPen(QColor(palette.text if count else palette.muted))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), f"{count:,}" if count else "·")

    def _draw_names(self, painter: QPainter) -> None:
        palette = theme.colours()
        left, top, side = self._geometry()
        metrics, head = painter.fontMetrics(), theme.scaled(HEAD_PX)
        painter.setPen(QColor(palette.muted))
        painter.drawText(QRect(left, 0, self.width() - left, head), int(Qt.AlignmentFlag.AlignLeft), tr("Predicted"))
        bottom = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom
        painter.drawText(QRect(0, top - head - 4, left - 10, head), int(bottom), tr("True class"))
        painter.setPen(QColor(palette.text))
        for index, name in enumerate(self._names):
            row_box = QRect(0, top + index * side, left - 10, side)
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, row_box.width())
            painter.drawText(row_box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), shown)
            box = QRect(left + index * side, head, side, top - head - 4)
            is_upright = self._are_upright(side)
            length = box.height() if is_upright else side - 6
            shown = metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, length)
            painter.save()
            if is_upright:
                painter.translate(box.left(), box.bottom())
                painter.rotate(-90)
                box = QRect(0, 0, box.height(), side)
            across = Qt.AlignmentFlag.AlignLeft if is_upright else Qt.AlignmentFlag.AlignHCenter
            painter.drawText(box, int(across | Qt.AlignmentFlag.AlignVCenter), shown)
            painter.restore()


MOST_CELLS, MOST_PAIRS = 60, 500  # classes in a matrix; pairs in the list for more classes


class MatrixView(QWidget):
    """The matrix beside the scores of the classes, over the images of a cell; a class selects its worst confusion.

    With several labels an image belongs to no single cell: each class's hits and misses are shown instead.
    """

    cell_chosen = Signal(int, int)

    def __init__(self, thumbnails: ThumbnailStore, score_headers: Sequence[str]) -> None:
        super().__init__()
        self.matrix, self.scores = ConfusionMatrix(), ScoreTable(score_headers)
        self.pairs = ValueTable((Message("Class"), Message("Predicted as"), Message("Images")), name="Confused classes")
        self.grid = FixableGrid(thumbnails, name=Message("Images of the selected cell"))
        self.strip, self.open_button = self.grid.strip, self.grid.open_button
        headers = (
            Message("Class"), Message("True positives"), Message("False negatives"), Message("False positives"),
            Message("True negatives"),
        )  # fmt: skip
        self.several = ValueTable(headers, name="Hits and misses of each class")
        self._cell_text = text("", "strong", wrap=True)
        self._pairs: dict[tuple[str, ...], tuple[int, int]] = {}
        self._names: tuple[str, ...] = ()
        self._counts: Sequence[Sequence[int]] = ()
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setProperty("role", "bare")
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self.matrix)
        area.setMinimumWidth(theme.scaled(220))
        self._images = widget_of(column(self._cell_text, self.grid, grows=1))
        side = divided(self.scores, self._images)
        side.setOrientation(Qt.Orientation.Vertical)
        side.setStretchFactor(1, 2)
        side.setContentsMargins(theme.SMALL, 0, 0, 0)
        side.setSizes([130, 240])
        self._cells = stacked(area, self.pairs, self.several)
        split = divided(self._cells, side)
        split.setSizes([450, 550])
        self.setLayout(column(split))
        self.matrix.cell_chosen.connect(self._on_cell_chosen)
        self.scores.itemSelectionChanged.connect(self._on_class_chosen)
        self.pairs.itemSelectionChanged.connect(self._on_pair_chosen)

    def show_counts(
        self, names: tuple[str, ...], counts: tuple[tuple[int, ...], ...], worst: tuple[int, int] | None
    ) -> None:
        """Show one label per image; the cell `worst` is selected at first."""
        is_long = len(names) > MOST_CELLS
        self._cells.setCurrentIndex(int(is_long))
        self._images.show()
        self._names, self._counts = names, counts
        self.matrix.show_counts(names, counts)
        found = [  # the most frequent confusions where the classes are too many for a matrix
            (count, true, said)
            for true, line in enumerate(counts if is_long else ())
            for said, count in enumerate(line)
            if count and true != said
        ]
        found = heapq.nlargest(MOST_PAIRS, found)
        self._pairs = {(names[true], names[said]): (true, said) for _, true, said in found}
        rows = [[(names[t], names[t]), (names[s], names[s]), (f"{count:,}", count)] for count, t, s in found]
        with QSignalBlocker(self.pairs):
            self.pairs.show_rows(rows)
            self.pairs.sortByColumn(2, Qt.SortOrder.DescendingOrder)
        if names:
            self.matrix.choose(*(worst or (0, 0)))

    def show_several(self, names: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
        """Show several labels per image: (true negatives, false positives, false negatives, true positives) each."""
        self._cells.setCurrentWidget(self.several)
        self._images.hide()
        self._names, self._counts = (), ()
        rows = [
            [(name, name.casefold()), *((f"{each:,}", each) for each in (hit, missed, false, left))]
            for name, (left, false, missed, hit) in zip(names, counts, strict=True)
        ]
        self.several.show_rows(rows)

    def show_images(self, items: Sequence[Tile]) -> None:
        self.strip.show_tiles(items)
        self.grid.show_openable(bool(items))

    def cell_text(self) -> str:
        return self._cell_text.text()

    def show_scores(self, rows: Sequence[Sequence[tuple[str, Any]]]) -> None:
        with QSignalBlocker(self.scores):
            self.scores.show_scores(rows)

    def _on_class_chosen(self) -> None:
        item = self.scores.item(self.scores.currentRow(), 0)
        if item is not None and item.text() in self._names:
            true = self._names.index(item.text())
            wrong = [0 if said == true else count for said, count in enumerate(self._counts[true])]
            self.matrix.choose(true, wrong.index(max(wrong)) if any(wrong) else true)

    def _on_pair_chosen(self) -> None:
        line = self.pairs.currentRow()
        names = tuple(item.text() if (item := self.pairs.item(line, place)) else "" for place in (0, 1))
        if names in self._pairs:
            self.matrix.choose(*self._pairs[names])

    def _on_cell_chosen(self, true_index: int, predicted_index: int) -> None:
        self._cell_text.setText(tr(self.matrix.describe(true_index, predicted_index)))
        self.cell_chosen.emit(true_index, predicted_index)
