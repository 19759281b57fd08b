"""Evaluates runs in the background: running jobs, their progress and errors. Depends on tasks, not on widgets."""

from functools import partial

from PySide6.QtCore import QObject, Signal

from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.runner import RESULTS
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Failure, Lane, Priority, Task
from visionft.core.events import Progress
from visionft.core.jobs import LOADING
from visionft.core.messages import Message
from visionft.data.types import Snapshot, Split
from visionft.training.evaluation.stored import StoredEvaluation
from visionft.training.runs.run_folder import Run

_Key = tuple[str, str]  # run, split

evaluate = lazy_function("visionft.training.evaluation.report:evaluate_run")


class EvaluationController(QObject):
    """Evaluates each run on each split, once at a time."""

    changed = Signal()  # the progress of one changed
    ended = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._session = state, session
        self._under_way: dict[_Key, Progress] = {}
        # The run's last epoch and the labels it depended on then, and the reason for a missing result.
        self._tried: dict[_Key, tuple[int, Snapshot | None, Failure]] = {}
        self._old: dict[str, tuple[tuple[Snapshot, Run, StoredEvaluation], bool]] = {}

    def progress(self, run: Run, split: str) -> Progress | None:
        """Return the progress of a run's evaluation; None where none is running."""
        return self._under_way.get((run.name, split))

    def failure(self, run: Run, split: str) -> Failure | None:
        """Return the error of the last evaluation of the run's current state; None where there is none."""
        last_epoch, images, failure = self._tried.get((run.name, split), (0, None, None))
        return failure if last_epoch == run.last_epoch and images is self._labels_of(run) else None

    def is_old(self, run: Run, evaluation: StoredEvaluation) -> bool:
        """Return whether a run predicts from the current labels and was evaluated with others.

        Compares every label; the result is cached until the labels, the run or its evaluation change.
        """
        from visionft.training.retrieval import labels_digest, members_of

        images = self._labels_of(run)
        if images is None:
            return False
        compared = (images, run, evaluation)
        cached = self._old.get(run.name)
        if cached is None or any(old is not new for old, new in zip(cached[0], compared, strict=True)):
            self._old[run.name] = compared, labels_digest(members_of(run), images) != evaluation.labels
        return self._old[run.name][1]

    def is_known_old(self, run: Run) -> bool:
        """Return the cached result of `is_old` for the run and the current labels; False where there is none."""
        if run.name not in self._old or self._session is None:
            return False
        (images, compared, _), is_old = self._old[run.name]
        return is_old and compared is run and images is self._session.kept_snapshot

    def _labels_of(self, run: Run) -> Snapshot | None:
        """Return the current images if the run's predictions may depend on their labels."""
        from visionft.training.retrieval import is_live

        return self._session.snapshot() if self._session is not None and (run.parts or is_live(run)) else None

    def start(self, run: Run, split: Split, *, by_itself: bool = False) -> None:
        """Evaluate a run; started `by_itself`, it yields to every other task and stores an error, without a message."""
        session, key = self._session, (run.name, split)
        if session is None or key in self._under_way:
            return
        work = partial(evaluate, run.path, session.images, split)
        title = tr("Evaluating {run}", run=run.title)
        task = Task(
            title=title,
            work=work,
            lane=Lane.COMPUTE,
            page=RESULTS,
            device=True,
            priority=Priority.UNREQUESTED if by_itself else Priority.REGULAR,
        )
        self._under_way[key] = LOADING
        last_epoch = run.last_epoch
        images = self._labels_of(run)

        def on_progress(progress: Progress) -> None:
            self._under_way[key] = progress
            self.changed.emit()

        def on_end(task: Task[object]) -> None:
            self._under_way.pop(key, None)
            unread, stopped = Message("The evaluation cannot be read."), Message("Evaluation was stopped.")
            failure = task.failure or Failure(message=tr(stopped if task.was_stopped else unread))
            if not (by_itself and task.was_stopped):  # else it is tried again
                self._tried[key] = (last_epoch, images, failure)
            self.ended.emit()

        on_failed = (lambda _failure: None) if by_itself else None
        self._state.tasks.run(task, owner=self, on_failed=on_failed, on_progress=on_progress, on_end=on_end)
        self.changed.emit()
