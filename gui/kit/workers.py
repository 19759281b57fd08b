"""Background work: `Job(QThread)`, and the thread of Python's garbage collector. The only file that uses threads.

A job calls `work(job=)` in its own thread. Its events arrive on the main thread as frozen dataclasses; it ends with
exactly one of `succeeded` or `failed`. No live objects (tensors, exceptions, widgets) cross.
"""

import gc
import logging
import multiprocessing
import os
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from PySide6.QtCore import QObject, QThread, QThreadPool, QTimer, Signal, Slot

from models.messages import Message, Text
from visionft.errors import NextStep, VisionFTError, as_expected
from visionft.events import Event, Progress, StepDone
from visionft.jobs import JobCancelled, JobContext
from visionft.log import log_expected

logger = logging.getLogger(__name__)
EVENT_INTERVAL_S = 0.1
IDLE_S = 1.0
LET_GO_MS = 100  # the end of unwanted work is awaited so long
PATIENCE_S = 0.02  # one frame: the window waits this long for a background result
_Result_co = TypeVar("_Result_co", covariant=True)
_Result = TypeVar("_Result")


class Work(Protocol[_Result_co]):
    """The callable of a job: long work already bound to its inputs."""

    def __call__(self, *, job: JobContext) -> _Result_co: ...


@dataclass(frozen=True, slots=True)
class ShortWork:
    """Work of a moment that cannot be cancelled: a call without a job, reported as one stage."""

    stage: Text
    call: Callable[[], Any]

    def __call__(self, *, job: JobContext) -> Any:
        job.report(Progress(stage=self.stage, done=0, total=0))
        return self.call()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The reason for a missing result; `details` is the bug report, empty for an expected failure.

    With `is_stop`, the user cancelled work without a usable partial result: not an error.
    """

    message: str
    hint: str = ""
    details: str = ""
    next_step: NextStep | None = None
    is_stop: bool = False


class EventThrottle:
    """Forwards about ten step and progress events a second, always the newest; every other event at once, in order."""

    def __init__(self, deliver: Callable[[Event], None], *, interval_s: float = EVENT_INTERVAL_S) -> None:
        self._deliver = deliver
        self._interval_s = interval_s
        self._waiting: Event | None = None
        self._last_s = float("-inf")
        self._stage = ""

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Progress | StepDone):
            self.flush()
            self._deliver(event)
            return
        is_new_stage = isinstance(event, Progress) and event.stage != self._stage
        if isinstance(event, Progress) and is_new_stage:
            self.flush()
            self._stage = event.stage
        if is_new_stage or time.monotonic() - self._last_s >= self._interval_s:
            self._waiting, self._last_s = None, time.monotonic()
            self._deliver(event)
        else:
            self._waiting = event

    def flush(self) -> None:
        """Deliver the waiting event, if any."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._deliver(waiting)


