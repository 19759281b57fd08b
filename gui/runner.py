"""Training from the window: start, pause, resume and stop a run, look at its results, let the queue go on after it.

The one place that starts training tasks. It knows the tasks and the queue of one project, no widget.
"""

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, Signal, Slot

from gui.kit.i18n import tr
from gui.run_queue import QueuedRun, RunQueue
from gui.tasks import Lane, Outcome, Task, TaskHandle, Tasks
from visionft.errors import RunError, VisionFTError
from visionft.events import EpochDone, Notice, OnEvent, ShouldStop
from visionft.libraries import load_libraries
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RUNS_FOLDER, RunSummary, TrainResult, new_run_dir, read_run
from visionft.training.runs.step_curve import StepRecorder, read_steps

if TYPE_CHECKING:
    from visionft.data.types import Snapshot, Split

TRAIN, RESULTS = "train", "results"
Ending = Literal["finished", "stopped", "paused", "failed"]


def train_run(
    config: TrainConfig, images: "Snapshot", project_dir: Path, *, on_event: OnEvent, should_stop: ShouldStop
) -> TrainResult:
    """Train in a task, and look at what came of it."""
    load_libraries(on_event)
    from visionft.training.loop.train import train

    run_dir, told = new_run_dir(project_dir, config), StepRecorder(project_dir / RUNS_FOLDER, on_event)
    result = train(config, images, run_dir, on_event=told, should_stop=should_stop)
    if result.best is not None and not result.stopped:
        evaluate_run(run_dir.with_name(result.run), images, on_event=on_event, should_stop=should_stop)
    return result


