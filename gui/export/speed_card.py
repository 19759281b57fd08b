"""The speed of an export's files on this computer: a table of measurements, and a button to repeat them."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractItemView, QHeaderView

from gui.kit import theme
from gui.kit.parts import Button, Card, choice_box, column, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.messages import Message, Text

if TYPE_CHECKING:
    from visionft.export.bundle.benching import Benchmark, ModelSpeed

SIDES = (512, 1024, 2048, 3464)  # pixels of a square; the last has the 12 million of a telephone's camera
_COLUMNS: tuple[Text, ...] = ("File", "Runs on", "Median", "95 % within", "99 % within", "Runs")


class SpeedCard(Card):
    """Hidden until the speed of the displayed export is requested."""

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.MEDIUM)
        self.basis = text("", "muted", wrap=True)
        self.side_box = choice_box("Image size")
        for side in SIDES:
            size = f"{side}\u00a0x\u00a0{side}"
            words = tr("{size}, {n} megapixels", size=size, n=round(side * side / 1e6)) if side > 1500 else size
            self.side_box.addItem(words, side)
        self.measure_button = Button("Measure", "gauge")
        self.table = ValueTable(_COLUMNS, name="Speed of each file", is_sortable=False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.body.addLayout(column(text("Speed on this computer", "heading"), self.basis, spacing=theme.HAIR))
        self.body.addWidget(self.table)
        self.body.addLayout(row(text("Images of", "muted"), self.side_box, self.measure_button, None))
        self.hide()

    def side(self) -> int:
        return int(self.side_box.currentData())

    def show_busy(self, is_busy: bool) -> None:
        self.measure_button.setEnabled(not is_busy)
        self.side_box.setEnabled(not is_busy)
        if is_busy:
            self.basis.setText(tr("Measuring: some seconds for each file."))

    def show_bench(self, found: "Benchmark | None") -> None:
        """Show the measurements; None for nothing yet. A cancelled measurement shows its finished files."""
        speeds = found.speeds if found is not None else ()
        self.table.show_rows([_row(each) for each in speeds])
        rows = sum(self.table.rowHeight(place) for place in range(self.table.rowCount()))
        self.table.setFixedHeight(self.table.horizontalHeader().sizeHint().height() + rows + theme.TIGHT)
        self.table.setVisible(bool(speeds))
        if found is None:
            basis = ""
        elif not speeds:
            basis = tr("No measurement was completed.")
        else:
            size = f"{speeds[0].width}\u00a0x\u00a0{speeds[0].height}"
            words = Message("One decoded image of {size} at a time, without reading its file. {chip}.")
            basis = tr(words, size=size, chip=found.processor)
        self.basis.setText(basis)
        self.show()


def _row(speed: "ModelSpeed") -> list[tuple[str, object]]:
    measured = speed.batches[0]
    cells: list[tuple[str, object]] = [
        (speed.model.name, speed.model.name),
        (speed.provider.removesuffix("ExecutionProvider"), speed.provider),
    ]
    for time in (measured.median_ms, measured.p95_ms, measured.p99_ms):
        cells.append(("–", 0.0) if time is None else (f"{time:.1f} ms", time))  # None: too few runs
    return [*cells, (f"{measured.runs:,}", measured.runs)]
