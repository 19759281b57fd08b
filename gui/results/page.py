"""The results page: what a run is worth in a sentence, all runs, where one is wrong, why, what another one changes."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, QTimer, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QMenu, QSizePolicy, QStackedWidget

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.empty_state import EmptyState
from gui.kit.honest_accuracies import HonestAccuracies
from gui.kit.i18n import tr
from gui.kit.parts import Card, column, row, scrolling
from gui.kit.run_rows import can_continue, run_rows
from gui.kit.run_table import RunTable
from gui.page import Page
from gui.results import answer, evaluations
from gui.results.answer_card import AnswerCard
from gui.results.board_views import BoardViews
from gui.results.combining import Combining, parts_words
from gui.results.figure_views import FigureViews
from gui.results.measuring import Measuring
from gui.results.no_runs import NoRuns
from gui.results.picture_views import PictureViews
from gui.results.run_actions import RunActions
from gui.results.run_buttons import RunButtons
from gui.results.stored_evaluations import StoredEvaluations
from gui.results.views import View, Views
from gui.session import ProjectSession
from gui.state import AppState, ChosenPictures
from visionft.curation.leaks.honest_accuracy import HonestAccuracy
from visionft.errors import NextStep
from visionft.evaluation.stored import StoredEvaluation
from visionft.training.runs.run_folder import RunSummary, scan_runs

if TYPE_CHECKING:
    from visionft.data.types import Split

SPLITS: "dict[str, Split]" = {"Validation": "val", "Test": "test"}
BOARD, MATRIX, PICTURES, CLASSES, CURVES, CALIBRATION, CHANGES, SETTINGS = range(8)
LEAST_VIEW_PX = 330  # below this height the page scrolls: with large text, or a small window
LOOK_MS = 300  # a run that is only passed over on the way to another is not measured


class ResultsPage(Page):
    """The answer on top, then the runs, then views of the chosen ones. A run that was not measured is, by itself."""

    name = "results"
    title = "Results"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False)
        self._runs: dict[str, RunSummary] = {}
        self._colours: dict[str, int] = {}
        self._stored = StoredEvaluations()
        self.evaluation: StoredEvaluation | None = None
        self.measuring = Measuring(state, session, page=self.name, parent=self)
        self.honest = HonestAccuracies(self)
        self._look = QTimer(self, singleShot=True, interval=LOOK_MS)
        self.actions_of_runs = RunActions(state, session, self)
        self.table = RunTable(is_multiple=True)
        self.answer = AnswerCard(tuple(map(tr, SPLITS)), on_measure=self.evaluate)
        self.figures = FigureViews()
        self.board = BoardViews(state, session, page=self.name, parent=self)
        self.pictures = PictureViews(state, session, page=self.name, split=self.split, parent=self)
        self.split_box, self.evaluate_button = self.answer.split_box, self.answer.evaluate_button
        self.combining = Combining(state, session, page=self.name, parent=self)
        self.empty = NoRuns(on_make=self.answer_without_training)
        self.missing = EmptyState("results", "", "")
        self.buttons = RunButtons(
            state.actions, on_go_on=self.go_on, on_combine=self.combine, on_again=self.train_again,
            on_more=self.show_menu, on_export=self.export,
        )  # fmt: skip
        self.continue_button, self.combine_button = self.buttons.go_on, self.buttons.combine
        self.again_button, self.more_button, self.export_button = self.buttons.all()[2:]
        on_split = tr("Measure the chosen run on the pictures of this split")
        state.actions.attach(self.evaluate_button, "run.evaluate", on_split)
        at_once = tr("In seconds, from the pictures that have a label")
        state.actions.attach(self.empty.make_button, "run.answer_without", at_once)
        self._lay_out()
        self._connect()

    # -- building -----------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        for button in self.buttons.all():
            self.action_row.addWidget(button)
        self._runs_card = Card(margin=theme.MEDIUM)
        self._runs_card.body.addWidget(self.table)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)  # as high as the answer
        self.damaged = Banner()
        self.views = Views(self._all_views(), self.missing, first=MATRIX)
        self.view_buttons = self.views.buttons
        self.views.stack.setMinimumHeight(theme.scaled(LEAST_VIEW_PX))
        below = Card()
        below.body.addWidget(self.views)
        top = row(self.answer, self._runs_card, spacing=theme.MEDIUM)
        top.setStretch(0, 3)
        top.setStretch(1, 2)
        layout = column(self.damaged, top, below, spacing=theme.MEDIUM)
        layout.setStretch(2, 1)
        layout.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(scrolling(layout))
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._stack)

    def _all_views(self) -> tuple[View, ...]:
        """Return the views in the order of `BOARD` and those beside it."""
        pictures, figures, board = self.pictures, self.figures, self.board
        return (
            View(title="Scoreboard", build=board.build, fill=board.show, needs_evaluation=False),
            View(title="Confusion", build=lambda: pictures.matrix, fill=pictures.show_matrix),
            View(title="Pictures", build=lambda: pictures.explain, fill=pictures.show_ordered),
            View(title="Classes", build=lambda: figures.classes, fill=figures.show_classes),
            View(title="Curves", build=figures.build_curves, fill=figures.show_curves, needs_evaluation=False),
            View(title="Calibration", build=lambda: figures.calibration, fill=figures.show_calibration),
            View(title="Changes", build=lambda: pictures.changes, fill=pictures.show_changes, needs_evaluation=False),
            View(title="Settings", build=figures.build_settings, fill=figures.show_settings, needs_evaluation=False),
        )

    def _connect(self) -> None:
        self.table.selection_changed.connect(self._on_selection_changed)
        self.combining.made.connect(self._on_combined)
        self.table.renamed.connect(self._on_renamed)
        self.table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.table.customContextMenuRequested.connect(self._on_menu_requested)
        self.answer.split_changed.connect(self._show_evaluation)
        self.empty.button.clicked.connect(lambda _checked=False: self._leave())
        self.missing.button.clicked.connect(lambda _checked=False: self.evaluate())
        self.state.tasks.changed.connect(self._show_enabled)
        self.measuring.changed.connect(self._show_answer)
        self.measuring.ended.connect(self.mark_stale)  # the run's folder may be gone, or its weights
        self._look.timeout.connect(self._measure_by_itself)
        self.honest.changed.connect(self._show_answer)
        self.pictures.run_failed.connect(self.mark_stale)
        self.board.run_chosen.connect(lambda name: self.table.select([name]))
        self.board.boards.changed.connect(self._show_empty)
        self.board.answers_made.connect(lambda: self.views.choose(BOARD))
        if self.session is not None:
            self.session.runs_changed.connect(self.mark_stale)

    @Slot(object)
    def _on_content_changed(self, _effects: object = None) -> None:
        """Show labels as they are now; the runs are what they were."""
        if self.is_stale or not self.isVisible():
            self.mark_stale()
        else:
            self.pictures.read_pictures()
            self._show_evaluation()

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Read the runs of the project."""
        found, damaged = scan_runs(self.session.path) if self.session is not None else ([], {})
        runs = [run for run in found if run.epochs]
        self._runs = {run.name: run for run in runs}
        rows = run_rows(runs)
        self._colours = {each.name: each.colour for each in rows}
        self._stack.setCurrentIndex(1 if runs or damaged else 0)
        self._show_empty()
        one, many = "1 training run", "{count} training runs; choose several with Ctrl to compare or combine them"
        self.subtitle.setText("" if not runs else tr(one) if len(runs) == 1 else tr(many, count=len(runs)))
        self._show_damaged(damaged)
        self.pictures.read_pictures()
        with QSignalBlocker(self.table):  # what it chooses is shown below, also where it is what was chosen before
            self.table.set_rows(rows, preferred=max(self._runs, default=""))
        self._fit_table()
        self._show_evaluation()

    @Slot()
    def _show_empty(self) -> None:
        self.empty.show_state(is_open=self.session is not None, stage=self.board.boards.stage)

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
        """Show all runs where there is room; at most a fifth of the page."""
        self.views.stack.setMinimumHeight(theme.scaled(LEAST_VIEW_PX))  # follows the size of the text
        room = max(theme.scaled(120), self.height() // 5)
        self._runs_card.setMinimumHeight(min(self.table.height_of_rows() + 2 * theme.MEDIUM + 2, room))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Give the table its share of the new height."""
        super().resizeEvent(event)
        self._fit_table()

    def run(self) -> RunSummary | None:
        """Return the first chosen run."""
        return next(iter(self._chosen()), None)

    def _chosen(self) -> list[RunSummary]:
        return [self._runs[name] for name in self.table.selected() if name in self._runs]

    def split(self) -> "Split":
        """Return the split that is shown."""
        return tuple(SPLITS.values())[self.split_box.currentIndex()]

    @Slot(list)
    def _on_selection_changed(self, _names: list[str]) -> None:
        self._show_evaluation()

    @Slot()
    def _show_evaluation(self) -> None:
        run = self.run()
        self.evaluation = self._stored.get(run, self.split()) if run else None
        chosen = self._chosen()
        self.pictures.take_run(run, self.evaluation, chosen=chosen, runs=list(self._runs.values()))
        self.figures.take_runs(chosen, self.evaluation, colours=self._colours)
        self.board.take_runs(list(self._runs.values()), run, colours=self._colours, split=self.split())
        self.answer.show_price(*self.board.price_words())
        self._show_answer()
        self.views.refill(has_evaluation=self.evaluation is not None)
        self._look.start()

    @Slot()
    def _show_answer(self) -> None:
        run, found = self.run(), self.evaluation
        progress = self.measuring.progress(run, self.split()) if run is not None else None
        self.answer.show_progress(progress)
        made_of = parts_words(run, self._runs) if run is not None else ""
        if run is None:
            self.answer.show_answer("", "")
        elif found is None:
            failure = None if progress else self.measuring.failure(run, self.split())
            is_begun = progress is not None
            title, words, button = answer.missing_words(run, failure, is_begun=is_begun, is_training=self._is_training)
            words_now = words if progress is None else tr(progress.stage)
            self.answer.show_answer(answer.sentence_of_run(run), words_now, made_of)
            self.missing.show_words(title, words, button)
        else:
            changed = answer.changed_words(self.pictures.relabelled(), is_old=self.measuring.is_known_old(run))
            figures = " · ".join(filter(None, (made_of, changed, evaluations.figures(found))))
            self.answer.show_answer(answer.sentence(found), answer.meaning(found, self._honest()), figures)
        self._show_enabled()

    def _honest(self) -> HonestAccuracy | None:
        """Return what is shown without the pictures that the run knew; None where it knew none, or that is not read."""
        if self.session is None or self.evaluation is None:
            return None
        self.honest.ask(self.session.project)
        return self.honest.of(self.evaluation.run, self.evaluation.split)

    @property
    def _is_training(self) -> bool:
        return self.session is not None and self.session.runner.is_training

    @Slot()
    def _show_enabled(self) -> None:
        self.buttons.show_for(self._chosen(), has_runs=bool(self._runs))
        self.state.actions.refresh()

    def _leave(self) -> None:
        self.state.page_requested.emit("train" if self.session is not None else "project")

    # -- acting -------------------------------------------------------------------------------------------------

    def why_not_use(self) -> str:
        """Return why the weights of the chosen run cannot be used; empty when they can."""
        run = self.run()
        if run is None:
            return tr("Choose a training run first.")
        return "" if run.has_weights else tr("The weights of this run were deleted.")

    def why_not_train_on(self) -> str:
        """Return why no training can begin with the chosen run's weights; empty when it can."""
        words = "A combination is not trained: train on from one of its parts, or combine them again."
        return tr(words) if (run := self.run()) and run.parts else self.why_not_use()

    def why_not_combine(self) -> str:
        """Return why the chosen runs cannot be combined; empty when they can."""
        return self.combining.why_not(self._chosen())

    def why_not_evaluate(self) -> str:
        """Return why the chosen run cannot be evaluated; empty when it can."""
        run = self.run()
        is_asked = run is not None and self.measuring.progress(run, self.split()) is not None
        return self.why_not_use() or (tr("It is being evaluated already.") if is_asked else "")

    def why_not_go_on(self) -> str:
        """Return why the chosen run cannot go on; empty when it can."""
        run = self.run()
        if run is None:
            return tr("Choose a training run first.")
        if not can_continue(run):
            return tr("This run has ended.")
        return tr("Another run is training.") if self._is_training else ""

    def evaluate(self) -> None:
        """Measure the chosen run on the chosen split in a task."""
        run = self.run()
        if run is not None and not self.why_not_evaluate():
            self.measuring.start(run, self.split())

    def measure_all(self) -> None:
        """Measure every run that was not, and show the scoreboard."""
        self.views.choose(BOARD)
        self.board.measure()

    def answer_without_training(self) -> None:
        """Make every answer that needs no training; the scoreboard shows when they are there."""
        self.board.make()
        if self._runs:
            self.views.choose(BOARD)

    @Slot()
    def _measure_by_itself(self) -> None:
        """Measure the run that is looked at, once; beside a training run only when the user says so."""
        run = self.run()
        if run is None or not self.isVisible() or self.why_not_evaluate():
            return
        if self.evaluation is not None and not self.measuring.is_old(run):
            return
        is_new = self.measuring.failure(run, self.split()) is None
        if is_new and run.best is not None and not run.is_going and not self._is_training:
            self.measuring.start(run, self.split(), by_itself=True)
        else:
            self._show_answer()

    def take_step(self, step: NextStep) -> None:
        """Evaluate a run that need not be the chosen one: what it is compared with."""
        run = self._runs.get(step.run)
        if run is not None and step.action == "evaluate":
            self.measuring.start(run, "test" if step.split == "test" else "val")

    def chosen_pictures(self) -> ChosenPictures:
        """Return the selected pictures of the view that is shown."""
        return ChosenPictures(self.pictures.chosen_ids())

    def export(self) -> None:
        """Choose this run on the export page."""
        if (run := self.run()) is not None:
            self.state.step_requested.emit(NextStep("export", run=run.name))

    def go_on(self) -> None:
        """Go on training the chosen run on the train page."""
        if (run := self.run()) is not None:
            self.state.run_continue_requested.emit(run)

    def combine(self) -> None:
        """Combine the chosen runs in a task; the combination is chosen when it is made."""
        self.combining.start(self._chosen())

    @Slot(str)
    def _on_combined(self, name: str) -> None:
        if self.isVisible():
            self.refresh()
            self.table.select([name])

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
        """Wait for pictures that are being decoded, and for what is being read."""
        self.pictures.close()
        self.board.close()
        self.honest.close()
