"""Long work beside the window: `Job(QThread)`, and where Python's collector may run. The only file that knows threads.

A job calls `work(on_event=, should_stop=)` in its own thread. What it reports arrives on the main thread as frozen
dataclasses; it ends with exactly one of `succeeded` or `failed`. Nothing live (tensors, exceptions, widgets) crosses.
"""

import gc
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from PySide6.QtCore import QObject, QRunnable, QThread, QThreadPool, QTimer, Signal, Slot

from visionft.errors import NextStep, StoppedError, as_expected
from visionft.events import Event, OnEvent, Progress, ShouldStop, StepDone
from visionft.log import log_expected

logger = logging.getLogger(__name__)
EVENT_INTERVAL_S = 0.1
IDLE_S = 1.0
_SWITCH_INTERVAL_S = 0.001
_Result_co = TypeVar("_Result_co", covariant=True)


class Work(Protocol[_Result_co]):
    """What a job runs: long work already bound to its inputs."""

    def __call__(self, *, on_event: OnEvent, should_stop: ShouldStop) -> _Result_co:
        """Do the work and return plain data."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why there is no result; `details` is the report of a bug, empty for an expected failure.

    Where the user stopped work that is worth nothing half done (`is_stop`), nothing went wrong.
    """

    message: str
    hint: str = ""
    details: str = ""
    next_step: NextStep | None = None
    is_stop: bool = False


