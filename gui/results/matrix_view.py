"""The confusion matrix with the pictures of the pressed cell beside it. Knows Qt and plain data only."""

import heapq
from collections.abc import Sequence

from PySide6.QtCore import QSignalBlocker, Qt, Signal
from PySide6.QtWidgets import QScrollArea, QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import column, text
from gui.kit.picture_model import Tile
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.value_table import ValueTable
from gui.results.confusion_matrix import ConfusionMatrix
from gui.results.fixable_grid import FixableGrid

PAIR_HEADERS = ("Class", "Taken for", "Pictures")
MOST_CELLS, MOST_PAIRS = 60, 500  # classes in a matrix; pairs in the list that more classes are shown as
SEVERAL_HEADERS = ("Class", "Found", "Missed", "Wrongly assigned", "Rightly left out")


class MatrixView(QWidget):
    """For several labels a picture has no one cell: then each class's hits and misses are shown instead."""

    cell_chosen = Signal(int, int)

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self.matrix = ConfusionMatrix()
        self.pairs = ValueTable(PAIR_HEADERS, name="Which class was taken for which")
        self.grid = FixableGrid(thumbnails, name="Pictures of the pressed cell")
        self.strip, self.open_button = self.grid.strip, self.grid.open_button
        self.several = ValueTable(SEVERAL_HEADERS, name="Hits and misses of each class")
        self._cell_text = text("", "strong", wrap=True)
        self._pairs: dict[tuple[str, ...], tuple[int, int]] = {}
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setProperty("role", "bare")
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self.matrix)
        area.setMinimumWidth(theme.scaled(220))
        side = QWidget()
        layout = column(self._cell_text, self.grid)
        layout.setStretch(1, 1)
        layout.setContentsMargins(theme.SMALL, 0, 0, 0)
        side.setLayout(layout)
        self._cells = QStackedWidget()
        self._cells.addWidget(area)
        self._cells.addWidget(self.pairs)
        split = divided(self._cells, side)
        split.setSizes([600, 400])
        self._stack = QStackedWidget()
        self._stack.addWidget(split)
        self._stack.addWidget(self.several)
        self.setLayout(column(self._stack))
        self.matrix.cell_chosen.connect(self._on_cell_chosen)
        self.pairs.itemSelectionChanged.connect(self._on_pair_chosen)

    def show_counts(
        self, names: tuple[str, ...], counts: tuple[tuple[int, ...], ...], worst: tuple[int, int] | None
    ) -> None:
        """Show one label per picture; the cell `worst` is pressed at first."""
        is_long = len(names) > MOST_CELLS
        self._stack.setCurrentIndex(0)
        self._cells.setCurrentIndex(int(is_long))
        self.matrix.show_counts(names, counts)
        self._show_pairs(names, counts if is_long else ())
        if names:
            self.matrix.choose(*(worst or (0, 0)))

    def _show_pairs(self, names: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
        """List the mistakes of so many classes that a matrix of them could not be looked over."""
        found = [
            (count, true, said)
            for true, line in enumerate(counts)
            for said, count in enumerate(line)
            if count and true != said
        ]
        found = heapq.nlargest(MOST_PAIRS, found)
        self._pairs = {(names[true], names[said]): (true, said) for _, true, said in found}
        rows = [[(names[t], names[t]), (names[s], names[s]), (f"{count:,}", count)] for count, t, s in found]
        with QSignalBlocker(self.pairs):
            self.pairs.show_rows(rows)
            self.pairs.sortByColumn(2, Qt.SortOrder.DescendingOrder)

    def show_several(self, names: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
        """Show several labels per picture: (true negatives, false positives, false negatives, true positives) each."""
        self._stack.setCurrentIndex(1)
        rows = [
            [(name, name.casefold()), *((f"{each:,}", each) for each in (hit, missed, false, left))]
            for name, (left, false, missed, hit) in zip(names, counts, strict=True)
        ]
        self.several.show_rows(rows)

    def show_pictures(self, items: Sequence[Tile]) -> None:
        """Show the pictures of the pressed cell."""
        self.strip.show_tiles(items)
        self.grid.show_openable(bool(items))

    def cell_text(self) -> str:
        """Return the pressed cell in words."""
        return self._cell_text.text()

    def _on_pair_chosen(self) -> None:
        line = self.pairs.currentRow()
        names = tuple(item.text() if (item := self.pairs.item(line, place)) else "" for place in (0, 1))
        if names in self._pairs:
            self.matrix.choose(*self._pairs[names])

    def _on_cell_chosen(self, true_index: int, predicted_index: int) -> None:
        self._cell_text.setText(tr(self.matrix.describe(true_index, predicted_index)))
        self.cell_chosen.emit(true_index, predicted_index)
