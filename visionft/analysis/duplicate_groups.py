"""Pairs of duplicates, and their groups without chains of images that are similar only to their neighbours."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Final, Literal

from visionft.analysis.check import CheckResult, current_images
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.messages import Message
from visionft.features.connected import linked
from visionft.project.edits.image_changes import KeepOneDuplicate
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.queries import ProjectImage
from visionft.project.store import ProjectStore

LOOK_ALIKES: Final = "look_alikes"  # key in `facts`: whether different images are as similar as copies
SLACK: Final = 0.15  # any two of a group must reach the threshold minus this
LOOK_ALIKES_TEXT: Final = Message("Many different images of this project are as similar as copies.")
_Ids = tuple[int, int]


@dataclass(frozen=True, slots=True)
class DuplicatePair:
    """Two images, by their ids, the lower first, and their similarity (1: the same pixels)."""

    first: int
    second: int
    score: float

    @property
    def ids(self) -> _Ids:
        return self.first, self.second


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """A group of duplicates."""

    kind: Literal["exact", "near"]  # `exact` where all have the same pixels, else `near`
    image_ids: tuple[int, ...]  # the best one to keep first
    score: float  # the lowest score among its pairs
    labels: tuple[str, ...] = ()  # distinct class names of its images; `is_conflict` if they contradict each other
    is_conflict: bool = False


def are_look_alikes(result: CheckResult) -> bool:
    """Return whether a result, of duplicates or leaks, found different images of the set as similar as copies."""
    return bool(result.facts.get(LOOK_ALIKES))


def refuse_look_alikes(result: CheckResult, step: NextStep) -> None:
    """Raise a `VisionFTError` where groups may join different images, before all of them are acted on at once."""
    if are_look_alikes(result):
        raise VisionFTError(LOOK_ALIKES_TEXT, "Groups may join different images: look at them first.", step)


def duplicate_pairs(result: CheckResult) -> list[DuplicatePair]:
    """Return all pairs of a check for duplicates, or the pairs of a check for leaks at its threshold."""
    facts = result.facts
    rows = facts["pairs"] if "pairs" in facts else [(*pair, 1.0) for pair in facts.get("doubles", ())]  # leaks of v0
    return [DuplicatePair(int(first), int(second), float(score)) for first, second, score in rows]


def group_pairs(
    pairs: Sequence[DuplicatePair], threshold: float, *, fine: frozenset[_Ids] = frozenset()
) -> list[tuple[int, ...]]:
    """Return the groups of duplicate images, ids rising, the surest group first.

    Pairs join groups from the surest down; two groups are joined only if every image of one is similar to every image
    of the other, at least slightly below the threshold. A pair without a comparison counts as dissimilar, unless both
    have the same pixels as others in between: these are equal, unless the user judged them to be no duplicates
    (`fine`).
    """
    judged = {image_id for ids in fine for image_id in ids}
    scores = {pair.ids: pair.score for pair in pairs}
    group: dict[int, list[int]] = {}
    surest: dict[int, float] = {}

    def may_join(mine: Sequence[int], other: Sequence[int], score: float) -> bool:
        others = [image_id for image_id in other if image_id in judged]
        is_apart = any((min(a, b), max(a, b)) in fine for b in others for a in mine if a in judged)
        least = threshold - SLACK
        return (score >= 1 and not is_apart) or all(
            scores.get((min(a, b), max(a, b)), 0.0) >= least for a in mine for b in other
        )

    for pair in sorted(pairs, key=lambda pair: (-pair.score, *pair.ids)):
        if pair.score < threshold:
            break
        mine, other = group.setdefault(pair.first, [pair.first]), group.setdefault(pair.second, [pair.second])
        if mine is other or not may_join(mine, other, pair.score):
            continue
        for image_id in (*other, *(mine if len(mine) == 1 else ())):  # the others have one already
            surest.setdefault(image_id, pair.score)
        mine += other
        group.update(dict.fromkeys(other, mine))
    found = {id(members): tuple(sorted(members)) for members in group.values() if len(members) > 1}
    return sorted(found.values(), key=lambda members: (-surest[members[0]], members))


def duplicate_groups(
    result: CheckResult,
    threshold: float | None = None,
    *,
    fine: frozenset[_Ids] = frozenset(),
    gone: frozenset[int] = frozenset(),
) -> list[DuplicateGroup]:
    """Return the groups at a threshold (the fitted one when None), the surest first.

    Left out are pairs judged to be no duplicates by the user (`fine`), and images removed or edited since (`gone`).

    Raises:
        VisionFTError: The threshold is not above 0 and at most 1.
    """
    if threshold is not None and not 0 < threshold <= 1:
        message = Message("{threshold} is not a share of 1.", threshold=threshold)
        raise VisionFTError(message, "Give a number from 0.7 to 1, such as 0.9.")
    known = [pair for pair in duplicate_pairs(result) if pair.ids not in fine]
    pairs = [pair for pair in known if pair.first not in gone and pair.second not in gone]
    same = linked(pair.ids for pair in known if pair.score >= 1)
    first: dict[int, int] = {}
    for image_id in sorted(same.keys() - gone):  # images with the same pixels stay connected, whichever were removed
        other = first.setdefault(same[image_id], image_id)
        if other != image_id and (other, image_id) not in fine:
            pairs.append(DuplicatePair(other, image_id, 1.0))
    scores = {pair.ids: pair.score for pair in pairs}
    rank = {int(image_id): place for place, image_id in enumerate(result.facts.get("best", ()))}
    groups: list[DuplicateGroup] = []
    for members in group_pairs(pairs, result.threshold if threshold is None else threshold, fine=fine):
        is_exact = len({same.get(image_id, image_id) for image_id in members}) == 1
        score = 1.0 if is_exact else min(scores.get(ids, 0.0) for ids in combinations(members, 2))
        best_first = sorted(members, key=lambda image_id: rank.get(image_id, len(rank)))
        groups.append(DuplicateGroup("exact" if is_exact else "near", tuple(best_first), max(score, 0.0)))
    return groups


def current_groups(
    project: ProjectStore,
    result: CheckResult,
    now: Mapping[int, ProjectImage] | None = None,
    *,
    threshold: float | None = None,
) -> list[DuplicateGroup]:
    """Return the current groups with their labels: conflicts first, then the surest.

    Left out are images removed or edited since, and pairs judged to be no duplicates. `now` holds the images of the
    project by id, where they are known; the threshold is the fitted one when None.

    Raises:
        VisionFTError: As `duplicate_groups`.
    """
    now = current_images(project.snapshot()) if now is None else now
    then = {issue.image_id: issue.sha256 for issue in result.issues}
    paired = {image_id for pair in duplicate_pairs(result) for image_id in pair.ids}
    gone = frozenset(
        image_id for image_id in paired if image_id not in now or then.get(image_id) != now[image_id].sha256
    )
    groups: list[DuplicateGroup] = []
    for group in duplicate_groups(result, threshold, fine=verdicts_of(project, result.check), gone=gone):
        labels = [now[image_id].labels for image_id in group.image_ids]
        is_conflict = project.task == "single" and len({class_names for class_names in labels if class_names}) > 1
        names = tuple(dict.fromkeys(name for class_names in labels for name in class_names))
        groups.append(replace(group, labels=names, is_conflict=is_conflict))
    return sorted(groups, key=lambda group: not group.is_conflict)


def keep_best_images(
    project: ProjectStore, result: CheckResult, groups: Sequence[DuplicateGroup], *, is_sure: bool
) -> int:
    """Keep the best image of each group without a label conflict, as one step; return how many others were removed.

    Args:
        result: The result of the check for duplicates that the groups are of.
        is_sure: Also where different images of the project are as similar as copies.

    Raises:
        VisionFTError: They are, and the user has not looked at the groups.
    """
    if not is_sure:
        refuse_look_alikes(result, NextStep("keep_best", project=project.path))
    change = keep_best(groups)
    if change is None:
        return 0
    project.apply(change)
    return sum(len(others) for others in change.groups.values())


def keep_best(groups: Iterable[DuplicateGroup]) -> KeepOneDuplicate | None:
    """Return the change that keeps the best image of each group without a label conflict, or None."""
    chosen = [group.image_ids for group in groups if not group.is_conflict]
    return KeepOneDuplicate({best: tuple(others) for best, *others in chosen}) if chosen else None