class Job(QThread):
    """One piece of long work. The owner keeps a reference until `finished`; never `terminate()` it."""

    reported = Signal(object)  # an Event
    succeeded = Signal(object)  # the result of the work: plain data
    failed = Signal(object)  # Failure

    def __init__(self, work: Work[Any], *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: Work[Any] | None = work
        self._stop = threading.Event()

    def request_stop(self) -> None:
        """Request cancellation at the work's next check; returns at once."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        return self._stop.is_set()

    def let_go(self) -> None:
        """Request cancellation without an owner that waits for the end; nobody hears of it."""
        self.request_stop()
        self.setParent(None)
        _unowned.add(self)
        self.finished.connect(self._on_let_go_finished)

    @Slot()
    def _on_let_go_finished(self) -> None:
        _unowned.discard(self)
        self.deleteLater()

    def run(self) -> None:
        """Run the work in this thread; the one broad catch of the window (design: errors)."""
        throttle = EventThrottle(self.reported.emit)
        work, self._work = self._work, None
        assert work is not None
        result: object = None
        failure: Failure | None = None
        try:
            result = work(job=JobContext(throttle, self._stop.is_set))
        except BaseException as error:  # it stays in this thread, because it keeps its frames alive
            if (expected := as_expected(error)) is None:
                logger.error("A job failed unexpectedly", exc_info=error)
                message = Message("Unexpected error: {name}: {error}", name=type(error).__name__, error=error)
                failure = Failure(message=message, details=traceback.format_exc())
            else:
                log_expected(logger, error)
                is_stop, step = isinstance(expected, JobCancelled), expected.next_step
                failure = Failure(message=expected.message, hint=expected.hint, next_step=step, is_stop=is_stop)
        del work
        throttle.flush()
        if failure is None:
            self.succeeded.emit(result)
        else:
            self.failed.emit(failure)


_unowned: set[Job | QThreadPool] = set()  # let go, until they have ended


def work_let_go() -> tuple[Job | QThreadPool, ...]:
    """Return the jobs and pools without an owner that still work."""
    return tuple(each for each in _unowned if (each.isRunning() if isinstance(each, Job) else each.activeThreadCount()))


def leave(status: int) -> int:
    """Return the exit status; where work that was let go still runs, end the process here and now.

    All that such work writes is atomic, and Python would crash at its own end beside a running thread.
    """
    if working := work_let_go():
        logger.info("ends beside %d threads", len(working))
        for child in multiprocessing.active_children():
            child.kill()
        logging.shutdown()
        os._exit(status)
    return status


class WorkerPool(QObject):
    """A thread pool for small tasks, such as decoding the visible images; the newest requests come first.

    `request` replaces the previous requests: obsolete ones are not started. A key in progress is not started twice,
    except where answers age: there it may have started before the change that caused the new request. Threads wait a
    moment for more work before they end, because starting one costs a frame.
    """

    done = Signal(object, object)  # key, result

    def __init__(
        self, task: Callable[[Any], Any], *, threads: int = 2, answers_age: bool = False, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._task, self._answers_age, self._threads = task, answers_age, threads
        self._wake = threading.Condition()
        self._wishes: list[Any] = []
        self._begun: set[Any] = set()
        self._running = 0
        self._is_closed = False
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(threads)
        self.destroyed.connect(partial(_end_destroyed, weakref.ref(self)))

    def request(self, keys: Sequence[Any]) -> None:
        """Request these results, the first one soonest; earlier requests not repeated here are dropped."""
        with self._wake:
            self._is_closed = False
            self._wishes = [key for key in reversed(keys) if self._answers_age or key not in self._begun]
            new = min(self._threads - self._running, len(self._wishes))
            self._running += new
            self._wake.notify(len(self._wishes))
        for _ in range(new):
            self._pool.start(self._work_off)

    def close(self) -> None:
        """Drop all requests, and wait a moment for the tasks in progress; longer ones end unheard."""
        if not self.end():
            self._pool = QThreadPool(self)
            self._pool.setMaxThreadCount(self._threads)

    def end(self) -> bool:
        """Close it for good; return whether no task is in progress any more."""
        with self._wake:
            self._is_closed = True
            self._wishes = []
            self._wake.notify_all()
        has_ended = self._pool.waitForDone(LET_GO_MS)
        if not has_ended:
            _unowned.difference_update([each for each in _unowned if each not in work_let_go()])
            self._pool.setParent(None)
            _unowned.add(self._pool)
        return has_ended

    def _work_off(self) -> None:
        """Process requests until none has come for a while, in a pool thread. Tasks turn their errors into results."""
        while (key := self._begin()) is not None:
            try:
                try:
                    result = self._task(key)
                finally:
                    with self._wake:
                        self._begun.discard(key)
                if not self._is_closed:
                    self.done.emit(key, result)
            except Exception:
                if not self._is_closed:  # else its project may be closed meanwhile
                    logger.exception("A small task failed unexpectedly")

    def _begin(self) -> Any:
        with self._wake:
            if not self._wishes and not self._is_closed:
                self._wake.wait(IDLE_S)
            if not self._wishes:
                self._running -= 1  # under the lock of the empty check: a later request starts its own thread
                return None
            key = self._wishes.pop()
            self._begun.add(key)
            return key


def _end_destroyed(pool: "weakref.ref[WorkerPool]", _object: object = None) -> None:
    """End a pool that is destroyed with its window: else Qt waits for its threads, and they for the interpreter."""
    if (found := pool()) is not None:
        found.end()


@dataclass(eq=False, slots=True)
class _Question(Generic[_Result]):
    """One request of a `BackgroundReader`, later with its result."""

    inputs: tuple[Any, ...]
    result: _Result | None = None
    is_answered: threading.Event = field(default_factory=threading.Event)


class BackgroundReader(QObject, Generic[_Result]):
    """Reads data in a background thread and delivers it on the main thread; only the newest request is answered.

    The window waits briefly for the result: the data of a small project appears at once, without a flicker.
    """

    def __init__(
        self, read: Callable[..., _Result], then: Callable[[_Result], object], *, parent: QObject | None = None
    ) -> None:
        """Args: `read` runs in a thread; `then` receives its result, on the main thread."""
        super().__init__(parent)
        self._read, self._then = read, then
        self._newest: _Question[_Result] | None = None
        self._pool = WorkerPool(self._answer, threads=1, answers_age=True, parent=self)
        self._pool.done.connect(self._on_done)

    def ask(self, *inputs: Any) -> bool:
        """Read with these inputs, replacing an unanswered request; return whether the result was already delivered."""
        self._newest = question = _Question[_Result](inputs)
        self._pool.request([question])
        is_answered = question.is_answered.wait(PATIENCE_S)
        if is_answered:
            self._on_done(question)
        return is_answered

    def close(self) -> None:
        """Drop the request, and wait for the reading in progress."""
        self._newest = None
        self._pool.close()

    def _answer(self, question: "_Question[_Result]") -> None:
        try:
            question.result = self._read(*question.inputs)
        except (VisionFTError, OSError) as error:  # the project was closed meanwhile, or its folder is gone
            logger.warning("Not read: %s", error)
        finally:
            question.is_answered.set()

    @Slot(object, object)
    def _on_done(self, question: "_Question[_Result]", _none: None = None) -> None:
        if question is self._newest:
            self._newest = None
            if question.result is not None:
                self._then(question.result)


class MainThreadCollector(QObject):
    """Run Python's cycle collector on the main thread only.

    A collection in a worker may finalise a widget caught in a cycle there, and Qt then crashes. So automatic collection
    is off, and this timer replaces it.
    """

    def __init__(self, parent: QObject, *, interval_ms: int = 1000) -> None:
        super().__init__(parent)
        self._was_enabled = gc.isenabled()
        self._modules = len(sys.modules)
        self._timer = QTimer(self, interval=interval_ms)
        self._timer.timeout.connect(self._collect)

    def start(self) -> None:
        """Take over garbage collection."""
        gc.disable()
        self._timer.start()

    def stop(self) -> None:
        """Return garbage collection to Python."""
        self._timer.stop()
        if self._was_enabled:
            gc.enable()

    def _collect(self) -> None:
        # A newly imported library leaves a million long-lived objects: traversing them in every collection would cost
        # the window 100 ms each time, so they are frozen once.
        if len(sys.modules) > self._modules + 100:
            self._modules = len(sys.modules)
            gc.freeze()
        counts, limits = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if limits[generation] and counts[generation] > limits[generation]:
                gc.collect(generation)
                return


def share_interpreter() -> None:
    """Shorten the switch interval, for a responsive window during Python work (measured: p99 lateness 8 ms -> 1 ms)."""
    sys.setswitchinterval(0.001)
