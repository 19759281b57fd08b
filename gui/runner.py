"""Training from the window: start, pause, resume and stop a run, evaluate it, continue with the queue.

The only module that starts training tasks. It knows the tasks and the queue of one project, no widget.
"""

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PySide6.QtCore import QObject, Signal

from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.run_queue import QueuedRun, RunQueue
from gui.tasks import Lane, Task, Tasks
from models.messages import sentences
from visionft.errors import RunError
from visionft.events import Event, ResultStored
from visionft.training.budget import Budget
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import (
    RUNS_FOLDER,
    RunSummary,
    first_title,
    new_run_dir,
    read_run,
)

if TYPE_CHECKING:
    from visionft.data.types import Snapshot, Split
    from visionft.evaluation.stored import Evaluation

resume_and_evaluate = lazy_function("visionft.evaluation.trained_run:resume_and_evaluate")
train_and_evaluate = lazy_function("visionft.evaluation.trained_run:train_and_evaluate")
evaluate_held_out = lazy_function("visionft.evaluation.trained_run:evaluate_held_out")

TRAIN, RESULTS = "train", "results"
Ending = Literal["finished", "stopped", "paused", "failed"]


class Runner(QObject):
    """Starts the training runs of one project one after the other."""

    queue_changed = Signal()
    # title, TrainConfig; RunSummary of a run that goes on, or None; its preset, empty for settings of the user's own
    run_begun = Signal(str, object, object, str)
    run_reported = Signal(object)  # Event
    # Ending; RunSummary, or None if it did not begin or failed; its Evaluation on unseen images, or None; Message
    run_ended = Signal(str, object, object, object)
    # A stopped run, or the first answer of a run that goes on; a finished one is evaluated before `run_ended`.
    run_evaluated = Signal()
    offer_changed = Signal(object)  # RunSummary to resume, or None

    def __init__(
        self, project_dir: Path, snapshot: "Callable[[], Snapshot]", tasks: Tasks, *, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._project_dir, self._snapshot, self._tasks = project_dir, snapshot, tasks
        self._is_pausing = False
        self._goes_on = False  # the queue continues when the current run has ended
        self._is_closing = False
        self._current: QueuedRun | None = None
        self._resumed = ""  # the name of the resumed run, if any
        self._budget = Budget()  # of the current run
        self._task: Task[tuple[RunSummary, Mapping[Split, Evaluation]]] | None = None
        self.queue = RunQueue(project_dir)
        self.offer: RunSummary | None = self.queue.unfinished_run()

    @property
    def is_training(self) -> bool:
        return self._task is not None

    @property
    def is_stopping(self) -> bool:
        return self._task is not None and self._task.is_stopping

    @property
    def waits_for(self) -> str:
        """Return the reason a run is still waiting, in words; empty once it has started."""
        return self._task.waits_for if self._task is not None else ""

    def start(self, config: TrainConfig, preset: str = "") -> None:
        """Train now, or after the current run.

        Args:
            config: The settings.
            preset: The budget that they are of: the run goes through its stages. Empty for settings of the user's own.
        """
        if self.is_training:
            self.enqueue(config, preset)
        else:
            self._begin(QueuedRun(number=0, config=config, preset=preset))

    @property
    def budget(self) -> str:
        """Return the preset of the current or last run; empty for settings of the user's own."""
        return self._budget.preset

    def change_budget(self, preset: str) -> None:
        """Let the current run end earlier, or go on further: with the stages of another preset."""
        if self._task is not None and self._budget.preset:
            self._budget.preset = preset

    def allow_fetch(self) -> None:
        """Let the current run fetch a stronger network before its next stage."""
        self._budget.fetches = True

    def enqueue(self, config: TrainConfig, preset: str = "") -> None:
        """Queue a run; it starts automatically after the current run."""
        self.queue.add(config, preset=preset)
        self._goes_on = self._goes_on or self.is_training
        self.queue_changed.emit()

    def start_queue(self) -> None:
        if self.is_training:
            self._goes_on = True
        else:
            self._take_next()

    def resume(self, run: RunSummary) -> None:
        """Resume a paused, stopped or killed run: the same images, settings and curve."""
        if self.is_training:
            return
        self.queue.set_paused("")
        self._set_offer(None)
        self._goes_on = bool(self.queue.waiting())
        self._resumed = run.name
        budget = Budget(run.plan.preset if run.plan is not None else "")
        work = partial(resume_and_evaluate, run.path, budget=budget)
        config = run.plan.config if run.plan is not None else run.config
        self._run(QueuedRun(number=0, config=config, preset=budget.preset), work, run.title, budget, earlier=run)

    def _begin(self, run: QueuedRun) -> None:
        self._goes_on, self._resumed = self._goes_on or bool(run.number), ""
        self._set_offer(None)
        run_dir = new_run_dir(self._project_dir, run.config)
        budget = Budget(run.preset)
        work = partial(train_and_evaluate, run.config, self._snapshot(), run_dir, budget=budget)
        self._run(run, work, first_title(run_dir), budget)

    def _run(
        self,
        run: QueuedRun,
        work: "Callable[..., tuple[RunSummary, Mapping[Split, Evaluation]]]",
        title: str,
        budget: Budget,
        *,
        earlier: RunSummary | None = None,
    ) -> None:
        self._current, self._is_pausing, self._budget = run, False, budget
        task_title = tr("Going on with {run}", run=title) if earlier else tr("Training {run}", run=title)
        task = Task(title=task_title, work=work, lane=Lane.TRAINING, page=TRAIN, device=run.config.device != "cpu")
        self._task = self._tasks.run(task, owner=self, on_event=self._on_event, on_end=self._on_ended)
        self.run_begun.emit(title, run.config, earlier, budget.preset)
        self.queue_changed.emit()

    def _on_event(self, event: Event) -> None:
        self.run_reported.emit(event)
        if isinstance(event, ResultStored):  # a first answer, while more is tried
            self.run_evaluated.emit()

    def _take_next(self) -> None:
        """Start the next valid run; invalid ones stay in the queue with the reason."""
        snapshot = self._snapshot()
        while (run := self.queue.take_next()) is not None:
            problems = config_problems(run.config, snapshot)
            if not problems:
                self._begin(run)
                return
            self.queue.put_back(run, sentences(*(problem.message for problem in problems), joint="; "))
        self._goes_on = False
        self.queue_changed.emit()

    def move(self, number: int, index: int) -> None:
        self.queue.move(number, index)
        self.queue_changed.emit()

    def remove(self, number: int) -> QueuedRun | None:
        found = self.queue.remove(number)
        self.queue_changed.emit()
        return found

    def retry(self, number: int) -> None:
        self.queue.retry(number)
        self.queue_changed.emit()

    def pause(self) -> None:
        """Stop the run after this step, to be resumed from there; the queue waits too."""
        if self._task is not None:
            self._is_pausing = True
            self._task.stop()

    def stop(self) -> None:
        """End the run after this step, or a paused run for good; the queue waits until it is started again."""
        if self._task is not None:
            self._is_pausing = False
            self._task.stop()
        elif (run := self.paused_run()) is not None:
            self.queue.dismiss(run.name)
            self._set_offer(None)
            self.queue_changed.emit()
            self._tell_end("stopped", run if run.result is not None else None)

    def keep_waiting(self) -> None:
        """Start no further run; a run not yet started returns to the queue. Called before the project closes."""
        self._goes_on, self._is_closing = False, True
        if self._task is not None and not self._task.is_running:
            self.pause()

    def _on_ended(self, task: "Task[tuple[RunSummary, Mapping[Split, Evaluation]]]") -> None:
        run, self._current, self._task = self._current, None, None
        trained, evaluations = task.result or (None, {})
        result, failure = trained and trained.result, task.failure
        is_whole = trained is not None and result is not None and not result.stopped and not trained.is_unfinished
        how: Ending = "failed" if failure else "finished" if is_whole else "stopped"
        if how == "stopped" or self._is_pausing:
            self._goes_on = False
        if how == "stopped" and self._is_pausing:
            name = result.run if result is not None else self._resumed
            if name and (self._project_dir / RUNS_FOLDER / name).is_dir():
                self.queue.set_paused(name)
                how = "paused"
            elif run is not None:  # stopped before training: no folder
                self.queue.add(run.config, preset=run.preset, is_first=True)
        if how == "failed" and run is not None and run.number and failure is not None:
            self.queue.put_back(run, failure.message)
        if how in ("finished", "failed") and self.queue.waiting() and not self._is_pausing:
            self._goes_on = True
        self._is_pausing = False
        self.queue_changed.emit()
        self._tell_end(how, trained, evaluations, failure.message if failure else "")
        if self._goes_on and not self._is_closing:
            self._take_next()

    def _tell_end(
        self,
        how: Ending,
        run: RunSummary | None,
        evaluations: "Mapping[Split, Evaluation] | None" = None,
        message: str = "",
    ) -> None:
        """Announce the end; evaluate a stopped run in a separate task: stopping must not take longer because of it."""
        unseen = None
        if run is not None and evaluations:
            from visionft.evaluation.unseen import unseen_evaluation  # slow to import: not at the start

            unseen = unseen_evaluation(run, evaluations)
        self.run_ended.emit(how, run, unseen, message)
        if how != "stopped" or run is None or evaluations or self._is_closing:
            return
        if run.result is not None and run.result.best is not None and run.path.is_dir():
            work = partial(evaluate_held_out, run.path, self._snapshot())
            title = tr("Evaluating {run}", run=run.title)
            task = Task(title=title, work=work, lane=Lane.COMPUTE, page=RESULTS, device=True)
            self._tasks.run(task, owner=self, on_done=lambda _none: self.run_evaluated.emit())

    def paused_run(self) -> RunSummary | None:
        """Return the paused run, if it is still readable."""
        return self.queue.unfinished_run() if self.queue.paused else None

    def dismiss_offer(self) -> None:
        """Do not offer this run again; Results can still resume it."""
        if self.offer is not None:
            self.queue.dismiss(self.offer.name)
            self._set_offer(None)

    def earlier_runs(self, most: int) -> list[RunSummary]:
        """Return the newest runs of the project with a training curve, the newest first."""
        folder = self._project_dir / RUNS_FOLDER
        found: list[RunSummary] = []
        for path in sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []:
            with contextlib.suppress(RunError):
                run = read_run(path)
                found += [run] if run.last_epoch else []  # not runs solved in closed form
            if len(found) == most:
                break
        return found

    def _set_offer(self, run: RunSummary | None) -> None:
        if run is not self.offer:
            self.offer = run
            self.offer_changed.emit(run)


def offer_words(run: RunSummary, *, is_paused: bool) -> str:
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
