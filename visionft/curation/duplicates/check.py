"""Pictures that are in the project twice: the same pixels, or one made of the other (resized, cropped, turned, saved).

How they are found: `comparing`. The result holds pairs, from which groups follow at any threshold.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import combinations, islice
from pathlib import Path

from visionft.curation.check import Check, CheckResult, Finding, Inputs, read_result
from visionft.curation.duplicates.grouping import Pair, groups_of, linked
from visionft.data.types import SnapshotImage

_MOST_RELATED = 20  # pictures that a finding names beside those that its own was compared with


class Duplicates(Check):
    """Finds pictures that are in the project twice."""

    name = "duplicates"
    title = "Duplicates"
    summary = "Pictures that are there twice, also resized, cropped or turned: keep the best of each group."

    def look(self, inputs: Inputs) -> CheckResult:
        """Look at all pictures; `facts` hold the pairs, from which `duplicate_groups` makes groups at any threshold."""
        from visionft.curation.duplicates.comparing import compare_all  # loads OpenCV

        result = compare_all(inputs, check=self.name)
        return replace(result, findings=_findings(result, inputs))


@dataclass(frozen=True, slots=True)
class DuplicateGroup:
    """Pictures that are doubles of each other.

    Attributes:
        kind: `exact` where all have the same pixels, else `near`.
        image_ids: The one that is best to keep first.
        score: Of the least alike two that were joined.
    """

    kind: str
    image_ids: tuple[int, ...]
    score: float


def known_groups(project_dir: Path) -> dict[int, int]:
    """Return {image id: number of its group} as the search for duplicates found them last; nothing before it ran."""
    result = read_result(project_dir, Duplicates.name)
    return {each.image_id: each.group for each in result.findings if each.group} if result is not None else {}


def duplicate_pairs(result: CheckResult) -> list[Pair]:
    """Return all pairs that a result holds, down to scores that are hardly worth a look."""
    return [Pair(int(first), int(second), float(score)) for first, second, score in result.facts.get("pairs", ())]


def duplicate_groups(
    result: CheckResult,
    threshold: float | None = None,
    *,
    fine: frozenset[tuple[int, int]] = frozenset(),
    gone: frozenset[int] = frozenset(),
) -> list[DuplicateGroup]:
    """Return the groups at a threshold; the surest first.

    Args:
        result: Of the check.
        threshold: Score from which two are doubles; the one that was found to fit when None.
        fine: Pairs that a person has judged to be no doubles.
        gone: Pictures that are no longer there, or were edited since.
    """
    least = result.threshold if threshold is None else threshold
    known = [pair for pair in duplicate_pairs(result) if (pair.first, pair.second) not in fine]
    pairs = [pair for pair in known if pair.first not in gone and pair.second not in gone]
    same = linked((pair.first, pair.second) for pair in known if pair.score >= 1)
    pairs += (pair for pair in _pairs_of_equals(same, gone) if (pair.first, pair.second) not in fine)
    scores = {(pair.first, pair.second): pair.score for pair in pairs}
    rank = {int(image_id): place for place, image_id in enumerate(result.facts.get("best", ()))}
    found: list[DuplicateGroup] = []
    for members in groups_of(pairs, least, fine=fine):
        is_exact = len({same.get(image_id, image_id) for image_id in members}) == 1
        score = 1.0 if is_exact else min(scores.get(pair, 0.0) for pair in combinations(members, 2))
        best_first = sorted(members, key=lambda image_id: rank.get(image_id, len(rank)))
        found.append(DuplicateGroup("exact" if is_exact else "near", tuple(best_first), max(score, 0.0)))
    return found


def _pairs_of_equals(same: Mapping[int, int], gone: frozenset[int]) -> Iterator[Pair]:
    """Yield pairs of pictures with the same pixels by which they hang together, whichever of them has gone.

    Args:
        same: {image id: what it shares with all that equal it}.
        gone: Pictures that are no longer there.
    """
    first: dict[int, int] = {}
    for image_id in sorted(same.keys() - gone):
        kept = first.setdefault(same[image_id], image_id)
        if kept != image_id:
            yield Pair(kept, image_id, 1.0)


def _findings(result: CheckResult, inputs: Inputs) -> tuple[Finding, ...]:
    """Return a finding for each picture that has a double, however unsure, with its group at the usual threshold."""
    group_of = {
        image_id: (number, group)
        for number, group in enumerate(duplicate_groups(result), 1)
        for image_id in group.image_ids
    }
    partners: defaultdict[int, list[tuple[float, int]]] = defaultdict(list)
    for pair in duplicate_pairs(result):
        partners[pair.first].append((pair.score, pair.second))
        partners[pair.second].append((pair.score, pair.first))
    findings: list[Finding] = []
    for image_id, others in partners.items():
        others.sort(reverse=True)
        score, nearest = others[0]
        number, group = group_of.get(image_id, (0, None))
        related = tuple(other for _, other in others)
        if group is not None:  # those of its group first, and some of very many equal ones that were not compared
            within, compared = frozenset(group.image_ids), {image_id, *related}
            more = (other for other in group.image_ids if other not in compared)
            related = (*sorted(related, key=lambda other: other not in within), *islice(more, _MOST_RELATED))
        findings.append(
            Finding(
                image_id=image_id,
                sha256=inputs.by_id[image_id].sha256,
                score=round(score, 4),
                kind="exact" if score >= 1 else "near",
                reason=_reason(score, inputs.by_id[nearest]),
                related=related,
                group=number,
                values={"correlation": round(score, 4)},
            )
        )
    return tuple(sorted(findings, key=lambda each: (-each.score, each.group, each.image_id)))


def _reason(score: float, other: SnapshotImage) -> str:
    if score >= 1:
        return f"The same pixels as {other.path.name}."
    return f"Laid on {other.path.name}, {score:.0%} of what it shows agrees."
