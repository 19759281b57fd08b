"""The context of a long job: where its events go, and whether the user cancelled it.

Every job has the shape `work(inputs, *, job) -> Result`. The command line prints the events, the window queues them to
the main thread, tests record them.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from models.messages import Message
from visionft.errors import VisionFTError
from visionft.events import Event, Progress, StepDone

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
            self._waiting, self._last_s = None, time.monotonic()
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
class _Parts:
    """Reports the progress of the parts of a job, one after the other, as a share of the whole, which never falls."""

    report: Callable[[Event], None]
    weights: tuple[float, ...]
    place: int = 0
    done: float = 0.0  # of the present part

    def __call__(self, event: Event) -> None:
        if isinstance(event, Progress | StepDone):
            share = event.share
            if share is None and isinstance(event, Progress) and event.total:
                share = event.done / event.total
            self.done = min(1.0, max(self.done, share or 0.0))
            whole = sum(self.weights[: self.place]) + self.weights[self.place] * self.done
            event = replace(event, share=whole / sum(self.weights))
        self.report(event)

    def advance(self) -> None:
        if self.place < len(self.weights) - 1:
            self.place, self.done = self.place + 1, 0.0


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

    def in_parts(self, *weights: float) -> "tuple[JobContext, Callable[[], None]]":
        """Return a context whose progress tells the share of the whole job, and the function that begins the next part.

        Weights are the relative times of the parts, at least one of them above 0. A part may be divided the same way.
        """
        parts = _Parts(self.report, weights)
        return self.with_report(parts), parts.advance

    def with_report(self, report: Callable[[Event], None]) -> "JobContext":
        """Return a context with the same cancellation whose events go to `report`."""
        return JobContext(report, self.cancelled)

    def without_events(self) -> "JobContext":
        """Return a context with the same cancellation whose events go nowhere."""
        return JobContext(_ignore, self.cancelled)


SILENT = JobContext()
