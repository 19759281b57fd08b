"""The job queue of the window: running jobs, waiting jobs with the reason they wait, and callbacks at the end.

A screen describes its work as a `Job` and passes it to `Jobs.run` with callbacks, which are called on the main thread.
Each job belongs to a lane; lanes run in parallel, one job of each at a time. All further conflicts are decided by
`reason_to_wait`.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Any, Generic, Protocol, TypeVar, cast

import shiboken6
from PySide6.QtCore import QCoreApplication, QEventLoop, QObject, QTimer, Signal, Slot

from gui.kit.translation import tr
from gui.kit.workers import detach
from visionft.core.devices import free_gpu_mb
from visionft.core.errors import NextStep, as_visionft_error
from visionft.core.events import Event, Progress
from visionft.core.jobs import EventThrottle, JobCancelled, JobContext
from visionft.core.log import log_visionft_error
from visionft.core.messages import Message, Text

logger = logging.getLogger(__name__)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)
JOB_THREAD_NAME = "visionft-job"
MIN_FREE_GPU_MB = 2048  # upper estimate for evaluation or export alongside a run, including the libraries
GPU_MEMORY_POLL_MS = 2000
_DETACH_AFTER_SECONDS = 0.3  # a stopped job that still runs then is detached, unless its end matters


class Work(Protocol[T_co]):
    """The callable of a job, with its inputs already bound."""

    def __call__(self, *, job: JobContext) -> T_co: ...


def short_work(stage: Text, call: Callable[[], T]) -> Work[T]:
    """Return `call` as the work of a job: reported as one stage, too short to be cancelled."""

    def work(*, job: JobContext) -> T:
        with job.stage(stage):
            return call()

    return work


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The reason a job has no result; `details` is the bug report, empty for an expected failure.

    `is_cancelled` means that the user cancelled the job before it had a usable partial result: not an error.
    """

    message: str
    hint: str = ""
    details: str = ""
    next_step: NextStep | None = None
    is_cancelled: bool = False

    @classmethod
    def of(cls, error: BaseException) -> "Failure":
        """Return the failure for an exception, and log the exception."""
        if (expected := as_visionft_error(error)) is None:
            logger.error("A job failed unexpectedly", exc_info=error)
            message = Message("Unexpected error: {name}: {error}", name=type(error).__name__, error=error)
            return cls(message=message, details="".join(traceback.format_exception(error)))
        log_visionft_error(logger, error)
        is_cancelled = isinstance(expected, JobCancelled)
        step = expected.next_step
        return cls(message=expected.message, hint=expected.hint, next_step=step, is_cancelled=is_cancelled)


class Lane(Enum):
    """The resource that a job needs. One job of each lane runs at a time."""

    TRAINING = "training"
    COMPUTE = "compute"
    PREDICTION = "prediction"  # an exported model classifies images, even while further files of its export are written
    DISK = "disk"


class Priority(IntEnum):
    """Decides conflicts: a waiting job stops running jobs of lower priority that conflict with it (`Job.yields_to`)."""

    BACKGROUND = 0  # an automatic estimate: stopped for every other job, and hidden from the job bar
    MEASUREMENT = 1  # a timing: never runs alongside a training run, and is stopped for one
    REGULAR = 2


