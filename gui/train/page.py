"""The train page: set a run up, start, pause and stop it, watch it live, let others wait in the queue."""

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer, Slot
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column
from gui.page import Page
from gui.run_queue import QueuedRun
from gui.runner import RESULTS, TRAIN, RunBegun, RunEnded, Runner, offer_words
from gui.session import ProjectSession
from gui.state import AppState
from gui.train.draft import TrainDraft
from gui.train.queue_list import QueueList, QueueRow
from gui.train.resume_card import ResumeCard
from gui.train.setup import SetupView
from gui.train.train_choices import command_line, run_details
from gui.train.view_switch import LIVE, QUEUE, SETUP, ViewSwitch
from visionft.errors import NextStep, VisionFTError
from visionft.events import Event
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary, load_run

if TYPE_CHECKING:
    from gui.train.run_monitor import RunMonitor

_CONTEXT_RUNS = 5
_QUEUE_WIDTH = 760
_WARM_UP_MS, _COPIED_MS = 1500, 2000


class TrainPage(Page):
    """Three views: *Set up* edits a draft config, *Live run* shows the run, *Queue* the runs that wait."""

    name = TRAIN
    title = "Train"

    def __init__(self, state: AppState, session: ProjectSession | None) -> None:
        super().__init__(state, session, scrolls=False)
        self.runner = session.runner if session is not None else None
        self.setup = SetupView(TrainConfig())
        self.form = self.setup.form  # of the settings that every method has
        self.draft = TrainDraft(state, session, self.setup, page=self.name)
        self.resume_card = ResumeCard()
        self._has_results = False  # of the run that the live view shows
        self._monitor: RunMonitor | None = None
        self._queue: QueueList | None = None
        self._warm_up_timer = QTimer(self, singleShot=True, interval=_WARM_UP_MS)
        self._warm_up_timer.timeout.connect(self._warm_up)
        self._copied_timer = QTimer(self, singleShot=True, interval=_COPIED_MS)
        self._copied_timer.timeout.connect(lambda: self.setup.command_button.setText(tr("Copy command")))
        self._make_buttons()
        self._lay_out()
        self._connect()
        self._show_queue()
        self._on_offer_changed(self.runner.offer if self.runner is not None else None)
        self._show_readiness()
        self._warm_up_timer.start()

    # -- building -----------------------------------------------------------------------------------------------

    def _make_buttons(self) -> None:
        self.start_button = Button("Start training", "play", role="primary", on_click=self.start)
        self.enqueue_button = Button("Add to queue", "queue", on_click=self.enqueue)
        self.pause_button = Button("Pause", "pause", on_click=self.pause)
        self.resume_button = Button("Resume", "play", role="primary", on_click=self.resume)
        self.resume_button.setToolTip(tr("Go on with the paused run"))
        self.stop_button = Button("Stop", "stop", on_click=self.stop)
        self.results_button = Button(
            "See results", "results", role="primary", on_click=partial(self.state.page_requested.emit, RESULTS)
        )
        attach = self.state.actions.attach
        attach(self.start_button, "run.start")
        wait = tr("Let this run wait for its turn, with the settings as they are now")
        attach(self.enqueue_button, "run.enqueue", wait)
        pause = tr("End after this step and free the device; Resume goes on at the same place")
        attach(self.pause_button, "run.pause", pause)
        end = tr("End the run after this step; what was best so far is kept")
        attach(self.stop_button, "run.end", end)
        cost = tr("Train a few steps and throw them away: what the run costs on this computer")
        attach(self.setup.measure_button, "run.measure", cost)
        every = tr("Measure every method with these settings and show the cost on its card")
        attach(self.setup.measure_all_button, "run.measure", every)
        attach(self.setup.rates_button, "run.find_rate")
        attach(self.setup.probe_button, "run.probe", tr("Measure the networks here on your pictures, without training"))
        attach(self.setup.prompts_button, "run.prompts")

    def _lay_out(self) -> None:
        self._views = QStackedWidget()
        self.switch = ViewSwitch()
        self.switch.chosen.connect(self.show_view)
        self.action_row.addWidget(self.switch)
        self.action_row.addSpacing(theme.SMALL)
        for button in (
            self.results_button,
            self.enqueue_button,
            self.pause_button,
            self.stop_button,
            self.resume_button,
            self.start_button,
        ):
            self.action_row.addWidget(button)
        self._live_layout, self._queue_layout = QVBoxLayout(), QVBoxLayout()
        self._views.addWidget(self.setup)
        for layout in (self._live_layout, self._queue_layout):
            layout.setContentsMargins(theme.HUGE, 0, theme.HUGE, theme.HUGE)
            view = QWidget()
            view.setLayout(layout)
            self._views.addWidget(view)
        offer = QVBoxLayout()
        offer.setContentsMargins(theme.HUGE, 0, theme.HUGE, 0)
        offer.addWidget(self.resume_card)
        self.body.setContentsMargins(0, 0, 0, 0)
        self.body.addLayout(column(offer, self._views, spacing=theme.MEDIUM))

    @property
    def monitor(self) -> "RunMonitor":
        """Return the live view, built when it is first needed: its charts take a while to load."""
        if self._monitor is None:
            from gui.train.run_monitor import RunMonitor

            self._monitor = RunMonitor()
            self._live_layout.addWidget(self._monitor)
        return self._monitor

    @property
    def queue(self) -> QueueList:
        """Return the list of the runs that wait, built when it is first needed."""
        if self._queue is None:
            self._queue = queue = QueueList(self.state.actions)
            queue.setMaximumWidth(theme.scaled(_QUEUE_WIDTH))
            if (runner := self.runner) is not None:
                queue.moved.connect(runner.move)
                queue.removed.connect(runner.remove)
                queue.retry_requested.connect(runner.retry)
                queue.start_requested.connect(runner.start_queue)
                queue.tweak_requested.connect(self._on_tweak_requested)
            self._queue_layout.addWidget(queue)
            self._show_queue()
        return self._queue

    @Slot()
    def _warm_up(self) -> None:
        """Load the charts in an idle moment, before anybody waits for them."""
        self.monitor.show()

    def _connect(self) -> None:
        self.state.settings_changed.connect(self.mark_stale)  # the device to train on
        self.state.tasks.changed.connect(self._on_tasks_changed)
        self.setup.split_card.again_requested.connect(self.split_again)
        self.setup.copy_requested.connect(self._copy_command)
        self.setup.step_wanted.connect(self.state.step_requested)
        self.resume_card.continued.connect(self._on_offer_taken)
        if (runner := self.runner) is not None:
            runner.run_begun.connect(self._on_run_begun)
            runner.run_reported.connect(self._on_run_reported)
            runner.run_ended.connect(self._on_run_ended)
            runner.queue_changed.connect(self._show_queue)
            runner.offer_changed.connect(self._on_offer_changed)
            self.resume_card.dismissed.connect(runner.dismiss_offer)
        if self.session is not None:
            self.session.splitter.changed.connect(self._show_readiness)

    # -- what others look at ------------------------------------------------------------------------------------

    def config(self) -> TrainConfig:
        """Return the draft as the page shows it."""
        return self.draft.config

    # -- showing ------------------------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Follow the project: its pictures and classes decide what a run is."""
        path = self.state.path
        words = tr("Open a project first: training needs pictures with labels.")
        self.subtitle.setText(tr("Fine-tune on the pictures of {name}", name=path.name) if path else words)
        self.draft.refresh()
        self._show_readiness()
        self.state.actions.refresh()

    @Slot(int)
    def show_view(self, index: int) -> None:
        """Show *Set up*, *Live run* or *Queue*."""
        if index == LIVE:
            self.monitor.show()
        self.switch.choose(index)
        self._views.setCurrentIndex(index)
        self._show_readiness()

    @property
    def _is_training(self) -> bool:
        return self.runner is not None and self.runner.is_training

    @Slot()
    def _show_readiness(self) -> None:
        """Show the one next step of each view as its primary button, beside what else can be done."""
        is_open, is_training = self.runner is not None, self._is_training
        index = self._views.currentIndex()
        is_paused = self.runner is not None and bool(self.runner.queue.paused) and not is_training
        shows_results = index == LIVE and not is_training and not is_paused and self._has_results
        self.results_button.setVisible(shows_results)
        self.start_button.setVisible(
            not (is_training or (is_paused and index == LIVE) or index == QUEUE or shows_results)
        )
        self.enqueue_button.setVisible(is_open and index == SETUP)
        self.resume_button.setVisible(is_paused and index == LIVE)
        self.pause_button.setVisible(is_training)
        self.stop_button.setVisible(is_training or (is_paused and index == LIVE))
        self.setup.split_card.show_why_not(self.why_not_split())
        self.state.actions.refresh()

    @Slot()
    def _on_tasks_changed(self) -> None:
        if self.runner is not None and self.runner.waits_for:
            self.monitor.show_waiting(self.runner.waits_for)
        self._show_readiness()

    def why_not_split(self) -> str:
        """Return why the pictures cannot be divided now; empty when they can."""
        is_splitting = self.session is not None and self.session.splitter.is_splitting
        return tr("The pictures are being divided.") if is_splitting else ""

    @Slot()
    def _show_queue(self) -> None:
        runs = self.runner.queue.runs if self.runner is not None else ()
        if runs or self._queue is not None:
            self.queue.show_runs([_queue_row(run) for run in runs], is_held=not self._is_training)
        self.switch.show_waiting(len(runs))
        if not runs and self._views.currentIndex() == QUEUE:
            self.show_view(LIVE if self._is_training else SETUP)
        self._show_readiness()

    @Slot(object)
    def _on_offer_changed(self, run: RunSummary | None) -> None:
        paused = self.runner.queue.paused if self.runner is not None else ""
        self.resume_card.offer(offer_words(run, is_paused=run.name == paused) if run else "")

    @Slot()
    def _copy_command(self) -> None:
        project = str(self.state.path or "PROJECT")
        QGuiApplication.clipboard().setText(command_line(self.config(), project))
        self.setup.command_button.setText(tr("Copied"))
        self._copied_timer.start()

    # -- acting -------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Check the draft, divide the pictures where they are not, and start the run; or show every fault."""
        if self.runner is not None:
            self._when_ready(self._start)

    def _start(self, runner: Runner) -> None:
        self.show_view(LIVE)
        runner.start(self.config())

    def enqueue(self) -> None:
        """Let the draft wait for its turn."""
        if self.runner is not None:
            self._when_ready(lambda runner: runner.enqueue(self.config()))

    def _when_ready(self, act: Callable[[Runner], object]) -> None:
        """Do something once the settings are right and the pictures are divided, or say what is wrong."""
        assert self.session is not None
        if not self.draft.is_ready():
            self.show_view(SETUP)
        elif self.draft.is_divided:
            act(self.session.runner)
        else:
            wish = self.setup.split_card.wish()
            then = partial(self._on_divided, act)
            self.session.splitter.split(wish, page=self.name, or_without_test=True, then=then)

    def _on_divided(self, act: Callable[[Runner], object], _report: object) -> None:
        assert self.session is not None
        self.draft.refresh()
        if self.draft.is_ready():
            act(self.session.runner)

    @Slot()
    def split_again(self) -> None:
        """Place all pictures anew, another way than before."""
        if self.session is not None:
            card = self.setup.split_card
            wish = dataclasses.replace(card.wish(), seed=card.wish().seed + 1)
            card.set_wish(wish)
            self.session.splitter.split(dataclasses.replace(wish, again=True), page=self.name)

    def pause(self) -> None:
        """End the run after this step, to go on later."""
        if self.runner is not None and self.runner.is_training:
            self.runner.pause()
            self.monitor.show_state("Pausing")
            self._show_readiness()

    def stop(self) -> None:
        """Ask the run to end well; a paused one is over at once."""
        if self.runner is not None:
            if self.runner.is_training:
                self.monitor.show_state("Stopping")
            self.runner.stop()
            self._show_readiness()

    def resume(self) -> None:
        """Go on with the paused run."""
        run = self.runner.paused_run() if self.runner is not None else None
        if run is not None:
            self.go_on_with(run)

    def go_on_with(self, run: object) -> None:
        """Go on with a run that was stopped or killed; its curves go on as well."""
        if isinstance(run, RunSummary) and self.runner is not None and not self.runner.is_training:
            self.show_view(LIVE)
            self.runner.resume(run)

    def take_step(self, step: NextStep) -> None:
        """Go on with a run, or show the settings."""
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
        """Take the settings of a run into the draft, to change them and start anew."""
        if isinstance(run, RunSummary):
            self.show_view(SETUP)
            self.draft.take(run.config)
            self.subtitle.setText(tr("Settings of {name}, to change and start anew", name=run.name))

    @Slot(int)
    def _on_tweak_requested(self, number: int) -> None:
        run = self.runner.remove(number) if self.runner is not None else None
        if run is not None:
            self.show_view(SETUP)
            self.draft.take(run.config)

    @Slot()
    def _on_offer_taken(self) -> None:
        if self.runner is not None and self.runner.offer is not None:
            self.go_on_with(self.runner.offer)

    # -- the run ------------------------------------------------------------------------------------------------

    @Slot(object)
    def _on_run_begun(self, begun: RunBegun) -> None:
        config = begun.config
        self._has_results = False
        caches = config.method_row.caches_features
        self.monitor.start(
            begun.title, epochs=config.total_epochs, patience=config.patience, learns_from_features=caches
        )
        for place, loss in begun.steps:
            self.monitor.chart.add_step(place, loss)
        for epoch in begun.earlier:
            self.monitor.handle(epoch)
        found = self.runner.earlier_runs(_CONTEXT_RUNS) if self.runner is not None else []
        earlier = [run for run in found if run.name != begun.title]
        self.monitor.chart.set_context(
            [(run.name, [(each.epoch, *each.figures) for each in run.epochs if each.figures]) for run in earlier]
        )

    @Slot(object)
    def _on_run_ended(self, ended: RunEnded) -> None:
        if ended.how == "failed":
            self.monitor.fail(ended.message)
        elif ended.result is None:
            self.monitor.show_nothing()  # it was stopped before it began
        else:
            result = ended.result
            self.monitor.finish(
                seconds=result.seconds, was_stopped=result.stopped, run=result.run, is_paused=ended.how == "paused"
            )
            self._has_results = result.best is not None and ended.how != "paused"
        self._show_readiness()

    @Slot(object)
    def _on_run_reported(self, event: Event) -> None:
        self.monitor.handle(event)

    def close_workers(self) -> None:
        """Wait for background work of the page's own; called before the page goes."""
        self._warm_up_timer.stop()
        self._copied_timer.stop()
        self.draft.close()


def _queue_row(run: QueuedRun) -> QueueRow:
    return QueueRow(number=run.number, title=run.title, details=run_details(run.config), failure=run.failure)
