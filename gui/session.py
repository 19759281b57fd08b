"""The state of the open project, created when it opens and deleted with its pages when it closes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QEventLoop, QObject, Signal

from gui.jobs import Job, Jobs, Lane
from gui.kit.thumbnail_cache import set_image_reading
from gui.kit.translation import tr
from gui.runner import Runner
from visionft.core.errors import VisionFTError
from visionft.core.events import Event, Notice
from visionft.core.jobs import JobContext
from visionft.project.db.journal import Effects
from visionft.project.splits import SplitReport, SplitRequest
from visionft.project.store import ProjectStore

if TYPE_CHECKING:
    from visionft.data.types import Snapshot
    from visionft.project.edits.changes import Change

T = TypeVar("T")
WRITER_THREAD_NAME = "visionft-writing"  # prefix of the thread name


def split_images(
    project: ProjectStore, request: SplitRequest, *, or_without_test: bool, job: JobContext
) -> SplitReport:
    """Call `split_without_leaks` in a job."""
    from visionft.analysis.leaks import split_without_leaks  # slow to import

    return split_without_leaks(project, request, or_without_test=or_without_test, job=job)


class Splitter(QObject):
    """Splits the images of one project, one job at a time."""

    changed = Signal()  # a split has begun or ended
    notice_raised = Signal(object)  # Notice: the groups of near-duplicates that were not separated

    def __init__(self, project: ProjectStore, jobs: Jobs, *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._project, self._jobs = project, jobs
        self.is_splitting = False

    def split(
        self,
        request: SplitRequest,
        *,
        page: str,
        or_without_test: bool = False,
        then: Callable[[SplitReport], object] = lambda _report: None,
    ) -> None:
        """Split the images in a job and call `then` with the report. The job bar links to `page`."""
        if self.is_splitting:
            return
        work = partial(split_images, self._project, request, or_without_test=or_without_test)
        job = Job(title=tr("Splitting the images"), work=work, lane=Lane.DISK, page=page, writes=True)
        self._set_splitting(True)
        self._jobs.run(
            job,
            owner=self,
            on_done=then,
            on_event=self._on_event,
            on_end=lambda _job: self._set_splitting(False),
        )

    def _on_event(self, event: Event) -> None:
        if isinstance(event, Notice) and event.level == "info":
            self.notice_raised.emit(event)

    def _set_splitting(self, is_splitting: bool) -> None:
        self.is_splitting = is_splitting
        self.changed.emit()


class ProjectSession(QObject):
    """The open project and its runs."""

    content_changed = Signal(object)  # Effects of the change, or None if anything may have changed
    runs_changed = Signal()
    exports_changed = Signal(object)  # Path of the exported file
    refused = Signal(object)  # VisionFTError of a failed change

    _written = Signal()  # emitted by the writer thread

    def __init__(self, project: ProjectStore, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.project, self.path = project, project.path
        self.jobs = jobs
        set_image_reading(project.image_reading)
        self._change_count = 0
        self._snapshot: tuple[int, Snapshot] | None = None  # with the change count when it was read
        self._snapshot_lock = threading.Lock()
        self._writer = ThreadPoolExecutor(1, WRITER_THREAD_NAME)  # runs slow changes in order
        self._unwritten = 0  # number of changes submitted to the writer that have not returned
        self.runner = Runner(self.path, self.snapshot, jobs, parent=self)
        self.splitter = Splitter(project, jobs, parent=self)
        self.runner.run_ended.connect(self.runs_changed)
        self.runner.run_evaluated.connect(self.runs_changed)
        jobs.written.connect(self._note_change)

    def snapshot(self) -> "Snapshot":
        """Return a snapshot of the project's images, labels and splits, cached until they change; thread-safe.

        Reading 100,000 images takes half a second: pages read it in the background (`BackgroundReader`), jobs call
        `snapshot_getter` first.
        """
        if (snapshot := self.cached_snapshot) is None:
            with self._snapshot_lock:  # concurrent callers wait for the same snapshot
                if (snapshot := self.cached_snapshot) is None:
                    change_count = self._change_count
                    snapshot = self.project.snapshot()
                    self._snapshot = (change_count, snapshot)
        return snapshot

    @property
    def snapshot_getter(self) -> "Callable[[], Snapshot]":
        """The function `snapshot`, as an input that a `lazy_function` calls at the start of its job."""
        return self.snapshot

    @property
    def cached_snapshot(self) -> "Snapshot | None":
        """The cached snapshot; None if the project has changed since it was read."""
        cached = self._snapshot
        return cached[1] if cached is not None and cached[0] == self._change_count else None

    def apply(self, change: "Change") -> bool:
        """Apply a durable change; return whether it succeeded."""
        return self.run(self.project.apply, change, is_slow=change.is_bulk) is not None

    def run(self, act: "Callable[..., T]", *inputs: Any, is_slow: bool = False) -> "T | None":
        """Run an action that changes the project, emit `content_changed`, and return its result.

        `content_changed` carries the `Effects` that the action returned, or None if anything may have changed. Returns
        None after a failure, which is reported. A slow action runs in the writer thread while the window paints; keys
        and clicks are handled afterwards, in order.
        """
        try:
            result = self._wait_for(partial(act, *inputs)) if is_slow or self._unwritten else act(*inputs)
        except VisionFTError as error:
            self.refused.emit(error)
            return None
        if not isinstance(result, Effects):
            self._note_change()
        elif result:
            self._note_change(result)
        return result

    def _wait_for(self, act: "Callable[[], T]") -> "T":
        """Run an action in the writer thread, after earlier ones; return its result or raise its error."""
        loop = QEventLoop()
        self._written.connect(loop.quit)
        self._unwritten += 1
        future: Future[T] = self._writer.submit(act)
        future.add_done_callback(lambda _future: self._written.emit())
        while not future.done():
            loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        self._unwritten -= 1
        return future.result()

    def check_project_folder(self) -> None:
        """Report a project folder that no longer exists, such as on an unplugged disk."""
        try:
            self.project.database.check_not_moved()
        except VisionFTError as error:
            self.refused.emit(error)

    def undo(self) -> bool:
        return self.run(self.project.undo, is_slow=True) is not None

    def redo(self) -> bool:
        return self.run(self.project.redo, is_slow=True) is not None

    def go_to(self, step_id: int) -> bool:
        """Undo or redo up to a step of the history."""
        return self.run(self.project.go_to, step_id, is_slow=True) is not None

    def close(self) -> None:
        """Close the project. Called after its jobs have ended and its pages are deleted."""
        self._writer.shutdown()
        self.project.close()
        self.deleteLater()

    def _note_change(self, effects: Effects | None = None) -> None:
        self._change_count += 1
        self._snapshot = None
        if effects is None or effects.has_new_settings:  # every screen may have to show the images differently
            set_image_reading(self.project.image_reading)
            effects = None
        self.content_changed.emit(effects)
