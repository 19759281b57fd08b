"""`visionft curate duplicates` and `leaks`: groups of duplicate or related images, and resolving them."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from typer import Option

from visionft.cli.arguments import Json, ProjectDir, share_option
from visionft.cli.check_commands import run_check
from visionft.cli.output import opened_project, print_result
from visionft.curation.duplicates.duplicate_groups import (
    LOOK_ALIKES_TEXT,
    are_look_alikes,
    current_groups,
    keep_best_images,
)
from visionft.curation.leaks import leak_check
from visionft.curation.leaks.leak_free_accuracy import LeakFreeAccuracy, leak_free_accuracies
from visionft.data.types import Snapshot
from visionft.project.names import count_of

_SHOWN = 50  # groups for a person; `--json` prints all
Yes = Annotated[bool, Option("--yes", help="Also where different images are as similar as copies.")]


def duplicates(
    project: ProjectDir,
    threshold: Annotated[
        float | None, share_option("Least similarity of duplicates; fitted to the images unless given.")
    ] = None,
    keep_best: Annotated[
        bool, Option("--keep-best", help="Keep one of each group; it gets the labels and tags of the others.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """List duplicates and near-duplicates; keep the best ones.

    Resized, cropped, turned and re-encoded copies are found; groups with a label conflict come first.
    """
    removed = None
    with opened_project(project, read_only=not keep_best) as opened:
        checked = run_check(opened, "duplicates")
        images, result = checked.images, checked.result
        found = current_groups(opened, result, threshold=threshold)
        if keep_best:
            removed = keep_best_images(opened, result, found, is_sure=yes)
    groups: list[dict[str, Any]] = []
    for group in found:
        rows = [images.by_id[image_id] for image_id in group.image_ids]
        copies = [{"path": str(row.path), "label": ", ".join(images.labels_of(row)) or None} for row in rows]
        score = round(group.score, 4)
        groups.append({"kind": group.kind, "score": score, "conflict": group.is_conflict, "images": copies})
    value = {
        "groups": groups,
        "threshold": result.threshold if threshold is None else threshold,
        "look_alikes": are_look_alikes(result),
        "approximate": result.is_approximate,
        "removed": removed,
    }
    print_result(value, lambda: _duplicates_text(value), as_json=json)


def _duplicates_text(value: Mapping[str, Any]) -> str:
    groups, threshold, removed = value["groups"], value["threshold"], value["removed"]
    if not groups:
        return f"No duplicates (at {threshold:.2f}, lower it with --threshold to see more)."
    conflicts = sum(group["conflict"] for group in groups)
    lines = [f"{count_of(len(groups), 'group')} of duplicates at {threshold:.2f}."]
    if conflicts:
        lines[0] += f" {count_of(conflicts, 'label conflict')}, listed first."
    if value["look_alikes"]:
        lines.append(f"{LOOK_ALIKES_TEXT} Only the nearest are listed; look at each group.")
    for number, group in enumerate(groups[:_SHOWN], 1):
        conflict = "  label conflict" if group["conflict"] else ""
        lines.append(f"{number}. {group['kind']}, {group['score']:.2f}{conflict}")
        lines += [f"   {each['label'] or '-'}  {each['path']}" for each in group["images"]]
    if len(groups) > _SHOWN:
        lines.append(f"... and {count_of(len(groups) - _SHOWN, 'more group')}.")
    if removed is not None:
        lines.append(f"{count_of(removed, 'image')} removed; the files stay. visionft project undo restores them.")
        if conflicts:
            lines.append("Groups with a label conflict were left: give their images the correct class first.")
    return "\n".join(lines)


def leaks(
    project: ProjectDir,
    mended: Annotated[
        bool, Option("--mend", help="Move each group into the split with most of its images; undo reverts it.")
    ] = False,
    yes: Yes = False,
    json: Json = False,
) -> None:
    """List related images in several splits, and move them into one.

    Also measures the accuracy of runs without them.
    """
    moved = None
    with opened_project(project, read_only=not mended) as opened:
        checked = run_check(opened, "leaks")
        images, result = checked.images, checked.result
        related = leak_check.related_images(opened, result)
        left = found = leak_check.leaks_of(related, images)
        now = images
        accuracies = leak_free_accuracies(opened.path, images, related)
        if mended:
            moved = leak_check.move_leaks(opened, result, found, images, is_sure=yes)
            now = opened.snapshot()
            left = leak_check.leaks_of(related, now)
        divides = leak_check.can_leak(opened.summary().splits)
    leaking = []
    for leak in left:
        places = ((now.by_id[each].path, split) for split, ids in leak.images.items() for each in ids)
        leaking.append({"images": [{"path": path, "split": split} for path, split in places]})
    value = {
        "leaks": leaking,
        "pairs": sum(leak.pairs for leak in left),
        "divided": divides,
        "accuracy": tuple(accuracies),
        "moved": moved,
    }
    words: list[str] = [] if divides else [leak_check.NO_SPLITS]
    if are_look_alikes(result):
        words.append(f"{LOOK_ALIKES_TEXT} Only the most similar pairs count as duplicates.")
    if moved is not None:
        still = f"{count_of(len(left), 'group')} still in several splits" if left else "no leaks left"
        words.append(f"{count_of(moved, 'image')} moved; {still}. visionft project undo reverts it.")
    print_result(value, lambda: "\n".join([*_leak_lines(found, images, accuracies), *words]), as_json=json)


def _leak_lines(
    found: Sequence[leak_check.Leak],
    images: Snapshot,
    accuracies: Sequence[LeakFreeAccuracy],
) -> list[str]:
    pairs = sum(leak.pairs for leak in found)
    lines = [f"{count_of(len(found), 'group')} in several splits, {count_of(pairs, 'pair')} across."]
    for number, leak in enumerate(found[:_SHOWN], 1):
        lines.append(f"{number}.")
        lines += [f"   {split:<5}  {images.by_id[each].path}" for split, ids in leak.images.items() for each in ids]
    if len(found) > _SHOWN:
        lines.append(f"... and {count_of(len(found) - _SHOWN, 'more group')}.")
    known = [each for each in accuracies if each.leaked]
    if not known:
        return lines + (["No run was evaluated on leaked images."] if accuracies else [])
    lines += map(_accuracy_text, known)
    if len(known) < len(accuracies):
        lines.append(f"{count_of(len(accuracies) - len(known), 'other evaluation')} had no leaked image.")
    if any(each.is_inflated for each in known):
        lines.append("Trust the figures without leaked images; remove the leaks and train again.")
    return lines


def _accuracy_text(each: LeakFreeAccuracy) -> str:
    start = f"{each.run}: accuracy {each.accuracy:.1%} on {count_of(each.images, 'image')} of {each.split}"
    if each.without is None or each.without_interval is None:
        return f"{start}, all of them leaked into training: the true accuracy is unknown."
    low, high = each.without_interval
    without = f"{each.without:.1%} ({low:.1%} to {high:.1%})"
    return f"{start}; {without} without the {each.leaked:,} that leaked into training."
