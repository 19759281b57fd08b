"""The leaderboard view: the ranking in a sentence, the table, and the costs. Depends on Qt and plain data."""

from collections.abc import Callable, Mapping

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.model_table import ModelTable
from gui.kit.parts import Button, ElidedLabel, column, row, text
from gui.kit.side_by_side import divided
from gui.kit.translation import tr
from gui.results.leaderboard.cost_chart import CostChart
from visionft.advice import comparison_text as words
from visionft.evaluation.leaderboard import Leaderboard


class LeaderboardView(QWidget):
    """A sentence and the buttons to fill the leaderboard, over the table and the chart."""

    run_chosen = Signal(str)

    def __init__(self, *, on_measure: Callable[[], object], on_fit: Callable[[], object]) -> None:
        super().__init__()
        self.table, self.chart = ModelTable(), CostChart()
        self.measure_button = Button("Measure all", "gauge", on_click=on_measure)
        self.fit_button = Button("Fit training-free models", "sample", on_click=on_fit)
        self.sentence = text("", "strong", wrap=True)
        self.facts = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        summary = column(self.sentence, self.facts, spacing=theme.HAIR)
        head = row(summary, self.fit_button, self.measure_button, spacing=theme.SMALL, grows=0)
        split = divided(self.table, self.chart)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        split.setSizes([700, 340])
        self.setLayout(column(head, split, spacing=theme.SMALL, grows=1))
        self.table.run_chosen.connect(self.run_chosen)
        self.chart.run_chosen.connect(self.run_chosen)

    def show_board(self, board: Leaderboard, *, colours: Mapping[str, int], chosen: str) -> None:
        """Show a leaderboard; `colours` are places by the runs' names."""
        self.sentence.setText(tr(words.ranking(board)))
        self.facts.setText(tr(words.facts(board)))
        self.measure_button.setVisible(bool(board.unmeasured))
        self.table.show_models(board, colours=colours, chosen=chosen)
        self.chart.show_board(board, colours=colours, chosen=chosen)
        self.chart.setVisible(bool(board.ranked))

    def choose(self, run: str) -> None:
        self.table.choose(run)
        self.chart.choose(run)

    def show_stage(self, stage: str) -> None:
        """Show the work in progress, in place of the facts."""
        if stage:
            self.facts.setText(stage if stage.endswith("…") else f"{stage} …")
