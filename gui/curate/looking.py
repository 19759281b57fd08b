"""Looking through the pictures in a task: features, then the checks; what is under way, and how it ended."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from gui.kit.i18n import tr
from gui.kit.workers import Failure
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Outcome, Task, TaskHandle
from visionft.curation.table import CHECKS
from visionft.events import Event, OnEvent, Progress, ShouldStop
from visionft.libraries import LOADING, load_libraries

if TYPE_CHECKING:
    from visionft.curation.look_through import LookReport, Refusal
    from visionft.data.types import Snapshot


def look(
    project_dir: Path, images: "Snapshot", checks: tuple[str, ...], *, on_event: OnEvent, should_stop: ShouldStop
) -> "LookReport":
    """Look through the pictures, in a task; without names of checks, by all of them."""
    load_libraries(on_event)
    from visionft.curation.look_through import look_through

    return look_through(project_dir, images, checks, on_event=on_event, should_stop=should_stop)


class Looking(QObject):
    """The one look through the pictures that may be under way, and what the last one of each check said."""

    changed = Signal()  # how far it is
    ended = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, page: str, parent: QObject) -> None:
        """Args: `page` is the page that the task leads to."""
        super().__init__(parent)
        self._state, self._session, self._page = state, session, page
        self._handle: TaskHandle | None = None
        self.progress: Progress | None = None  # None while nothing is under way
        self.checks: frozenset[str] = frozenset()  # that look, or will in this task
        self.refused: dict[str, Refusal] = {}  # why a check could not look, where it tried last
        self.failure: Failure | None = None  # why the last look did not come to its end
        self.was_stopped = False

    @property
    def is_under_way(self) -> bool:
        """Whether the pictures are being looked through, or will be."""
        return self.progress is not None

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to end."""
        return self._handle is not None and self._handle.is_stopping

    def start(self, checks: Iterable[str] = ()) -> None:
        """Look through the pictures by these checks; none given, by all of them."""
        session, names = self._session, tuple(checks)
        if session is None or self.is_under_way:
            return
        self.progress, self.checks = LOADING, frozenset(names or CHECKS)
        self.failure, self.was_stopped = None, False
        title = tr("Looking through the pictures")
        work = partial(look, session.path, session.snapshot(), names)
        self._handle = self._state.tasks.run(
            Task(title=title, work=work, lane=Lane.COMPUTE, page=self._page, device=True),
            owner=self,
            on_done=self._take,
            on_failed=self._fail,
            on_event=self._on_event,
            on_end=self._on_ended,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Ask it to end; what was found and computed so far is kept."""
        if self._handle is not None:
            self._handle.stop()
            self.changed.emit()

    def _take(self, report: "LookReport") -> None:
        for name in report.results:
            self.refused.pop(name, None)
        self.refused |= report.refused

    def _fail(self, failure: Failure) -> None:
        self.failure = None if failure.is_stop else failure

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Progress):
            self.progress = event
            self.changed.emit()

    def _on_ended(self, outcome: "Outcome[LookReport]") -> None:
        self._handle = self.progress = None
        self.checks, self.was_stopped = frozenset(), outcome.was_stopped
        self.ended.emit()
