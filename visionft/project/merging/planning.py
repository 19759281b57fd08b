"""The rows that a merge writes, and their counts: decided image by image, from two sides alone.

A label that only one side has is taken, with its source and time. Where both have labels that differ, a person's
decision outranks an imported or accepted label; two labels of equal rank become a conflict, which remembers the other
side's label, so that merging again does not ask again. Splits are this project's: none is taken over.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

from visionft.foreign_text import printable
from visionft.project.edits.changes import LabelSource
from visionft.project.edits.conflicts import BOTH_ORIGINS
from visionft.project.merging.classes import ClassMatch
from visionft.project.merging.sides import GivenLabel, Side, SideImage

_MOST_NAME = 100  # letters of the name of a check
SEEN = "merged"  # the finding of a verdict: this label of the other side was met before


@dataclass(slots=True)
class MergePlan:
    """The rows to write; image and class ids are this project's."""

    # Image, class, source, time.
    labels: list[tuple[int, int, str, int]] = field(default_factory=list[tuple[int, int, str, int]])
    cleared: list[int] = field(default_factory=list[int])  # images that lose their labels
    candidates: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])  # image, class, origin
    findings: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])  # image, finding
    tags: dict[str, list[int]] = field(default_factory=dict[str, list[int]])  # images by tag
    notes: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])  # image, note
    reviews: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])  # image, review state
    counts: Counter[str] = field(default_factory=Counter[str])  # images by outcome, see `MergeReport`


def plan_merge(
    here: Side, there: Side, match: ClassMatch, origins: tuple[str, str], *, earlier: Sequence[tuple[str, Side]] = ()
) -> MergePlan:
    """Return the rows of a merge.

    Args:
        origins: The names of the two sides, for the candidates of conflicts.
        earlier: Those merged just before, with their names: a label of theirs is not this project's own.
    """
    plan = MergePlan()
    for sha256, images in there.images.items():
        own = here.images.get(sha256, [])
        present = [image for image in own if not image.is_removed]
        plan.counts["removed_here"] += bool(own) and not present
        for image in present:
            _plan_image(plan, image, images[0], match, (_origin_of(image, earlier) or origins[0], origins[1]))
    _plan_findings(plan, here, there)
    return plan


def _plan_image(
    plan: MergePlan, image: SideImage, other: SideImage, match: ClassMatch, origins: tuple[str, str]
) -> None:
    plan.counts["splits_kept"] += bool(other.split and image.split and other.split != image.split)
    for tag in other.tags - image.tags:
        plan.tags.setdefault(tag, []).append(image.image_id)
    if other.note and other.note != image.note:
        plan.counts["notes_kept"] += image.note is not None
        plan.notes += [(image.image_id, other.note)] if image.note is None else []
    plan.reviews += [(image.image_id, other.review)] if other.review and image.review is None else []
    theirs = {match.ids[class_id]: given for class_id, given in other.labels.items() if class_id in match.ids}
    if theirs:
        plan.counts[_plan_labels(plan, image, theirs, origins)] += 1
    elif not image.labels:
        stated = {match.ids[key]: origin for key, origin in other.candidates.items() if key in match.ids}
        added = [(image.image_id, class_id, origin) for class_id, origin in stated.items()]
        if len(stated.keys() | image.candidates.keys()) > 1:
            plan.candidates += [row for row in added if row[1] not in image.candidates]


def _origin_of(image: SideImage, earlier: Sequence[tuple[str, Side]]) -> str:
    """Return the side merged before whose label an image has; empty for none."""
    times = {given.at for given in image.labels.values()}
    for name, side in earlier:
        given = side.images[image.sha256][0].labels.values() if image.sha256 in side.images else ()
        if any(each.at in times for each in given):
            return name
    return ""


def _plan_labels(plan: MergePlan, image: SideImage, theirs: Mapping[int, GivenLabel], origins: tuple[str, str]) -> str:
    """Plan the labels of an image that has some there; return the outcome."""
    image_id, mine = image.image_id, image.labels
    new = [(image_id, class_id, str(given.source), given.at) for class_id, given in theirs.items()]
    seen = f"{SEEN}:{max(given.at for given in theirs.values())}"
    if mine.keys() == theirs.keys():
        raised = [row for row in new if row[2] == "person" and mine[row[1]].source != "person"]
        plan.labels += raised
        return "equal"
    if seen in image.findings:
        return "undecided" if image.candidates else "decided_before"
    if not mine:
        if not image.candidates or (_is_by_person(theirs) and not any(map(_is_seen, image.findings))):
            plan.labels += new  # it ends a conflict of imports
            return "taken"
        known = image.candidates
        for key in theirs:
            origin = BOTH_ORIGINS.join((known[key], origins[1])) if key in known else origins[1]
            plan.candidates.append((image_id, key, origin))
        plan.findings.append((image_id, seen))
        return "undecided" if theirs.keys() <= known.keys() else "conflicts"
    if _is_by_person(mine) != _is_by_person(theirs):
        if _is_by_person(mine):
            return "kept"
        plan.cleared.append(image_id)
        plan.labels += new
        return "corrected"
    plan.cleared.append(image_id)
    plan.findings.append((image_id, seen))
    for class_id in {**mine, **theirs}:
        givers = [origin for origin, given in zip(origins, (mine, theirs), strict=True) if class_id in given]
        plan.candidates.append((image_id, class_id, BOTH_ORIGINS.join(givers)))
    return "conflicts"


def advance(side: Side, plan: MergePlan, classes: Mapping[int, str]) -> None:
    """Bring a side to its state after a merge with these new classes, for the forecast of the next merge."""
    side.classes |= classes
    by_id = {each.image_id: each for images in side.images.values() for each in images}
    for image_id in plan.cleared:
        by_id[image_id].labels = {}
    for image_id, class_id, origin in plan.candidates:
        by_id[image_id].candidates[class_id] = origin
    for image_id, class_id, source, at in plan.labels:
        by_id[image_id].labels[class_id] = GivenLabel(cast(LabelSource, source), at)
        by_id[image_id].candidates = {}
    for image_id, finding in plan.findings:
        by_id[image_id].findings.add(finding)


def _is_by_person(labels: Mapping[int, GivenLabel]) -> bool:
    return any(given.source == "person" for given in labels.values())


def _is_finding(check: str, number: str) -> bool:
    """Return whether a stranger's finding is one: the name of a check, with the number of an image or none."""
    return (
        printable(check) == check
        and len(check) <= _MOST_NAME
        and len(number) < 20
        and (not number or number.isdecimal())
    )


def _is_seen(finding: str) -> bool:
    return finding.startswith(f"{SEEN}:")


def _plan_findings(plan: MergePlan, here: Side, there: Side) -> None:
    """Take the findings that were judged fine there; the pairs under the ids of this project, the lower one first."""
    content_of = {each.image_id: sha256 for sha256, images in there.images.items() for each in images}
    for sha256, images in there.images.items():
        for own in here.images.get(sha256, ()):
            for finding in images[0].findings:
                check, _, number = finding.partition(":")
                if check == SEEN or not _is_finding(check, number):
                    continue
                other = here.images.get(content_of.get(int(number), "")) if number else None
                pair = (own.image_id, other[0].image_id) if other else (own.image_id, 0)
                if number and not other:
                    continue
                first, second = sorted(pair) if number else pair
                plan.findings.append((first, f"{check}:{second}" if number else check))
