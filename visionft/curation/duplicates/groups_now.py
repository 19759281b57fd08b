"""The groups of duplicates as they stand in the project now, contradicting labels first; keeping the best of each."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from visionft.curation.check import CheckResult, in_project
from visionft.curation.duplicates.check import DuplicateGroup, duplicate_groups, duplicate_pairs
from visionft.project.edits.keep_one import KeepOne
from visionft.project.edits.verdicts import verdicts_of
from visionft.project.queries import Conflict, InProject, find_conflicts
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
    now, paths = in_project(images), {image.image_id: str(image.path) for image in images.images}
    groups = [_of_conflict(conflict) for conflict in find_conflicts(project)]
    for found, is_conflict in standing_groups(project, result, now, threshold=threshold):
        members = (GroupMember(each, paths[each], now[each].labels) for each in found.image_ids)
        groups.append(Group(found.kind, found.score, tuple(members), is_conflict))
    return tuple(sorted(groups, key=lambda group: not group.is_conflict))


def standing_groups(
    project: Project, result: CheckResult, now: Mapping[int, InProject], *, threshold: float | None = None
) -> Iterator[tuple[DuplicateGroup, bool]]:
    """Yield the groups that a check found and that hold still, each with whether its labels contradict each other.

    Left out are pictures that were removed or edited since, and pairs that a person has judged to be no doubles.

    Args:
        project: The project.
        result: What `Duplicates` found.
        now: The pictures that are in the project, by their ids.
        threshold: Score from which two are doubles; the one that was found to fit when None.
    """
    then = {finding.image_id: finding.sha256 for finding in result.findings}
    paired = {image_id for pair in duplicate_pairs(result) for image_id in (pair.first, pair.second)}
    gone = frozenset(each for each in paired if each not in now or then.get(each) != now[each].sha256)
    for group in duplicate_groups(result, threshold, fine=verdicts_of(project, result.check), gone=gone):
        labels = {now[each].labels for each in group.image_ids if now[each].labels}
        yield group, project.task == "single" and len(labels) > 1


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
