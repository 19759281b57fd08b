"""The table of checks, and the scan that runs them one after the other.

A check without its requirements (no label yet, say) is skipped with its reason; the others go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from visionft.analysis.check import Check, CheckResult, Inputs
from visionft.analysis.duplicates import Duplicates
from visionft.analysis.label_errors import LabelErrors
from visionft.analysis.leaks import Leaks
from visionft.analysis.quality import Quality
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.events import ResultStored
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.data.types import Snapshot
from visionft.features.embedding import usual_embedding_time

CHECKS: dict[str, Check] = {check.name: check for check in (LabelErrors(), Duplicates(), Leaks(), Quality())}


def get_check(name: str) -> Check:
    """Return the check of a name, with its default settings (VisionFTError: unknown name)."""
    if name not in CHECKS:
        raise VisionFTError("There is no check “{name}”.", "There are {names}.", name=name, names=", ".join(CHECKS))
    return CHECKS[name]


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
    project_dir: Path,
    images: Snapshot,
    checks: Iterable[str] = (),
    *,
    job: JobContext = SILENT_JOB,
) -> ScanReport:
    """Run checks by name, or compute features and run every check of the table; each result is stored when finished.

    Args:
        project_dir: The project's folder.
        images: Its images.
        checks: Names of checks; empty for all.
        job: Receives the progress.

    Raises:
        VisionFTError: As `embedded`, where every check runs.
    """
    chosen = tuple(checks)
    names = chosen or tuple(CHECKS)
    needs_features = not chosen and bool(images.images)
    embedding_s = usual_embedding_time(project_dir, images) if needs_features else 0.0
    times_s = {name: 1 + len(images.images) * CHECKS[name].weight / 1000 for name in names}
    job = job.in_stages(embedding_s + sum(times_s.values()))
    inputs = Inputs(project_dir, images, job)
    if needs_features:
        with job.stage(weight=embedding_s):
            _ = inputs.features
    report = ScanReport(results={}, skipped={})
    for name in names:
        try:
            job.check_cancelled()
            with job.stage(weight=times_s[name]):
                report.results[name] = CHECKS[name].run(inputs)
            job.report(ResultStored(name=name))
        except JobCancelled:
            raise
        except VisionFTError as error:
            report.skipped[name] = SkippedCheck(message=error.message, hint=error.hint, next_step=error.next_step)
    return report
