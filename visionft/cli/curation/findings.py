"""How the commands show what a check of the pictures found; the same for all checks."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from visionft.cli.output import job, print_result, table, write_err
from visionft.curation.check import CheckResult, Finding, Inputs, still_holding
from visionft.curation.table import CHECKS
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.names import count_of
from visionft.project.store import Project

FINDING = {"path": Path, "kind": str, "score": float, "reason": str}  # what JSON tells of one

_SHOWN = 50  # lines for a person; `--json` prints all


def look(project: Project, check: str) -> tuple[Snapshot, CheckResult]:
    """Let a check of the table look at a project, and tell on stderr of pictures that it could not read."""
    images = project.snapshot()
    with job() as (on_event, should_stop):
        result = CHECKS[check].run(Inputs(project.path, images, on_event, should_stop))
    names = {image.image_id: image.path for image in images.images}
    for image_id, reason in result.unreadable:
        write_err(f"{names[image_id]}: {reason}")
    return images, result


def flagged(
    project: Project, images: Snapshot, result: CheckResult, *, threshold: float | None = None, kind: str = ""
) -> list[Finding]:
    """Return the findings at or above a threshold that nobody has judged to be fine, the worst first.

    Raises:
        VisionFTError: The threshold is no share of 1, or the check has no such kind.
    """
    if threshold is not None and not 0 <= threshold <= 1:
        raise VisionFTError(f"{threshold} is not a share of 1.", "Give a number from 0 to 1, such as 0.5.")
    least = result.threshold if threshold is None else threshold
    holding = still_holding(result, images, verdicts_of(project, result.check))
    return [each for each in holding if each.score >= least and kind in ("", each.kind)]


def print_findings(images: Snapshot, findings: Sequence[Finding], *, note: str = "", as_json: bool) -> None:
    """Print findings: a list of {path, kind, score, reason}, or lines for a person.

    Args:
        images: The pictures that they are about.
        findings: In the order to print them.
        note: A sentence for a person before them.
        as_json: Print JSON.
    """
    paths = {image.image_id: image.path for image in images.images}
    values = [finding_values(each, paths[each.image_id]) for each in findings]
    print_result(values, lambda: _text(findings, paths, note), as_json=as_json)


def finding_values(finding: Finding, path: Path) -> dict[str, Any]:
    """Return what JSON tells of a finding."""
    return {"path": path, "kind": finding.kind, "score": round(finding.score, 4), "reason": finding.reason}


def _text(findings: Sequence[Finding], paths: dict[int, Path], note: str) -> str:
    lines = [note] if note else []
    if not findings:
        return "\n".join([*lines, "Nothing was found."])
    shown = findings[:_SHOWN]
    lines.append(
        table(("score", "reason", "picture"), [(f"{e.score:.2f}", e.reason, paths[e.image_id]) for e in shown])
    )
    if len(findings) > len(shown):
        lines.append(f"... and {count_of(len(findings) - len(shown), 'more finding')}.")
    return "\n".join(lines)
