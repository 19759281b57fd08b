"""Run all checks of the table, or some, one after the other: probable label errors, which matter most, come first.

A check without its requirements (no label yet, say) is skipped with its reason; the others go on.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from visionft.curation.check import Check, CheckResult, Inputs, read_result
from visionft.curation.table import CHECKS
from visionft.data.types import Snapshot
from visionft.errors import NextStep, VisionFTError
from visionft.events import ResultStored
from visionft.features.embedding import embedding_time
from visionft.jobs import SILENT, JobCancelled, JobContext
from visionft.speeds import StageTime


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
    configured: Mapping[str, Check] | None = None,
    job: JobContext = SILENT,
) -> ScanReport:
    """Run checks by name, or compute features and run every check of the table; each result is stored when finished.

    Args:
        project_dir: The project's folder.
        images: Its images.
        checks: Names of checks; empty for all.
        configured: {name: check with the user's settings}. Others run with the settings of their last result, so that
            a check that is repeated on new images stays the same.
        job: Receives the progress.

    Raises:
        VisionFTError: As `embed`, where every check runs.
    """
    chosen = tuple(checks)
    names = chosen or tuple(CHECKS)
    needs_features = not chosen and bool(images.images)
    embedding = embedding_time(project_dir, images) if needs_features else None
    count = len(images.images)
    times = {name: StageTime.of(f"check {name}", count, fixed_s=1, unit_s=CHECKS[name].weight / 1000) for name in names}
    whole_s = sum(each.seconds for each in times.values()) + (embedding.seconds if embedding is not None else 0.0)
    job = job.in_stages(max(whole_s, 1e-9))
    inputs = Inputs(project_dir, images, job)
    if embedding is not None:
        with embedding.stage(job):
            _ = inputs.features
    report = ScanReport(results={}, skipped={})
    for name in names:
        check = (configured or {}).get(name)
        if check is None:
            check = CHECKS[name]
            check = check.with_settings_of(read_result(project_dir, name)) if check.settings else check
        try:
            job.check_cancelled()
            with times[name].stage(job):
                report.results[name] = check.run(inputs)
            job.report(ResultStored(name=name))
        except JobCancelled:
            raise
        except VisionFTError as error:
            report.skipped[name] = SkippedCheck(message=error.message, hint=error.hint, next_step=error.next_step)
    return report
