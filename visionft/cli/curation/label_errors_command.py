"""`visionft label-errors`: which labels are probably wrong, what they should be, which classes are mixed up."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from visionft.cli.curation.findings import flagged, look
from visionft.cli.output import Json, ProjectDir, opened_project, print_result, table
from visionft.cli.schemas import prints
from visionft.curation.check import CheckResult, Finding
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import VisionFTError
from visionft.project.edits.changes import AcceptSuggestions, UnlabelImages
from visionft.project.names import count_of
from visionft.project.store import Project

_SHOWN, _PAIRS = 20, 5  # lines for a person


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("label-errors")(label_errors)


@prints([{"path": Path, "label": (str, [str]), "suggested": str, "score": float, "doubted?": str}])
def label_errors(
    project: ProjectDir,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Probability of being wrong from which a label is listed; see below."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=0, help="Of labels to list; 0 lists all.")] = 0,
    accept: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="Relabel those that are wrong at least this surely, such as 0.9."),
    ] = None,
    json: Json = False,
) -> None:
    """List labels that are probably wrong, the most suspicious first.

    Without --threshold, text shows labels from .5 on, and JSON all that are worth a look.
    """
    for share in (threshold, accept):
        if share is not None and not 0 <= share <= 1:
            raise VisionFTError(f"{share} is not a share of 1.", "Give a number from 0 to 1, such as 0.9.")
    with opened_project(project, read_only=accept is None) as opened:
        images, result = look(opened, "label-errors")
        least = 0.0 if json and threshold is None else threshold
        findings = flagged(opened, images, result, threshold=least)[: limit or None]
        sure = [] if accept is None else flagged(opened, images, result, threshold=accept)
        _accept(opened, sure)
    by_id = {image.image_id: image for image in images.images}
    values = [_values(each, by_id[each.image_id], images) for each in findings]
    print_result(values, lambda: _text(values, result, None if accept is None else len(sure)), as_json=json)


def _accept(project: Project, findings: Sequence[Finding]) -> None:
    """Do what is suggested: a class instead of another; for several labels, one more or one less."""
    given = {each.image_id: (each.suggested,) for each in findings if each.suggested}
    if given:
        project.apply(AcceptSuggestions(given))
    taken: dict[str, list[int]] = {}
    for each in findings:
        if not each.suggested:
            taken.setdefault(each.doubted, []).append(each.image_id)
    for name, image_ids in taken.items():
        project.apply(UnlabelImages(tuple(image_ids), name))


def _values(finding: Finding, image: SnapshotImage, images: Snapshot) -> dict[str, Any]:
    """Return what JSON tells; of several labels also the one that should perhaps go."""
    names = [images.class_names[index] for index in image.labels]
    is_single = images.task == "single"
    values = {
        "path": image.path,
        "label": names[0] if is_single else names,
        "suggested": finding.suggested,
        "score": finding.score,
    }
    return values if is_single else {**values, "doubted": finding.doubted}


def _text(values: Sequence[dict[str, Any]], result: CheckResult, accepted: int | None) -> str:
    from visionft.curation.label_errors.review import chance_text

    lines = [f"{count_of(result.looked_at, 'label')} compared; about {result.facts['expected_errors']:g} seem wrong."]
    if values:
        rows = [(chance_text(each["score"]), *_change(each), each["path"]) for each in values[:_SHOWN]]
        lines.append(table(("wrong", "label", "suggested", "picture"), rows))
    if len(values) > _SHOWN:
        lines.append(f"... and {len(values) - _SHOWN} more; `--json` lists all.")
    overlap = result.facts["overlap"][:_PAIRS]
    if overlap:
        lines += ["", "Classes that are mixed up:"]
        lines.append(table(("class", "and", "pictures"), [(e["first"], e["second"], e["pictures"]) for e in overlap]))
    if result.facts["single"]:
        lines.append(f"Not judged, for want of a second picture: {', '.join(result.facts['single'])}.")
    if accepted is not None:
        lines += ["", f"{count_of(accepted, 'picture')} relabelled; `visionft undo` brings the labels back."]
    return "\n".join(lines)


def _change(values: dict[str, Any]) -> tuple[str, str]:
    if isinstance(values["label"], str):
        return values["label"], values["suggested"]
    return ", ".join(values["label"]), f"-{values['doubted']}" if values["doubted"] else f"+{values['suggested']}"
