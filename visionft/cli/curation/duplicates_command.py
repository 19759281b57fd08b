"""`visionft duplicates`: pictures that are in the project twice, and keeping one of each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from visionft.cli.curation.findings import look
from visionft.cli.output import Json, ProjectDir, opened_project, print_result
from visionft.cli.schemas import prints
from visionft.curation.duplicates import groups_now as double_groups
from visionft.curation.duplicates.groups_now import Group, groups_now
from visionft.errors import VisionFTError
from visionft.project.names import count_of
from visionft.project.store import Project

_SHOWN = 50  # groups for a person; `--json` prints all


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("duplicates")(duplicates)


@prints(
    {
        "groups": [
            {"kind": str, "score": float, "conflict": bool, "images": [{"path": Path, "label": str | None}]},
        ],
        "threshold": float,
        "removed?": int,
    }
)
def duplicates(
    project: ProjectDir,
    threshold: Annotated[
        float | None,
        typer.Option(metavar="SHARE", help="How alike two must be; chosen by what the set holds unless you say."),
    ] = None,
    keep_best: Annotated[
        bool,
        typer.Option("--keep-best", help="Keep one of each group; it takes over labels and tags of the others."),
    ] = False,
    json: Json = False,
) -> None:
    """List pictures that are there twice, also resized, cropped, turned or saved again; contradictions first."""
    if threshold is not None and not 0 < threshold <= 1:
        raise VisionFTError(f"{threshold} is not a share of 1.", "Give a number from 0.7 to 1, such as 0.9.")
    with opened_project(project, read_only=not keep_best) as opened:
        _, result = look(opened, "duplicates")
        groups = groups_now(opened, result, threshold=threshold)
        removed = _keep_best(opened, groups) if keep_best else None
    used = result.threshold if threshold is None else threshold
    value: dict[str, Any] = {"groups": [_values(group) for group in groups], "threshold": used}
    if removed is not None:
        value["removed"] = removed
    print_result(value, lambda: _text(groups, used, removed), as_json=json)


def _keep_best(project: Project, groups: Sequence[Group]) -> int:
    """Keep one of each group whose labels agree; return how many pictures left the project."""
    change = double_groups.keep_best(groups)
    if change is None:
        return 0
    project.apply(change)
    return sum(len(others) for others in change.groups.values())


def _values(group: Group) -> dict[str, Any]:
    images = [{"path": each.path, "label": ", ".join(each.labels) or None} for each in group.members]
    return {"kind": group.kind, "score": round(group.score, 4), "conflict": group.is_conflict, "images": images}


def _text(groups: Sequence[Group], threshold: float, removed: int | None) -> str:
    if not groups:
        return f"No picture is there twice (at {threshold:.2f}, lower it with --threshold to see more)."
    conflicts = sum(group.is_conflict for group in groups)
    lines = [f"{count_of(len(groups), 'group')} of duplicates at {threshold:.2f}."]
    if conflicts:
        lines[0] += f" In {conflicts} of them the labels contradict each other; they come first."
    for number, group in enumerate(groups[:_SHOWN], 1):
        mark = "  the labels contradict each other" if group.is_conflict else ""
        lines.append(f"{number}. {group.kind}, {group.score:.2f}{mark}")
        lines += [f"   {', '.join(each.labels) or '-'}  {each.path}" for each in group.members]
    if len(groups) > _SHOWN:
        lines.append(f"... and {count_of(len(groups) - _SHOWN, 'more group')}.")
    if removed is not None:
        lines.append(
            f"{count_of(removed, 'picture')} left the project; the files stay. visionft undo brings them back."
        )
        if conflicts:
            lines.append("Groups whose labels contradict each other were left: give the pictures their class first.")
    return "\n".join(lines)
