"""Run all checks of the table, or some, one after the other: probable label errors, which matter most, come first.

A check without its requirements (no label yet, say) is skipped with its reason; the others go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from visionft.curation.check import CheckResult, Inputs
from visionft.curation.table import CHECKS
from visionft.data.types import Snapshot
from visionft.errors import NextStep, VisionFTError
from visionft.events import ResultStored
from visionft.jobs import SILENT, JobCancelled, JobContext

_FEATURES_WEIGHT = 8.0  # beside the weights of the checks


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
    chosen = tuple(checks)
    names = chosen or tuple(CHECKS)
    needs_features = not chosen and bool(images.images)
    job = job.in_stages(_FEATURES_WEIGHT * needs_features + sum(CHECKS[name].weight for name in names))
    inputs = Inputs(project_dir, images, job)
    if needs_features:
        with job.stage(weight=_FEATURES_WEIGHT):
            _ = inputs.features
    report = ScanReport(results={}, skipped={})
    for name in names:
        try:
            job.check_cancelled()
            with job.stage(weight=CHECKS[name].weight):
                report.results[name] = CHECKS[name].run(inputs)
            job.report(ResultStored(name=name))
        except JobCancelled:
            raise
        except VisionFTError as error:
            report.skipped[name] = SkippedCheck(message=error.message, hint=error.hint, next_step=error.next_step)
    return report
