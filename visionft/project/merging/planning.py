"""The rows that a merge writes, and their counts: decided image by image, from two sides alone.

| labels here | labels there | outcome |
|---|---|---|
| equal to those there | | `equal`: a person's decision raises an imported or accepted label |
| none | some | `taken`, with their source and time |
| a person's | imported or accepted | `kept` |
| imported or accepted | a person's | `corrected` |
| of equal rank, and different | | `conflicts`: nobody's label, until a person decides |
| a person's | several, where an image has one label | `kept` |
| others, or none | several, where an image has one label | `conflicts` |
| decided after an earlier merge of these labels | | `decided_before`, or `undecided` while the conflict stands |

A conflict remembers the other side's label by a verdict (`SEEN`), so that merging again does not ask again. Splits are
this project's: none is taken over.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, cast

from visionft.foreign_text import printable
from visionft.project.edits.changes import LabelSource
from visionft.project.edits.conflicts import BOTH_ORIGINS
from visionft.project.edits.verdicts import pair_of
from visionft.project.merging.classes import ClassMatch
from visionft.project.merging.sides import GivenLabel, Side, SideImage
from visionft.project.names import MAX_NAME_LENGTH

_MOST_DIGITS = 19  # of an image id: SQLite's largest integer, 2^63 - 1, has 19
SEEN = "merged"  # the finding of a verdict: this label of the other side was met before

Outcome = Literal["equal", "taken", "corrected", "kept", "conflicts", "undecided", "decided_before"]
Labels = Mapping[int, GivenLabel]  # of an image, by the class ids of this project


@dataclass(slots=True)
class MergePlan:
    """The rows to write, and the counts of images; image and class ids are this project's."""

    # Image, class, source, time.
    labels: list[tuple[int, int, str, int]] = field(default_factory=list[tuple[int, int, str, int]])
    cleared: list[int] = field(default_factory=list[int])  # images that lose their labels
    candidates: list[tuple[int, int, str]] = field(default_factory=list[tuple[int, int, str]])  # image, class, origin
    findings: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])  # image, finding
    tags: dict[str, list[int]] = field(default_factory=dict[str, list[int]])  # images by tag
    notes: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])  # image, note
    reviews: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])  # image, review state
    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])  # of the images with labels there
    removed_here: int = 0  # removed from this project, and therefore left as they are
    splits_kept: int = 0  # in another split there
    notes_kept: int = 0  # with another note there


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
        if own and not present:
            plan.removed_here += 1
        for image in present:
            _plan_facts(plan, image, images[0])
            own_origins = (_origin_of(image, earlier) or origins[0], origins[1])
            _plan_classes(plan, image, images[0], match, own_origins, most=1 if here.task == "single" else None)
    _plan_findings(plan, here, there)
    return plan


def _plan_facts(plan: MergePlan, image: SideImage, other: SideImage) -> None:
    """Take the tags there, and the note and the review state where this project has none; count what differs."""
    if other.split and image.split and other.split != image.split:
        plan.splits_kept += 1
    for tag in other.tags - image.tags:
        plan.tags.setdefault(tag, []).append(image.image_id)
    if other.note and image.note is None:
        plan.notes.append((image.image_id, other.note))
    elif other.note and other.note != image.note:
        plan.notes_kept += 1
    if other.review and image.review is None:
        plan.reviews.append((image.image_id, other.review))


def _plan_classes(
    plan: MergePlan,
    image: SideImage,
    other: SideImage,
    match: ClassMatch,
    origins: tuple[str, str],
    *,
    most: int | None,
) -> None:
    """Plan the labels of an image, or the candidates of a conflict there where neither side has labels.

    `most` labels fit an image; None for any number.
    """
    theirs = {match.ids[class_id]: given for class_id, given in other.labels.items() if class_id in match.ids}
    if theirs:
        plan.outcomes[_plan_labels(plan, image, theirs, origins, most=most)] += 1
        return
    if image.labels:
        return
    stated = {match.ids[key]: origin for key, origin in other.candidates.items() if key in match.ids}
    if len(stated.keys() | image.candidates.keys()) > 1:  # one class alone is no conflict
        new = {class_id: origin for class_id, origin in stated.items() if class_id not in image.candidates}
        plan.candidates += [(image.image_id, class_id, origin) for class_id, origin in new.items()]


