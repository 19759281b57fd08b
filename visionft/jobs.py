"""The context of a long job: where its events go, and whether the user cancelled it.

Every job has the shape `work(inputs, *, job) -> Result`. The command line prints the events, the window queues them to
the main thread, tests record them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from models.messages import Message
from visionft.errors import VisionFTError
from visionft.events import Event


class JobCancelled(VisionFTError):
    """The user cancelled a job without a partial result."""

    def __init__(self) -> None:
        super().__init__(Message("The job was cancelled."))


def _ignore(_event: Event) -> None:
    """Ignore an event."""


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

    def with_report(self, report: Callable[[Event], None]) -> "JobContext":
        """Return a context with the same cancellation whose events go to `report`."""
        return JobContext(report, self.cancelled)

    def without_events(self) -> "JobContext":
        """Return a context with the same cancellation whose events go nowhere."""
        return JobContext(_ignore, self.cancelled)


SILENT = JobContext()
