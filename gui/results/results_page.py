"""The results page: the result of a run with what to do next, its mistakes, its classes, comparisons and details."""

from PySide6.QtCore import QPoint, QSignalBlocker, Qt, QTimer, Slot
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QMenu, QSizePolicy, QStackedWidget

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.empty_state import EmptyState
from gui.kit.leak_free_accuracies import LeakFreeAccuracies
from gui.kit.parts import Button, Card, column, scrolling
from gui.kit.run_table import RunTable, can_continue
from gui.kit.translation import tr
from gui.page import Page
from gui.results import accuracy_card, evaluations
from gui.results.accuracy_card import AccuracyCard
from gui.results.details_view import DetailsView, ResultView, Views
from gui.results.evaluations import EvaluationController
from gui.results.image_views import ImageViews
from gui.results.run_actions import RunActions, parts_words
from gui.runner import RESULTS
from gui.session import ProjectSession
from gui.state import AppState, ChosenImages
from visionft.analysis.leaks import LeakFreeAccuracy
from visionft.core.errors import NextStep
from visionft.core.messages import Message
from visionft.data.types import Split
from visionft.training.evaluation.stored import StoredEvaluation, evaluation_file
from visionft.training.evaluation.unseen import accuracy_sentence, is_unseen, unseen_evaluation
from visionft.training.runs.run_folder import StoredRun, scan_runs

SPLITS: dict[str, Split] = {Message("Validation"): "val", Message("Test"): "test"}
MISTAKES, CLASSES, COMPARE, DETAILS = range(4)
MIN_VIEW_PX = 330  # height below which the page scrolls, as with large text or in a small window
LOOK_MS = 300  # a run selected for less time is not evaluated


