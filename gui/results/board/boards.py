"""Reading the scoreboard beside the window, and the tasks that fill it. Knows tasks, no widget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from gui.kit.i18n import tr
from gui.kit.workers import WorkerPool
from gui.results.stored_evaluations import StoredEvaluations
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task, TaskHandle
from visionft.evaluation.scoreboard import Scoreboard, read_scoreboard
from visionft.evaluation.training_free import training_free, why_not
from visionft.events import Event, OnEvent, Progress, ShouldStop
from visionft.libraries import load_libraries
from visionft.project.splits import SplitWish, as_divided, is_divided
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary

if TYPE_CHECKING:
    from visionft.data.types import Snapshot, Split
    from visionft.evaluation.training_free import MadeAnswers


@dataclass(frozen=True, eq=False)
class _Asked:
    """What a board is read of."""

    runs: tuple[RunSummary, ...]
    images: "Snapshot"
    split: "Split"


class _Reader:
    """Reads a board in a thread of its own."""

    def __init__(self) -> None:
        self._stored = StoredEvaluations()

    def __call__(self, asked: _Asked) -> Scoreboard:
        split = asked.split
        return read_scoreboard(asked.runs, asked.images, split, evaluations=lambda run: self._stored.get(run, split))


def measure_all(
    project_dir: Path, images: "Snapshot", split: "Split", *, on_event: OnEvent, should_stop: ShouldStop
) -> object:
    """Give every run its place and its price, in a task."""
    load_libraries(on_event)
    from visionft.evaluation.measuring import measure_runs

    return measure_runs(project_dir, images, split, on_event=on_event, should_stop=should_stop)


def answer_without_training(
    project_dir: Path, images: "Snapshot", base: TrainConfig, *, on_event: OnEvent, should_stop: ShouldStop
) -> "MadeAnswers":
    """Make every answerer that needs no training, in a task, then measure what there is."""
    load_libraries(on_event)
    from visionft.evaluation.measuring import measure_runs
    from visionft.evaluation.training_free import make_answers

    made = make_answers(project_dir, images, base, on_event=on_event, should_stop=should_stop)
    if not made.stopped and images.labelled("val"):
        measure_runs(project_dir, images, "val", on_event=on_event, should_stop=should_stop)
    return made


class Boards(QObject):
    """The scoreboard of the open project."""

    read = Signal(object)  # Scoreboard
    changed = Signal()  # a task began, went on or ended
    made = Signal()  # answers without training, whatever else there is

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        """Args: `page` is the page that the tasks lead to."""
        super().__init__(parent)
        self._state, self._session, self._page = state, session, page
        self._asked: _Asked | None = None
        self._handles: dict[str, TaskHandle] = {}
        self._stage = ""
        self._reason: tuple[Snapshot | None, TrainConfig | None, str] = (None, None, "")
        self._pool = WorkerPool(_Reader(), threads=1, answers_age=True, parent=self)
        self._pool.done.connect(self._on_read)

    def ask(self, runs: Sequence[RunSummary], split: "Split") -> None:
        """Read the board of these runs; `read` brings it."""
        if self._session is not None:
            self._asked = _Asked(tuple(runs), self._session.snapshot(), split)
            self._pool.request([self._asked])

    def close(self) -> None:
        """Wait for what is being read."""
        self._asked = None
        self._pool.close()

    @Slot(object, object)
    def _on_read(self, asked: object, board: Scoreboard) -> None:
        if asked is self._asked:
            self.read.emit(board)

    # -- tasks --------------------------------------------------------------------------------------------------

    @property
    def stage(self) -> str:
        """Return what is being done, in words; empty where nothing is."""
        return self._stage

    def why_not_measure(self, runs: Sequence[RunSummary]) -> str:
        """Return why nothing can be measured now; empty when it can."""
        if self._handles:
            return tr("It is being done already.")
        return "" if any(run.best is not None and run.has_weights for run in runs) else tr("There are no runs yet.")

    def why_not_make(self, base: TrainConfig) -> str:
        """Return why no answer without training can be made now; empty when one can."""
        if self._session is None:
            return tr("Open a project first.")
        if self._handles:
            return tr("It is being done already.")
        return self._problem(base)

    def _problem(self, base: TrainConfig) -> str:
        """Return what is wrong with the pictures or the network, as they would be divided; asked at every click."""
        assert self._session is not None
        now = self._session.snapshot()
        if self._reason[0] is not now or self._reason[1] != base:
            images = now if is_divided(now) else as_divided(now, SplitWish())
            reasons = [why_not(config, base, images) for config in training_free(base)]
            self._reason = (now, base, "" if not all(reasons) else tr(reasons[-1]))
        return self._reason[2]

    def measure(self, split: "Split") -> None:
        """Measure every run that was not, on a split."""
        if self._session is None or self._handles:
            return
        work = partial(measure_all, self._session.path, self._session.snapshot(), split)
        task = Task(title=tr("Measuring all runs"), work=work, lane=Lane.COMPUTE, page=self._page, device=True,
                    gives_way=True)  # fmt: skip
        self._run("measure", task)

    def make(self, base: TrainConfig) -> None:
        """Make every answer that needs no training, on the backbone of `base`, and measure it.

        Pictures that are not divided yet are divided first.
        """
        if self._session is None or self.why_not_make(base):
            return
        if is_divided(self._session.snapshot()):
            self._make(base)
        else:
            self._session.splitter.split(
                SplitWish(), page=self._page, or_without_test=True, then=lambda _report: self._make(base)
            )

    def _make(self, base: TrainConfig) -> None:
        assert self._session is not None
        work = partial(answer_without_training, self._session.path, self._session.snapshot(), base)
        task = Task(title=tr("Answering without training"), work=work, lane=Lane.TRAINING, page=self._page,
                    device=base.device != "cpu")  # fmt: skip
        self._run("make", task, on_done=self._tell_made)

    def _tell_made(self, found: "MadeAnswers") -> None:
        """Say how many answers there are, and which could not be made."""
        titles = {config.method: tr(config.method_row.title) for config in training_free(TrainConfig())}
        lines = [f"{titles.get(name, name)}: {tr(reason)}" for name, reason in found.left_out.items()]
        title = tr("{count} answers were made without training.", count=len(found.made))
        if not found.made and found.kept:
            title = tr("Nothing has changed: these answers are there already.")
        self._state.say(title, "\n".join(lines), tone="good" if found.made or found.kept else "warn")

    def _run(self, name: str, task: Task[Any], *, on_done: Callable[[Any], object] = lambda _result: None) -> None:
        self._stage = task.title
        self._handles[name] = self._state.tasks.run(
            task, owner=self, on_done=on_done, on_event=self._on_event,
            on_end=lambda outcome: self._on_ended(name, outcome),
        )  # fmt: skip
        self.changed.emit()

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress) and tr(event.stage) != self._stage:
            self._stage = tr(event.stage)
            self.changed.emit()

    def _on_ended(self, name: str, _outcome: Outcome[Any]) -> None:
        self._handles.pop(name, None)
        self._stage = ""
        if self._session is not None:
            self._session.runs_changed.emit()
        self.changed.emit()
        if name == "make":
            self.made.emit()
