"""Start, pause, resume, stop and evaluate the training runs of one project, and offer an unfinished run.

The only module that starts training jobs. It uses the jobs and runs of the project, and no widgets.
"""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import QObject, Signal

from gui.jobs import Job, Jobs, Lane
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from visionft.core.errors import RunError, VisionFTError
from visionft.core.events import Event, ResultStored
from visionft.core.files import read_json, write_json
from visionft.core.jobs import JobContext
from visionft.training.budget import Budget
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RUNS_FOLDER, StoredRun, first_title, new_run_dir, read_run
from visionft.training.runs.run_titles import config_title

if TYPE_CHECKING:
    from visionft.data.types import Snapshot


logger = logging.getLogger(__name__)
_FORMAT_VERSION = 1  # format version of `UNFINISHED_FILE`
UNFINISHED_FILE = "queue.json"  # earlier versions also stored waiting runs there
_MAX_RUNS_TO_CHECK = 10


class UnfinishedRuns:
    """The names of the paused run and the dismissed runs of a project; every change is written at once."""

    def __init__(self, project_dir: Path) -> None:
        self._file = project_dir / UNFINISHED_FILE
        try:
            stored = read_json(self._file)
        except FileNotFoundError:
            stored = {}
        except (OSError, ValueError) as error:
            logger.warning("The file %s cannot be read: %s", self._file, error)
            stored = {}
        stored = stored if isinstance(stored, dict) else {}
        self.paused: str = _stored_text(stored.get("paused"))
        dismissed = stored.get("dismissed")
        self.dismissed = frozenset(filter(None, map(_stored_text, dismissed if isinstance(dismissed, list) else [])))

    def set_paused(self, name: str) -> None:
        """Store the name of the paused run; empty if no run is paused."""
        if name != self.paused:
            self.paused = name
            self._write()

    def dismiss(self, name: str) -> None:
        """Store that a run must not be offered again."""
        self.dismissed |= {name}
        self.paused = "" if self.paused == name else self.paused
        self._write()

    def newest(self) -> StoredRun | None:
        """Return the run to offer: the paused run, else the newest run if it ended before its last epoch."""
        folder = self._file.parent / RUNS_FOLDER
        paths = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
        for path in paths[:_MAX_RUNS_TO_CHECK] if not self.paused else [folder / self.paused]:
            try:
                run = read_run(path)
            except RunError:
                continue
            return run if run.name not in self.dismissed and run.is_unfinished else None
        return None

    def _write(self) -> None:
        value = {"format_version": _FORMAT_VERSION, "paused": self.paused, "dismissed": sorted(self.dismissed)}
        try:
            write_json(self._file, value)
        except VisionFTError as error:  # on a full disk only this entry is lost, not the run
            logger.warning("The paused and dismissed runs were not saved: %s", error)


def _stored_text(stored: Any) -> str:
    return stored if isinstance(stored, str) else ""


resume_and_evaluate = lazy_function("visionft.training.evaluation.trained_run:resume_and_evaluate")
train_and_evaluate = lazy_function("visionft.training.evaluation.trained_run:train_and_evaluate")
evaluate_held_out = lazy_function("visionft.training.evaluation.trained_run:evaluate_held_out")