class ResultsPage(Page):
    """The accuracy, the runs, and views of the selected ones. An unmeasured run is measured automatically.

    `why_not_x` returns the reason why x is impossible for the selected runs; empty where it is possible.
    """

    name = RESULTS
    title = Message("Results")

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False)
        self._runs: dict[str, StoredRun] = {}
        self._colours: dict[str, int] = {}
        self.evaluation: StoredEvaluation | None = None
        self._is_test_shown = False  # once, as soon as a run was evaluated on test: its headline
        self.measuring = EvaluationController(state, session, parent=self)
        self.leak_free = LeakFreeAccuracies(self)
        self._look = QTimer(self, singleShot=True, interval=LOOK_MS)
        self.actions_of_runs = RunActions(state, session, self)
        self.table = RunTable(is_multiple=True)
        self.accuracy = AccuracyCard()
        self.details = DetailsView(tuple(map(tr, SPLITS)), on_measure=self.evaluate)
        self.images = ImageViews(state, session, split=self.split, parent=self)
        self.split_box, self.evaluate_button = self.details.split_box, self.details.evaluate_button
        self.empty = EmptyState("results", "", "", Message("Train a model"))
        self.missing = EmptyState("results", "", "")
        self.combine_button = Button("Combine", "layers", on_click=self.combine)
        self.continue_button = Button("Continue", "refresh", on_click=self.go_on)
        self.more_button = Button("More", "chevron-down", on_click=self.show_menu)
        self.more_button.setToolTip(tr("Rename, pin, retrain, open folder, delete weights"))
        self.export_button = Button("Export this model", "export", role="primary", on_click=self.export)
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        for button in (self.combine_button, self.continue_button, self.more_button, self.export_button):
            self.action_row.addWidget(button)
        self._runs_card = Card(margin=theme.MEDIUM)
        self._runs_card.body.addWidget(self.table)
        self.table.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)  # as high as the card
        self.damaged = Banner()
        images, details = self.images, self.details
        self.views = Views(
            (  # in the order of `MISTAKES` and the constants next to it
                ResultView(
                    title="Mistakes", build=lambda: images.explain, fill=images.show_ordered, needs_evaluation=True
                ),
                ResultView(
                    title="Classes", build=lambda: images.classes, fill=images.show_classes, needs_evaluation=True
                ),
                ResultView(
                    title="Compare",
                    build=lambda: images.comparison,
                    has_content=lambda: len(self._runs) > 1,
                    fill=images.show_comparison,
                ),
                ResultView(title="Details", build=lambda: details, fill=details.refill, is_last=True),
            ),
            self.missing,
        )
        self.view_buttons = self.views.buttons
        below = Card()
        below.body.addWidget(self.views)
        layout = column(self.damaged, self.accuracy, self._runs_card, below, spacing=theme.MEDIUM, grows=3)
        layout.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.LARGE)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.empty)
        self._stack.addWidget(scrolling(layout))
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addWidget(self._stack)

    def _connect(self) -> None:
        together = tr("Combine the selected runs into an ensemble, weighted on the validation images")
        for button, action, tip in (
            (self.evaluate_button, "run.evaluate", tr("Measure the chosen run on the images of this split")),
            (self.combine_button, "run.combine", together),
            (self.continue_button, "run.go_on", tr("Continue this run from its last checkpoint")),
            (self.export_button, "run.export_this", tr("Export the selected run as one file")),
        ):
            self.state.actions.attach(button, action, tip)
        table = self.table
        table.selection_changed.connect(lambda _names: self._show_evaluation())
        table.renamed.connect(lambda name, title: self.actions_of_runs.rename(self._runs[name], title))
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(lambda at: self._show_menu_at(table.viewport().mapToGlobal(at)))
        self.actions_of_runs.combined.connect(self._on_combined)
        self.split_box.currentIndexChanged.connect(lambda _place: self._show_evaluation())
        train_or_open = "train" if self.session is not None else "project"
        self.empty.button.clicked.connect(lambda _checked=False: self.state.page_requested.emit(train_or_open))
        self.missing.button.clicked.connect(lambda _checked=False: self.evaluate())
        self.state.jobs.changed.connect(self._show_enabled)
        self.measuring.changed.connect(self._show_accuracy)
        self.measuring.ended.connect(self.mark_stale)  # the run's folder may be gone, or its weights
        self._look.timeout.connect(self._measure_by_itself)
        self.leak_free.changed.connect(self._show_accuracy)
        self.images.run_failed.connect(self.mark_stale)
        self.images.read.connect(self._show_evaluation)
        if self.session is not None:
            self.session.runs_changed.connect(self.mark_stale)

    @Slot(object)
    def _on_content_changed(self, _effects: object = None) -> None:
        """Show the current labels; the runs are unchanged."""
        if self.is_stale or not self.isVisible():
            self.mark_stale()
        else:
            self._show_read()

    def refresh(self) -> None:
        found, damaged = scan_runs(self.session.path) if self.session is not None else ([], {})
        runs = [run for run in found if run.epochs]
        self._runs = {run.name: run for run in runs}
        if not self._is_test_shown and any((run.path / evaluation_file("test")).is_file() for run in runs):
            self._is_test_shown = True
            with QSignalBlocker(self.split_box):
                self.split_box.setCurrentIndex(tuple(SPLITS.values()).index("test"))
        self._colours = {run.name: index for index, run in enumerate(runs)}
        self._stack.setCurrentIndex(1 if runs or damaged else 0)
        if self.session is None:
            self.empty.show_words("No project open", "Open a project to see its training runs.", "To Project")
        else:
            words = Message("Train a model to see its accuracy, its mistakes and its curves.")
            self.empty.show_words("No runs yet", words, "Train a model")
        many = tr("{count} training runs; choose several with Ctrl to compare or combine them", count=len(runs))
        self.subtitle.setText(many if len(runs) > 1 else tr("1 training run") if runs else "")
        self.damaged.setVisible(bool(damaged))
        if damaged:
            one, several = (
                Message("The folder of one run cannot be read: {names}"),
                Message("The folders of some runs cannot be read: {names}"),
            )
            message = tr(one if len(damaged) == 1 else several, names=", ".join(damaged))
            hint = Message("Restore it from a copy, or delete it. The other runs are not affected.")
            self.damaged.show_message(message, hint, tone="warn", details="\n".join(damaged.values()))
        with QSignalBlocker(self.table):  # its choice is shown below, also where it is unchanged
            self.table.set_runs(runs, colours=self._colours, preferred=max(self._runs, default=""))
        self._fit_table()
        self._show_read()

    def _show_read(self) -> None:
        """Show the selected run, and again once the images are read, if that is slow."""
        if not self.images.read_images() or self.session is None:
            self._show_evaluation()

    def _fit_table(self) -> None:
        """Show all runs where there is room; at most a quarter of the page."""
        self.views.stack.setMinimumHeight(theme.scaled(MIN_VIEW_PX))  # follows the size of the text
        room = max(theme.scaled(120), self.height() // 4)
        self._runs_card.setMinimumHeight(min(self.table.height_of_rows() + 2 * theme.MEDIUM + 2, room))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_table()

    def run(self) -> StoredRun | None:
        return next(iter(self._chosen()), None)

    def _chosen(self) -> list[StoredRun]:
        return [self._runs[name] for name in self.table.selected() if name in self._runs]

    def split(self) -> Split:
        return tuple(SPLITS.values())[self.split_box.currentIndex()]

    @Slot()
    def _show_evaluation(self) -> None:
        run = self.run()
        self.evaluation = self.measuring.stored(run, self.split()) if run else None
        chosen = self._chosen()
        self.images.take_run(run, self.evaluation, chosen=chosen, runs=list(self._runs.values()))
        self.details.take_runs(chosen, colours=self._colours)
        self._show_accuracy()
        mistakes = len(self.evaluation.mistakes()) if self.evaluation is not None else 0
        self.view_buttons.button(MISTAKES).setText(f"{tr('Mistakes')}  {mistakes:,}" if mistakes else tr("Images"))
        self.views.refill(has_evaluation=self.evaluation is not None)
        self._look.start()

    @Slot()
    def _show_accuracy(self) -> None:
        run = self.run()
        found = self.evaluation
        progress = self.measuring.progress(run, self.split()) if run is not None else None
        self.accuracy.show_progress(progress)
        made_of = parts_words(run, self._runs) if run is not None else ""
        if run is None:
            self.accuracy.show_accuracy("", "")
        elif found is None:
            failure = None if progress else self.measuring.failure(run, self.split())
            title, words, button = accuracy_card.missing_words(
                run, failure, is_begun=progress is not None, is_training=self._is_training
            )
            stage = words if progress is None else tr(progress.stage)
            self.accuracy.show_accuracy(title, stage, made_of)
            self.missing.show_words(title, words, button)
        else:
            changed = accuracy_card.changed_words(self.images.relabelled(), is_old=self.measuring.is_known_old(run))
            figures = " · ".join(filter(None, (made_of, changed, evaluations.figures(found))))
            leak_free = None  # the accuracy without leaked images; None before it is read too
            if self.session is not None:
                self.leak_free.ask(self.session.project)
                leak_free = self.leak_free.of(found.run, found.split)
            sentence = accuracy_card.sentence(found, is_unseen=is_unseen(run, found))
            self.accuracy.show_accuracy(sentence, self._meaning(run, found, leak_free), figures)
        self._show_enabled()

    def _meaning(self, run: StoredRun, found: StoredEvaluation, leak_free: LeakFreeAccuracy | None) -> str:
        """Return how reliable the result is, and what to do next."""
        if not is_unseen(run, found):
            chosen = tr("They chose it, so this is likely too high.") if not found.seen else ""
            return f"{chosen} {tr(accuracy_sentence(unseen_evaluation(run)))}".strip()
        return f"{accuracy_card.meaning(found, leak_free)} {accuracy_card.next_words(found)}".strip()

    @property
    def _is_training(self) -> bool:
        return self.session is not None and self.session.runner.is_training

    @Slot()
    def _show_enabled(self) -> None:
        """Show the buttons for the selected runs."""
        run = self.run()
        has_runs = bool(self._runs)
        self.continue_button.setVisible(run is not None and can_continue(run))
        self.combine_button.setVisible(len(self._chosen()) > 1)
        for button in (self.more_button, self.export_button):
            button.setVisible(has_runs)
        self.state.actions.refresh()

    def why_not_use(self) -> str:
        run = self.run()
        if run is None:
            return tr("Choose a training run first.")
        return "" if run.has_weights else tr("The weights of this run were deleted.")

    def why_not_train_on(self) -> str:
        words = Message("An ensemble is not trained: retrain one of its members, or combine them again.")
        return tr(words) if (run := self.run()) and run.parts else self.why_not_use()

    def why_not_combine(self) -> str:
        return self.actions_of_runs.why_not_combine(self._chosen())

    def why_not_evaluate(self) -> str:
        run = self.run()
        is_asked = run is not None and self.measuring.progress(run, self.split()) is not None
        return self.why_not_use() or (tr("It is being evaluated already.") if is_asked else "")

    def why_not_go_on(self) -> str:
        run = self.run()
        if run is None:
            return tr("Choose a training run first.")
        if not can_continue(run):
            return tr("This run has ended.")
        return tr("Another run is training.") if self._is_training else ""

    def evaluate(self) -> None:
        run = self.run()
        if run is not None and not self.why_not_evaluate():
            self.measuring.start(run, self.split())

    @Slot()
    def _measure_by_itself(self) -> None:
        """Evaluate the selected run automatically, once; during a training only on the user's request."""
        run = self.run()
        if run is None or not self.isVisible() or self.why_not_evaluate():
            return
        if self.evaluation is not None and not self.measuring.is_old(run, self.evaluation):
            return
        is_new = self.measuring.failure(run, self.split()) is None
        if is_new and run.best is not None and not run.is_going and not self._is_training:
            self.measuring.start(run, self.split(), by_itself=True)
        else:
            self._show_accuracy()

    def take_step(self, step: NextStep) -> None:
        run = self._runs.get(step.run)
        if run is not None and step.action == "evaluate":
            self.measuring.start(run, "test" if step.split == "test" else "val")

    def chosen_images(self) -> ChosenImages:
        return ChosenImages(self.images.chosen_ids())

    def export(self) -> None:
        if (run := self.run()) is not None:
            self.state.step_requested.emit(NextStep("export", run=run.name))

    def go_on(self) -> None:
        if (run := self.run()) is not None:
            self.state.run_continue_requested.emit(run)

    def combine(self) -> None:
        self.actions_of_runs.combine(self._chosen())

    @Slot(str)
    def _on_combined(self, name: str) -> None:
        if self.isVisible():
            self.refresh()
            self.table.select([name])

    def train_again(self) -> None:
        if (run := self.run()) is not None:
            self.actions_of_runs.train_again(run)

    def menu(self) -> QMenu | None:
        run = self.run()
        return self.actions_of_runs.menu(run, self, edit_name=self.table.edit_name) if run else None

    def show_menu(self) -> None:
        self._show_menu_at(self.more_button.mapToGlobal(QPoint(0, self.more_button.height())))

    def _show_menu_at(self, at: QPoint) -> None:
        if (menu := self.menu()) is not None:
            menu.popup(at)

    def close_workers(self) -> None:
        self.images.close()
        self.leak_free.close()
