"""Long work in the background: running tasks, waiting tasks with their reasons, and callbacks at the end.

A screen describes its work as a `Task` and calls `Tasks.run` with callbacks; they arrive on the main thread. Each task
belongs to a lane; the lanes run in parallel, one task of each at a time. `reason_to_wait` alone decides all further
conflicts.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Generic, TypeVar

import shiboken6
from PySide6.QtCore import QEventLoop, QObject, QTimer, Signal, Slot

from gui.kit.translation import tr
from gui.kit.workers import Failure, Job, Work
from models.messages import Message
from visionft.devices import free_gpu_mb
from visionft.events import Event, Progress

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
NEEDED_GPU_MB = 2048  # upper estimate for evaluation or export alongside a run, including the libraries
_LOOK_AGAIN_MS = 2000
_LET_GO_S = 0.3  # the end of a stopped task is awaited so long where nothing depends on it


class Lane(Enum):
    """The resource of a task. One task of each lane runs at a time."""

    TRAINING = "training"
    COMPUTE = "compute"
    DISK = "disk"
    REMOTE = "remote"  # another computer


class Priority(IntEnum):
    """The order in which tasks give way: a waiting one stops those of a lower priority that it must not run beside."""

    UNREQUESTED = 0  # an estimate that nobody requested: stopped for every other task, and not in the task bar
    MEASUREMENT = 1  # measures time: never runs alongside a training run, and is stopped for one
    REGULAR = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Generic[T_co]):
    title: str  # in the status bar: `Evaluating 001-resnet18`
    work: Work[T_co]  # bound to its inputs; its libraries are imported inside
    lane: Lane
    page: str  # linked from the status bar
    writes: bool = False  # changes the project: one such task runs at a time
    device: bool = False  # computes on the graphics card if there is one
    priority: Priority = Priority.REGULAR
    makes_files: bool = False  # files that the user keeps: incomplete if it is stopped
    outlives_project: bool = False  # continues when another project is opened
    tells_result: bool = False  # its owner shows the result on any page

    @property
    def must_end(self) -> bool:
        """Whether closing waits for its end: a training run is saved, a change of the project completed."""
        return self.writes or self.lane is Lane.TRAINING

    @property
    def asks_to_close(self) -> bool:
        """Whether stopping it loses something; anything else is stopped without a question."""
        return self.must_end or self.makes_files

    def yields_to(self, other: "Task[Any]") -> bool:
        """Return whether it is stopped where `other` waits for it."""
        if self.priority is Priority.UNREQUESTED:
            return other.priority > Priority.UNREQUESTED
        return self.priority < other.priority and other.lane is Lane.TRAINING


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(Generic[T_co]):
    """The end of a task: with `result`, with `failure`, or with neither if it was stopped before it began or let go."""

    task: Task[T_co]
    result: T_co | None = None
    failure: Failure | None = None
    was_stopped: bool = False
    has_begun: bool = True
    seconds: float = 0.0


def reason_to_wait(task: Task[Any], running: Iterable[Task[Any]], *, free_mb: int | None = None) -> str:
    """Return the reason a task has to wait, in words; empty when it can start. The only place that decides conflicts.

    `free_mb` is the free memory of the graphics card in MiB; None if there is none.
    """
    for other in running:
        if other.lane is task.lane:
            return tr("waits for “{task}”", task=other.title)
        if task.priority < Priority.REGULAR and other.lane is Lane.TRAINING:
            return tr("waits for “{task}”: beside it the measurement would be wrong", task=other.title)
        if other.priority < Priority.REGULAR and task.lane is Lane.TRAINING:
            return tr("waits until “{task}” has stopped", task=other.title)
        if other.writes and task.writes:
            return tr("waits for “{task}”: it is changing the project", task=other.title)
        if other.device and task.device and free_mb is not None and free_mb < NEEDED_GPU_MB:
            words = Message("waits for “{task}”: only {free} MB of the graphics card's memory are free")
            return tr(words, task=other.title, free=f"{free_mb:,}")
    return ""


class TaskHandle(QObject):
    """A submitted task, until its end; its callbacks are not called once their owner is deleted."""

    def __init__(
        self,
        task: Task[Any],
        tasks: "Tasks",
        owner: QObject,
        *,
        on_done: Callable[[Any], object],
        on_failed: Callable[[Failure], object] | None,
        on_event: Callable[[Event], object] | None,
        on_progress: Callable[[Progress], object] | None,
        on_end: Callable[[Outcome[Any]], object] | None,
    ) -> None:
        super().__init__(tasks)
        self.task = task
        self.waits_for = ""  # the reason, in words; empty once it runs
        self._tasks, self._owner = tasks, owner
        self._on_done, self._on_failed, self._on_end = on_done, on_failed, on_end
        self._on_event, self._on_progress = on_event, on_progress
        self._job: Job | None = None
        self._began_s = 0.0
        self._result: Any = None
        self._failure: Failure | None = None
        self._was_cancelled = self._is_over = self._was_let_go = False

    @property
    def is_running(self) -> bool:
        return self._job is not None and not self._is_over

    @property
    def is_stopping(self) -> bool:
        return self._was_cancelled or (self._job is not None and self._job.is_stopping)

    @property
    def handles_failure(self) -> bool:
        """Whether the owner of the callbacks shows a failure itself."""
        return self._on_failed is not None and shiboken6.isValid(self._owner)

    def stop(self) -> None:
        """Request cancellation: running work ends at its next check, a waiting task at once."""
        if self.is_stopping:
            return
        if self._job is None:
            self._was_cancelled = True
        else:
            self._job.request_stop()
        self._tasks.on_stop_requested(self)

    def begin(self) -> None:
        """Start the work in its thread; for `Tasks`."""
        self.waits_for, self._began_s = "", time.monotonic()
        self._job = job = Job(self.task.work, parent=self)
        job.reported.connect(self._on_job_reported)
        job.succeeded.connect(self._on_job_succeeded)
        job.failed.connect(self._on_job_failed)
        job.finished.connect(self._on_job_finished)
        job.start()

    def close(self) -> Outcome[Any]:
        """Return the outcome, and let go of work that still runs; for `Tasks`."""
        self._is_over = True
        if self._job is not None and self._job.isRunning():
            self._was_let_go = True
            self._job.let_go()
        self.deleteLater()
        has_begun = self._job is not None
        return Outcome(
            task=self.task, result=self._result, failure=self._failure, was_stopped=self.is_stopping,
            has_begun=has_begun, seconds=time.monotonic() - self._began_s if has_begun else 0.0,
        )  # fmt: skip

    def call_back(self, outcome: Outcome[Any]) -> None:
        """Call the callbacks of the end; for `Tasks`."""
        if not shiboken6.isValid(self._owner):
            return
        if outcome.failure is not None and self._on_failed is not None:
            self._on_failed(outcome.failure)
        elif outcome.failure is None and outcome.has_begun and not self._was_let_go:
            self._on_done(outcome.result)
        if shiboken6.isValid(self._owner) and self._on_end is not None:
            self._on_end(outcome)

    @Slot(object)
    def _on_job_reported(self, event: Event) -> None:
        if self._is_over:
            return
        self._tasks.reported.emit(self, event)
        if self._on_event is not None and shiboken6.isValid(self._owner):
            self._on_event(event)
        if self._on_progress is not None and isinstance(event, Progress) and shiboken6.isValid(self._owner):
            self._on_progress(event)

    @Slot(object)
    def _on_job_succeeded(self, result: Any) -> None:
        self._result = result

    @Slot(object)
    def _on_job_failed(self, failure: Failure) -> None:
        self._failure = failure

    @Slot()
    def _on_job_finished(self) -> None:
        if not self._is_over:
            self._tasks.on_finished(self)


class Tasks(QObject):
    changed = Signal()  # running or waiting tasks, or a reason to wait
    added = Signal(object)  # TaskHandle of a submitted task
    reported = Signal(object, object)  # TaskHandle, Event
    written = Signal()  # a task that changes the project has ended: read it again
    ended = Signal(object, bool)  # Outcome; whether the owner of the task already shows its failure

    def __init__(self, parent: QObject | None = None, *, free_mb: Callable[[], int | None] = free_gpu_mb) -> None:
        super().__init__(parent)
        self._free_mb = free_mb
        self.running: list[TaskHandle] = []  # in the order of their start
        self.waiting: list[TaskHandle] = []
        self._look_again = QTimer(self, interval=_LOOK_AGAIN_MS)
        self._look_again.timeout.connect(self._begin_possible)

    def run(
        self,
        task: Task[T],
        *,
        owner: QObject,
        on_done: Callable[[T], object] = lambda _result: None,
        on_failed: Callable[[Failure], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        on_end: Callable[[Outcome[T]], object] | None = None,
    ) -> TaskHandle:
        """Run long work in the background, at once or as soon as no conflict remains.

        Args:
            task: The work.
            owner: The owner of the callbacks: once it is deleted, none is called any more.
            on_done: Receives the result, also the partial one of a cancelled task.
            on_failed: Receives the reason, in place of the toast over the page.
            on_event: Receives each event of the work, about ten steps a second at most.
            on_progress: Receives those that are a `Progress`.
            on_end: Is called last, after any kind of end; also for a task cancelled while it waited.
        """
        handle = TaskHandle(
            task, self, owner, on_done=on_done, on_failed=on_failed, on_event=on_event, on_progress=on_progress,
            on_end=on_end,
        )  # fmt: skip
        self.waiting.append(handle)
        self.added.emit(handle)
        self._begin_possible()
        return handle

    @property
    def pending(self) -> tuple[TaskHandle, ...]:
        return (*self.running, *self.waiting)

    @property
    def requested(self) -> tuple[TaskHandle, ...]:
        """The running and waiting tasks, without the estimates that nobody requested."""
        return tuple(handle for handle in self.pending if handle.task.priority > Priority.UNREQUESTED)

    def is_busy(self, *lanes: Lane) -> bool:
        """Return whether a requested task runs or waits in one of these lanes."""
        return any(handle.task.lane in lanes for handle in self.requested)

    def end(self, ending: Callable[[TaskHandle], bool]) -> None:
        """Stop these tasks and return after their callbacks; the window paints but takes no input.

        Work whose end nothing depends on is let go after a moment: it ends at its next check, unheard.
        """
        loop, patience = QEventLoop(), QTimer(singleShot=True, interval=round(1000 * _LET_GO_S))
        self.changed.connect(loop.quit)
        patience.timeout.connect(loop.quit)
        patience.start()
        try:
            while handles := [handle for handle in self.pending if ending(handle)]:
                for handle in handles:
                    handle.stop()
                if not patience.isActive():
                    for handle in [each for each in handles if each.is_running and not each.task.must_end]:
                        self.on_finished(handle)
                if any(handle.is_running for handle in handles):
                    loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        finally:
            self.changed.disconnect(loop.quit)

    def on_stop_requested(self, handle: TaskHandle) -> None:
        """Handle a stop request; a waiting task ends now, as does an estimate that nobody requested."""
        if handle in self.waiting:
            self.waiting.remove(handle)
            self._close(handle)
        elif handle.task.priority is Priority.UNREQUESTED:
            self.on_finished(handle)
        else:
            self.changed.emit()

    def on_finished(self, handle: TaskHandle) -> None:
        self.running.remove(handle)
        if handle.task.writes:
            self.written.emit()
        self._close(handle)

    def _close(self, handle: TaskHandle) -> None:
        """Report the end of a task, then start the tasks waiting for it; an exception in a callback blocks neither."""
        outcome, is_told = handle.close(), handle.handles_failure
        try:
            handle.call_back(outcome)
        finally:
            self._begin_possible()
            self.ended.emit(outcome, is_told)

    def _begin_possible(self) -> None:
        """Start the tasks without a conflict, training first; stop those that yield to a waiting one."""
        is_scarce = False
        order = sorted(self.waiting, key=lambda each: (each.task.lane is not Lane.TRAINING, -each.task.priority))
        for handle in order:
            if handle not in self.waiting:  # begun or stopped by the end of another one
                continue
            running = [each.task for each in self.running]
            # The driver is queried only where it matters: that takes a moment.
            needs_memory = handle.task.device and any(other.device for other in running)
            free_mb = self._free_mb() if needs_memory else None
            handle.waits_for = reason_to_wait(handle.task, running, free_mb=free_mb)
            is_scarce = is_scarce or (free_mb is not None and bool(handle.waits_for))
            if not handle.waits_for:
                self.waiting.remove(handle)
                self.running.append(handle)
                handle.begin()
                continue
            for other in [each for each in self.running if each.task.yields_to(handle.task)]:
                if reason_to_wait(handle.task, [other.task], free_mb=free_mb):
                    other.stop()
        if is_scarce:
            self._look_again.start()
        else:
            self._look_again.stop()
        self.changed.emit()
