"""The groups of duplicates as they stand in the project now, contradicting labels first; keeping the best of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from visionft.curation.check import CheckResult
from visionft.curation.duplicates.check import duplicate_groups, duplicate_pairs
from visionft.data.types import Snapshot, SnapshotImage
from visionft.project.edits.keep_one import KeepOne
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.queries import Conflict, find_conflicts
from visionft.project.store import Project


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One copy of a picture.

    Attributes:
        image_id: In the project; 0 for a file that was not taken in, because the project has its content already.
        path: Where it lies, for people.
        labels: Its classes, or the class that its file gives it.
    """

    image_id: int
    path: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """Copies of one picture, the one that is best to keep first.

    Attributes:
        kind: `exact` (the same pixels) or `near`.
        score: 1, or of the least alike two that were joined.
        members: Two or more.
        is_conflict: Whether their labels contradict each other.
    """

    kind: str
    score: float
    members: tuple[GroupMember, ...]
    is_conflict: bool

    @property
    def image_ids(self) -> tuple[int, ...]:
        """Return those that are in the project; one where the copies were never taken in."""
        return tuple(dict.fromkeys(member.image_id for member in self.members if member.image_id))


def groups_now(project: Project, result: CheckResult, *, threshold: float | None = None) -> tuple[Group, ...]:
    """Return the groups that hold still: conflicts first, then the surest.

    Left out are pictures that were removed or edited since, and pairs that a person has judged to be no doubles.
    Copies with the same content that an import refused stand here where they contradict each other.

    Args:
        project: The project.
        result: What `Duplicates` found.
        threshold: Score from which two are doubles; the one that was found to fit when None.
    """
    images = project.snapshot()
    now = {image.image_id: image for image in images.images}
    then = {finding.image_id: finding.sha256 for finding in result.findings}
    paired = {image_id for pair in duplicate_pairs(result) for image_id in (pair.first, pair.second)}
    gone = frozenset(each for each in paired if each not in now or then.get(each) != now[each].sha256)
    fine = verdicts_of(project, result.check)
    found = duplicate_groups(result, threshold, fine=fine, gone=gone)
    groups = [_of_conflict(conflict) for conflict in find_conflicts(project)]
    groups += [_group(each.kind, each.score, [now[image_id] for image_id in each.image_ids], images) for each in found]
    return tuple(sorted(groups, key=lambda group: not group.is_conflict))


def keep_best(groups: Iterable[Group], keeps: Mapping[int, int] | None = None) -> KeepOne | None:
    """Return the change that keeps the best of each group; None where there is nothing to take out.

    Groups whose labels contradict each other are left to a person, unless `keeps` says which to keep.

    Args:
        groups: Of `groups_now`.
        keeps: {place of a group: the picture to keep, with its own label}.
    """
    chosen: dict[int, tuple[int, ...]] = {}
    for place, group in enumerate(groups):
        kept = (keeps or {}).get(place)
        ids = group.image_ids
        if len(ids) > 1 and (kept is not None or not group.is_conflict):
            kept = ids[0] if kept is None else kept
            chosen[kept] = tuple(image_id for image_id in ids if image_id != kept)
    return KeepOne(chosen) if chosen else None


def _of_conflict(conflict: Conflict) -> Group:
    members = [
        GroupMember(
            conflict.image_id if candidate.origin == conflict.path else 0, candidate.origin, (candidate.class_name,)
        )
        for candidate in conflict.candidates
    ]
    if not any(member.image_id for member in members):  # it has moved since: the first stands for it
        first = members[0]
        members[0] = GroupMember(conflict.image_id, first.path, first.labels)
    return Group("exact", 1.0, tuple(members), is_conflict=True)


def _group(kind: str, score: float, members: Sequence[SnapshotImage], images: Snapshot) -> Group:
    names = images.class_names
    labels = {image.labels for image in members if image.labels}
    return Group(
        kind,
        score,
        tuple(
            GroupMember(image.image_id, str(Path(image.path)), tuple(names[index] for index in image.labels))
            for image in members
        ),
        is_conflict=images.task == "single" and len(labels) > 1,
    )
