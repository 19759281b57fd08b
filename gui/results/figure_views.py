"""The views of the results page that show figures: curves, scores, calibration, settings; built when first seen.

What draws charts takes longer to load than all the rest of the page, so it loads with the first chart.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QCheckBox, QLabel, QStackedWidget, QVBoxLayout, QWidget

from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import column, row, text
from gui.kit.run_rows import kept_words
from gui.kit.value_table import ValueTable
from gui.results import evaluations
from gui.results.score_table import ScoreTable
from visionft.evaluation.stored import StoredEvaluation
from visionft.training.runs.run_folder import RunSummary

if TYPE_CHECKING:
    from gui.results.compare_chart import CompareChart
    from gui.results.reliability_chart import ReliabilityChart

COMPARED_RUNS = 4


class FigureViews:
    """Curves and settings of the chosen runs; scores and calibration of the first one's evaluation."""

    def __init__(self) -> None:
        self._chosen: Sequence[RunSummary] = ()
        self._evaluation: StoredEvaluation | None = None
        self._colours: Mapping[str, int] = {}

    def take_runs(
        self, chosen: Sequence[RunSummary], evaluation: StoredEvaluation | None, *, colours: Mapping[str, int]
    ) -> None:
        """Take the chosen runs, and the evaluation of the first; `colours` are places by the runs' names."""
        self._chosen, self._evaluation, self._colours = chosen, evaluation, colours

    # -- building -----------------------------------------------------------------------------------------------

    @cached_property
    def chart(self) -> "CompareChart":
        """The curves of the chosen runs."""
        from gui.results.compare_chart import CompareChart

        return CompareChart()

    @cached_property
    def kept(self) -> QLabel:
        """Which epoch each chosen run keeps, and why."""
        return text("", "muted", wrap=True)

    @cached_property
    def classes(self) -> ScoreTable:
        """The scores of each class."""
        return ScoreTable(evaluations.SCORE_HEADERS)

    @cached_property
    def calibration(self) -> "ReliabilityChart":
        """How sure the run is, and how often right."""
        from gui.results.reliability_chart import ReliabilityChart

        return ReliabilityChart()

    @cached_property
    def settings(self) -> ValueTable:
        """The settings of the chosen runs."""
        return ValueTable(("Setting", "Value"), name="Settings", is_sortable=False, is_of_texts=True)

    @cached_property
    def only_differing(self) -> QCheckBox:
        """Whether only settings that differ are shown."""
        box = QCheckBox(tr("Only what differs"))
        box.toggled.connect(lambda _is_on: self.show_settings())
        return box

    @cached_property
    def no_curve(self) -> EmptyState:
        """What stands in for the curves of runs that have none."""
        return EmptyState("results", "No curve", "")

    @cached_property
    def _curves(self) -> QStackedWidget:
        stack = QStackedWidget()
        stack.addWidget(_widget(column(self.chart, self.kept), grows=0))
        stack.addWidget(self.no_curve)
        return stack

    def build_curves(self) -> QWidget:
        """Return the chart over the words on what is kept."""
        return self._curves

    def build_settings(self) -> QWidget:
        """Return the table of settings."""
        return _widget(column(row(self.only_differing, None), self.settings), grows=1)

    # -- filling ------------------------------------------------------------------------------------------------

    def show_curves(self) -> None:
        """Lay the curves over each other."""
        chosen = self._chosen
        curves = [evaluations.curve(run, self._colours[run.name]) for run in chosen]
        self.chart.show_curves(curves)
        words = [(f"{run.title}: " if len(chosen) > 1 else "") + kept_words(run) for run in chosen[:COMPARED_RUNS]]
        self.kept.setText("\n".join(words))
        has_curve = any(run.config.total_epochs and curve.epochs for run, curve in zip(chosen, curves, strict=True))
        self._curves.setCurrentIndex(0 if has_curve or not chosen else 1)
        self.no_curve.show_words("No curve", "\n".join(words), "")

    def show_classes(self) -> None:
        """List the classes."""
        if self._evaluation is not None:
            self.classes.show_scores([evaluations.score_cells(score) for score in self._evaluation.scores])

    def show_calibration(self) -> None:
        """Draw how sure the run is before and after the temperature."""
        if (found := self._evaluation) is not None:
            self.calibration.show_bins(
                found.reliability_before, found.reliability, ece_before=found.ece_before, ece=found.ece,
                temperature=found.temperature,
            )  # fmt: skip

    def show_settings(self) -> None:
        """List the settings, those that differ first."""
        compared = self._chosen[:COMPARED_RUNS]
        is_several = len(compared) > 1
        self.only_differing.setEnabled(is_several)
        self.only_differing.setToolTip("" if is_several else tr("Choose several runs in the table, with Ctrl."))
        only_differing = self.only_differing.isChecked() and is_several
        rows, marked = evaluations.setting_rows(compared, only_differing=only_differing)
        self.settings.show_columns(["Setting", *[run.title for run in compared]])
        self.settings.show_rows(rows, marked=marked)


def _widget(layout: QVBoxLayout, *, grows: int) -> QWidget:
    """Return what is laid out as a widget; the part at place `grows` takes the room that is left."""
    whole = QWidget()
    layout.setStretch(grows, 1)
    whole.setLayout(layout)
    return whole