def continue_run(run_dir: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> TrainResult:
    """Go on, in a task, with a run that was stopped or killed, on the pictures it began with; then look at it."""
    load_libraries(on_event)
    from visionft.training.loop.train import resume

    result = resume(run_dir, on_event=StepRecorder(run_dir.parent, on_event), should_stop=should_stop)
    if result.best is not None and not result.stopped:
        evaluate_run(run_dir, None, on_event=on_event, should_stop=should_stop)
    return result


def evaluate_run(run_dir: Path, images: "Snapshot | None", *, on_event: OnEvent, should_stop: ShouldStop) -> None:
    """Measure a run on validation and test for Results; what goes wrong with it is told, and costs the run nothing.

    Args:
        run_dir: Folder of a run that has a best epoch.
        images: The pictures; None takes those that the run began with.
        on_event: Receives how far it is.
        should_stop: Asked before every batch.
    """
    load_libraries(on_event)
    from visionft.evaluation.report import evaluate_splits
    from visionft.training.runs.run_snapshot import read_snapshot

    try:
        images = images or read_snapshot(run_dir)
        splits: list[Split] = [split for split in ("val", "test") if images.labelled(split)]
        evaluate_splits(run_dir, images, splits, on_event=on_event, should_stop=should_stop)
    except VisionFTError as error:
        if not should_stop():
            on_event(Notice(message=error.message, level="warning", next_step=error.next_step))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegun:
    """A run that starts now; `earlier` and `steps` are its epochs and steps from before when it goes on."""

    title: str
    config: TrainConfig
    earlier: tuple[EpochDone, ...] = ()
    steps: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """How a run ended: with `result`, failed with a message, or stopped before it began with neither."""

    how: Ending
    result: TrainResult | None
    message: str = ""


class Runner(QObject):
    """Starts the training runs of one project one after the other."""

    queue_changed = Signal()
    run_begun = Signal(object)  # RunBegun
    run_reported = Signal(object)  # Event
    run_ended = Signal(object)  # RunEnded
    run_evaluated = Signal()  # one that was stopped: a run that ends in order is evaluated by then
    offer_changed = Signal(object)  # RunSummary to go on with, or None

    def __init__(
        self, project_dir: Path, snapshot: "Callable[[], Snapshot]", tasks: Tasks, *, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._project_dir, self._snapshot, self._tasks = project_dir, snapshot, tasks
        self._is_pausing = False
        self._goes_on = False  # the queue takes its next run when the one that trains now has ended
        self._is_closing = False
        self._current: QueuedRun | None = None
        self._resumed = ""  # the run that goes on, if it is an earlier one
        self._handle: TaskHandle | None = None
        self.queue = RunQueue(project_dir)
        self.offer: RunSummary | None = self.queue.unfinished_run()

    # -- starting -----------------------------------------------------------------------------------------------

    @property
    def is_training(self) -> bool:
        """Whether a run is under way."""
        return self._handle is not None

    @property
    def is_stopping(self) -> bool:
        """Whether the run was asked to stop or to pause."""
        return self._handle is not None and self._handle.is_stopping

    @property
    def waits_for(self) -> str:
        """Return what the run waits for before it begins, in words; empty once it is under way."""
        return self._handle.waits_for if self._handle is not None else ""

    def start(self, config: TrainConfig) -> None:
        """Train now, or after the run that trains."""
        if self.is_training:
            self.enqueue(config)
        else:
            self._begin(QueuedRun(number=0, config=config))

    def enqueue(self, config: TrainConfig) -> None:
        """Let a run wait for its turn; it starts by itself when a run is under way."""
        self.queue.add(config)
        self._goes_on = self._goes_on or self.is_training
        self.queue_changed.emit()

    @Slot()
    def start_queue(self) -> None:
        """Train what waits, one after the other."""
        if self.is_training:
            self._goes_on = True
        else:
            self._take_next()

    def resume(self, run: RunSummary) -> None:
        """Go on with a run that was paused, stopped or killed: the same pictures, settings and curve."""
        if self.is_training:
            return
        self.queue.set_paused("")
        self._set_offer(None)
        self._goes_on = bool(self.queue.waiting())
        self._resumed = run.name
        begun = RunBegun(title=run.name, config=run.config, earlier=run.epochs, steps=read_steps(run.path))
        title = tr("Going on with {run}", run=run.name)
        self._run(QueuedRun(number=0, config=run.config), begun, title, partial(continue_run, run.path))

    def _begin(self, run: QueuedRun) -> None:
        self._goes_on, self._resumed = self._goes_on or bool(run.number), ""
        self._set_offer(None)
        work = partial(train_run, run.config, self._snapshot(), self._project_dir)
        begun = RunBegun(title=run.title, config=run.config)
        self._run(run, begun, tr("Training {run}", run=run.title), work)

    def _run(self, run: QueuedRun, begun: RunBegun, title: str, work: "Callable[..., TrainResult]") -> None:
        self._current, self._is_pausing = run, False
        task = Task(title=title, work=work, lane=Lane.TRAINING, page=TRAIN, device=run.config.device != "cpu")
        self._handle = self._tasks.run(
            task, owner=self, on_done=lambda _result: None, on_event=self.run_reported.emit, on_end=self._on_ended
        )
        self.run_begun.emit(begun)
        self.queue_changed.emit()

    def _take_next(self) -> None:
        """Begin the next run that can be trained; those that cannot stay in the queue with the reason."""
        snapshot = self._snapshot()
        while (run := self.queue.take_next()) is not None:
            problems = config_problems(run.config, snapshot)
            if not problems:
                self._begin(run)
                return
            self.queue.put_back(run, "; ".join(problem.message for problem in problems))
        self._goes_on = False
        self.queue_changed.emit()

    # -- the queue ----------------------------------------------------------------------------------------------

    @Slot(int, int)
    def move(self, number: int, index: int) -> None:
        """Move a waiting run to a place, counted from 0."""
        self.queue.move(number, index)
        self.queue_changed.emit()

    @Slot(int)
    def remove(self, number: int) -> QueuedRun | None:
        """Take a run out of the queue, and return it."""
        found = self.queue.remove(number)
        self.queue_changed.emit()
        return found

    @Slot(int)
    def retry(self, number: int) -> None:
        """Let a run that failed wait again."""
        self.queue.retry(number)
        self.queue_changed.emit()

    # -- ending -------------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """End the run after this step, so that Resume goes on there; the queue waits too."""
        if self._handle is not None:
            self._is_pausing = True
            self._handle.stop()

    def stop(self) -> None:
        """End the run after this step; the best epoch is kept, the queue waits until it is started again.

        A paused run has ended already: it is only not waited for any longer.
        """
        if self._handle is not None:
            self._is_pausing = False
            self._handle.stop()
        elif (run := self.paused_run()) is not None:
            self.queue.dismiss(run.name)
            self._set_offer(None)
            self.queue_changed.emit()
            self._tell_end("stopped", run.result)

    def keep_waiting(self) -> None:
        """Begin no other run; one that has not begun goes back into the queue. The project is about to close."""
        self._goes_on, self._is_closing = False, True
        if self._handle is not None and not self._handle.is_running:
            self.pause()

    def _on_ended(self, outcome: Outcome[TrainResult]) -> None:
        run, self._current, self._handle = self._current, None, None
        result, failure = outcome.result, outcome.failure
        how: Ending = "failed" if failure else "stopped" if result is None or result.stopped else "finished"
        if how == "stopped" or self._is_pausing:
            self._goes_on = False
        if how == "stopped" and self._is_pausing:
            how = self._hold(result, run)
        if how == "failed" and run is not None and run.number and failure is not None:
            self.queue.put_back(run, failure.message)
        if how in ("finished", "failed") and self.queue.waiting() and not self._is_pausing:
            self._goes_on = True
        self._is_pausing = False
        self.queue_changed.emit()
        self._tell_end(how, result, failure.message if failure else "")
        if self._goes_on and not self._is_closing:
            self._take_next()

    def _tell_end(self, how: Ending, result: TrainResult | None, message: str = "") -> None:
        self.run_ended.emit(RunEnded(how=how, result=result, message=message))
        if how == "stopped" and result is not None and result.best is not None:
            self._evaluate(self._project_dir / RUNS_FOLDER / result.run)

    def _evaluate(self, run_dir: Path) -> None:
        """Look at the results of a stopped run in a task of its own: to stop must not take longer for it."""
        if run_dir.is_dir() and not self._is_closing:
            work = partial(evaluate_run, run_dir, self._snapshot())
            title = tr("Evaluating {run}", run=run_dir.name)
            task = Task(title=title, work=work, lane=Lane.COMPUTE, page=RESULTS, device=True)
            self._tasks.run(task, owner=self, on_done=lambda _none: self.run_evaluated.emit())

    def _hold(self, result: TrainResult | None, run: QueuedRun | None) -> Ending:
        """Remember the paused run; one that had not begun to learn has no folder and waits in the queue instead."""
        name = result.run if result is not None else self._resumed
        if name and (self._project_dir / RUNS_FOLDER / name).is_dir():
            self.queue.set_paused(name)
            return "paused"
        if run is not None:
            self.queue.add(run.config, is_first=True)
        return "stopped"

    # -- what can be gone on with -------------------------------------------------------------------------------

    def paused_run(self) -> RunSummary | None:
        """Return the paused run, if it can still be read."""
        return self.queue.unfinished_run() if self.queue.paused else None

    def dismiss_offer(self) -> None:
        """Never offer this run again; Results can still go on with it."""
        if self.offer is not None:
            self.queue.dismiss(self.offer.name)
            self._set_offer(None)

    def earlier_runs(self, most: int) -> list[RunSummary]:
        """Return the newest runs of the project that have a curve, the newest first."""
        folder = self._project_dir / RUNS_FOLDER
        found: list[RunSummary] = []
        for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
            with contextlib.suppress(RunError):
                run = read_run(path)
                found += [run] if run.last_epoch else []  # not what was solved for at once
            if len(found) == most:
                break
        return found

    def _set_offer(self, run: RunSummary | None) -> None:
        if run is not self.offer:
            self.offer = run
            self.offer_changed.emit(run)


def offer_words(run: RunSummary, *, is_paused: bool) -> str:
    """Return how a run stands that can be gone on with: `003-resnet18-lora was interrupted at epoch 4 of 10.`"""
    epochs = run.config.total_epochs
    if not epochs:
        return tr("{run} was interrupted before its head was solved for.", run=run.name)
    values = {"run": run.name, "epoch": min(run.last_epoch + 1, epochs), "epochs": epochs}
    if is_paused:
        return tr("{run} is paused at epoch {epoch} of {epochs}.", **values)
    if run.result is not None:
        return tr("{run} was stopped at epoch {epoch} of {epochs}.", **values)
    return tr("{run} was interrupted at epoch {epoch} of {epochs}.", **values)
