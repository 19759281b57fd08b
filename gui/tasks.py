"""Long work beside the window: what runs, what waits and for what, and who hears how it ended.

A screen describes its work as a `Task` and calls `Tasks.run` with callbacks, which arrive on the main thread. Each task
takes a lane; the lanes go on at the same time, one task of each at a time. `reason_to_wait` alone decides what else
cannot go together.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Generic, TypeVar

import shiboken6
from PySide6.QtCore import QEventLoop, QObject, QTimer, Signal, Slot

from gui.kit.i18n import tr
from gui.kit.workers import Failure, Job, Work
from visionft.devices import free_gpu_mb
from visionft.events import Event

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
NEEDED_GPU_MB = 2048  # what evaluating or exporting takes at most times beside a run, with the libraries themselves
_LOOK_AGAIN_MS = 2000


class Lane(Enum):
    """What a task takes up. One task of each lane runs at a time."""

    TRAINING = "training"
    COMPUTE = "compute"
    DISK = "disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[T_co]):
    """Long work to be done once.

    Attributes:
        title: What it does, for the status bar: `Evaluating 001-resnet18`.
        work: The work, bound to its inputs; its libraries are imported inside.
        lane: What it takes up.
        page: The screen that the status bar leads to.
        writes: It changes the project: one such task runs at a time.
        device: It computes on the graphics card where there is one.
        gives_way: It only measures: it never runs beside a training run, and is stopped for one.
        outlives_project: It has nothing to do with the open project, and goes on when another is opened.
    """

    title: str
    work: Work[T_co]
    lane: Lane
    page: str
    writes: bool = False
    device: bool = False
    gives_way: bool = False
    outlives_project: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T_co]):
    """How a task ended: with `result`, with `failure`, or with neither when it was stopped before it began."""

    task: Task[T_co]
    result: T_co | None = None
    failure: Failure | None = None
    was_stopped: bool = False
    has_begun: bool = True
    seconds: float = 0.0


def reason_to_wait(task: Task[Any], running: Iterable[Task[Any]], *, free_mb: int | None = None) -> str:
    """Return what a task waits for, in words; empty when it can begin. The one place that decides what conflicts.

    Args:
        task: The task to begin.
        running: The tasks under way.
        free_mb: Free memory of the graphics card in MiB; None where there is none.
    """
    for other in running:
        if other.lane is task.lane:
            return tr("waits for “{task}”", task=other.title)
        if task.gives_way and other.lane is Lane.TRAINING:
            return tr("waits for “{task}”: beside it the measurement would be wrong", task=other.title)
        if other.gives_way and task.lane is Lane.TRAINING:
            return tr("waits until “{task}” has stopped", task=other.title)
        if other.writes and task.writes:
            return tr("waits for “{task}”: it is changing the project", task=other.title)
        if other.device and task.device and free_mb is not None and free_mb < NEEDED_GPU_MB:
            words = "waits for “{task}”: only {free} MB of the graphics card's memory are free"
            return tr(words, task=other.title, free=f"{free_mb:,}")
    return ""


class TaskHandle(QObject):
    """A task that was handed in, from then to its end."""

    def __init__(self, task: Task[Any], told: "_Callbacks", parent: "Tasks") -> None:
        super().__init__(parent)
        self.task = task
        self.waits_for = ""  # words; empty once it runs
        self._tasks, self._told = parent, told
        self._job: Job | None = None
        self._began_s = 0.0
        self._result: Any = None
        self._failure: Failure | None = None
        self._was_cancelled = self._is_over = False

    @property
    def is_running(self) -> bool:
        """Whether its work is under way."""
        return self._job is not None and not self._is_over

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._was_cancelled or (self._job is not None and self._job.is_stopping)

    def stop(self) -> None:
        """Ask the work to end well; a task that waits ends at once."""
        if self.is_stopping:
            return
        if self._job is None:
            self._was_cancelled = True
        else:
            self._job.request_stop()
        self._tasks.on_stop_asked(self)

    def begin(self) -> None:
        """Start the work in its thread; for `Tasks`."""
        self.waits_for, self._began_s = "", time.monotonic()
        self._job = job = Job(self.task.work, parent=self)
        job.reported.connect(self._on_reported)
        job.succeeded.connect(self._on_succeeded)
        job.failed.connect(self._on_failed)
        job.finished.connect(self._on_finished)
        job.start()

    def close(self) -> "Outcome[Any]":
        """Return how it ended; for `Tasks`."""
        self._is_over = True
        self.deleteLater()
        has_begun = self._job is not None
        return Outcome(
            task=self.task, result=self._result, failure=self._failure, was_stopped=self.is_stopping,
            has_begun=has_begun, seconds=time.monotonic() - self._began_s if has_begun else 0.0,
        )  # fmt: skip

    def tell_end(self, outcome: "Outcome[Any]") -> None:
        """Call back; for `Tasks`."""
        self._told.end(outcome)

    @property
    def handles_failure(self) -> bool:
        """Whether who handed it in shows a failure itself."""
        return self._told.on_failed is not None and self._told.is_heard

    @Slot(object)
    def _on_reported(self, event: Event) -> None:
        self._tasks.reported.emit(self, event)
        if self._told.on_event is not None and self._told.is_heard:
            self._told.on_event(event)

    @Slot(object)
    def _on_succeeded(self, result: Any) -> None:
        self._result = result

    @Slot(object)
    def _on_failed(self, failure: Failure) -> None:
        self._failure = failure

    @Slot()
    def _on_finished(self) -> None:
        self._tasks.on_finished(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Callbacks:
    """Who hears of a task; nobody once the owner is gone."""

    owner: QObject
    on_done: Callable[[Any], object]
    on_failed: Callable[[Failure], object] | None
    on_event: Callable[[Event], object] | None
    on_end: "Callable[[Outcome[Any]], object] | None"

    @property
    def is_heard(self) -> bool:
        return shiboken6.isValid(self.owner)

    def end(self, outcome: "Outcome[Any]") -> None:
        if self.is_heard and outcome.failure is not None and self.on_failed is not None:
            self.on_failed(outcome.failure)
        elif self.is_heard and outcome.failure is None and outcome.has_begun:
            self.on_done(outcome.result)
        if self.is_heard and self.on_end is not None:
            self.on_end(outcome)


class Tasks(QObject):
    """All tasks of the window."""

    changed = Signal()  # what runs, what waits, or for what
    added = Signal(object)  # TaskHandle: somebody wants this done
    reported = Signal(object, object)  # TaskHandle, Event
    written = Signal()  # a task that changes the project has ended: look again
    ended = Signal(object, bool)  # Outcome; whether a failure is shown already by who handed the task in

    def __init__(self, parent: QObject | None = None, *, free_mb: Callable[[], int | None] = free_gpu_mb) -> None:
        super().__init__(parent)
        self._free_mb = free_mb
        self._running: list[TaskHandle] = []
        self._waiting: list[TaskHandle] = []
        self._look_again = QTimer(self, interval=_LOOK_AGAIN_MS)
        self._look_again.timeout.connect(self._begin_what_can)

    # -- handing in ---------------------------------------------------------------------------------------------

    def run(
        self,
        task: Task[T],
        *,
        owner: QObject,
        on_done: Callable[[T], object],
        on_failed: Callable[[Failure], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
        on_end: Callable[[Outcome[T]], object] | None = None,
    ) -> TaskHandle:
        """Do long work beside the window, at once or as soon as nothing speaks against it.

        Args:
            task: The work.
            owner: Whose callbacks these are: once it is deleted, none is called any more.
            on_done: Takes the result, also the partial one of a task that was stopped.
            on_failed: Takes the reason in place of the toast over the page.
            on_event: Takes each event of the work, about ten steps a second at most.
            on_end: Is called last, however it ended; also for a task that was stopped while it waited.
        """
        told = _Callbacks(owner=owner, on_done=on_done, on_failed=on_failed, on_event=on_event, on_end=on_end)
        handle = TaskHandle(task, told, self)
        self._waiting.append(handle)
        self.added.emit(handle)
        self._begin_what_can()
        return handle

    # -- looking ------------------------------------------------------------------------------------------------

    @property
    def running(self) -> tuple[TaskHandle, ...]:
        """Return what is under way, in the order of its beginning."""
        return tuple(self._running)

    @property
    def waiting(self) -> tuple[TaskHandle, ...]:
        """Return what waits, in its order."""
        return tuple(self._waiting)

    @property
    def pending(self) -> tuple[TaskHandle, ...]:
        """Return what runs, then what waits."""
        return (*self._running, *self._waiting)

    def is_busy(self, *lanes: Lane) -> bool:
        """Tell whether something runs or waits in one of these lanes."""
        return any(handle.task.lane in lanes for handle in self.pending)

    # -- ending -------------------------------------------------------------------------------------------------

    def end(self, ending: Callable[[TaskHandle], bool]) -> None:
        """Stop these tasks and return when they have ended and told so; the window paints but takes no input."""
        loop = QEventLoop()
        self.changed.connect(loop.quit)
        try:
            while handles := [handle for handle in self.pending if ending(handle)]:
                for handle in handles:
                    handle.stop()
                if any(handle.is_running for handle in handles):
                    loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        finally:
            self.changed.disconnect(loop.quit)

    def on_stop_asked(self, handle: TaskHandle) -> None:
        """Follow a handle that was stopped; one that waited ends now."""
        if handle in self._waiting:
            self._waiting.remove(handle)
            self._close(handle)
        else:
            self.changed.emit()

    def on_finished(self, handle: TaskHandle) -> None:
        """Follow a handle whose thread has really ended."""
        self._running.remove(handle)
        if handle.task.writes:
            self.written.emit()
        self._close(handle)

    def _close(self, handle: TaskHandle) -> None:
        """Tell how a task ended, then begin what waited for it; a bug in a callback holds up neither."""
        outcome, is_told = handle.close(), handle.handles_failure
        try:
            handle.tell_end(outcome)
        finally:
            self._begin_what_can()
            self.ended.emit(outcome, is_told)

    @Slot()
    def _begin_what_can(self) -> None:
        is_scarce = False
        for handle in sorted(self._waiting, key=lambda each: each.task.lane is not Lane.TRAINING):
            running = [each.task for each in self._running]
            free_mb = self._free_memory(handle.task, running)
            handle.waits_for = reason_to_wait(handle.task, running, free_mb=free_mb)
            is_scarce = is_scarce or (free_mb is not None and bool(handle.waits_for))
            if not handle.waits_for:
                self._waiting.remove(handle)
                self._running.append(handle)
                handle.begin()
            elif handle.task.lane is Lane.TRAINING:
                self._make_way()
        if is_scarce:
            self._look_again.start()
        else:
            self._look_again.stop()
        self.changed.emit()

    def _make_way(self) -> None:
        """Stop what only measures: a training run waits."""
        for handle in [each for each in self._running if each.task.gives_way]:
            handle.stop()

    def _free_memory(self, task: Task[Any], running: Sequence[Task[Any]]) -> int | None:
        """Return the free memory in MiB where it matters: asking the driver takes a moment."""
        return self._free_mb() if task.device and any(other.device for other in running) else None
