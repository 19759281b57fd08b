"""Leaks: pictures of one group in several splits, so that a test asks what was learned by heart.

A group is what hangs together by near-duplicates and by the groupings that count (`belonging`). Mending puts each group
into the split that has most of it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

from visionft.curation.check import Check, CheckResult, Finding, Inputs, read_result
from visionft.curation.duplicates.check import Duplicates, duplicate_pairs
from visionft.curation.duplicates.grouping import linked
from visionft.curation.leaks.belonging import Grouping, groupings, largest_group
from visionft.data.types import SPLITS, Snapshot, SnapshotImage, Split
from visionft.project.edits.changes import AssignSplits
from visionft.project.edits.grouping_changes import counted_groupings
from visionft.project.edits.verdicts import Judged, verdicts_of
from visionft.project.store import Project

DOUBLES: Final = "duplicate"


class Leaks(Check):
    """Finds pictures that belong together and lie in several splits."""

    name = "leaks"
    title = "Leaks"
    summary = "Pictures that belong together in several splits: what is tested was learned. Put them into one."

    def look(self, inputs: Inputs) -> CheckResult:
        """Look at all pictures; duplicates are looked for first. `facts` hold what belongs together, by kind."""
        doubles = Duplicates().run(inputs)
        pairs = [(pair.first, pair.second) for pair in duplicate_pairs(doubles) if pair.score >= doubles.threshold]
        known = groupings(inputs.images)
        facts: dict[str, Any] = {
            "doubles": [list(pair) for pair in pairs],
            "groupings": [
                {
                    "kind": each.kind,
                    "groups": [list(group) for group in each.groups],
                    "is_plausible": each.is_plausible,
                    "reason": each.reason,
                    "example": list(each.example),
                }
                for each in known
            ],
        }
        result = CheckResult(
            check=self.name,
            findings=(),
            threshold=0.5,
            looked_at=doubles.looked_at,
            unreadable=doubles.unreadable,
            facts=facts,
        )
        together = Together.of(result, {}, frozenset())
        return replace(result, findings=_findings(together, inputs))


@dataclass(frozen=True)
class Together:
    """Which pictures belong together, and by what.

    Attributes:
        links: {kind: pairs}; a group of a grouping as the pairs of each with the first, so that all hang together.
        groupings: All that were found, whether they count or not.
        counted: Kinds that count.
    """

    links: Mapping[str, Sequence[tuple[int, int]]]
    groupings: tuple[Grouping, ...]
    counted: frozenset[str]

    @classmethod
    def of(cls, result: CheckResult, decided: Mapping[str, bool], fine: Judged) -> "Together":
        """Return what a result says.

        Args:
            result: Of `Leaks`.
            decided: What a person decided of kinds; the others count where they are plausible.
            fine: Pairs that a person judged to be no doubles.
        """
        facts = result.facts
        known = tuple(
            Grouping(
                str(each["kind"]),
                tuple(tuple(map(int, group)) for group in each["groups"]),
                bool(each["is_plausible"]),
                str(each["reason"]),
                tuple(each["example"]),
            )
            for each in facts.get("groupings", ())
        )
        doubles = [(int(first), int(second)) for first, second in facts.get("doubles", ())]
        links: dict[str, Sequence[tuple[int, int]]] = {DOUBLES: [pair for pair in doubles if pair not in fine]}
        links |= {each.kind: [(group[0], other) for group in each.groups for other in group[1:]] for each in known}
        counted = {kind for kind in links if decided.get(kind, kind == DOUBLES)}
        shown: list[Grouping] = []
        for each in known:  # one after the other: together they may chain everything into one group
            if each.is_plausible and each.kind not in decided:
                whole = cls(links, known, frozenset({*counted, each.kind})).largest
                if whole <= largest_group(result.looked_at):
                    counted.add(each.kind)
                else:
                    words = f"With the others it would join {whole} of {result.looked_at} pictures: that is no group."
                    each = replace(each, is_plausible=False, reason=words)
            shown.append(each)
        return cls(links, tuple(shown), frozenset(counted))

    @property
    def largest(self) -> int:
        """Return how many pictures the largest group holds."""
        return max(map(len, self.components), default=0)

    @property
    def components(self) -> list[tuple[int, ...]]:
        """Return the groups: what hangs together by all that counts, directly or through others."""
        roots = linked(pair for kind in self.counted for pair in self.links[kind])
        found: defaultdict[int, list[int]] = defaultdict(list)
        for image_id, root in roots.items():
            found[root].append(image_id)
        return sorted(tuple(sorted(members)) for members in found.values())


@dataclass(frozen=True, slots=True)
class Leak:
    """A group in several splits: its pictures by split, and the kinds of what links those of different splits."""

    pictures: Mapping[Split, tuple[int, ...]]
    kinds: tuple[str, ...]

    @property
    def pairs(self) -> int:
        """Return how many pairs of its pictures lie in different splits."""
        counts = [len(ids) for ids in self.pictures.values()]
        return sum(first * second for first, second in combinations(counts, 2))


def together_now(project: Project, result: CheckResult) -> Together:
    """Return what belongs together as a person has it."""
    return Together.of(result, counted_groupings(project), verdicts_of(project, Duplicates.name))


def known_together(project: Project) -> list[tuple[int, ...]]:
    """Return the groups that leaks were last looked for by, for whoever divides the pictures; none where nobody did."""
    result = read_result(project.path, Leaks.name)
    return [] if result is None else together_now(project, result).components


def leaks_of(together: Together, images: Snapshot) -> tuple[Leak, ...]:
    """Return the groups that lie in several splits, the largest first."""
    return leaks_among(together, {image.image_id: image.split for image in images.images})


def leaks_among(together: Together, split_of: Mapping[int, str | None]) -> tuple[Leak, ...]:
    """Return the same from {picture: split}; other pictures are left out."""
    kinds_of: defaultdict[int, set[str]] = defaultdict(set)
    for kind in together.counted:
        for pair in together.links[kind]:
            for image_id in pair:
                kinds_of[image_id].add(kind)
    found: list[Leak] = []
    for members in together.components:
        pictures: dict[Split, tuple[int, ...]] = {}
        for split in SPLITS:
            if ids := tuple(image_id for image_id in members if split_of.get(image_id) == split):
                pictures[split] = ids
        if len(pictures) > 1:
            kinds = sorted({kind for ids in pictures.values() for image_id in ids for kind in kinds_of[image_id]})
            found.append(Leak(pictures, tuple(kinds)))
    return tuple(sorted(found, key=lambda leak: -leak.pairs))


def mend(leaks: Iterable[Leak], images: Snapshot) -> AssignSplits | None:
    """Return the change that puts each group into one split; None where there is nothing to mend.

    It goes where most of it is. Of equal splits it goes where its class lacks most, seen from the shares of the splits
    as they were.
    """
    wanted, labels_of = Counter[tuple[Split, int]](), {image.image_id: image.labels for image in images.images}
    for image in images.images:
        if image.split is not None:
            wanted.update((image.split, label) for label in image.labels)
    have, moved = Counter(wanted), dict[int, Split | None]()
    for leak in leaks:
        labels = Counter(label for ids in leak.pictures.values() for each in ids for label in labels_of[each])

        def worth(split: Split, leak: Leak = leak, labels: Counter[int] = labels) -> tuple[int, float, int]:
            lack = sum(count * (wanted[split, label] - have[split, label]) for label, count in labels.items())
            return (len(leak.pictures[split]), lack, SPLITS.index(split))

        target = max(leak.pictures, key=worth)
        for split, ids in leak.pictures.items():
            for image_id in ids if split != target else ():
                moved[image_id] = target
                have.update((target, label) for label in labels_of[image_id])
                have.subtract((split, label) for label in labels_of[image_id])
    return AssignSplits(moved) if moved else None


def _reason(kind: str, other: SnapshotImage) -> str:
    """Return why a picture leaks, for a person."""
    name, split = other.path.name, other.split
    match kind:
        case "name":
            return f"Named like {name}, which is in {split}."
        case "time":
            return f"Taken within seconds of {name}, which is in {split}."
        case "folder":
            return f"From the same folder as {name}, which is in {split}."
    return f"Almost the same picture as {name}, which is in {split}."


def _findings(together: Together, inputs: Inputs) -> tuple[Finding, ...]:
    """Return a finding for each picture of a leak, pointing at the others in other splits."""
    findings: list[Finding] = []
    for number, leak in enumerate(leaks_of(together, inputs.images), 1):
        for split, ids in leak.pictures.items():
            others = tuple(each for other, members in leak.pictures.items() if other != split for each in members)
            kind = leak.kinds[0] if DOUBLES not in leak.kinds else DOUBLES
            reason = _reason(kind, inputs.by_id[others[0]])
            for image_id in ids:
                image = inputs.by_id[image_id]
                findings.append(
                    Finding(
                        image_id=image_id,
                        sha256=image.sha256,
                        score=1.0 if kind == DOUBLES else 0.8,
                        kind=kind,
                        reason=reason,
                        related=others[:20],
                        group=number,
                    )
                )
    return tuple(sorted(findings, key=lambda each: (-each.score, each.group, each.image_id)))
