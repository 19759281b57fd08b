"""Reading for a page in background threads, and the thread of Python's garbage collector.

`BackgroundReader` reads what a page shows; long work that the user sees and can cancel is a `Job` (`gui/jobs.py`).
Both run plain functions in threads of the standard library; their results arrive on the main thread as plain data. No
live objects (tensors, exceptions, widgets) cross. docs/decisions/0073 compares this with superqt and QtConcurrent.
"""

import gc
import logging
import multiprocessing
import os
import sys
import weakref
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import cache, partial
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from visionft.core.errors import VisionFTError

logger = logging.getLogger(__name__)
LET_GO_S = 0.1  # the end of unwanted work is awaited so long
READING_THREAD = "visionft-reading"  # the name of each begins so
PATIENCE_S = 0.02  # one frame: the window waits this long for a background result
_Result = TypeVar("_Result")

_unowned: set[Future[Any]] = set()  # work that was let go, until it has ended


def detach(work: Future[Any]) -> None:
    """Detach the work and discard its result."""
    _unowned.difference_update([each for each in _unowned if each.done()])
    _unowned.add(work)


def work_let_go() -> tuple[Future[Any], ...]:
    """Return the work without an owner that still goes on."""
    return tuple(each for each in _unowned if not each.done())


def exit_process(status: int) -> int:
    """Return the exit status; where work that was let go still runs, end the process here and now.

    All that such work writes is atomic, and Python would wait at its own end for a running thread, or crash beside it.
    """
    if working := work_let_go():
        logger.info("ends beside %d threads", len(working))
        for child in multiprocessing.active_children():
            child.kill()
        logging.shutdown()
        os._exit(status)
    return status


class _Announcer(QObject):
    """Takes the ends of readings to the main thread, for all readers.

    It outlives them: a thread that emitted a signal of a reader, which is being destroyed meanwhile, would crash Qt.
    """

    ended = Signal(object, object)  # BackgroundReader, the key of its request

    def __init__(self) -> None:
        super().__init__()
        self.ended.connect(self._deliver)

    @Slot(object, object)
    def _deliver(self, reader: "BackgroundReader[Any]", key: Hashable) -> None:
        reader.deliver(key)


@cache
def _announcer() -> _Announcer:
    """Return the announcer; made by the first reader, on the main thread."""
    return _Announcer()


class BackgroundReader(QObject, Generic[_Result]):
    """Reads data in background threads and delivers it on the main thread; a new request replaces the previous ones.

    `ask` is for a page that shows one thing, `ask_each` for one that shows many, such as thumbnails. Requests that are
    replaced before they have begun are never read. A reading that fails, or returns None, delivers nothing.
    """

    def __init__(
        self,
        read: Callable[..., _Result | None],
        then: Callable[[_Result], object],
        *,
        threads: int = 1,
        parent: QObject | None = None,
    ) -> None:
        """Args: `read` runs in one of the `threads`; `then` receives its result, on the main thread."""
        super().__init__(parent)
        self._read, self._then, self._threads = read, then, threads
        self._executor: ThreadPoolExecutor | None = None
        self._requests: dict[Hashable, Future[_Result | None]] = {}  # by key; not yet delivered
        self._unwanted: set[Hashable] = set()  # of these, replaced by a newer one
        self._announcer = _announcer()
        self.destroyed.connect(partial(_close_destroyed, weakref.ref(self)))

    def ask(self, *inputs: Any, patience_s: float | None = None) -> bool:
        """Read with these inputs; return whether the result was already delivered. Only the newest request is answered.

        The window waits so many seconds for the result, one frame unless another time is given: the data of a small
        project appears at once, without a flicker.
        """
        self._drop()
        self._unwanted.update(self._requests)
        key = object()
        request = self._submit(key, inputs)
        is_answered = not wait([request], PATIENCE_S if patience_s is None else patience_s).not_done
        if is_answered:
            self.deliver(key)
        return is_answered

    def ask_each(self, keys: Sequence[Hashable]) -> None:
        """Read with each of these inputs, the first one soonest, and deliver each result; the window does not wait.

        A reading that has begun is delivered even if it is not requested again, and one of the same key is not begun
        twice: the key names all that the result depends on.
        """
        self._drop()
        for key in keys:
            if key not in self._requests:
                self._submit(key, (key,))

    def close(self) -> None:
        """Drop all requests, and wait a moment for the readings in progress; longer ones end unheard."""
        self._drop()
        begun = list(self._requests.values())
        self._requests.clear()
        self._unwanted.clear()
        executor, self._executor = self._executor, None
        if executor is not None:
            late = wait(begun, LET_GO_S).not_done
            for request in late:
                detach(request)
            executor.shutdown(wait=not late)  # a thread that has just read still announces it

    def _submit(self, key: Hashable, inputs: Sequence[Any]) -> "Future[_Result | None]":
        if self._executor is None:
            self._executor = ThreadPoolExecutor(self._threads, READING_THREAD)
        self._requests[key] = request = self._executor.submit(self._answer, inputs)
        request.add_done_callback(partial(self._announce, key))
        return request

    def _drop(self) -> None:
        """Drop the requests that have not begun."""
        self._requests = {key: request for key, request in self._requests.items() if not request.cancel()}

    def _answer(self, inputs: Sequence[Any]) -> _Result | None:
        """Read; runs in a thread. Errors end here, because an exception keeps its frames alive."""
        try:
            return self._read(*inputs)
        except (VisionFTError, OSError) as error:  # the project's folder is gone, or a page has outlived its project
            if self._executor is not None:  # otherwise the result is not needed
                logger.warning("Not read: %s", error)
        except Exception:
            if self._executor is not None:  # else its project may be closed meanwhile
                logger.exception("Reading failed unexpectedly")
        return None

    def _announce(self, key: Hashable, request: "Future[_Result | None]") -> None:
        """Announce the end of a request, in the thread that has read it."""
        if self._executor is not None and not request.cancelled():
            self._announcer.ended.emit(self, key)

    def deliver(self, key: Hashable) -> None:
        """Hand the result of an ended request on, unless it was delivered or replaced."""
        request = self._requests.get(key)
        if request is None or not request.done():  # delivered already; or closed since, and requested again
            return
        del self._requests[key]
        is_wanted = key not in self._unwanted
        self._unwanted.discard(key)
        if is_wanted and (result := request.result()) is not None:
            self._then(result)


def _close_destroyed(reader: "weakref.ref[BackgroundReader[Any]]", _object: object = None) -> None:
    """Close a reader that is destroyed with its window: its readings must not emit a signal of it any more."""
    if (found := reader()) is not None:
        found.close()


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
