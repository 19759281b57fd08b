"""The scoreboard: who is right most often, how surely, and at which price. Knows Qt and plain data only."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.parts import Button, ElidedLabel, column, row, text
from gui.kit.side_by_side import divided
from gui.results.board import words
from gui.results.board.chart import CostChart
from gui.results.board.table import BoardTable
from visionft.evaluation.scoreboard import Scoreboard


class BoardView(QWidget):
    """A sentence and what fills the board, over the table and the chart."""

    run_chosen = Signal(str)

    def __init__(self, *, on_measure: Callable[[], object], on_make: Callable[[], object]) -> None:
        super().__init__()
        self.table, self.chart = BoardTable(), CostChart()
        self.measure_button = Button("Measure all", "gauge", on_click=on_measure)
        self.make_button = Button("Answer without training", "sample", on_click=on_make)
        self._sentence = text("", "strong", wrap=True)
        self._facts = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        said = column(self._sentence, self._facts, spacing=theme.HAIR)
        head = row(said, self.make_button, self.measure_button, spacing=theme.SMALL)
        head.setStretch(0, 1)
        split = divided(self.table, self.chart)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([700, 340])
        layout = column(head, split, spacing=theme.SMALL)
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.table.run_chosen.connect(self.run_chosen)
        self.chart.run_chosen.connect(self.run_chosen)

    def show_board(self, board: Scoreboard, *, colours: Mapping[str, int], chosen: str) -> None:
        """Show what was read; `colours` are places by the runs' names."""
        self._sentence.setText(words.sentence(board))
        self._facts.setText(words.facts(board))
        self.table.show_board(board, colours=colours, chosen=chosen)
        self.chart.show_board(board, colours=colours, chosen=chosen)

    def choose(self, run: str) -> None:
        """Mark a run as chosen, without telling."""
        self.table.choose(run)
        self.chart.choose(run)

    def show_stage(self, stage: str) -> None:
        """Say what is being done, in place of the facts."""
        if stage:
            self._facts.setText(stage if stage.endswith("…") else f"{stage} …")

    def texts(self) -> tuple[str, str]:
        """Return the sentence and the facts."""
        return self._sentence.text(), self._facts.text()
