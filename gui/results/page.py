"""The results page: all runs, their curves over each other, where one is wrong, why, and what another one changes."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QButtonGroup, QCheckBox, QMenu, QStackedWidget, QWidget

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.empty_state import EmptyState
from gui.kit.i18n import tr
from gui.kit.parts import Button, Card, ElidedLabel, choice_box, column, row, scrolling
from gui.kit.run_rows import can_continue, run_rows
from gui.kit.run_table import RunTable
from gui.kit.value_table import ValueTable
from gui.page import Page
from gui.results import evaluations
from gui.results.compare_chart import CompareChart
from gui.results.evaluating import evaluate
from gui.results.picture_views import PictureViews
from gui.results.reliability_chart import ReliabilityChart
from gui.results.run_actions import RunActions
from gui.results.score_table import ScoreTable
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task
from visionft.errors import NextStep
from visionft.evaluation.stored import StoredEvaluation, evaluation_file, read_evaluation
from visionft.training.runs.run_folder import RunSummary, scan_runs

if TYPE_CHECKING:
    from visionft.data.types import Split

SPLITS: "dict[str, Split]" = {"Validation": "val", "Test": "test"}
CURVES, MATRIX, CLASSES, PICTURES, CALIBRATION, CHANGES, SETTINGS = range(7)
VIEWS = ("Curves", "Confusion", "Classes", "Pictures", "Calibration", "Changes", "Settings")
COMPARED_RUNS = 4
LEAST_VIEW_PX = 330  # below this height the page scrolls: with large text, or a small window


class ResultsPage(Page):
    """Runs on top, views of the chosen ones below."""

    name = "results"
    title = "Results"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False)
        self._evaluating: set[tuple[str, str]] = set()  # run and split of what was asked for
        self._runs: dict[str, RunSummary] = {}
        self._colours: dict[str, int] = {}
        self._read: dict[tuple[str, str], tuple[int, StoredEvaluation | None]] = {}
        self.evaluation: StoredEvaluation | None = None
        self.actions_of_runs = RunActions(state, session, self)
        self.table = RunTable(is_multiple=True)
        self.chart = CompareChart()
        self.classes = ScoreTable(evaluations.SCORE_HEADERS)
        self.calibration = ReliabilityChart()
        self.settings = ValueTable(("Setting", "Value"), name="Settings", is_sortable=False, is_of_texts=True)
        self.only_differing = QCheckBox(tr("Only what differs"))
        self.pictures = PictureViews(state, session, page=self.name, split=self.split, parent=self)
        self.split_box = choice_box("Split to evaluate on", map(tr, SPLITS))
        self.evaluate_button = Button("Evaluate", "play", role="primary", on_click=self.evaluate)
        self.continue_button = Button("Continue", "refresh", on_click=self.go_on)
        self.continue_button.setToolTip(tr("Go on with this stopped or interrupted run, from its last checkpoint"))
        self.again_button = Button("Train again", "train", on_click=self.train_again)
        self.export_button = Button("Export", "export", on_click=lambda: state.page_requested.emit("export"))
        self.more_button = Button("More", "chevron-down", on_click=self.show_menu)
        self.more_button.setToolTip(tr("Rename, pin, open folder, delete weights"))
        self.empty = EmptyState("results", "", "", "Train a model")
        evaluate = tr("Measure the chosen run on the pictures of this split")
        again = tr("A new run with these settings, from this run's best weights, on the labels of now")
        state.actions.attach(self.evaluate_button, "run.evaluate", evaluate)
        state.actions.attach(self.again_button, "run.again", again)
        self._lay_out()
        self._connect()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        self._own_actions = (
            self.split_box,
            self.evaluate_button,
            self.again_button,
            self.export_button,
            self.more_button,
        )
        for widget in (self.continue_button, *self._own_actions):
            self.action_row.addWidget(widget)
        self._runs_card = Card(margin=theme.MEDIUM)
        self._runs_card.body.addWidget(self.table)
        self.damaged = Banner()
        self.relabelled = Banner()
        self._figures = ElidedLabel("", "strong", mode=Qt.TextElideMode.ElideRight)
        self._figures.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.views = QStackedWidget()
        self._missing: dict[int, EmptyState] = {}
        for index, view in enumerate(self._view_widgets()):
            self.views.addWidget(self._with_missing(index, view) if MATRIX <= index <= CALIBRATION else view)
        below = Card()
        head = row(self._switch(), self._figures, spacing=theme.LARGE)
        head.setStretch(1, 1)
        below.body.addLayout(head)
        below.body.addWidget(self.relabelled)
        below.body.addWidget(self.views, 1)
        self.views.setMinimumHeight(theme.scaled(LEAST_VIEW_PX))
        layout = column(self.damaged, self._runs_card, below, spacing=theme.MEDIUM)
        layout.setStretch(2, 1)
        layout.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(scrolling(layout))
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._stack)

    def _view_widgets(self) -> tuple[QWidget, ...]:
        settings = QWidget()
        layout = column(row(self.only_differing, None), self.settings)
        layout.setStretch(1, 1)
        settings.setLayout(layout)
        views = self.pictures
        return (self.chart, views.matrix, self.classes, views.explain, self.calibration, views.changes, settings)

    def _with_missing(self, index: int, view: QWidget) -> QStackedWidget:
        """Return a view that gives way to an empty state while the run has not been evaluated."""
        self._missing[index] = EmptyState("results", "Not evaluated yet", "", "Evaluate", "play")
        self._missing[index].button.clicked.connect(lambda _checked=False: self.evaluate())
        stack = QStackedWidget()
        stack.addWidget(self._missing[index])
        stack.addWidget(view)
        return stack

    def _switch(self):
        self.view_buttons = QButtonGroup(self)
        switch = row(spacing=0)
        for index, name in enumerate(VIEWS):
            button = Button(name, role="segment")
            button.setCheckable(True)
            button.setChecked(index == CURVES)
            self.view_buttons.addButton(button, index)
            switch.addWidget(button)
        self.view_buttons.idClicked.connect(self.views.setCurrentIndex)
        return switch

    def _connect(self) -> None:
        self.table.selection_changed.connect(self._on_selection_changed)
        self.table.renamed.connect(self._on_renamed)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._on_menu_requested)
        self.split_box.currentTextChanged.connect(lambda _name: self._show_evaluation())
        self.only_differing.toggled.connect(lambda _is_on: self._show_settings(self._chosen()))
        self.empty.button.clicked.connect(lambda _checked=False: self._leave())
        self.state.tasks.changed.connect(self._show_enabled)
        self.pictures.run_failed.connect(self.mark_stale)
        if self.session is not None:
            self.session.runs_changed.connect(self._on_content_changed)

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the runs of the project."""
        found, damaged = scan_runs(self.session.path) if self.session is not None else ([], {})
        runs = [run for run in found if run.epochs]
        self._runs = {run.name: run for run in runs}
        rows = run_rows(runs)
        self._colours = {each.name: each.colour for each in rows}
        self._stack.setCurrentIndex(1 if runs or damaged else 0)
        if self.session is None:
            self.empty.show_words("No project open", "Open a project to see its training runs.", "To Project")
        else:
            words = "Train a model. Its curves, its mistakes and the reasons for them show here."
            self.empty.show_words("No runs yet", words, "Train a model")
        one, many = "1 training run", "{count} training runs; choose several with Ctrl to lay them over each other"
        self.subtitle.setText(tr(one) if len(runs) == 1 else tr(many, count=len(runs)))
        self._show_damaged(damaged)
        self.pictures.read_pictures()
        self.table.set_rows(rows)
        self._fit_table()
        self._on_selection_changed(self.table.selected())

    def _show_damaged(self, damaged: dict[str, str]) -> None:
        self.damaged.setVisible(bool(damaged))
        if damaged:
            names = ", ".join(damaged)
            one, many = (
                "The folder of one run cannot be read: {names}",
                "The folders of some runs cannot be read: {names}",
            )
            hint = "Restore it from a copy, or delete it. The other runs are not affected."
            message = tr(one if len(damaged) == 1 else many, names=names)
            self.damaged.show_message(message, hint, tone="warn", details="\n".join(damaged.values()))

    def _fit_table(self) -> None:
        """Show all runs where there is room; at most a third of the page."""
        self.views.setMinimumHeight(theme.scaled(LEAST_VIEW_PX))  # follows the size of the text
        room = max(theme.scaled(130), self.height() // 3)
        self._runs_card.setFixedHeight(min(self.table.height_of_rows() + 2 * theme.MEDIUM + 2, room))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the table its share of the new height."""
        super().resizeEvent(event)
        self._fit_table()

    def run(self) -> RunSummary | None:
        """Return the first chosen run."""
        chosen = self._chosen()
        return chosen[0] if chosen else None

    def _chosen(self) -> list[RunSummary]:
        return [self._runs[name] for name in self.table.selected() if name in self._runs]

    def split(self) -> "Split":
        """Return the split that is shown."""
        return tuple(SPLITS.values())[self.split_box.currentIndex()]

    def stored(self, run: RunSummary) -> StoredEvaluation | None:
        """Return a run's evaluation on the split that is shown; read again only when it has changed."""
        file = Path(run.path) / evaluation_file(self.split())
        key, time = (run.name, self.split()), file.stat().st_mtime_ns if file.exists() else 0
        if key not in self._read or self._read[key][0] != time:
            self._read[key] = (time, read_evaluation(run.path, self.split()))
        return self._read[key][1]

    @Slot(list)
    def _on_selection_changed(self, _names: list[str]) -> None:
        chosen = self._chosen()
        self.chart.show_curves([evaluations.curve(run, self._colours[run.name]) for run in chosen])
        self._show_settings(chosen)
        self._show_evaluation()

    def _show_evaluation(self) -> None:
        run = self.run()
        self.evaluation = evaluation = self.stored(run) if run else None
        for index, empty in self._missing.items():
            stack = self.views.widget(index)
            assert isinstance(stack, QStackedWidget)
            stack.setCurrentIndex(1 if evaluation else 0)
            empty.show_words(*self._missing_words(run))
        self._show_enabled()
        self.pictures.show_run(run, evaluation, chosen=self._chosen(), runs=list(self._runs.values()))
        self._show_relabelled()
        self._figures.setText("")
        self.classes.show_scores([])
        if evaluation is not None:
            self._figures.setText(evaluations.figures(evaluation))
            self.classes.show_scores([evaluations.score_cells(score) for score in evaluation.scores])
            self.calibration.show_bins(
                evaluation.reliability_before,
                evaluation.reliability,
                ece_before=evaluation.ece_before,
                ece=evaluation.ece,
                temperature=evaluation.temperature,
            )

    def _missing_words(self, run: RunSummary | None) -> tuple[str, str, str]:
        if run is not None and not run.has_weights:
            words = "The weights of this run were deleted, so it cannot be evaluated. Its curves and settings remain."
            return "Not evaluated, and no weights", words, ""
        words = "Evaluating shows which classes this run takes for which, how sure it is, and its worst mistakes."
        return "Not evaluated on this split yet", words, "Evaluate"

    def _show_relabelled(self) -> None:
        count = self.pictures.relabelled()
        self.relabelled.setVisible(bool(count))
        if count:
            one, many = (
                "{count} of these pictures has another label now.",
                "{count} of these pictures have other labels now.",
            )
            message = tr(one if count == 1 else many, count=count)
            hint = "Train again learns from the new labels; Evaluate measures against them."
            run = self.run()
            way = (tr("Train again from here"), self.train_again) if run and run.has_weights else None
            self.relabelled.show_message(message, hint, tone="info", way=way)

    def _show_settings(self, runs: list[RunSummary]) -> None:
        compared = runs[:COMPARED_RUNS]
        self.only_differing.setEnabled(len(compared) > 1)
        rows, marked = evaluations.setting_rows(
            compared, only_differing=self.only_differing.isChecked() and len(compared) > 1
        )
        self.settings.show_columns(["Setting", *[run.title for run in compared]])
        self.settings.show_rows(rows, marked=marked)

    @Slot()
    def _show_enabled(self) -> None:
        run = self.run()
        has_weights = run is not None and run.has_weights
        for empty in self._missing.values():
            empty.button.setEnabled(not self.why_not_evaluate())
        is_training = self.session is not None and self.session.runner.is_training
        self.continue_button.setEnabled(run is not None and not is_training)
        is_short = run is not None and can_continue(run)
        self.continue_button.setVisible(is_short)
        for widget in self._own_actions:
            widget.setVisible(bool(self._runs))
        self.export_button.setVisible(bool(self._runs) and not is_short)  # one of the two: a row has room for five
        self.pictures.show_enabled(has_weights)
        self.state.actions.refresh()

    def _leave(self) -> None:
        self.state.page_requested.emit("train" if self.session is not None else "project")

    def why_not_train_again(self) -> str:
        """Return why no run can begin from the chosen one; empty when one can."""
        run = self.run()
        if run is None:
            return tr("Choose a training run first.")
        return "" if run.has_weights else tr("The weights of this run were deleted.")

    def why_not_evaluate(self) -> str:
        """Return why the chosen run cannot be evaluated; empty when it can."""
        run = self.run()
        is_asked = run is not None and (run.name, self.split()) in self._evaluating
        return self.why_not_train_again() or (tr("It is being evaluated already.") if is_asked else "")

    # -- acting -------------------------------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Measure the chosen run on the chosen split in a task."""
        run = self.run()
        if run is not None and not self.why_not_evaluate():
            self._evaluate(run, self.split())

    def take_step(self, step: NextStep) -> None:
        """Evaluate a run that need not be the chosen one: what it is compared with."""
        run = self._runs.get(step.run)
        if run is not None and step.action == "evaluate":
            self._evaluate(run, "test" if step.split == "test" else "val")

    def _evaluate(self, run: RunSummary, split: "Split") -> None:
        session, asked = self.session, (run.name, split)
        if session is None or asked in self._evaluating:
            return
        work = partial(evaluate, run.path, session.snapshot(), split)
        title = tr("Evaluating {run}", run=run.title)
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self.name, device=True)
        self._evaluating.add(asked)
        self.state.tasks.run(
            task,
            owner=self,
            on_done=lambda _result: None,
            on_end=lambda outcome: self._on_evaluated(asked, outcome),
        )
        self._show_enabled()

    def _on_evaluated(self, asked: tuple[str, str], outcome: Outcome[object]) -> None:
        self._evaluating.discard(asked)
        if outcome.failure is not None:
            self.mark_stale()  # the run's folder may be gone, or its weights
        else:
            self._show_evaluation()

    def go_on(self) -> None:
        """Go on training the chosen run on the train page."""
        if (run := self.run()) is not None:
            self.state.run_continue_requested.emit(run)

    def train_again(self) -> None:
        """Begin a new run from the chosen run's best weights, on the labels as they are now."""
        if (run := self.run()) is not None:
            self.actions_of_runs.train_again(run)

    def menu(self) -> QMenu | None:
        """Return the menu of the chosen run."""
        run = self.run()
        return self.actions_of_runs.menu(run, self, edit_name=self.table.edit_name) if run else None

    def show_menu(self) -> None:
        """Show the menu of the chosen run below its button."""
        if (menu := self.menu()) is not None:
            menu.popup(self.more_button.mapToGlobal(QPoint(0, self.more_button.height())))

    @Slot(QPoint)
    def _on_menu_requested(self, at: QPoint) -> None:
        if (menu := self.menu()) is not None:
            menu.popup(self.table.viewport().mapToGlobal(at))

    @Slot(str, str)
    def _on_renamed(self, name: str, title: str) -> None:
        if name in self._runs:
            self.actions_of_runs.rename(self._runs[name], title)

    def close_workers(self) -> None:
        """Wait for pictures that are being decoded."""
        self.pictures.close()
