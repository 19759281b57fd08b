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
from collections.abc import Callable
from typing import Any, Protocol

from PySide6.QtCore import QObject, QThread, QTimer, Signal, Slot

from visionft.errors import VisionFTError
from visionft.events import Event, OnEvent, Progress, ShouldStop, StepDone

logger = logging.getLogger(__name__)
EVENT_INTERVAL_S = 0.1
_SWITCH_INTERVAL_S = 0.001


class Work(Protocol):
    """What a job runs: long work already bound to its inputs."""

    def __call__(self, *, on_event: OnEvent, should_stop: ShouldStop) -> object:
        """Do the work and return plain data."""
        ...


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
    failed = Signal(str, str, str)  # message, hint, details (a traceback when it is a bug, else empty)

    def __init__(self, work: Work, *, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._work: Work | None = work
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
        try:
            result = work(on_event=throttle, should_stop=self._stop.is_set)
        except VisionFTError as error:
            outcome: tuple[str, str, str] | None = (error.message, error.hint, "")
        except BaseException as error:
            logger.exception("A job failed unexpectedly")
            outcome = (f"Unexpected error: {type(error).__name__}: {error}", "", traceback.format_exc())
        else:
            outcome = None
        del work
        throttle.flush()
        if outcome is None:
            self.succeeded.emit(result)
        else:
            self.failed.emit(*outcome)


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


def share_interpreter(is_working: bool) -> None:
    """Let the window get its turn sooner while Python work runs beside it (measured: p99 lateness 8 ms -> 1 ms)."""
    sys.setswitchinterval(_SWITCH_INTERVAL_S if is_working else 0.005)


def assert_main_thread(app_thread: Callable[[], Any]) -> None:
    """Fail loudly when a slot that touches widgets runs in a worker."""
    if QThread.currentThread() is not app_thread():
        raise RuntimeError("a window slot ran outside the main thread")
