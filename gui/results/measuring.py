"""Measuring runs beside the window: what is under way, how far it is, and what went wrong. Knows tasks, no widget."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gui.kit.i18n import tr
from gui.kit.workers import Failure
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task
from visionft.events import Event, OnEvent, Progress, ShouldStop
from visionft.libraries import LOADING, load_libraries
from visionft.training.runs.run_folder import RunSummary

if TYPE_CHECKING:
    from visionft.data.types import Snapshot, Split

_Key = tuple[str, str]  # run, split


def evaluate(
    run_dir: Path, images: "Snapshot", split: "Split", *, on_event: OnEvent, should_stop: ShouldStop
) -> object:
    """Measure a run on a split, in a task; figures and predictions are kept in its folder."""
    load_libraries(on_event)
    from visionft.evaluation.report import evaluate_run

    return evaluate_run(run_dir, images, split, on_event=on_event, should_stop=should_stop)


class Measuring(QObject):
    """Measures each run on each split once at a time."""

    changed = Signal()  # how far one is
    ended = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        """Args: `page` is the page that the tasks lead to."""
        super().__init__(parent)
        self._state, self._session, self._page = state, session, page
        self._under_way: dict[_Key, Progress] = {}
        # The run's last epoch and the labels that it hung on then, and why it has no result.
        self._tried: dict[_Key, tuple[int, Snapshot | None, Failure]] = {}
        self._old: dict[str, tuple[Snapshot, RunSummary, bool]] = {}

    def progress(self, run: RunSummary, split: str) -> Progress | None:
        """Return how far the measurement of a run is; None where it is not under way."""
        return self._under_way.get((run.name, split))

    def failure(self, run: RunSummary, split: str) -> Failure | None:
        """Return why a run has no result although it was measured as it is now; None where it was not yet."""
        last_epoch, images, failure = self._tried.get((run.name, split), (0, None, None))
        return failure if last_epoch == run.last_epoch and images is self._labels_of(run) else None

    def is_old(self, run: RunSummary) -> bool:
        """Tell whether a run answers by the labels of now and was measured by others.

        It looks at every label; what it finds is kept for as long as neither the labels nor the run change.
        """
        from visionft.retrieval.refreshing import is_current

        images = self._labels_of(run)
        if images is None:
            return False
        asked = self._old.get(run.name)
        if asked is None or asked[0] is not images or asked[1] is not run:
            self._old[run.name] = images, run, not is_current(run, images)
        return self._old[run.name][2]

    def is_known_old(self, run: RunSummary) -> bool:
        """Tell what `is_old` found of the run and the labels as they are; False where it was not asked."""
        images, asked, is_old = self._old.get(run.name, (None, None, False))
        return is_old and asked is run and images is self._labels_of(run)

    def _labels_of(self, run: RunSummary) -> "Snapshot | None":
        """Return the pictures of now where the run's answers may hang on their labels."""
        hangs = bool(run.parts) or run.config.method_row.is_live
        return self._session.snapshot() if self._session is not None and hangs else None

    def start(self, run: RunSummary, split: "Split", *, by_itself: bool = False) -> None:
        """Measure a run; one that began `by_itself` keeps a failure for who asks, in place of a message."""
        session, key = self._session, (run.name, split)
        if session is None or key in self._under_way:
            return
        work = partial(evaluate, run.path, session.snapshot(), split)
        title = tr("Evaluating {run}", run=run.title)
        task = Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True)
        self._under_way[key] = LOADING
        self._state.tasks.run(
            task,
            owner=self,
            on_done=lambda _result: None,
            on_failed=(lambda _failure: None) if by_itself else None,
            on_event=lambda event: self._on_event(key, event),
            on_end=partial(self._on_ended, key, run.last_epoch, self._labels_of(run)),
        )
        self.changed.emit()

    def _on_event(self, key: _Key, event: Event) -> None:
        if isinstance(event, Progress):
            self._under_way[key] = event
            self.changed.emit()

    def _on_ended(self, key: _Key, last_epoch: int, images: "Snapshot | None", outcome: Outcome[object]) -> None:
        self._under_way.pop(key, None)
        words = "What was measured cannot be read." if outcome.has_begun else "Evaluation was stopped."
        self._tried[key] = (last_epoch, images, outcome.failure or Failure(message=tr(words)))
        self.ended.emit()
