"""Looking through the pictures: every check of the table, or some, one after the other.

A check that has nothing to look at (no label yet, say) refuses with its reason; the others go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from visionft.curation.check import CheckResult, Inputs
from visionft.curation.table import CHECKS
from visionft.data.types import Snapshot
from visionft.errors import NextStep, StoppedError, VisionFTError
from visionft.events import OnEvent, ShouldStop, ignore_event, never_stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a check found nothing: it could not look."""

    message: str
    hint: str = ""
    next_step: NextStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookReport:
    """What became of it: the results of the checks that looked, and why the others did not, by name."""

    results: dict[str, CheckResult]
    refused: dict[str, Refusal]


def look_through(
    project_dir: Path,
    images: Snapshot,
    checks: Iterable[str] = (),
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> LookReport:
    """Look through the pictures; what each check finds is kept in the project's folder.

    Args:
        project_dir: The project's folder.
        images: Its pictures.
        checks: Names of checks; none given, features are computed and every check of the table looks.
        on_event: Receives how far it is.
        should_stop: Asked often.

    Raises:
        StoppedError: The user stopped; what the checks before found is kept, and so are features.
        VisionFTError: As `embed`, where every check looks.
    """
    inputs = Inputs(project_dir, images, on_event, should_stop)
    wanted = tuple(checks)
    if not wanted and images.images:
        _ = inputs.features
    results: dict[str, CheckResult] = {}
    refused: dict[str, Refusal] = {}
    for name in wanted or tuple(CHECKS):
        try:
            if should_stop():
                raise InterruptedError
            results[name] = CHECKS[name].run(inputs)
        except InterruptedError as error:
            hint = "Start again to go on where it stopped."
            raise StoppedError("The pictures were not all looked at.", hint) from error
        except StoppedError:
            raise
        except VisionFTError as error:
            refused[name] = Refusal(message=error.message, hint=error.hint, next_step=error.next_step)
    return LookReport(results=results, refused=refused)
