"""`visionft leaks`: pictures that belong together in several splits, and putting each group into one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from visionft.cli.curation.findings import look
from visionft.cli.output import Json, ProjectDir, opened_project, print_result
from visionft.cli.schemas import prints
from visionft.curation.check import CheckResult
from visionft.curation.leaks.check import (
    DOUBLES,
    Leak,
    Together,
    leaks_of,
    mend,
    together_now,
)
from visionft.curation.leaks.honest_accuracy import HonestAccuracy, honest_accuracies
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.project.edits.grouping_changes import CountGroupings, counted_groupings
from visionft.project.names import count_of
from visionft.project.store import Project

_SHOWN = 50  # groups for a person; `--json` prints all


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("leaks")(leaks)


@prints(
    {
        "leaks": [{"kinds": [str], "images": [{"path": Path, "split": str}]}],
        "pairs": int,
        "groupings": [{"kind": str, "groups": int, "counts": bool, "reason": str}],
        "accuracy": [HonestAccuracy],
        "moved?": int,
    }
)
def leaks(
    project: ProjectDir,
    mended: Annotated[
        bool, typer.Option("--mend", help="Put each group into the split that has most of it; undo takes it back.")
    ] = False,
    count: Annotated[
        list[str] | None, typer.Option(metavar="KIND", help="Let a grouping count: duplicate, name, time, folder.")
    ] = None,
    ignore: Annotated[list[str] | None, typer.Option(metavar="KIND", help="Let a grouping not count.")] = None,
    json: Json = False,
) -> None:
    """List pictures that belong together and lie in several splits, and what accuracy is without them."""
    wanted = {**dict.fromkeys(count or [], True), **dict.fromkeys(ignore or [], False)}
    with opened_project(project, read_only=not (mended or wanted)) as opened:
        images, result = look(opened, "leaks")
        together = _together(opened, result, wanted)
        found = leaks_of(together, images)
        accuracies = honest_accuracies(opened.path, together)
        moved = _mend(opened, found, images) if mended else None
        left = leaks_of(together, opened.snapshot()) if mended else found
    value = {
        "leaks": [_values(leak, images) for leak in found],
        "pairs": sum(leak.pairs for leak in left),
        "groupings": _groupings(together),
        "accuracy": accuracies,
    }
    if moved is not None:
        value["moved"] = moved
    print_result(value, lambda: _text(found, images, together, accuracies, moved), as_json=json)


def _together(project: Project, result: CheckResult, wanted: dict[str, bool]) -> Together:
    """Keep what a person decides of groupings, and return what belongs together then."""
    together = together_now(project, result)
    kinds = (DOUBLES, *(each.kind for each in together.groupings))
    for kind in wanted:
        if kind not in kinds:
            raise VisionFTError(f"There is no grouping “{kind}”.", f"There are {', '.join(kinds)}.")
    if not wanted:
        return together
    project.apply(CountGroupings({**counted_groupings(project), **wanted}))
    return together_now(project, result)


def _mend(project: Project, found: Sequence[Leak], images: Snapshot) -> int:
    change = mend(found, images)
    if change is None:
        return 0
    project.apply(change)
    return len(change.splits)


def _values(leak: Leak, images: Snapshot) -> dict[str, Any]:
    paths = {image.image_id: image.path for image in images.images}
    pictures = [{"path": paths[each], "split": split} for split, ids in leak.pictures.items() for each in ids]
    return {"kinds": leak.kinds, "images": pictures}


def _groupings(together: Together) -> list[dict[str, Any]]:
    return [
        {"kind": each.kind, "groups": len(each.groups), "counts": each.kind in together.counted, "reason": each.reason}
        for each in together.groupings
    ]


def _text(
    found: Sequence[Leak],
    images: Snapshot,
    together: Together,
    accuracies: Sequence[HonestAccuracy],
    moved: int | None,
) -> str:
    paths = {image.image_id: image.path for image in images.images}
    pairs = sum(leak.pairs for leak in found)
    lines = [f"{count_of(len(found), 'group')} in several splits, {count_of(pairs, 'pair')} across."]
    for leak in found[:_SHOWN]:
        lines.append(f"by {', '.join(leak.kinds)}:")
        lines += [f"   {split:<5}  {paths[each]}" for split, ids in leak.pictures.items() for each in ids]
    if len(found) > _SHOWN:
        lines.append(f"... and {count_of(len(found) - _SHOWN, 'more group')}.")
    for each in together.groupings:
        lines.append(f"{each.kind}: {'counts' if each.kind in together.counted else 'does not count'}. {each.reason}")
    lines += _worth(accuracies)
    if moved is not None:
        lines.append(f"{count_of(moved, 'picture')} moved; nothing lies across any more. visionft undo takes it back.")
    return "\n".join(lines)


def _worth(accuracies: Sequence[HonestAccuracy]) -> list[str]:
    """Return what runs are worth without the pictures that they knew, and what to make of it."""
    if not (known := [each for each in accuracies if each.leaked]):
        return ["No run knew the pictures that it was measured on."] if accuracies else []
    lines = [_accuracy(each) for each in known]
    if len(known) < len(accuracies):
        lines.append(f"{count_of(len(accuracies) - len(known), 'other measurement')} held no picture that was known.")
    if any(each.is_flattered for each in known):
        lines.append("Go by the figures without them, and train again when nothing leaks any more.")
    return lines


def _accuracy(each: HonestAccuracy) -> str:
    """Return the accuracy of a run on a split with and without the pictures that it knew."""
    start = f"{each.run} is right in {each.accuracy:.1%} of {count_of(each.images, 'picture')} of {each.split}"
    if each.without is None or each.without_interval is None or each.flattered_interval is None:
        return f"{start}, but was trained on partners of them all: what it is worth is not known."
    low, high = each.without_interval
    known = f"{each.leaked:,} whose partners it was trained on ({each.of_leaked:.0%} right)"
    sentence = f"{start}; {each.without:.1%} ({low:.1%} to {high:.1%}) without the {known}."
    if not each.is_flattered:
        return f"{sentence} The difference is within chance."
    low, high = (f"{100 * value:.1f}" for value in each.flattered_interval)
    return f"{sentence} Leaks flatter it by {100 * (each.flattered or 0):.1f} points ({low} to {high})."