class EventThrottle:
    """Pass on about ten step and progress events a second, always the newest; every other event at once, in order."""

    def __init__(self, deliver: OnEvent, *, interval_s: float = EVENT_INTERVAL_S) -> None:
        self._deliver = deliver
        self._interval_s = interval_s
        self._waiting: Event | None = None
        self._last_s = float("-inf")
        self._stage = ""

    def __call__(self, event: Event) -> None:
        """Take one event from the work."""
        if not isinstance(event, Progress | StepDone):
            self.flush()
            self._deliver(event)
        elif self._is_new_stage(event) or time.monotonic() - self._last_s >= self._interval_s:
            self._waiting = None
            self._last_s = time.monotonic()
            self._deliver(event)
        else:
            self._waiting = event

    def flush(self) -> None:
        """Deliver the event that waits, if any."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._deliver(waiting)

    def _is_new_stage(self, event: Progress | StepDone) -> bool:
        if isinstance(event, StepDone) or event.stage == self._stage:
            return False
        self.flush()
        self._stage = event.stage
        return True


class Job(QThread):
    """One piece of long work. The owner keeps a reference until `finished`; never `terminate()` it."""

    reported = Signal(object)  # an Event
    succeeded = Signal(object)  # what the work returned: plain data
    failed = Signal(object)  # Failure

    def __init__(self, work: Work[Any], *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: Work[Any] | None = work
        self._stop = threading.Event()

    def request_stop(self) -> None:
        """Ask the work to end well at its next check; returns at once."""
        self._stop.set()

    @property
    def is_stopping(self) -> bool:
        """Whether a stop was asked for."""
        return self._stop.is_set()

    def run(self) -> None:
        """Run the work in this thread; the one broad catch of the window (design: errors)."""
        throttle = EventThrottle(self.reported.emit)
        work, self._work = self._work, None
        assert work is not None
        result: object = None
        failure: Failure | None = None
        try:
            result = work(on_event=throttle, should_stop=self._stop.is_set)
        except BaseException as error:
            failure = _failure(error)
        del work
        throttle.flush()
        if failure is None:
            self.succeeded.emit(result)
        else:
            self.failed.emit(failure)


def _failure(error: BaseException) -> Failure:
    """Return why a job has no result; the exception itself stays in its thread, for it keeps its frames alive."""
    expected = as_expected(error)
    if expected is None:
        logger.error("A job failed unexpectedly", exc_info=error)
        message = f"Unexpected error: {type(error).__name__}: {error}"
        return Failure(message=message, details=traceback.format_exc())
    log_expected(logger, error)
    is_stop = isinstance(expected, StoppedError)
    return Failure(message=expected.message, hint=expected.hint, next_step=expected.next_step, is_stop=is_stop)


class WorkerPool(QObject):
    """Small tasks beside the window, such as decoding the pictures in view; the newest wishes come first.

    `request` replaces what was wished for before: work nobody waits for any more is not begun. What is being done
    already is not done twice, except where answers age: there it may have begun before the change that was the reason
    to ask again. Threads wait a moment for more before they end, because starting one costs a frame.
    """

    done = Signal(object, object)  # key, result

    def __init__(
        self,
        task: Callable[[Any], Any],
        *,
        threads: int = 2,
        answers_age: bool = False,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._task = task
        self._answers_age = answers_age
        self._wake = threading.Condition()
        self._wishes: list[Any] = []
        self._begun: set[Any] = set()
        self._running = 0
        self._is_closed = False
        self._threads = threads
        self._pool = QThreadPool(self)
        self._pool.setMaxThreadCount(threads)

    def request(self, keys: Sequence[Any]) -> None:
        """Wish for these results, the first one soonest; earlier wishes that are not repeated are dropped."""
        with self._wake:
            self._is_closed = False
            self._wishes = [key for key in reversed(keys) if self._answers_age or key not in self._begun]
            new = min(self._threads - self._running, len(self._wishes))
            self._running += new
            self._wake.notify(len(self._wishes))
        for _ in range(new):
            self._pool.start(_Turn(self))

    def close(self) -> None:
        """Drop all wishes and wait for what has begun."""
        with self._wake:
            self._is_closed = True
            self._wishes = []
            self._wake.notify_all()
        self._pool.waitForDone()

    def work_off(self) -> None:
        """Do wishes until none has come for a while; runs in a pool thread. Tasks turn their faults into results."""
        while (key := self._begin()) is not None:
            try:
                self.done.emit(key, self._answer(key))
            except Exception:
                logger.exception("A small task failed unexpectedly")

    def _answer(self, key: Any) -> Any:
        try:
            return self._task(key)
        finally:
            with self._wake:
                self._begun.discard(key)

    def _begin(self) -> Any:
        with self._wake:
            if not self._wishes and not self._is_closed:
                self._wake.wait(IDLE_S)
            if not self._wishes:
                self._running -= 1  # under the lock that found nothing: a wish from now on starts a thread of its own
                return None
            key = self._wishes.pop()
            self._begun.add(key)
            return key


class _Turn(QRunnable):
    """A thread's turn at a pool's wishes."""

    def __init__(self, pool: WorkerPool) -> None:
        super().__init__()
        self._pool = pool

    def run(self) -> None:
        self._pool.work_off()


class MainThreadCollector(QObject):
    """Run Python's cycle collector on the main thread only.

    A collection in a worker may finalise a widget caught in a cycle there, and Qt then crashes. So automatic
    collection is off and this timer does what it would have done.
    """

    def __init__(self, parent: QObject, *, interval_ms: int = 1000) -> None:
        super().__init__(parent)
        self._was_enabled = gc.isenabled()
        self._modules = len(sys.modules)
        self._timer = QTimer(self)
        self._timer.setInterval(interval_ms)
        self._timer.timeout.connect(self._on_timer_timeout)

    def start(self) -> None:
        """Take collection over."""
        gc.disable()
        self._timer.start()

    def stop(self) -> None:
        """Hand collection back to Python."""
        self._timer.stop()
        if self._was_enabled:
            gc.enable()

    @Slot()
    def _on_timer_timeout(self) -> None:
        # A freshly imported library leaves a million long-lived objects: walking them again and again would cost
        # the window 100 ms each time, so they are set aside once.
        if len(sys.modules) > self._modules + 100:
            self._modules = len(sys.modules)
            gc.freeze()
        counts, limits = gc.get_count(), gc.get_threshold()
        for generation in (2, 1, 0):
            if limits[generation] and counts[generation] > limits[generation]:
                gc.collect(generation)
                return


def share_interpreter() -> None:
    """Let the window get its turn sooner while Python work runs beside it (measured: p99 lateness 8 ms -> 1 ms)."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S)
