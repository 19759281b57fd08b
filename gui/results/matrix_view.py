"""The confusion matrix with the pictures of the pressed cell beside it. Knows Qt and plain data only."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QScrollArea, QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text
from gui.kit.picture_grid import PictureGrid
from gui.kit.picture_model import Tile
from gui.kit.side_by_side import divided
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.value_table import ValueTable
from gui.results.confusion_matrix import ConfusionMatrix

SEVERAL_HEADERS = ("Class", "Found", "Missed", "Wrongly assigned", "Rightly left out")


class MatrixView(QWidget):
    """For several labels a picture has no one cell: then each class's hits and misses are shown instead."""

    cell_chosen = Signal(int, int)
    open_wanted = Signal()

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self.matrix = ConfusionMatrix()
        self.strip = PictureGrid(thumbnails, name="Pictures of the pressed cell", lines=2)
        self.several = ValueTable(SEVERAL_HEADERS, name="Hits and misses of each class")
        self._cell_text = text("", "strong", wrap=True)
        self.open_button = Button("Open on Label", "label", on_click=self.open_wanted.emit)
        self.open_button.setToolTip(tr("Look at these pictures and relabel them on the Label page"))
        area = QScrollArea()
        area.setWidgetResizable(True)
        area.setProperty("role", "bare")
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(self.matrix)
        area.setMinimumWidth(theme.scaled(220))
        side = QWidget()
        hint = text("A class key (1-9) relabels the chosen pictures here.", "small", wrap=True)
        head = row(self._cell_text, self.open_button, spacing=theme.MEDIUM)
        head.setStretch(0, 1)
        layout = column(head, self.strip, hint)
        layout.setStretch(1, 1)
        layout.setContentsMargins(theme.SMALL, 0, 0, 0)
        side.setLayout(layout)
        split = divided(area, side)
        split.setSizes([600, 400])
        self._stack = QStackedWidget()
        self._stack.addWidget(split)
        self._stack.addWidget(self.several)
        self.setLayout(column(self._stack))
        self.matrix.cell_chosen.connect(self._on_cell_chosen)

    def show_counts(self, names: tuple[str, ...], counts: tuple[tuple[int, ...], ...]) -> None:
        """Show one label per picture; the cell with the most mistakes is pressed at first."""
        self._stack.setCurrentIndex(0)
        self.matrix.show_counts(names, counts)
        cells = [(line, index) for line in range(len(names)) for index in range(len(names)) if line != index]
        worst = max(cells, key=lambda cell: counts[cell[0]][cell[1]], default=None)
        if worst is not None and counts[worst[0]][worst[1]]:
            self.matrix.choose(*worst)
        elif names:
            self.matrix.choose(0, 0)

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
        self.open_button.setEnabled(bool(items))

    def cell_text(self) -> str:
        """Return the pressed cell in words."""
        return self._cell_text.text()

    def _on_cell_chosen(self, true_index: int, predicted_index: int) -> None:
        self._cell_text.setText(tr(self.matrix.describe(true_index, predicted_index)))
        self.cell_chosen.emit(true_index, predicted_index)