def _origin_of(image: SideImage, earlier: Sequence[tuple[str, Side]]) -> str:
    """Return the name of the project merged just before that gave this image's label; "" if it is this project's."""
    times = {given.at for given in image.labels.values()}
    for name, side in earlier:
        given = side.images[image.sha256][0].labels.values() if image.sha256 in side.images else ()
        if any(each.at in times for each in given):
            return name
    return ""


def _plan_labels(
    plan: MergePlan, image: SideImage, theirs: Labels, origins: tuple[str, str], *, most: int | None
) -> Outcome:
    """Plan the labels of an image that has some there; return the outcome, as in the module's table."""
    mine = image.labels
    if mine.keys() == theirs.keys():
        raised = {
            class_id: given
            for class_id, given in theirs.items()
            if given.source == "person" and mine[class_id].source != "person"
        }
        _take(plan, image, raised)
        return "equal"
    if _seen(theirs) in image.findings:
        return "undecided" if image.candidates else "decided_before"
    if most is not None and len(theirs) > most:  # a stranger's project, or one of an earlier version, may hold them
        return "kept" if _is_by_person(mine) else _plan_conflict(plan, image, theirs, origins)
    if not mine:
        return _plan_unlabelled(plan, image, theirs, origins[1])
    if _is_by_person(mine) == _is_by_person(theirs):
        return _plan_conflict(plan, image, theirs, origins)
    if _is_by_person(mine):
        return "kept"
    plan.cleared.append(image.image_id)
    _take(plan, image, theirs)
    return "corrected"


def _plan_unlabelled(plan: MergePlan, image: SideImage, theirs: Labels, origin: str) -> Outcome:
    """Plan the labels of an image that has none here: taken, unless the image is in a conflict that they cannot end.

    A person's label ends a conflict of imports. A conflict of an earlier merge is one of persons: theirs is one more
    opinion.
    """
    candidates = image.candidates
    is_of_merge = any(finding.startswith(f"{SEEN}:") for finding in image.findings)
    if not candidates or (_is_by_person(theirs) and not is_of_merge):
        _take(plan, image, theirs)
        return "taken"
    for class_id in theirs:
        known = (candidates[class_id],) if class_id in candidates else ()
        plan.candidates.append((image.image_id, class_id, BOTH_ORIGINS.join((*known, origin))))
    plan.findings.append((image.image_id, _seen(theirs)))
    return "undecided" if theirs.keys() <= candidates.keys() else "conflicts"


def _plan_conflict(plan: MergePlan, image: SideImage, theirs: Labels, origins: tuple[str, str]) -> Outcome:
    """Replace labels that differ by candidates: each class of either side, with the sides that gave it."""
    mine = image.labels
    plan.cleared.append(image.image_id)
    plan.findings.append((image.image_id, _seen(theirs)))
    for class_id in {**mine, **theirs}:
        givers = [origin for origin, given in zip(origins, (mine, theirs), strict=True) if class_id in given]
        plan.candidates.append((image.image_id, class_id, BOTH_ORIGINS.join(givers)))
    return "conflicts"


def _take(plan: MergePlan, image: SideImage, labels: Labels) -> None:
    plan.labels += [(image.image_id, class_id, str(given.source), given.at) for class_id, given in labels.items()]


def _seen(labels: Labels) -> str:
    """Return the finding that remembers these labels of the other side, by the time of the latest."""
    return f"{SEEN}:{max(given.at for given in labels.values())}"


def _is_by_person(labels: Labels) -> bool:
    return any(given.source == "person" for given in labels.values())


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


def _plan_findings(plan: MergePlan, here: Side, there: Side) -> None:
    """Take the findings that were judged fine there; the pairs under the ids of this project, the lower one first."""
    content_of = {each.image_id: sha256 for sha256, images in there.images.items() for each in images}
    for sha256, images in there.images.items():
        for own in here.images.get(sha256, ()):
            for finding in images[0].findings:
                check, _, number = finding.partition(":")
                if check == SEEN or not _is_finding(check, number):
                    continue
                if not number:
                    plan.findings.append((own.image_id, check))
                elif other := here.images.get(content_of.get(int(number), "")):
                    first, second = pair_of(own.image_id, other[0].image_id)
                    plan.findings.append((first, f"{check}:{second}"))


def _is_finding(check: str, number: str) -> bool:
    """Return whether a stranger's finding is one: the name of a check, with the number of an image or none."""
    is_name = printable(check) == check and len(check) <= MAX_NAME_LENGTH
    return is_name and (not number or (number.isdecimal() and len(number) <= _MOST_DIGITS))
