"""What the window is about: the open project, the running job, and the signals the screens listen to.

Owns the only live `Project`. Screens ask it to change things; it tells all of them what changed.
"""

import logging
import time
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal, Slot

from gui import preferences as stored_settings
from gui.kit.workers import Job, Work
from gui.preferences import Settings
from visionft.errors import VisionFTError
from visionft.project.store import Project

if TYPE_CHECKING:
    from gui.runner import Runner
    from visionft.data.types import Snapshot, Task
    from visionft.project.edits.changes import Change

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobInfo:
    """The job that runs now. `kind` says which screen it belongs to."""

    kind: str
    title: str
    page: str
    started_s: float
    may_write: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOutcome:
    """How a job ended: with `result`, or with a message (then `result` is None)."""

    info: JobInfo
    result: Any = None
    message: str = ""
    hint: str = ""
    details: str = ""
    was_stopped: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether there is no result."""
        return bool(self.message)


class AppState(QObject):
    """The one shared state of the window."""

    project_changed = Signal()  # another project, or none
    content_changed = Signal(object)  # pictures, labels, classes or splits: Effects, or None when all may have changed
    runs_changed = Signal()
    settings_changed = Signal()
    job_started = Signal(object)  # JobInfo
    job_reported = Signal(object)  # Event
    job_ended = Signal(object)  # JobOutcome
    message_raised = Signal(str, str, str, str)  # message, hint, tone, details
    page_requested = Signal(str)
    run_continue_requested = Signal(object)  # RunSummary: the train page goes on with it
    run_duplicate_requested = Signal(object)  # RunSummary: the train page takes its settings, to change and start anew
    pictures_requested = Signal(object, str)  # image ids, what they are: the label page shows just these

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.settings: Settings = stored_settings.load_settings()
        self.project: Project | None = None
        self.job_info: JobInfo | None = None
        self._job: Job | None = None
        self._outcome: JobOutcome | None = None
        self._snapshot: Snapshot | None = None

    # -- project ------------------------------------------------------------------------------------------------

    @property
    def path(self) -> Path | None:
        """Return the open project's folder."""
        return self.project.path if self.project is not None else None

    def open_project(self, path: Path) -> bool:
        """Open a project in place of the one that is open; on failure say why and keep what was open."""
        is_open = self.project is not None and self.project.path.resolve() == path.resolve()
        if is_open and self.project is not None and not self.project.is_read_only:
            return True  # opened a second time, it could only be read
        return self._take(lambda: Project.open(path))

    def create_project(self, path: Path, *, task: "Task" = "single") -> bool:
        """Create and open a project; on failure say why and keep what was open."""
        return self._take(lambda: Project.create(path, task=task))

    def close_project(self) -> None:
        """Close the project; the welcome screen shows."""
        if self.project is not None:
            self.project.close()
        self.project, self._snapshot = None, None
        self.project_changed.emit()

    def snapshot(self) -> "Snapshot | None":
        """Return the project's pictures, labels and splits as they are now (kept until they change)."""
        if self._snapshot is None and self.project is not None:
            self._snapshot = self.project.snapshot()
        return self._snapshot

    def apply(self, change: "Change") -> bool:
        """Make a change durable, then tell the screens what it altered; on failure say why."""
        return self._mutate(lambda project: project.apply(change))

    def undo(self) -> bool:
        """Take the last change back."""
        return self._mutate(lambda project: project.undo())

    def redo(self) -> bool:
        """Make the change last taken back again."""
        return self._mutate(lambda project: project.redo())

    def _mutate(self, act: Any) -> bool:
        if self.project is None:
            return False
        try:
            effects = act(self.project)
        except VisionFTError as error:
            self.report(error)
            return False
        if effects:
            self._snapshot = None
            self.content_changed.emit(effects)
        return True

    def _take(self, opener: Any) -> bool:
        if self.job_info is not None:
            self.message_raised.emit("A job is running.", "Stop it or wait for its end first.", "warn", "")
            return False
        try:
            project = opener()
        except VisionFTError as error:
            self.report(error)
            return False
        if self.project is not None:
            self.project.close()
        self.project, self._snapshot = project, None
        self.change_settings(stored_settings.with_recent(self.settings, project.path))
        self.project_changed.emit()
        if project.is_read_only:
            self.message_raised.emit(
                f"This project can only be read: {project.read_only_reason}.",
                "Close it there, then open it again.",
                "warn",
                "",
            )
        return True

    @cached_property
    def runner(self) -> "Runner":
        """Return what starts training runs and keeps their queue; made when it is first asked for."""
        from gui.runner import Runner

        return Runner(self)

    # -- settings and messages ----------------------------------------------------------------------------------

    def change_settings(self, changed: Settings | None = None, **values: Any) -> None:
        """Replace the settings, or some fields of them, and write them."""
        updated = replace(changed or self.settings, **values)
        if updated == self.settings:
            return
        self.settings = updated
        stored_settings.save_settings(updated)
        self.settings_changed.emit()

    def report(self, error: VisionFTError) -> None:
        """Show an expected error as a banner."""
        self.message_raised.emit(error.message, error.hint, "bad", "")

    # -- jobs ---------------------------------------------------------------------------------------------------

    def start_job(self, kind: str, title: str, work: Work, *, page: str, may_write: bool = False) -> bool:
        """Start long work; one job runs at a time.

        Args:
            kind: Word by which the screens know the job's events and outcome as theirs.
            title: What the status bar says.
            work: The work, bound to its inputs.
            page: Screen that the status bar leads to.
            may_write: The work changes the project; the screens look again at its end.
        """
        if self._job is not None:
            self.message_raised.emit("A job is running already.", "Stop it or wait for its end.", "warn", "")
            return False
        self.job_info = JobInfo(kind=kind, title=title, page=page, started_s=time.monotonic(), may_write=may_write)
        self._job = Job(work, parent=self)
        self._job.reported.connect(self._on_job_reported)
        self._job.succeeded.connect(self._on_job_succeeded)
        self._job.failed.connect(self._on_job_failed)
        self._job.finished.connect(self._on_job_finished)
        self.job_started.emit(self.job_info)
        self._job.start()
        return True

    def stop_job(self) -> None:
        """Ask the running job to end well."""
        if self._job is not None:
            self._job.request_stop()

    @property
    def is_stopping(self) -> bool:
        """Whether the running job was asked to stop."""
        return self._job is not None and self._job.is_stopping

    @Slot(object)
    def _on_job_reported(self, event: Any) -> None:
        self.job_reported.emit(event)

    @Slot(object)
    def _on_job_succeeded(self, result: Any) -> None:
        assert self.job_info is not None
        self._outcome = JobOutcome(info=self.job_info, result=result, was_stopped=self.is_stopping)

    @Slot(str, str, str)
    def _on_job_failed(self, message: str, hint: str, details: str) -> None:
        assert self.job_info is not None
        self._outcome = JobOutcome(
            info=self.job_info, message=message, hint=hint, details=details, was_stopped=self.is_stopping
        )

    @Slot()
    def _on_job_finished(self) -> None:
        """Let go of the thread once it has really ended, then tell the screens."""
        assert self._job is not None and self.job_info is not None
        outcome, info = self._outcome, self.job_info
        self._job.deleteLater()
        self._job, self.job_info, self._outcome = None, None, None
        if info.may_write:
            self._snapshot = None
            self.content_changed.emit(None)
        assert outcome is not None
        self.job_ended.emit(outcome)
