"""Run all checks of the table, or some, one after the other.

A check without its requirements (no label yet, say) is skipped with its reason; the others go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from visionft.curation.check import CheckResult, Inputs
from visionft.curation.table import CHECKS
from visionft.data.types import Snapshot
from visionft.errors import NextStep, VisionFTError
from visionft.jobs import SILENT, JobCancelled, JobContext


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedCheck:
    """The reason why a check could not run."""

    message: str
    hint: str = ""
    next_step: NextStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanReport:
    """The results of the checks, and the reasons of the skipped ones, by name."""

    results: dict[str, CheckResult]
    skipped: dict[str, SkippedCheck]


def run_checks(
    project_dir: Path, images: Snapshot, checks: Iterable[str] = (), *, job: JobContext = SILENT
) -> ScanReport:
    """Run checks by name, or compute features and run every check of the table; each result is stored when finished.

    Raises:
        VisionFTError: As `embed`, where every check runs.
    """
    inputs = Inputs(project_dir, images, job)
    names = tuple(checks)
    if not names and images.images:
        _ = inputs.features
    report = ScanReport(results={}, skipped={})
    for name in names or tuple(CHECKS):
        try:
            job.check_cancelled()
            report.results[name] = CHECKS[name].run(inputs)
        except JobCancelled:
            raise
        except VisionFTError as error:
            report.skipped[name] = SkippedCheck(message=error.message, hint=error.hint, next_step=error.next_step)
    return report
