"""The details of the selected runs: the split of the evaluation, curves, calibration and settings.

The chart libraries load more slowly than the rest of the page, so they load with the first chart.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.parts import Button, ElidedLabel, choice_box, column, row, widget_of
from gui.kit.run_table import kept_words
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.results import evaluations
from gui.results.switching_views import View, Views
from visionft.core.messages import Message
from visionft.training.evaluation.stored import StoredEvaluation
from visionft.training.runs.run_folder import Run

if TYPE_CHECKING:
    from gui.results.run_charts import CompareChart, ReliabilityChart

COMPARED_RUNS = 4
CURVES, CALIBRATION, SETTINGS = range(3)


class DetailsView(QWidget):
    """Curves and settings of the selected runs; calibration of the first one's evaluation.

    Each `_build` method sets the widgets that its `_show` method fills.
    """

    chart: "CompareChart"
    calibration: "ReliabilityChart"
    settings: ValueTable
    only_differing: QCheckBox

    def __init__(self, splits: Sequence[str], *, on_measure: Callable[[], object]) -> None:
        """Args: `splits` are the displayed names of the splits to measure on."""
        super().__init__()
        self._chosen: Sequence[Run] = ()
        self._evaluation: StoredEvaluation | None = None
        self._colours: Mapping[str, int] = {}
        self.split_box = choice_box("Split to evaluate on", splits)
        self.evaluate_button = Button("Evaluate again", "refresh", role="quiet", on_click=on_measure)
        self.kept = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.views = Views(
            (
                View(title="Curves", build=self._build_curves, fill=self._show_curves, has_content=self._has_curve),
                View(
                    title="Calibration",
                    build=self._build_calibration,
                    fill=self._show_calibration,
                    needs_evaluation=True,
                ),
                View(title="Settings", build=self._build_settings, fill=self._show_settings),
            )
        )
        head = row(self.kept, self.split_box, self.evaluate_button, spacing=theme.MEDIUM, grows=0)
        self.setLayout(column(head, self.views, spacing=theme.SMALL, grows=1))

    def take_runs(
        self, chosen: Sequence[Run], evaluation: StoredEvaluation | None, *, colours: Mapping[str, int]
    ) -> None:
        """Take the selected runs, and the evaluation of the first; `colours` are places by the runs' names."""
        self._chosen, self._evaluation, self._colours = chosen, evaluation, colours

    def refill(self) -> None:
        words = " · ".join(
            (f"{run.title}: " if len(self._chosen) > 1 else "") + kept_words(run)
            for run in self._chosen[:COMPARED_RUNS]
        )
        self.kept.setText(words)
        self.views.refill(has_evaluation=self._evaluation is not None)

    def _has_curve(self) -> bool:
        return any(run.config.total_epochs and any(each.figures for each in run.epochs) for run in self._chosen)

    def _build_curves(self) -> QWidget:
        from gui.results.run_charts import CompareChart

        self.chart = CompareChart()
        return self.chart

    def _show_curves(self) -> None:
        self.chart.show_runs(self._chosen, self._colours)

    def _build_calibration(self) -> QWidget:
        from gui.results.run_charts import ReliabilityChart

        self.calibration = ReliabilityChart()
        return self.calibration

    def _show_calibration(self) -> None:
        if self._evaluation is not None:
            self.calibration.show_evaluation(self._evaluation)

    def _build_settings(self) -> QWidget:
        headers = (Message("Setting"), Message("Value"))
        self.settings = ValueTable(headers, name="Settings", is_sortable=False, is_of_texts=True)
        self.only_differing = QCheckBox(tr("Only what differs"))
        self.only_differing.toggled.connect(lambda _is_on: self._show_settings())
        layout: QVBoxLayout = column(row(self.only_differing, None), self.settings, grows=1)
        return widget_of(layout)

    def _show_settings(self) -> None:
        compared = self._chosen[:COMPARED_RUNS]
        is_several = len(compared) > 1
        self.only_differing.setVisible(is_several)
        only_differing = self.only_differing.isChecked() and is_several
        rows, marked = evaluations.setting_rows(compared, only_differing=only_differing)
        self.settings.show_columns([Message("Setting"), *[run.title for run in compared]])
        self.settings.show_rows(rows, marked=marked)