class Job(QObject, Generic[T]):
    """Long work that the user sees and can cancel: its description, its thread and its outcome.

    `Jobs.run` starts it, at once or later. Signals and callbacks arrive on the main thread; callbacks are not called
    after their owner is deleted.

    Attributes:
        title: Its text in the job bar: `Evaluating 001-resnet18`.
        work: The callable, which imports its libraries itself. None once it has begun.
        lane: The resource that it needs.
        page: The page that the job bar links to.
        writes: Whether it changes the project; one such job runs at a time.
        device: Whether it computes on the graphics card, if there is one.
        priority: Decides which of two conflicting jobs is stopped.
        makes_files: Whether it writes files for the user, which would be incomplete if it were stopped.
        outlives_project: Whether it continues when another project is opened.
        owner_shows_result: Whether its owner announces the result, so that no toast is needed.
        wait_reason: The reason it has to wait, as text; empty once it runs.
        has_begun: False for a job that was stopped while it waited.
        was_stopped: Whether cancellation was requested.
        result: The result once it has ended, possibly the partial result of a cancelled job; else None.
        failure: The failure if it ended without a result; None if it was stopped before it began, or detached.
        seconds: Its duration.
    """

    reported = Signal(object, object)  # Job, Event
    stop_requested = Signal(object)  # Job
    ended = Signal(object)  # Job

    _event_arrived = Signal(object)  # Event; emitted by the thread
    _work_ended = Signal()  # emitted by the thread

    def __init__(
        self,
        *,
        title: str,
        work: Work[T],
        lane: Lane,
        page: str,
        writes: bool = False,
        device: bool = False,
        priority: Priority = Priority.REGULAR,
        makes_files: bool = False,
        outlives_project: bool = False,
        owner_shows_result: bool = False,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.title, self.lane, self.page, self.priority = title, lane, page, priority
        self.work: Work[T] | None = work
        self.writes, self.device, self.makes_files = writes, device, makes_files
        self.outlives_project, self.owner_shows_result = outlives_project, owner_shows_result
        self.wait_reason = ""
        self.has_begun = self.was_stopped = False
        self.result: T | None = None
        self.failure: Failure | None = None
        self.seconds = 0.0
        self._owner: QObject = self
        self._on_done: Callable[[T], object] | None = None
        self._on_failed: Callable[[Failure], object] | None = None
        self._on_event: Callable[[Event], object] | None = None
        self._on_progress: Callable[[Progress], object] | None = None
        self._on_end: Callable[[Job[T]], object] | None = None
        self._cancelled = threading.Event()
        self._thread: threading.Thread | None = None
        self._outcome: Future[T | Failure] = Future()
        self._began_s = 0.0
        self._is_over = self._is_detached = False
        self._event_arrived.connect(self._on_event_arrived)
        self._work_ended.connect(self._on_work_ended)

    @property
    def must_end(self) -> bool:
        """Whether closing waits for its end: a training run must be saved, a change of the project completed."""
        return self.writes or self.lane is Lane.TRAINING

    @property
    def needs_stop_confirmation(self) -> bool:
        """Whether stopping it loses something, so that the user must confirm it."""
        return self.must_end or self.makes_files

    def yields_to(self, other: "Job[Any]") -> bool:
        """Return whether this job is stopped when `other` waits for it."""
        if self.priority is Priority.BACKGROUND:
            return other.priority > Priority.BACKGROUND
        return self.priority < other.priority and other.lane is Lane.TRAINING

    @property
    def is_running(self) -> bool:
        return self.has_begun and not self._is_over

    @property
    def is_stopping(self) -> bool:
        return self.was_stopped and not self._is_over

    @property
    def handles_failure(self) -> bool:
        """Whether a callback of the owner shows the failure."""
        return self._on_failed is not None and shiboken6.isValid(self._owner)

    def set_callbacks(
        self,
        owner: QObject,
        *,
        on_done: Callable[[T], object] | None,
        on_failed: Callable[[Failure], object] | None,
        on_event: Callable[[Event], object] | None,
        on_progress: Callable[[Progress], object] | None,
        on_end: "Callable[[Job[T]], object] | None",
    ) -> None:
        """Set the callbacks, documented at `Jobs.run`."""
        self._owner, self._on_done, self._on_failed = owner, on_done, on_failed
        self._on_event, self._on_progress, self._on_end = on_event, on_progress, on_end

    def begin(self) -> None:
        """Start the work in its thread."""
        work, self.work = self.work, None
        assert work is not None
        self.wait_reason = ""
        self.has_begun = True
        self._began_s = time.monotonic()
        self._thread = threading.Thread(target=self._do, args=(work,), name=JOB_THREAD_NAME, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Request cancellation: running work ends at its next check, a waiting job at once. Safe to call again."""
        if not self.was_stopped and not self._is_over:
            self.was_stopped = True
            self._cancelled.set()
            self.stop_requested.emit(self)

    def detach(self) -> None:
        """End the job now and discard its result; work that still runs ends at its next check."""
        self.was_stopped = self._is_detached = True
        self._cancelled.set()
        self._end()

    def wait(self) -> None:
        """Block until the work has ended, and emit `ended`."""
        if self._thread is not None and not self._is_over:
            self._thread.join()
            self._on_work_ended()

    def call_back(self) -> None:
        """Call `on_done` or `on_failed`, then `on_end`; used by `Jobs`."""
        if not shiboken6.isValid(self._owner):
            return
        if self.failure is not None and self._on_failed is not None:
            self._on_failed(self.failure)
        elif self.failure is None and self.has_begun and not self._is_detached and self._on_done is not None:
            self._on_done(cast("T", self.result))
        if shiboken6.isValid(self._owner) and self._on_end is not None:
            self._on_end(self)

    def _do(self, work: Work[T]) -> None:
        """Do the work in its thread; the only place that catches every exception."""
        throttle = EventThrottle(self._event_arrived.emit)
        try:
            outcome = work(job=JobContext(throttle, self._cancelled.is_set))
        except BaseException as error:  # it keeps its frames alive, so it must not leave this thread
            outcome = Failure.of(error)
        throttle.flush()
        self._outcome.set_result(outcome)
        self._work_ended.emit()

    @Slot(object)
    def _on_event_arrived(self, event: Event) -> None:
        if not self._is_over:
            self.reported.emit(self, event)
            if self._on_event is not None and shiboken6.isValid(self._owner):
                self._on_event(event)
            if self._on_progress is not None and isinstance(event, Progress) and shiboken6.isValid(self._owner):
                self._on_progress(event)

    @Slot()
    def _on_work_ended(self) -> None:
        assert self._thread is not None
        self._thread.join()  # takes a moment: the thread must not hold the last reference to this object
        if self._is_over:
            self.deleteLater()  # it was detached
            return
        outcome = self._outcome.result()
        if isinstance(outcome, Failure):
            self.failure = outcome
        else:
            self.result = outcome
        self._end()

    def _end(self) -> None:
        self._is_over = True
        if self._thread is not None:
            self.seconds = time.monotonic() - self._began_s
        if self._thread is not None and self._thread.is_alive():  # it still emits signals
            detach(self._outcome)
            self.setParent(QCoreApplication.instance())  # keeps it alive until its thread has ended
        else:
            self.deleteLater()
        self.ended.emit(self)


def reason_to_wait(job: Job[Any], running: Iterable[Job[Any]], *, free_mb: int | None = None) -> str:
    """Return the reason a job has to wait, as text; empty if it can start. The only place that decides conflicts.

    `free_mb` is the free memory of the graphics card in MiB, None without a graphics card.
    """
    for other in running:
        if other.lane is job.lane:
            return tr("waits for “{job}”", job=other.title)
        if job.priority < Priority.REGULAR and other.lane in (Lane.TRAINING, Lane.PREDICTION):
            return tr("waits for “{job}”: beside it the measurement would be wrong", job=other.title)
        if other.priority < Priority.REGULAR and job.lane in (Lane.TRAINING, Lane.PREDICTION):
            return tr("waits until “{job}” has stopped", job=other.title)
        if other.writes and job.writes:
            return tr("waits for “{job}”: it is changing the project", job=other.title)
        if other.device and job.device and free_mb is not None and free_mb < MIN_FREE_GPU_MB:
            words = Message("waits for “{job}”: only {free} MB of the graphics card's memory are free")
            return tr(words, job=other.title, free=f"{free_mb:,}")
    return ""


class Jobs(QObject):
    """The running and waiting jobs of the window."""

    changed = Signal()  # the running or waiting jobs, or a reason to wait
    added = Signal(object)  # Job
    reported = Signal(object, object)  # Job, Event
    written = Signal()  # a job that changes the project has ended
    ended = Signal(object, bool)  # Job; whether its owner shows the failure

    def __init__(self, parent: QObject | None = None, *, free_mb: Callable[[], int | None] = free_gpu_mb) -> None:
        super().__init__(parent)
        self._free_mb = free_mb
        self.running: list[Job[Any]] = []  # in order of start
        self.waiting: list[Job[Any]] = []
        self._memory_poll_timer = QTimer(self, interval=GPU_MEMORY_POLL_MS)
        self._memory_poll_timer.timeout.connect(self._begin_possible)

    def run(
        self,
        job: Job[T],
        *,
        owner: QObject,
        on_done: Callable[[T], object] | None = None,
        on_failed: Callable[[Failure], object] | None = None,
        on_event: Callable[[Event], object] | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        on_end: Callable[[Job[T]], object] | None = None,
    ) -> Job[T]:
        """Run a job in the background, at once or as soon as no conflict remains; return `job`.

        Args:
            job: The job; it can run once.
            owner: Callbacks are no longer called once this object is deleted.
            on_done: Receives the result, possibly the partial result of a cancelled job.
            on_failed: Receives the failure; without it, a toast shows the failure.
            on_event: Receives each event of the work, at most about ten steps a second.
            on_progress: Receives each event that is a `Progress`.
            on_end: Called last after any kind of end, also for a job cancelled while it waited.
        """
        job.set_callbacks(
            owner, on_done=on_done, on_failed=on_failed, on_event=on_event, on_progress=on_progress, on_end=on_end
        )
        job.setParent(self)
        job.reported.connect(self.reported)
        job.stop_requested.connect(self._on_stop_requested)
        job.ended.connect(self._on_ended)
        self.waiting.append(job)
        self.added.emit(job)
        self._begin_possible()
        return job

    @property
    def pending(self) -> tuple[Job[Any], ...]:
        return (*self.running, *self.waiting)

    @property
    def requested(self) -> tuple[Job[Any], ...]:
        """The running and waiting jobs, without background estimates."""
        return tuple(job for job in self.pending if job.priority > Priority.BACKGROUND)

    def is_busy(self, *lanes: Lane) -> bool:
        """Return whether a job of these lanes runs or waits, background estimates aside."""
        return any(job.lane in lanes for job in self.requested)

    def stop_and_wait(self, is_affected: Callable[[Job[Any]], bool]) -> None:
        """Stop the affected jobs and return after their callbacks; meanwhile the window paints but takes no input.

        A job that need not complete (`must_end` is false) is detached after `_DETACH_AFTER_SECONDS`.
        """
        loop = QEventLoop()
        detach_timer = QTimer(singleShot=True, interval=round(1000 * _DETACH_AFTER_SECONDS))
        self.changed.connect(loop.quit)
        detach_timer.timeout.connect(loop.quit)
        detach_timer.start()
        try:
            while jobs := [job for job in self.pending if is_affected(job)]:
                for job in jobs:
                    job.stop()
                if not detach_timer.isActive():
                    for running in [job for job in jobs if job.is_running and not job.must_end]:
                        running.detach()
                if any(job.is_running for job in jobs):
                    loop.exec(QEventLoop.ProcessEventsFlag.ExcludeUserInputEvents)
        finally:
            self.changed.disconnect(loop.quit)

    @Slot(object)
    def _on_stop_requested(self, job: Job[Any]) -> None:
        """Handle a stop request; waiting jobs and background estimates end now, other jobs at their next check."""
        if job in self.waiting or job.priority is Priority.BACKGROUND:
            job.detach()
        else:
            self.changed.emit()

    @Slot(object)
    def _on_ended(self, job: Job[Any]) -> None:
        """Report the end of a job, then start the jobs that waited for it, even after an exception in a callback."""
        if job in self.waiting:
            self.waiting.remove(job)
        else:
            self.running.remove(job)
            if job.writes:
                self.written.emit()
        is_failure_shown = job.handles_failure
        try:
            job.call_back()
        finally:
            self._begin_possible()
            self.ended.emit(job, is_failure_shown)

    def _begin_possible(self) -> None:
        """Start the waiting jobs without a conflict, training first; stop running jobs that yield to a waiting job."""
        waits_for_memory = False
        order = sorted(self.waiting, key=lambda job: (job.lane is not Lane.TRAINING, -job.priority))
        for job in order:
            if job not in self.waiting:  # started or stopped by a callback of this loop
                continue
            # Querying the driver takes a moment, so it is queried only if the result matters.
            needs_memory = job.device and any(other.device for other in self.running)
            free_mb = self._free_mb() if needs_memory else None
            job.wait_reason = reason_to_wait(job, self.running, free_mb=free_mb)
            waits_for_memory = waits_for_memory or (free_mb is not None and bool(job.wait_reason))
            if not job.wait_reason:
                self.waiting.remove(job)
                self.running.append(job)
                job.begin()
                continue
            for other in [running for running in self.running if running.yields_to(job)]:
                if reason_to_wait(job, [other], free_mb=free_mb):
                    other.stop()
        if waits_for_memory:
            self._memory_poll_timer.start()
        else:
            self._memory_poll_timer.stop()
        self.changed.emit()
