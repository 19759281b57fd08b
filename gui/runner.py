"""Training from the window: start, pause, resume and stop a run, and let the queue go on after it.

The one place that starts training jobs. It knows the state and the queue, no widget.
"""

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from gui import work
from gui.kit.i18n import tr
from gui.run_queue import QueuedRun, RunQueue
from visionft.errors import RunError
from visionft.events import EpochDone
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RUNS_FOLDER, RunSummary, TrainResult, read_run

if TYPE_CHECKING:
    from gui.state import AppState, JobOutcome

TRAIN = "train"
Ending = Literal["finished", "stopped", "paused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBegun:
    """A run that starts now; `earlier` are its epochs from before when it goes on."""

    title: str
    config: TrainConfig
    earlier: tuple[EpochDone, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """How a run ended: with `result`, or failed with a message."""

    how: Ending
    result: TrainResult | None
    message: str = ""


class Runner(QObject):
    """Starts training jobs one after the other."""

    queue_changed = Signal()
    run_begun = Signal(object)  # RunBegun
    run_ended = Signal(object)  # RunEnded
    offer_changed = Signal(object)  # RunSummary to go on with, or None

    def __init__(self, state: "AppState") -> None:
        super().__init__(state)
        self._state = state
        self._is_pausing = False
        self._goes_on = False  # the queue takes its next run when the job that runs now has ended
        self._current: QueuedRun | None = None
        self.queue = RunQueue(None)
        self.offer: RunSummary | None = None
        state.project_changed.connect(self._on_project_changed)
        state.job_ended.connect(self._on_job_ended)
        self._on_project_changed()

    # -- starting -----------------------------------------------------------------------------------------------

    @property
    def is_training(self) -> bool:
        """Whether a training job runs now."""
        info = self._state.job_info
        return info is not None and info.kind == TRAIN

    @property
    def is_pausing(self) -> bool:
        """Whether the run was asked to pause."""
        return self._is_pausing

    def start(self, config: TrainConfig) -> None:
        """Train now; behind another job, as soon as that has ended. A job that only measures is stopped for it."""
        if self._state.job_info is None:
            self._begin(QueuedRun(number=0, config=config))
            return
        self.enqueue(config, is_first=not self.is_training)
        self._goes_on = True
        if self._state.job_info.kind in work.MEASURING:
            self._state.stop_job()

    def enqueue(self, config: TrainConfig, *, is_first: bool = False) -> None:
        """Let a run wait for its turn; it starts by itself when a run is under way."""
        self.queue.add(config, is_first=is_first)
        self._goes_on = self._goes_on or self.is_training
        self.queue_changed.emit()

    def start_queue(self) -> None:
        """Train what waits, one after the other."""
        if self._state.job_info is None:
            self._take_next()
        else:
            self._goes_on = True

    def resume(self, run: RunSummary) -> None:
        """Go on with a run that was paused, stopped or killed: the same pictures, settings and curve."""
        if self._state.job_info is not None:
            self._state.message_raised.emit("A job is running already.", "Stop it or wait for its end.", "warn", "")
            return
        self.queue.set_paused("")
        self._set_offer(None)
        self._current = QueuedRun(number=0, config=run.config)
        self._is_pausing, self._goes_on = False, bool(self.queue.waiting())
        self.run_begun.emit(RunBegun(title=run.name, config=run.config, earlier=run.epochs))
        self._state.start_job(TRAIN, f"Going on with {run.name}", work.continue_run(run.path), page=TRAIN)

    def _begin(self, run: QueuedRun) -> None:
        snapshot, path = self._state.snapshot(), self._state.path
        if snapshot is None or path is None:
            return
        self._current, self._is_pausing = run, False
        self._goes_on = self._goes_on or bool(run.number)
        self._set_offer(None)
        self.run_begun.emit(RunBegun(title=run.title, config=run.config))
        begun = work.train_run(run.config, snapshot, path)
        self._state.start_job(TRAIN, f"Training {run.title}", begun, page=TRAIN)

    @Slot()
    def _take_next(self) -> None:
        """Begin the next run that can be trained; those that cannot stay in the queue with the reason."""
        snapshot = self._state.snapshot()
        if snapshot is None or self._state.job_info is not None:
            return
        while (run := self.queue.take_next()) is not None:
            problems = config_problems(run.config, snapshot)
            if not problems:
                self.queue_changed.emit()
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
        if self.is_training:
            self._is_pausing = True
            self._state.stop_job()

    def stop(self) -> None:
        """End the run after this step; the best epoch is kept, the queue waits until it is started again."""
        if self.is_training:
            self._is_pausing = False
            self._state.stop_job()

    @Slot(object)
    def _on_job_ended(self, outcome: "JobOutcome") -> None:
        if outcome.info.kind == TRAIN:
            self._end_run(outcome)
        if self._goes_on:
            # After all others have heard of the end: the next start must not overtake it.
            QTimer.singleShot(0, self, self._take_next)

    def _end_run(self, outcome: "JobOutcome") -> None:
        run, self._current = self._current, None
        result = outcome.result if isinstance(outcome.result, TrainResult) else None
        how: Ending = "failed" if result is None else "stopped" if result.stopped else "finished"
        if how == "stopped" or self._is_pausing:
            self._goes_on = False
        if how == "stopped" and self._is_pausing and result is not None:
            how = self._hold(result, run)
        if how == "failed" and run is not None and run.number:
            self.queue.put_back(run, outcome.message)
        if how in ("finished", "failed") and self.queue.waiting() and not self._is_pausing:
            self._goes_on = True
        self._is_pausing = False
        self.queue_changed.emit()
        self.run_ended.emit(RunEnded(how=how, result=result, message=outcome.message))
        self._state.runs_changed.emit()

    def _hold(self, result: TrainResult, run: QueuedRun | None) -> Ending:
        """Remember the paused run; one that had not begun to learn has no folder and waits in the queue instead."""
        path = self._state.path
        if path is not None and (path / RUNS_FOLDER / result.run).is_dir():
            self.queue.set_paused(result.run)
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
        """Return the newest runs of the project that have epochs, the newest first."""
        folder = self._state.path / RUNS_FOLDER if self._state.path else None
        found: list[RunSummary] = []
        for path in sorted(folder.iterdir(), reverse=True) if folder and folder.is_dir() else []:
            with contextlib.suppress(RunError):
                run = read_run(path)
                found += [run] if run.epochs else []
            if len(found) == most:
                break
        return found

    def _set_offer(self, run: RunSummary | None) -> None:
        if run is not self.offer:
            self.offer = run
            self.offer_changed.emit(run)

    @Slot()
    def _on_project_changed(self) -> None:
        self._goes_on = False
        self.queue = RunQueue(self._state.path)
        self.offer = self.queue.unfinished_run()
        self.offer_changed.emit(self.offer)
        self.queue_changed.emit()


def offer_words(run: RunSummary, *, is_paused: bool) -> str:
    """Return how a run stands that can be gone on with: `003-resnet18-lora was interrupted at epoch 4 of 10.`"""
    epoch = min(len(run.epochs) + 1, run.config.epochs)
    values = {"run": run.name, "epoch": epoch, "epochs": run.config.epochs}
    if is_paused:
        return tr("{run} is paused at epoch {epoch} of {epochs}.", **values)
    if run.result is not None:
        return tr("{run} was stopped at epoch {epoch} of {epochs}.", **values)
    return tr("{run} was interrupted at epoch {epoch} of {epochs}.", **values)
