"""The train page: set up, start, pause and stop a run, and watch it live."""

import dataclasses
from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Slot
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout

from gui.kit import theme
from gui.kit.banner import Banner
from gui.kit.class_looks import class_colours
from gui.kit.parts import Button, Segments, column, widget_of
from gui.kit.translation import tr
from gui.page import Page
from gui.runner import RESULTS, TRAIN, Runner, RunOutcome, describe_offer
from gui.session import ProjectSession
from gui.state import AppState
from gui.train.draft import TrainDraft
from gui.train.setup import SetupView
from gui.train.stronger_card import StrongerCard
from gui.train.train_choices import result_words, start_words
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.events import EpochDone, Event, RunStarted
from visionft.core.messages import Message
from visionft.project.queries import class_rows
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.metrics_file import read_accuracies, read_steps
from visionft.training.runs.run_folder import RUNS_FOLDER, StoredRun, load_run

if TYPE_CHECKING:
    from gui.train.run_monitor import RunMonitor
    from visionft.training.evaluation.stored import Evaluation

SETUP, LIVE = "setup", "live"
_VIEWS = {SETUP: Message("Set up"), LIVE: Message("Live run")}


_CHART_MODULES = ("pyqtgraph", "gui.train.run_monitor")
_FIRST_MS, _PAUSE_MS = 1500, 100


class ChartLoader(QObject):
    """Loads the modules of the charts step by step, then builds the chart, before the user opens it.

    pyqtgraph copies every name of Qt, and PySide creates a type on its first access; so these types are accessed
    beforehand, module by module. All at once took 560 ms.
    """

    def __init__(self, build: Callable[[], object], parent: QObject) -> None:
        super().__init__(parent)

        def make_types(name: str) -> None:
            qt = import_module(name)
            for each in dir(qt):
                getattr(qt, each)

        types = [partial(make_types, f"PySide6.{name}") for name in ("QtCore", "QtGui", "QtWidgets")]
        self._steps = iter([*types, *(partial(import_module, name) for name in _CHART_MODULES), build])
        self._timer = QTimer(self, singleShot=True, interval=_FIRST_MS)
        self._timer.timeout.connect(self._take_step)
        self._timer.start()

    def stop(self) -> None:
        """Stop after the current step."""
        self._timer.stop()

    def _take_step(self) -> None:
        if (step := next(self._steps, None)) is not None:
            step()
            self._timer.start(_PAUSE_MS)


