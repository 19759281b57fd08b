"""Pairs into groups, and which of a group to keep; without a chain of pictures that are alike only one to the next."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

SLACK: Final = 0.15  # below the threshold: what any two of a group must still reach


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures, by their ids, the lower first, and how alike they are (1: the same pixels)."""

    first: int
    second: int
    score: float


def linked(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return for each picture of the pairs the lowest of all that it is connected with, directly or through others."""
    parent: dict[int, int] = {}

    def root(node: int) -> int:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for first, second in pairs:
        low, high = sorted((root(first), root(second)))
        parent[high] = low
    return {node: root(node) for node in parent}


def groups_of(
    pairs: Sequence[Pair], threshold: float, *, fine: frozenset[tuple[int, int]] = frozenset()
) -> list[tuple[int, ...]]:
    """Return the groups of pictures that are doubles, ids rising, the surest group first.

    Pairs join groups from the surest down; two groups are joined only if every picture of one is like every picture of
    the other, a little below the threshold at least. A pair that was never compared counts as unlike, except where both
    have the same pixels as others in between: equal is equal, unless a person judged them to be no doubles (`fine`).
    """
    judged = {image_id for pair in fine for image_id in pair}
    scores = {(pair.first, pair.second): pair.score for pair in pairs}
    group: dict[int, list[int]] = {}
    surest: dict[int, float] = {}
    for pair in sorted(pairs, key=lambda pair: (-pair.score, pair.first, pair.second)):
        if pair.score < threshold:
            break
        mine, other = group.setdefault(pair.first, [pair.first]), group.setdefault(pair.second, [pair.second])
        is_equal = pair.score >= 1 and not _are_fine(mine, other, fine, judged)
        if mine is other or not (is_equal or _are_alike(mine, other, scores, threshold - SLACK)):
            continue
        for image_id in (*other, *(mine if len(mine) == 1 else ())):  # the others have theirs
            surest.setdefault(image_id, pair.score)
        mine += other
        group.update(dict.fromkeys(other, mine))
    found = {id(members): tuple(sorted(members)) for members in group.values() if len(members) > 1}
    return sorted(found.values(), key=lambda members: (-surest[members[0]], members))


def _are_alike(
    mine: Sequence[int], other: Sequence[int], scores: Mapping[tuple[int, int], float], least: float
) -> bool:
    return all(scores.get((min(a, b), max(a, b)), 0.0) >= least for a in mine for b in other)


def _are_fine(mine: Sequence[int], other: Sequence[int], fine: frozenset[tuple[int, int]], judged: set[int]) -> bool:
    """Tell whether a person has judged any two of both groups to be no doubles; `judged` are all of such pairs."""
    others = [each for each in other if each in judged]
    return any((min(a, b), max(a, b)) in fine for b in others for a in mine if a in judged)
