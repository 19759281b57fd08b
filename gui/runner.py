"""Training from the window: start, pause, resume and stop a run, evaluate it, then the run that waits; what to resume.

The only module that starts training jobs. It knows the jobs and the runs of one project, no widget.
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
from visionft.training.runs.run_folder import RUNS_FOLDER, Run, first_title, new_run_dir, read_run
from visionft.training.runs.run_titles import config_title

if TYPE_CHECKING:
    from visionft.data.types import Snapshot


logger = logging.getLogger(__name__)
_FORMAT_VERSION = 1  # of the file
UNFINISHED_FILE = "queue.json"  # earlier versions kept waiting runs there, too
_MAX_RUNS_TO_CHECK = 10


class UnfinishedRuns:
    """The paused run and the dismissed ones of a project; every change is written at once."""

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
        """Store `name` as the paused run; empty for none."""
        if name != self.paused:
            self.paused = name
            self._write()

    def dismiss(self, name: str) -> None:
        """Do not offer a run again."""
        self.dismissed |= {name}
        self.paused = "" if self.paused == name else self.paused
        self._write()

    def newest(self) -> Run | None:
        """Return the run to offer: the paused one, else the newest if it stopped or crashed before its end."""
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
        except VisionFTError as error:  # a full disk loses the mark, never the run
            logger.warning("The paused run was not noted: %s", error)


def _stored_text(stored: Any) -> str:
    return stored if isinstance(stored, str) else ""


resume_and_evaluate = lazy_function("visionft.training.evaluation.trained_run:resume_and_evaluate")
train_and_evaluate = lazy_function("visionft.training.evaluation.trained_run:train_and_evaluate")
evaluate_held_out = lazy_function("visionft.training.evaluation.trained_run:evaluate_held_out")

TRAIN, RESULTS = "train", "results"
Ending = Literal["finished", "stopped", "paused", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _QueuedRun:
    """A training job, and what is told of it when it begins."""

    job: "Job[Run]"
    title: str
    config: TrainConfig
    budget: Budget
    earlier: Run | None = None  # a run that goes on


def _train(
    project_dir: Path, config: TrainConfig, snapshot: "Callable[[], Snapshot]", *, budget: Budget, job: JobContext
) -> Run:
    """Train a new run on the images of now; its folder is named when it begins."""
    return train_and_evaluate(config, snapshot(), new_run_dir(project_dir, config), budget=budget, job=job)


class Runner(QObject):
    """Starts the training runs of one project one after the other; further ones wait in the job bar."""

    runs_changed = Signal()  # a run begins, ends or waits
    # title, TrainConfig; Run of a run that goes on, or None; its preset, empty for settings of the user's own
    run_begun = Signal(str, object, object, str)
    run_reported = Signal(object)  # Event
    # Ending; Run, or None if it did not begin or failed; its Evaluation on unseen images, or None; Message
    run_ended = Signal(str, object, object, object)
    # A stopped run, or the first answer of a run that goes on; a finished one is evaluated before `run_ended`.
    run_evaluated = Signal()
    offer_changed = Signal(object)  # Run to resume, or None

    def __init__(
        self, project_dir: Path, snapshot: "Callable[[], Snapshot]", jobs: Jobs, *, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._project_dir, self._snapshot, self._jobs = project_dir, snapshot, jobs
        self._is_pausing = self._is_closing = False
        self._entries: list[_QueuedRun] = []  # the current run first, then the waiting ones
        self._budget = Budget()  # of the current or last run
        self.unfinished = UnfinishedRuns(project_dir)
        self.offer: Run | None = self.unfinished.newest()

    @property
    def _job(self) -> "Job[Run] | None":
        return self._entries[0].job if self._entries else None

    @property
    def is_training(self) -> bool:
        return self._job is not None

    @property
    def is_stopping(self) -> bool:
        return self._job is not None and self._job.is_stopping

    @property
    def wait_reason(self) -> str:
        """Return the reason a run is still waiting, in words; empty once it has started."""
        return self._job.wait_reason if self._job is not None else ""

    def start(self, config: TrainConfig, preset: str = "") -> None:
        """Train now, or after the runs that train or wait.

        Args:
            config: The settings.
            preset: The budget that they are of: the run goes through its stages. Empty for settings of the user's own.
        """
        budget = Budget(preset)
        self._set_offer(None)
        title = first_title(new_run_dir(self._project_dir, config)) if not self._entries else tr(config_title(config))
        work = partial(_train, self._project_dir, config, self._snapshot, budget=budget)
        self._run(work, title, config, budget)

    @property
    def budget(self) -> str:
        """Return the preset of the current or last run; empty for settings of the user's own."""
        return self._budget.preset

    def change_budget(self, preset: str) -> None:
        """Let the current run end earlier, or go on further: with the stages of another preset."""
        if self._job is not None and self._budget.preset:
            self._budget.preset = preset

    def allow_fetch(self) -> None:
        """Let the current run fetch a stronger network before its next stage."""
        self._budget.fetches = True

    def resume(self, run: Run) -> None:
        """Resume a paused, stopped or killed run: the same images, settings and curve."""
        self.unfinished.set_paused("")
        self._set_offer(None)
        budget = Budget(run.plan.preset if run.plan is not None else "")
        work = partial(resume_and_evaluate, run.path, budget=budget)
        config = run.plan.config if run.plan is not None else run.config
        self._run(work, run.title, config, budget, earlier=run)

    def _run(
        self,
        work: Callable[..., Run],
        title: str,
        config: TrainConfig,
        budget: Budget,
        *,
        earlier: Run | None = None,
    ) -> None:
        job_title = tr("Going on with {run}", run=title) if earlier else tr("Training {run}", run=title)
        job = Job(title=job_title, work=work, lane=Lane.TRAINING, page=TRAIN, device=config.device != "cpu")
        self._entries.append(_QueuedRun(job=job, title=title, config=config, budget=budget, earlier=earlier))
        self._jobs.run(job, owner=self, on_event=self._on_event, on_end=self._on_ended)
        if self._job is job:
            self._announce_start()
        self.runs_changed.emit()

    def _announce_start(self) -> None:
        """Announce the current run."""
        current = self._entries[0]
        self._is_pausing, self._budget = False, current.budget
        self.run_begun.emit(current.title, current.config, current.earlier, current.budget.preset)

    def _on_event(self, event: Event) -> None:
        self.run_reported.emit(event)
        if isinstance(event, ResultStored):  # a first answer, while more is tried
            self.run_evaluated.emit()

    def pause(self) -> None:
        """Stop the run after this step, to be resumed from there."""
        if self._job is not None:
            self._is_pausing = True
            self._job.stop()

    def stop(self) -> None:
        """End the run after this step, or a paused run for good."""
        if self._job is not None:
            self._is_pausing = False
            self._job.stop()
        elif (run := self.paused_run()) is not None:
            self.unfinished.dismiss(run.name)
            self._set_offer(None)
            self.runs_changed.emit()
            self._announce_end("stopped", run if run.result is not None else None)

    def close(self) -> None:
        """Drop the waiting runs. Called before the project closes."""
        self._is_closing = True
        for each in self._entries[1:]:
            each.job.stop()

    def _on_ended(self, job: "Job[Run]") -> None:
        place = next(number for number, each in enumerate(self._entries) if each.job is job)
        entry = self._entries.pop(place)
        if place:  # it was cancelled while it waited
            self.runs_changed.emit()
            return
        trained, failure = job.result, job.failure
        result = trained and trained.result
        is_whole = trained is not None and result is not None and not result.stopped and not trained.is_unfinished
        how: Ending = "failed" if failure else "finished" if is_whole else "stopped"
        if how == "stopped" and self._is_pausing:
            name = result.run if result is not None else entry.earlier.name if entry.earlier is not None else ""
            if name and (self._project_dir / RUNS_FOLDER / name).is_dir():
                self.unfinished.set_paused(name)
                how = "paused"
        self._is_pausing = False
        self.runs_changed.emit()
        self._announce_end(how, trained, failure.message if failure else "")
        if self._entries and not self._is_closing:
            self._announce_start()
            self.runs_changed.emit()

    def _announce_end(self, how: Ending, run: Run | None, message: str = "") -> None:
        """Announce the end; evaluate a stopped run in a separate job: stopping must not take longer because of it."""
        unseen = None
        if run is not None and run.evaluations:
            from visionft.training.evaluation.unseen import unseen_evaluation  # slow to import: not at the start

            unseen = unseen_evaluation(run)
        self.run_ended.emit(how, run, unseen, message)
        if how != "stopped" or run is None or run.evaluations or self._is_closing:
            return
        if run.result is not None and run.result.best is not None and run.path.is_dir():
            work = partial(evaluate_held_out, run.path, self._snapshot())
            title = tr("Evaluating {run}", run=run.title)
            job = Job(title=title, work=work, lane=Lane.COMPUTE, page=RESULTS, device=True)
            self._jobs.run(job, owner=self, on_done=lambda _none: self.run_evaluated.emit())

    def paused_run(self) -> Run | None:
        """Return the paused run, if it is still readable."""
        return self.unfinished.newest() if self.unfinished.paused else None

    def dismiss_offer(self) -> None:
        """Do not offer this run again; Results can still resume it."""
        if self.offer is not None:
            self.unfinished.dismiss(self.offer.name)
            self._set_offer(None)

    def recent_runs(self, most: int) -> list[Run]:
        """Return the newest runs of the project with a training curve, the newest first."""
        folder = self._project_dir / RUNS_FOLDER
        found: list[Run] = []
        for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
            with contextlib.suppress(RunError):
                run = read_run(path)
                found += [run] if run.last_epoch else []  # not runs solved in closed form
            if len(found) == most:
                break
        return found

    def _set_offer(self, run: Run | None) -> None:
        if run is not self.offer:
            self.offer = run
            self.offer_changed.emit(run)


def describe_offer(run: Run, *, is_paused: bool) -> str:
    """Return the state of a resumable run in words: `Weather 3 was interrupted at epoch 4 of 10.`"""
    stage = run.next or run
    epochs = stage.config.total_epochs
    if not epochs and run.result is not None:
        return tr("{run} can be used; what may be better was still being tried.", run=run.title)
    if not epochs:
        return tr("{run} was interrupted before its head was solved for.", run=run.title)
    values = {"run": run.title, "epoch": min(stage.last_epoch + 1, epochs), "epochs": epochs}
    if is_paused:
        return tr("{run} is paused at epoch {epoch} of {epochs}.", **values)
    if stage.result is not None:
        return tr("{run} was stopped at epoch {epoch} of {epochs}.", **values)
    return tr("{run} was interrupted at epoch {epoch} of {epochs}.", **values)