class TrainPage(Page):
    """Two views: *Set up* edits a draft config, *Live run* shows the run."""

    name = TRAIN
    title = Message("Train")

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False)
        self.runner = session.runner if session is not None else None
        self.setup = SetupView(state, session, TrainConfig())
        self.form = self.setup.form  # of the settings common to all methods
        self.draft = TrainDraft(state, session, self.setup)
        self.resume_card = Banner()
        self.resume_card.close_button.setToolTip(tr("Do not offer this run again; Results can still continue it"))
        self.stronger_card = StrongerCard(state, session, self.draft)
        self._has_run = self._has_results = False  # in the live view
        self._run_name = ""  # of its folder, once it has one
        self._monitor: RunMonitor | None = None
        self._chart_loader = ChartLoader(lambda: self.monitor.show(), self)  # noqa: PLW0108
        self.start_button = Button("Start training", "play", role="primary", on_click=self.start)
        self.enqueue_button = Button("Train after it", "queue", role="primary", on_click=self.start)
        self.pause_button = Button("Pause", "pause", on_click=self.pause)
        self.resume_button = Button("Resume", "play", role="primary", on_click=self.resume)
        self.resume_button.setToolTip(tr("Continue the paused run"))
        self.stop_button = Button("Stop", "stop", on_click=self.stop)
        show_results = partial(state.page_requested.emit, RESULTS)
        self.results_button = Button("See results", "results", role="primary", on_click=show_results)
        self._lay_out()
        self._connect()
        self._on_offer_changed(self.runner.offer if self.runner is not None else None)
        self._show_readiness()

    def _lay_out(self) -> None:
        self._views = QStackedWidget()
        self.switch = Segments({name: tr(title) for name, title in _VIEWS.items()}, tr("Train"))
        for button in (
            self.pause_button,
            self.stop_button,
            self.results_button,
            self.enqueue_button,
            self.resume_button,
            self.start_button,
        ):
            self.action_row.addWidget(button)
        self._live_layout = QVBoxLayout()
        self._live_layout.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
        self._views.addWidget(self.setup)
        self._views.addWidget(widget_of(self._live_layout))
        offer = column(self.resume_card, self.stronger_card, self.switch)
        offer.setContentsMargins(theme.HUGE, 0, theme.HUGE, 0)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addLayout(column(offer, self._views, spacing=theme.MEDIUM))

    def _connect(self) -> None:
        setup = self.setup
        for button, action, tip in (
            (self.start_button, "run.start", ""),
            (self.enqueue_button, "run.start", tr("Train with the current settings after the run that trains now")),
            (self.pause_button, "run.pause", tr("Pause after this step and free the device; Resume continues there")),
            (self.stop_button, "run.end", tr("End the run after this step; the best checkpoint is kept")),
            (setup.measure_button, "run.measure", tr("Train a few steps to measure time and memory on this computer")),
            (setup.prompts_button, "run.prompts", ""),
            (setup.pack_button, "run.pack_job", tr("Write a file with which another computer can train this run")),
            (setup.import_button, "run.import_result", tr("Take a run that another computer trained into the project")),
        ):
            self.state.actions.attach(button, action, tip)
        self.state.settings_changed.connect(self.mark_stale)  # the device to train on
        self.state.jobs.changed.connect(self._on_jobs_changed)
        self.draft.changed.connect(self._show_readiness)
        self.switch.chosen.connect(self.show_view)
        setup.split_card.again_button.clicked.connect(lambda _checked=False: self.split_again())
        setup.step_wanted.connect(self.state.step_requested)
        for button, action in ((setup.pack_button, "run.pack_job"), (setup.import_button, "run.import_result")):
            button.clicked.connect(lambda _checked=False, action=action: self.state.actions.run(action))
        self.stronger_card.is_better.connect(self.train_again)
        if (runner := self.runner) is not None:
            runner.run_begun.connect(self._on_run_begun)
            runner.run_reported.connect(self._on_run_reported)
            runner.run_ended.connect(self._on_run_ended)
            runner.runs_changed.connect(self._show_readiness)
            runner.offer_changed.connect(self._on_offer_changed)
            self.resume_card.close_button.clicked.connect(lambda _checked=False: runner.dismiss_offer())
        if self.session is not None:
            self.session.splitter.changed.connect(self._show_readiness)

    @property
    def monitor(self) -> "RunMonitor":
        """Return the live view, built on first use: its charts load slowly."""
        if self._monitor is None:
            from gui.train.run_monitor import RunMonitor

            self._monitor = RunMonitor()
            self._live_layout.addWidget(self._monitor)
            if self.runner is not None:
                self._monitor.budget_chosen.connect(self.runner.change_budget)
        return self._monitor

    def config(self) -> TrainConfig:
        return self.draft.config

    def refresh(self) -> None:
        path = self.state.path
        words = tr("Open a project first: training needs images with labels.")
        self.subtitle.setText(tr("Fine-tune on the images of {name}", name=path.name) if path else words)
        self.draft.refresh()
        self._show_readiness()
        self.state.actions.refresh()

    @Slot(str)
    def show_view(self, name: str) -> None:
        if name == LIVE:
            self.monitor.show()
        self.switch.choose(name)
        self._views.setCurrentIndex(list(_VIEWS).index(name))
        self._show_readiness()

    @property
    def _is_training(self) -> bool:
        return self.runner is not None and self.runner.is_training

    @Slot()
    def _show_readiness(self) -> None:
        """Show the next step of each view as its primary button, and the other possible steps."""
        runner, view = self.runner, self.switch.value()
        is_training, is_live = self._is_training, view == LIVE
        is_paused = runner is not None and bool(runner.unfinished.paused) and not is_training and is_live
        shows_results = is_live and not is_training and not is_paused and self._has_results
        can_start = not (is_training or is_paused or shows_results)
        for button, is_shown in (
            (self.results_button, shows_results),
            (self.start_button, can_start),
            (self.enqueue_button, is_training and view == SETUP),
            (self.resume_button, is_paused),
            (self.pause_button, is_training),
            (self.stop_button, is_training or is_paused),
        ):
            button.setVisible(is_shown)
        self.start_button.setText(start_words(self.draft.run_cost))
        has_run = is_training or is_paused or self._has_run
        self.switch.setVisible(has_run)
        is_splitting = self.session is not None and self.session.splitter.is_splitting
        self.setup.split_card.show_why_not(tr("The images are being divided.") if is_splitting else "")
        self.state.actions.refresh()

    @Slot()
    def _on_jobs_changed(self) -> None:
        if self.runner is not None and self.runner.wait_reason:
            self.monitor.show_waiting(self.runner.wait_reason)
        self._show_readiness()

    @Slot(object)
    def _on_offer_changed(self, run: StoredRun | None) -> None:
        if run is None or self.runner is None:
            self.resume_card.hide()
            return
        words = describe_offer(run, is_paused=run.name == self.runner.unfinished.paused)
        hint = Message("It continues at the step it had reached, with its images and settings.")
        self.resume_card.show_message(words, hint, action=(Message("Continue"), lambda: self.go_on_with(run)))

    def start(self) -> None:
        """Check the draft, split the images without a split, and start the run or let it wait; or show every error."""

        def start(runner: Runner) -> None:
            if not runner.is_training:
                self.show_view(LIVE)
            runner.start(self.config(), self.draft.budget)

        if self.runner is not None:
            self.when_ready(start)

    def why_not_start(self) -> str:
        """Return the reason not to start a run: the live view shows one that trains; empty for none."""
        is_watching = self._is_training and self.switch.value() == LIVE
        return tr("A run is training already: set up the next one first.") if is_watching else ""

    def train_again(self) -> None:
        """Train the preset of the last run again, now that another network is the best on the images."""
        if self.runner is not None and self.runner.budget and not self.draft.is_modified:
            self.draft.take_preset(self.runner.budget)
        self.start()

    def when_ready(self, act: Callable[[Runner], object]) -> None:
        """Call `act` once the settings are valid and the images are split; else show the errors."""
        session = self.session
        assert session is not None

        def act_if_ready() -> None:
            if self.draft.is_ready():
                act(session.runner)

        def act_or_split() -> None:
            if not self.draft.is_ready():
                self.show_view(SETUP)
            elif self.draft.is_prepared:
                act(session.runner)
            else:
                session.splitter.split(
                    self.setup.split_card.wish,
                    page=self.name,
                    or_without_test=True,
                    then=lambda _report: self.draft.when_images_read(act_if_ready),
                )

        self.draft.when_images_read(act_or_split)

    def split_again(self) -> None:
        if self.session is not None:
            wish = self.setup.split_card.wish
            wish = dataclasses.replace(wish, seed=wish.seed + 1)
            self.setup.split_card.set_wish(wish)
            self.session.splitter.split(dataclasses.replace(wish, again=True), page=self.name)

    def pause(self) -> None:
        if self.runner is not None and self.runner.is_training:
            self.runner.pause()
            self.monitor.show_state("Pausing")
            self._show_readiness()

    def stop(self) -> None:
        """Stop the run after it is saved; a paused one ends at once."""
        if self.runner is not None:
            if self.runner.is_training:
                self.monitor.show_state("Stopping")
            self.runner.stop()
            self._show_readiness()

    def resume(self) -> None:
        run = self.runner.paused_run() if self.runner is not None else None
        if run is not None:
            self.go_on_with(run)

    def go_on_with(self, run: object) -> None:
        """Resume a stopped or killed run; its curves continue."""
        if isinstance(run, StoredRun) and self.runner is not None and not self.runner.is_training:
            self.show_view(LIVE)
            self.runner.resume(run)

    def take_step(self, step: NextStep) -> None:
        """Resume a run, or show the settings."""
        if step.action != "resume":
            self.show_view(SETUP)
        elif self.session is not None:
            try:
                run = load_run(self.session.path, step.run)
            except VisionFTError as error:
                self.state.report(error)
            else:
                self.go_on_with(run)

    def tweak(self, run: object) -> None:
        if isinstance(run, StoredRun):
            self._take(run.config)
            self.subtitle.setText(tr("Settings of {name}", name=run.title))

    def _take(self, config: TrainConfig) -> None:
        self.show_view(SETUP)
        self.draft.take(config)

    @Slot(str, object, object, str)
    def _on_run_begun(self, title: str, config: TrainConfig, earlier: StoredRun | None, budget: str) -> None:
        chart, self._has_run, self._has_results = self.monitor.chart, True, False
        self._run_name = ""
        self._has_stages = bool(budget)
        self.monitor.start(
            title,
            epochs=config.total_epochs,
            patience=config.patience,
            learns_from_features=config.method_row.caches_features,
            budget=budget,
        )
        if (session := self.session) is not None:
            self.monitor.sorted.start(
                lambda: {image.image_id: image.path for image in session.snapshot().images},
                lambda: class_colours(class_rows(session.project, {})),
            )
        if earlier is not None:
            stage = earlier.next or earlier
            for place, loss in read_steps(stage.path):
                chart.add_step(place, loss)
            for epoch in stage.epochs:
                self.monitor.handle(epoch)
            self.monitor.show_accuracies(read_accuracies(earlier.path))
        runs = self.runner.recent_runs(5) if self.runner is not None else []
        others = [run for run in runs if run.title != title]
        chart.set_context([run for run in others if any(each.figures for each in run.epochs)])

    @Slot(str, object, object, object)
    def _on_run_ended(self, how: RunOutcome, run: StoredRun | None, unseen: "Evaluation | None", message: str) -> None:
        if how == "failed":
            self.monitor.fail(message)
        elif run is None or run.result is None:
            self.monitor.show_nothing()  # it was cancelled before its start
            self._has_run = False
            self.show_view(SETUP)
        else:
            result = run.result
            self.monitor.show_accuracies(read_accuracies(run.path))
            self.monitor.finish(
                seconds=result.seconds,
                was_stopped=how != "finished",
                run=run.title,
                is_paused=how == "paused",
                result=result_words(unseen) if unseen is not None else "",
            )
            self._has_results = result.best is not None and how != "paused"
            if how == "finished" and self._has_stages and self.runner is not None:
                self.draft.propose_next(self.runner.budget, gained=run.config.total_epochs > 0)
        self._show_readiness()

    @Slot(object)
    def _on_run_reported(self, event: Event) -> None:  # of a runner that outlives the page: no lambda
        self.monitor.handle(event)
        if self.session is None:
            return
        if isinstance(event, RunStarted):
            self._run_name = event.run
        elif isinstance(event, EpochDone) and self._run_name:
            points = read_accuracies(self.session.path / RUNS_FOLDER / self._run_name)
            if points:  # the record knows the stages
                self.monitor.show_accuracies(points)

    def close_workers(self) -> None:
        self._chart_loader.stop()
        self.draft.close()
        if self._monitor is not None:
            self._monitor.sorted.close_workers()
