"""Running the checks in a task: features first, then the checks; progress, and the outcome."""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gui.kit.lazy_function import LazyFunction
from gui.kit.translation import tr
from gui.kit.workers import Failure
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task, TaskHandle
from visionft.curation.table import CHECKS
from visionft.events import Event, Progress
from visionft.libraries import LOADING

if TYPE_CHECKING:
    from visionft.curation.scan import ScanReport, SkippedCheck

run_checks = LazyFunction("visionft.curation.scan:run_checks")


class IssueScan(QObject):
    """The single task for checks, with the last outcome of each check."""

    changed = Signal()  # progress
    ended = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._session, self._page = state, session, page
        self._handle: TaskHandle | None = None
        self.progress: Progress | None = None  # None while no task runs
        self.checks: frozenset[str] = frozenset()  # running or queued in this task
        self.skipped: dict[str, SkippedCheck] = {}  # checks that could not run last time
        self.failure: Failure | None = None  # error of the last task
        self.was_stopped = False

    @property
    def is_running(self) -> bool:
        return self.progress is not None

    @property
    def is_stopping(self) -> bool:
        return self._handle is not None and self._handle.is_stopping

    def start(self, checks: Iterable[str] = ()) -> None:
        """Run the given checks; without any, all of them."""
        session, names = self._session, tuple(checks)
        if session is None or self.is_running:
            return
        self.progress, self.checks = LOADING, frozenset(names or CHECKS)
        self.failure, self.was_stopped = None, False
        work = partial(run_checks, session.path, session.snapshot(), names)
        self._handle = self._state.tasks.run(
            Task(title=tr("Finding issues"), work=work, lane=Lane.COMPUTE, page=self._page, device=True),
            owner=self,
            on_failed=self._on_failed,
            on_event=self._on_event,
            on_end=self._on_ended,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Cancel the task; results so far are kept."""
        if self._handle is not None:
            self._handle.stop()
            self.changed.emit()

    def _on_failed(self, failure: Failure) -> None:
        self.failure = None if failure.is_stop else failure

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress = event
            self.changed.emit()

    def _on_ended(self, outcome: "Outcome[ScanReport]") -> None:
        self._handle = self.progress = None
        self.checks, self.was_stopped = frozenset(), outcome.was_stopped
        if outcome.result is not None:
            skipped = {name: each for name, each in self.skipped.items() if name not in outcome.result.results}
            self.skipped = skipped | outcome.result.skipped
        self.ended.emit()
