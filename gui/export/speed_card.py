"""How fast the files of an export answer on this computer: a table of what was measured, and measuring anew."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QAbstractItemView, QHeaderView

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, choice_box, column, row, text
from gui.kit.value_table import ValueTable

if TYPE_CHECKING:
    from visionft.export.bundle.benching import Bench, ModelSpeed

SIDES = (512, 1024, 2048, 3464)  # pixels of a square; the last has the 12 million of a telephone's photograph
_COLUMNS = ("File", "Runs on", "Median", "95 % within", "99 % within", "Runs")


class SpeedCard(Card):
    """Hidden until the speed of the export that is shown was asked for."""

    measure_asked = Signal(int)  # side of the pictures in pixels

    def __init__(self) -> None:
        super().__init__(margin=theme.HUGE, spacing=theme.MEDIUM)
        self._measured = text("", "muted", wrap=True)
        self.side_box = choice_box("Picture size")
        for side in SIDES:
            self.side_box.addItem(_size_words(side), side)
        self.measure_button = Button("Measure", "gauge", on_click=lambda: self.measure_asked.emit(self.side()))
        self.table = ValueTable(_COLUMNS, name="Speed of each file", is_sortable=False)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.table.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self.body.addLayout(column(text("Speed on this computer", "heading"), self._measured, spacing=theme.HAIR))
        self.body.addWidget(self.table)
        self.body.addLayout(row(text("Pictures of", "muted"), self.side_box, self.measure_button, None))
        self.hide()

    def side(self) -> int:
        """Return how wide and high the pictures are to be, in pixels."""
        return int(self.side_box.currentData())

    def show_busy(self, is_busy: bool) -> None:
        """Show whether it is being measured."""
        self.measure_button.setEnabled(not is_busy)
        self.side_box.setEnabled(not is_busy)
        if is_busy:
            self._measured.setText(tr("Being measured; it takes some seconds for each file."))

    def show_bench(self, found: "Bench | None") -> None:
        """Show what was measured; None for nothing yet. Of what was stopped, the files that were done."""
        speeds = found.speeds if found is not None else ()
        self.table.show_rows([_row(each) for each in speeds])
        rows = sum(self.table.rowHeight(place) for place in range(self.table.rowCount()))
        self.table.setFixedHeight(self.table.horizontalHeader().sizeHint().height() + rows + theme.TIGHT)
        self.table.setVisible(bool(speeds))
        self._measured.setText(_what_was_measured(found) if found is not None else "")
        self.show()

    def words(self) -> str:
        """Return what is said of the table."""
        return self._measured.text()


def _what_was_measured(found: "Bench") -> str:
    if not found.speeds:
        return tr("Nothing was measured to its end.")
    first = found.speeds[0]
    size = f"{first.width}\u00a0x\u00a0{first.height}"
    words = "One picture of {size} at a time, from pixels to answer; reading its file is not part of it. {chip}."
    return tr(words, size=size, chip=found.processor)


def _row(speed: "ModelSpeed") -> list[tuple[str, object]]:
    measured = speed.batches[0]
    times = (measured.median_ms, measured.p95_ms, measured.p99_ms)
    return [
        (speed.model.name, speed.model.name),
        (speed.provider.removesuffix("ExecutionProvider"), speed.provider),
        *(_time(each) for each in times),
        (f"{measured.runs:,}", measured.runs),
    ]


def _time(milliseconds: float | None) -> tuple[str, float]:
    return ("–", 0.0) if milliseconds is None else (f"{milliseconds:.1f} ms", milliseconds)  # too few runs to tell


def _size_words(side: int) -> str:
    size = f"{side}\u00a0x\u00a0{side}"
    return tr("{size}, {n} megapixels", size=size, n=round(side * side / 1e6)) if side > 1500 else size
