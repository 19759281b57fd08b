"""The scoreboard of the results page: built when first seen, read beside the window, filled by tasks.

What draws charts takes longer to load than all the rest of the page, so it loads with the first chart.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QWidget

from gui.results.board import words
from gui.results.board.boards import Boards
from gui.session import ProjectSession
from gui.state import AppState
from visionft.evaluation.price import price_of
from visionft.evaluation.scoreboard import Scoreboard
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary
from visionft.weights.locations import RANDOM

if TYPE_CHECKING:
    from gui.results.board.view import BoardView
    from visionft.data.types import Split


class BoardViews(QObject):
    """Knows the state and what the page shows; the view knows plain data only."""

    run_chosen = Signal(str)
    answers_made = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        """Args: `page` is the page that the tasks lead to."""
        super().__init__(parent)
        self._state = state
        self._runs: Sequence[RunSummary] = ()
        self._chosen: RunSummary | None = None
        self._colours: Mapping[str, int] = {}
        self._split: Split = "val"
        self._is_built = False
        self.boards = Boards(state, session, page=page, parent=self)
        self.boards.read.connect(self._on_read)
        self.boards.changed.connect(self._show_stage)
        self.boards.made.connect(self.answers_made)

    def take_runs(
        self, runs: Sequence[RunSummary], chosen: RunSummary | None, *, colours: Mapping[str, int], split: "Split"
    ) -> None:
        """Take all runs and the chosen one; `colours` are places by the runs' names."""
        self._runs, self._chosen, self._colours, self._split = runs, chosen, colours, split

    def price_words(self) -> tuple[str, str]:
        """Return what the chosen run costs, in a line and in full; empty where nothing is known."""
        by_name = {run.name: run for run in self._runs}
        if (run := self._chosen) is None:
            return "", ""
        price = price_of(run, [by_name[part.run] for part in run.parts if part.run in by_name])
        return words.short_price(price), words.price_tip(price)

    # -- the view -----------------------------------------------------------------------------------------------

    @cached_property
    def view(self) -> "BoardView":
        """The table and the chart."""
        from gui.results.board.view import BoardView

        view = BoardView(on_measure=self.measure, on_make=self.make)
        actions = self._state.actions
        actions.attach(view.measure_button, "run.measure_all", "")
        actions.attach(view.make_button, "run.answer_without", "")
        view.run_chosen.connect(self.run_chosen)
        self._is_built = True
        return view

    def build(self) -> QWidget:
        """Return the view."""
        return self.view

    def show(self) -> None:
        """Show the chosen run at once, and the board as soon as it was read."""
        self.view.choose(self._chosen.name if self._chosen is not None else "")
        self.boards.ask(self._runs, self._split)

    @Slot(object)
    def _on_read(self, board: Scoreboard) -> None:
        self.view.show_board(board, colours=self._colours, chosen=self._chosen.name if self._chosen else "")
        self._show_stage()

    @Slot()
    def _show_stage(self) -> None:
        if self._is_built:
            self.view.show_stage(self.boards.stage)
        self._state.actions.refresh()

    # -- acting -------------------------------------------------------------------------------------------------

    def why_not_measure(self) -> str:
        """Return why not all runs can be measured; empty when they can."""
        return self.boards.why_not_measure(self._runs)

    def measure(self) -> None:
        """Measure every run that was not, on the split that is shown."""
        if not self.why_not_measure():
            self.boards.measure(self._split)

    def why_not_make(self) -> str:
        """Return why no answer without training can be made; empty when one can."""
        return self.boards.why_not_make(self._base())

    def make(self) -> None:
        """Make every answer that needs no training, on the backbone of the chosen run."""
        self.boards.make(self._base())

    def _base(self) -> TrainConfig:
        """Return the settings to go by: the chosen run's network and device, where it has weights to build on."""
        run, usual = self._chosen, TrainConfig()
        if run is None or run.config.weights == RANDOM:
            return usual
        config = run.config
        return replace(
            usual, backbone=config.backbone, weights=config.weights, image_size=config.image_size,
            device=config.device, accept_licence=config.accept_licence, seed=config.seed,
        )  # fmt: skip

    def close(self) -> None:
        """Wait for what is being read."""
        self.boards.close()
