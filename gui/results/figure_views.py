"""The figure views of the results page: curves, scores, calibration, settings; built on first display.

The chart libraries load more slowly than the rest of the page, so they load with the first chart.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QCheckBox, QLabel, QStackedWidget, QVBoxLayout, QWidget

from gui.kit.empty_state import EmptyState
from gui.kit.parts import column, row, text, widget_of
from gui.kit.run_table import kept_words
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.results import evaluations
from gui.results.score_table import ScoreTable
from models.messages import Message
from visionft.evaluation.stored import StoredEvaluation
from visionft.training.runs.run_folder import RunSummary

if TYPE_CHECKING:
    from gui.results.run_charts import CompareChart, ReliabilityChart

COMPARED_RUNS = 4


class FigureViews:
    """Curves and settings of the selected runs; scores and calibration of the first one's evaluation.

    Each `build` method sets the widgets that its `show` method fills.
    """

    chart: "CompareChart"
    kept: QLabel  # the best epoch of each selected run, and the reason for it
    no_curve: EmptyState
    classes: ScoreTable
    calibration: "ReliabilityChart"
    settings: ValueTable
    only_differing: QCheckBox

    def __init__(self) -> None:
        self._chosen: Sequence[RunSummary] = ()
        self._evaluation: StoredEvaluation | None = None
        self._colours: Mapping[str, int] = {}

    def take_runs(
        self, chosen: Sequence[RunSummary], evaluation: StoredEvaluation | None, *, colours: Mapping[str, int]
    ) -> None:
        """Take the selected runs, and the evaluation of the first; `colours` are places by the runs' names."""
        self._chosen, self._evaluation, self._colours = chosen, evaluation, colours

    def build_curves(self) -> QWidget:
        """Return the chart over the text on the best epochs, or the text alone."""
        from gui.results.run_charts import CompareChart

        self.chart, self.kept = CompareChart(), text("", "muted", wrap=True)
        self.no_curve = EmptyState("results", "No curve", "")
        self._curves = QStackedWidget()
        self._curves.addWidget(_widget(column(self.chart, self.kept), grows=0))
        self._curves.addWidget(self.no_curve)
        return self._curves

    def show_curves(self) -> None:
        chosen = self._chosen
        self.chart.show_runs(chosen, self._colours)
        words = [(f"{run.title}: " if len(chosen) > 1 else "") + kept_words(run) for run in chosen[:COMPARED_RUNS]]
        self.kept.setText("\n".join(words))
        has_curve = any(run.config.total_epochs and any(each.figures for each in run.epochs) for run in chosen)
        self._curves.setCurrentIndex(0 if has_curve or not chosen else 1)
        self.no_curve.show_words("No curve", "\n".join(words), "")

    def build_classes(self) -> QWidget:
        self.classes = ScoreTable(evaluations.SCORE_HEADERS)
        return self.classes

    def show_classes(self) -> None:
        if self._evaluation is not None:
            self.classes.show_scores([evaluations.score_cells(*each) for each in self._evaluation.per_class.items()])

    def build_calibration(self) -> QWidget:
        from gui.results.run_charts import ReliabilityChart

        self.calibration = ReliabilityChart()
        return self.calibration

    def show_calibration(self) -> None:
        if self._evaluation is not None:
            self.calibration.show_evaluation(self._evaluation)

    def build_settings(self) -> QWidget:
        headers = (Message("Setting"), Message("Value"))
        self.settings = ValueTable(headers, name="Settings", is_sortable=False, is_of_texts=True)
        self.only_differing = QCheckBox(tr("Only what differs"))
        self.only_differing.toggled.connect(lambda _is_on: self.show_settings())
        return _widget(column(row(self.only_differing, None), self.settings), grows=1)

    def show_settings(self) -> None:
        compared = self._chosen[:COMPARED_RUNS]
        is_several = len(compared) > 1
        self.only_differing.setEnabled(is_several)
        self.only_differing.setToolTip("" if is_several else tr("Choose several runs in the table, with Ctrl."))
        only_differing = self.only_differing.isChecked() and is_several
        rows, marked = evaluations.setting_rows(compared, only_differing=only_differing)
        self.settings.show_columns([Message("Setting"), *[run.title for run in compared]])
        self.settings.show_rows(rows, marked=marked)


def _widget(layout: QVBoxLayout, *, grows: int) -> QWidget:
    """Return a widget of the layout; the item at index `grows` takes the remaining room."""
    layout.setStretch(grows, 1)
    return widget_of(layout)
