"""The context of a long job: where its events go, and whether the user cancelled it.

Every job has the shape `work(inputs, *, job) -> Result`. The command line prints the events, the window queues them to
the main thread, tests record them.

`load_libraries` preloads the learning libraries without blocking the window. Torch-free: it only maps their files.
`import torch` holds Python's interpreter lock while the system loads half a gigabyte of code, and blocks the window for
half a second. Here the system loads the files first, without the lock.
"""

import ctypes
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from visionft.core.errors import VisionFTError
from visionft.core.events import Event, Progress, StepDone
from visionft.core.messages import Message, Text

EVENT_INTERVAL_S = 0.1  # between two events of progress: about what an eye can follow


class JobCancelled(VisionFTError):
    """The user cancelled a job without a partial result."""

    def __init__(self) -> None:
        super().__init__(Message("The job was cancelled."))


class EventThrottle:
    """Forwards about ten step and progress events a second, always the newest; every other event at once, in order.

    A job whose events cost time to make, such as a loss that a device has to finish for, makes one where `is_due`.
    """

    def __init__(self, deliver: Callable[[Event], None], *, interval_s: float = EVENT_INTERVAL_S) -> None:
        self._deliver = deliver
        self._interval_s = interval_s
        self._waiting: Event | None = None
        self._last_s = float("-inf")
        self._stage = ""

    @property
    def is_due(self) -> bool:
        """Whether a step or progress event would be forwarded now."""
        return time.monotonic() - self._last_s >= self._interval_s

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Progress | StepDone):
            self.flush()
            self._deliver(event)
            return
        is_new_stage = isinstance(event, Progress) and event.stage != self._stage
        if isinstance(event, Progress) and is_new_stage:
            self.flush()
            self._stage = event.stage
        if is_new_stage or self.is_due:
            self._waiting = None
            self._last_s = time.monotonic()
            self._deliver(event)
        else:
            self._waiting = event

    def flush(self) -> None:
        """Deliver the waiting event, if any."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._last_s = time.monotonic()
            self._deliver(waiting)


def _ignore(_event: Event) -> None:
    """Ignore an event."""


@dataclass(slots=True)
class _StageProgress:
    """Reports the progress of the stages of a job, one after the other, as a share of the whole, which never falls."""

    report: Callable[[Event], None]
    total: float  # weight of all stages
    ended: float = 0.0  # weight of the stages that have ended
    weight: float = 0.0  # of the present stage
    done: float = 0.0  # share of the present stage

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress | StepDone):
            share = event.share
            if share is None and isinstance(event, Progress) and event.total:
                share = event.done / event.total
            self.done = min(1.0, max(self.done, share or 0.0))
            event = replace(event, share=min(1.0, (self.ended + self.weight * self.done) / self.total))
        self.report(event)


@dataclass(frozen=True, slots=True)
class JobContext:
    """Progress and cancellation of one job.

    Attributes:
        report: Receives each event.
        cancelled: Returns whether the user cancelled; called often, from the job's thread.
    """

    report: Callable[[Event], None] = _ignore
    cancelled: Callable[[], bool] = lambda: False

    @property
    def is_cancelled(self) -> bool:
        """Whether the user cancelled: the job ends with a partial result."""
        return self.cancelled()

    def check_cancelled(self) -> None:
        """Raise `JobCancelled` if the user cancelled."""
        if self.cancelled():
            raise JobCancelled

    def in_stages(self, total: float) -> "JobContext":
        """Return a context whose progress tells the share of the whole job, of which each stage has its `weight`.

        Args:
            total: The sum of the weights of all stages, above 0. Where more are needed than were expected, the share
                stays at 1.
        """
        return self.with_report(_StageProgress(self.report, total))

    @contextmanager
    def stage(self, name: Text = "", *, weight: float = 0.0) -> Generator[None]:
        """Do a stage of the job, which ends with the block, also by an exception.

        A function called with this context may divide its own progress into stages.

        Args:
            name: For the user; reported at once. Empty where the work reports its own.
            weight: Its relative time, of the total of `in_stages`.
        """
        stages = self.report if isinstance(self.report, _StageProgress) else None
        if stages is not None:
            stages.weight, stages.done = weight, 0.0
        if name:
            self.report(Progress(stage=name, done=0, total=0))
        try:
            yield
        finally:
            if stages is not None:
                stages.ended, stages.weight, stages.done = stages.ended + stages.weight, 0.0, 0.0

    def with_report(self, report: Callable[[Event], None]) -> "JobContext":
        """Return a context with the same cancellation whose events go to `report`."""
        return JobContext(report, self.cancelled)

    def without_events(self) -> "JobContext":
        """Return a context with the same cancellation whose events go nowhere."""
        return JobContext(_ignore, self.cancelled)


SILENT_JOB = JobContext()


LOADING_PROGRESS = Progress(stage="Getting ready", done=0, total=0)
_TORCH_LIBRARIES = ("c10", "torch_cpu", "c10_cuda", "torch_cuda", "torch", "torch_python")  # in order of dependency


def load_libraries(job: JobContext) -> None:
    """Report the loading of the learning libraries, unless they are loaded, and map them.

    Call it in the thread of the later import.
    """
    if "torch" in sys.modules:
        return
    job.report(LOADING_PROGRESS)
    if os.name == "posix":
        found = importlib.util.find_spec("torch")
        folder = Path(found.origin).parent / "lib" if found and found.origin else None
        suffix = "dylib" if sys.platform == "darwin" else "so"
        for path in [folder / f"lib{name}.{suffix}" for name in _TORCH_LIBRARIES] if folder else []:
            if path.is_file():
                _map(path)


def _map(path: Path) -> None:
    """Let the system load a library. Called through ctypes, unlike `CDLL(path)`, `dlopen` runs without the lock."""
    system = ctypes.CDLL(None)
    system.dlopen.restype = ctypes.c_void_p
    system.dlopen.argtypes = (ctypes.c_char_p, ctypes.c_int)
    system.dlopen(os.fsencode(path), os.RTLD_NOW)  # an error here shows again in the import, with its reason