TRAIN, RESULTS = "train", "results"
RunOutcome = Literal["finished", "stopped", "paused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _QueuedRun:
    """A training job with the data of its `run_begun` signal."""

    job: "Job[StoredRun]"
    title: str
    config: TrainConfig
    budget: Budget
    resumed: StoredRun | None = None  # the run to resume


def _train(
    project_dir: Path, config: TrainConfig, snapshot: "Callable[[], Snapshot]", *, budget: Budget, job: JobContext
) -> StoredRun:
    """Train a new run on the current images; its folder is named when it begins."""
    return train_and_evaluate(config, snapshot(), new_run_dir(project_dir, config), budget=budget, job=job)


class Runner(QObject):
    """Starts the training runs of one project, one at a time; further runs wait in the job bar."""

    runs_changed = Signal()  # a run began, ended or was queued
    # Title, TrainConfig, the resumed Run or None, and the preset (empty for custom settings).
    run_begun = Signal(str, object, object, str)
    run_reported = Signal(object)  # Event
    # RunOutcome; Run, or None if it failed or did not begin; its Evaluation on held-out images, or None; the failure.
    run_ended = Signal(str, object, object, object)
    # An evaluation was stored after a run was stopped, or early in a run that continues; a finished run is evaluated
    # before `run_ended`.
    run_evaluated = Signal()
    offer_changed = Signal(object)  # Run to resume, or None

    def __init__(
        self, project_dir: Path, snapshot: "Callable[[], Snapshot]", jobs: Jobs, *, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._project_dir, self._snapshot, self._jobs = project_dir, snapshot, jobs
        self._is_pausing = self._is_closing = False
        self._entries: list[_QueuedRun] = []  # the current run, then the waiting runs
        self._budget = Budget()  # the budget of the current or last run
        self.unfinished = UnfinishedRuns(project_dir)
        self.offer: StoredRun | None = self.unfinished.newest()

    @property
    def _job(self) -> "Job[StoredRun] | None":
        return self._entries[0].job if self._entries else None

    @property
    def is_training(self) -> bool:
        return self._job is not None

    @property
    def is_stopping(self) -> bool:
        return self._job is not None and self._job.is_stopping

    @property
    def wait_reason(self) -> str:
        """The reason the current run is still waiting, as text; empty once it has started."""
        return self._job.wait_reason if self._job is not None else ""

    def start(self, config: TrainConfig, preset: str = "") -> None:
        """Start a run now, or after the current and waiting runs.

        Args:
            config: The training settings.
            preset: The budget preset whose stages the run goes through; empty for custom settings.
        """
        budget = Budget(preset)
        self._set_offer(None)
        title = first_title(new_run_dir(self._project_dir, config)) if not self._entries else tr(config_title(config))
        work = partial(_train, self._project_dir, config, self._snapshot, budget=budget)
        self._run(work, title, config, budget)

    @property
    def budget(self) -> str:
        """The budget preset of the current or last run; empty for custom settings."""
        return self._budget.preset

    def change_budget(self, preset: str) -> None:
        """Change the preset of the current run, so that it ends after fewer or continues for more stages."""
        if self._job is not None and self._budget.preset:
            self._budget.preset = preset

    def allow_fetch(self) -> None:
        """Allow the current run to download a stronger backbone before its next stage."""
        self._budget.fetches = True

    def resume(self, run: StoredRun) -> None:
        """Resume a paused, stopped or killed run with the same images and settings, continuing its training curve."""
        self.unfinished.set_paused("")
        self._set_offer(None)
        budget = Budget(run.plan.preset if run.plan is not None else "")
        work = partial(resume_and_evaluate, run.path, budget=budget)
        config = run.plan.config if run.plan is not None else run.config
        self._run(work, run.title, config, budget, resumed=run)

    def _run(
        self,
        work: Callable[..., StoredRun],
        title: str,
        config: TrainConfig,
        budget: Budget,
        *,
        resumed: StoredRun | None = None,
    ) -> None:
        job_title = tr("Going on with {run}", run=title) if resumed else tr("Training {run}", run=title)
        job = Job(title=job_title, work=work, lane=Lane.TRAINING, page=TRAIN, device=config.device != "cpu")
        self._entries.append(_QueuedRun(job=job, title=title, config=config, budget=budget, resumed=resumed))
        self._jobs.run(job, owner=self, on_event=self._on_event, on_end=self._on_ended)
        if self._job is job:
            self._announce_start()
        self.runs_changed.emit()

    def _announce_start(self) -> None:
        """Emit `run_begun` for the current run."""
        current = self._entries[0]
        self._is_pausing, self._budget = False, current.budget
        self.run_begun.emit(current.title, current.config, current.resumed, current.budget.preset)

    def _on_event(self, event: Event) -> None:
        self.run_reported.emit(event)
        if isinstance(event, ResultStored):  # an early evaluation of a run that continues
            self.run_evaluated.emit()

    def pause(self) -> None:
        """Stop the run after this training step, to be resumed from there."""
        if self._job is not None:
            self._is_pausing = True
            self._job.stop()

    def stop(self) -> None:
        """End the run after this training step; a paused run is no longer offered."""
        if self._job is not None:
            self._is_pausing = False
            self._job.stop()
        elif (run := self.paused_run()) is not None:
            self.unfinished.dismiss(run.name)
            self._set_offer(None)
            self.runs_changed.emit()
            self._announce_end("stopped", run if run.result is not None else None)

    def close(self) -> None:
        """Cancel the waiting runs. Called before the project closes."""
        self._is_closing = True
        for entry in self._entries[1:]:
            entry.job.stop()

    def _on_ended(self, job: "Job[StoredRun]") -> None:
        position = next(index for index, entry in enumerate(self._entries) if entry.job is job)
        entry = self._entries.pop(position)
        if position:  # it was cancelled while it waited
            self.runs_changed.emit()
            return
        trained, failure = job.result, job.failure
        result = trained and trained.result
        is_complete = trained is not None and result is not None and not result.stopped and not trained.is_unfinished
        outcome: RunOutcome = "failed" if failure else "finished" if is_complete else "stopped"
        if outcome == "stopped" and self._is_pausing:
            name = result.run if result is not None else entry.resumed.name if entry.resumed is not None else ""
            if name and (self._project_dir / RUNS_FOLDER / name).is_dir():
                self.unfinished.set_paused(name)
                outcome = "paused"
        self._is_pausing = False
        self.runs_changed.emit()
        self._announce_end(outcome, trained, failure.message if failure else "")
        if self._entries and not self._is_closing:
            self._announce_start()
            self.runs_changed.emit()

    def _announce_end(self, outcome: RunOutcome, run: StoredRun | None, message: str = "") -> None:
        """Emit `run_ended`; evaluate a stopped run in a separate job, so that stopping is quick."""
        unseen = None
        if run is not None and run.evaluations:
            from visionft.training.evaluation.unseen import unseen_evaluation  # slow to import

            unseen = unseen_evaluation(run)
        self.run_ended.emit(outcome, run, unseen, message)
        if outcome != "stopped" or run is None or run.evaluations or self._is_closing:
            return
        if run.result is not None and run.result.best is not None and run.path.is_dir():
            work = partial(evaluate_held_out, run.path, self._snapshot())
            title = tr("Evaluating {run}", run=run.title)
            job = Job(title=title, work=work, lane=Lane.COMPUTE, page=RESULTS, device=True)
            self._jobs.run(job, owner=self, on_done=lambda _none: self.run_evaluated.emit())

    def paused_run(self) -> StoredRun | None:
        """Return the paused run; None if no run is paused or its folder is unreadable."""
        return self.unfinished.newest() if self.unfinished.paused else None

    def dismiss_offer(self) -> None:
        """Stop offering the run; the results page can still resume it."""
        if self.offer is not None:
            self.unfinished.dismiss(self.offer.name)
            self._set_offer(None)

    def recent_runs(self, limit: int) -> list[StoredRun]:
        """Return at most `limit` runs with a training curve, the newest first."""
        folder = self._project_dir / RUNS_FOLDER
        runs: list[StoredRun] = []
        for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
            with contextlib.suppress(RunError):
                run = read_run(path)
                runs += [run] if run.last_epoch else []  # heads solved in closed form have no epochs
            if len(runs) == limit:
                break
        return runs

    def _set_offer(self, run: StoredRun | None) -> None:
        if run is not self.offer:
            self.offer = run
            self.offer_changed.emit(run)


def describe_offer(run: StoredRun, *, is_paused: bool) -> str:
    """Return a sentence about a resumable run: `Weather 3 was interrupted at epoch 4 of 10.`"""
    stage = run.next or run
    epochs = stage.config.total_epochs
    if not epochs and run.result is not None:
        return tr("{run} can be used; further stages were still being tried.", run=run.title)
    if not epochs:
        return tr("{run} was interrupted before its head was fitted.", run=run.title)
    values = {"run": run.title, "epoch": min(stage.last_epoch + 1, epochs), "epochs": epochs}
    if is_paused:
        return tr("{run} is paused at epoch {epoch} of {epochs}.", **values)
    if stage.result is not None:
        return tr("{run} was stopped at epoch {epoch} of {epochs}.", **values)
    return tr("{run} was interrupted at epoch {epoch} of {epochs}.", **values)
