"""The results page: all runs, their curves over each other, where one is wrong, and what differs between settings."""

import dataclasses

from PySide6.QtCore import Qt, Slot
from PySide6.QtWidgets import QButtonGroup, QComboBox, QStackedWidget, QWidget

from gui import theme, work
from gui.evaluations import StoredEvaluation, read_evaluation
from gui.pages.page import Page
from gui.state import AppState, JobOutcome
from gui.widgets.compare_chart import CompareChart, RunCurve
from gui.widgets.confusion_matrix import ConfusionMatrix
from gui.widgets.empty_state import EmptyState
from gui.widgets.parts import Button, Card, ElidedLabel, column, row, text
from gui.widgets.run_rows import can_continue, run_row
from gui.widgets.run_table import RunTable
from gui.widgets.value_table import ValueTable
from visionft.training.config import TrainConfig
from visionft.training.runs import RunSummary, list_runs

SPLITS = {"Validation": "val", "Test": "test"}
VIEWS = ("Curves", "Confusion matrix", "Classes", "Settings")


class ResultsPage(Page):
    """Runs on top, four views of the chosen ones below."""

    name = "results"
    title = "Results"

    def __init__(self, state: AppState) -> None:
        super().__init__(state, scrolls=False)
        self._runs: dict[str, RunSummary] = {}
        self.evaluation: StoredEvaluation | None = None
        self.table = RunTable(is_multiple=True)
        self.chart = CompareChart()
        self.matrix = ConfusionMatrix()
        self.classes = ValueTable(("Class", "Precision", "Recall", "95 % interval", "F1", "Pictures"), name="Classes")
        self.settings = ValueTable(("Setting", "Value"), name="Settings", is_sortable=False)
        self.split_box = QComboBox()
        self.split_box.addItems(list(SPLITS))
        self.split_box.setAccessibleName("Split to evaluate on")
        self.evaluate_button = Button("Evaluate", "play", role="primary", on_click=self.evaluate)
        self.evaluate_button.setToolTip("Measure the chosen run on the pictures of this split")
        self.continue_button = Button("Continue", "refresh", on_click=self.go_on)
        self.continue_button.setToolTip("Go on with this stopped or interrupted run, from its last checkpoint")
        self.export_button = Button("Export", "export", on_click=lambda: state.page_requested.emit("export"))
        self.empty = EmptyState("results", "", "", "Train a model")
        self._lay_out()
        self._connect()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        for widget in (self.continue_button, self.split_box, self.evaluate_button, self.export_button):
            self.action_row.addWidget(widget)
        runs = Card(margin=theme.MEDIUM)
        runs.body.addWidget(self.table)
        self.table.setMinimumHeight(theme.scaled(150))
        runs.setMaximumHeight(theme.scaled(240))
        self._figures = ElidedLabel("", "strong", mode=Qt.TextElideMode.ElideRight)
        self._figures.setAlignment(Qt.AlignmentFlag.AlignRight)
        self.views = QStackedWidget()
        for view in (self.chart, self._matrix_view(), self.classes, self.settings):
            self.views.addWidget(view)
        self.view_buttons = QButtonGroup(self)
        switch = row(spacing=0)
        for place, name in enumerate(VIEWS):
            button = Button(name, role="segment")
            button.setCheckable(True)
            button.setChecked(place == 0)
            self.view_buttons.addButton(button, place)
            switch.addWidget(button)
        self.view_buttons.idClicked.connect(self.views.setCurrentIndex)
        below = Card()
        head = row(switch, self._figures, spacing=theme.LARGE)
        head.setStretch(1, 1)
        below.body.addLayout(head)
        below.body.addWidget(self.views, 1)
        content = QWidget()
        layout = column(runs, below, spacing=theme.LARGE)
        layout.setStretch(0, 2)
        layout.setStretch(1, 5)
        content.setLayout(layout)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(content)
        self.body.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self.body.addWidget(self._stack)

    def _matrix_view(self) -> QWidget:
        self._cell_text = text("Press a cell to see its pictures.", wrap=True)
        self.show_button = Button("Show these pictures", "pictures", on_click=self.show_cell)
        self.mistakes_button = Button("Show all mistakes", "warning", on_click=self.show_mistakes)
        self.mistakes_button.setToolTip("All wrongly classified pictures, the surest mistake first")
        side = QWidget()
        words = "On the Label page they can be looked at and relabelled with the same keys."
        note = text(words, "small", wrap=True)
        side.setLayout(column(self._cell_text, self.show_button, theme.LARGE, self.mistakes_button, note, None))
        side.setFixedWidth(theme.scaled(250))
        view = QWidget()
        layout = row(self.matrix, side, spacing=theme.HUGE)
        layout.setStretch(0, 1)
        view.setLayout(layout)
        self._matrix_stack = QStackedWidget()
        self._not_evaluated = EmptyState(
            "results", "Not evaluated yet", "Evaluate this run to see which classes it takes for which."
        )
        self._matrix_stack.addWidget(self._not_evaluated)
        self._matrix_stack.addWidget(view)
        return self._matrix_stack

    def _connect(self) -> None:
        state = self.state
        self.table.selection_changed.connect(self._on_selection_changed)
        self.split_box.currentTextChanged.connect(lambda _name: self._show_evaluation())
        self.matrix.cell_chosen.connect(self._on_cell_chosen)
        self.empty.button.clicked.connect(lambda _checked=False: self._go_on())
        state.runs_changed.connect(self._on_content_changed)
        state.job_started.connect(self._on_job_started)
        state.job_ended.connect(self._on_job_ended)

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the runs of the project."""
        path = self.state.path
        runs = [run for run in list_runs(path) if run.epochs] if path else []
        self._runs = {run.name: run for run in runs}
        self._stack.setCurrentIndex(1 if runs else 0)
        if path is None:
            self.empty.show_words("No project open", "Open a project to see its training runs.", "To Project")
        else:
            self.empty.show_words("No runs yet", "Train a model; its curves and mistakes show here.", "Train a model")
        self.subtitle.setText(f"{len(runs)} training runs" if len(runs) != 1 else "1 training run")
        self.table.set_rows([run_row(run) for run in runs])
        self._on_selection_changed(self.table.selected())

    def run(self) -> RunSummary | None:
        """Return the first chosen run."""
        names = self.table.selected()
        return self._runs.get(names[0]) if names else None

    @Slot(list)
    def _on_selection_changed(self, names: list[str]) -> None:
        chosen = [self._runs[name] for name in names if name in self._runs]
        self.chart.show_curves([_curve(run) for run in chosen])
        self._show_settings(chosen)
        self._show_evaluation()

    def _show_evaluation(self) -> None:
        run = self.run()
        split = SPLITS[self.split_box.currentText()]
        self.evaluation = evaluation = read_evaluation(run.path, split) if run else None
        self._matrix_stack.setCurrentIndex(1 if evaluation else 0)
        self.show_button.setEnabled(False)
        self._cell_text.setText("Press a cell to see its pictures.")
        self._show_enabled()
        if evaluation is None:
            self._figures.setText("")
            self.classes.show_rows([])
            return
        low, high = evaluation.top1_interval
        self._figures.setText(
            f"{evaluation.top1:.1%} right on {self.split_box.currentText().lower()} "
            f"({low:.1%} to {high:.1%}), balanced {evaluation.balanced_accuracy:.1%}"
        )
        self.matrix.show_counts(evaluation.class_names, evaluation.confusion)
        self.classes.show_rows([_score_cells(score) for score in evaluation.scores])

    def _show_settings(self, runs: list[RunSummary]) -> None:
        headers = ["Setting", *[run.name for run in runs[:4]]] if runs else ["Setting", "Value"]
        self.settings.setColumnCount(len(headers))
        self.settings.setHorizontalHeaderLabels(headers)
        columns = [_flat(run.config) for run in runs[:4]]
        names = list(dict.fromkeys(name for column in columns for name in column))
        differing = [line for line, name in enumerate(names) if _differs(name, columns)]
        rows = [
            [(f"≠  {name}" if line in differing else name, name)] + [(str(each.get(name, "–")), 0) for each in columns]
            for line, name in enumerate(names)
        ]
        self.settings.show_rows(rows, marked=differing)

    def _show_enabled(self) -> None:
        is_free = self.state.job_info is None and self.run() is not None
        self.evaluate_button.setEnabled(is_free)
        self.continue_button.setEnabled(is_free)
        run = self.run()
        self.continue_button.setVisible(run is not None and can_continue(run))
        for widget in (self.split_box, self.evaluate_button, self.export_button):
            widget.setVisible(bool(self._runs))
        self.evaluate_button.setText("Evaluate again" if self.evaluation else "Evaluate")

    def _go_on(self) -> None:
        self.state.page_requested.emit("train" if self.state.project is not None else "project")

    # -- evaluating ---------------------------------------------------------------------------------------------

    def evaluate(self) -> None:
        """Measure the chosen run on the chosen split in a job."""
        run, snapshot = self.run(), self.state.snapshot()
        if run is None or snapshot is None:
            return
        split = SPLITS[self.split_box.currentText()]
        measured = work.evaluate(run.path, snapshot, split)  # type: ignore[arg-type]
        self.state.start_job("evaluate", f"Evaluating {run.name}", measured, page=self.name)

    def go_on(self) -> None:
        """Go on training the chosen run on the train page."""
        if (run := self.run()) is not None:
            self.state.run_continue_requested.emit(run)

    def show_cell(self) -> None:
        """Show the pictures of the pressed cell on the label page."""
        if self.evaluation is not None and (cell := self.matrix.chosen()) is not None:
            self.state.pictures_requested.emit(self.evaluation.cell(*cell), self.matrix.describe(*cell))

    def show_mistakes(self) -> None:
        """Show all mistakes on the label page."""
        if self.evaluation is not None:
            self.state.pictures_requested.emit(self.evaluation.mistakes(), "Mistakes, the surest first")

    @Slot(int, int)
    def _on_cell_chosen(self, true_index: int, predicted_index: int) -> None:
        assert self.evaluation is not None
        self._cell_text.setText(self.matrix.describe(true_index, predicted_index))
        self.show_button.setEnabled(bool(self.evaluation.cell(true_index, predicted_index)))

    @Slot(object)
    def _on_job_started(self, _info: object) -> None:
        self._show_enabled()

    @Slot(object)
    def _on_job_ended(self, outcome: JobOutcome) -> None:
        self._show_enabled()
        if outcome.info.kind == "evaluate" and not outcome.has_failed:
            self._show_evaluation()


def _curve(run: RunSummary) -> RunCurve:
    return RunCurve(
        name=run.name,
        epochs=tuple(epoch.epoch for epoch in run.epochs),
        loss=tuple(epoch.val_loss for epoch in run.epochs),
        accuracy=tuple(epoch.val_top1 for epoch in run.epochs),
        best_epoch=run.best.epoch if run.best else None,
    )


def _differs(name: str, columns: list[dict[str, object]]) -> bool:
    return len({str(column.get(name)) for column in columns}) > 1


def _score_cells(score) -> list[tuple[str, object]]:
    low, high = score.recall_interval
    return [
        (score.name, score.name.casefold()),
        (f"{score.precision:.1%}", score.precision),
        (f"{score.recall:.1%}", score.recall),
        (f"{low:.0%} to {high:.0%}", low),
        (f"{score.f1:.1%}", score.f1),
        (f"{score.support:,}", score.support),
    ]


def _flat(config: TrainConfig) -> dict[str, object]:
    """Return the settings by label; those of the methods that were not used are left out."""
    values: dict[str, object] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not dataclasses.is_dataclass(value):
            values[field.metadata.get("label", field.name)] = value
    for inner in dataclasses.fields(config.method_options):
        name = f"{config.method_row.title}: {inner.metadata.get('label', inner.name)}"
        values[name] = getattr(config.method_options, inner.name)
    return values
