"""Connected components of pairs: sets that are joined pair by pair."""

from collections import defaultdict
from collections.abc import Iterable


class DisjointSets:
    """Sets of numbers, joined pair by pair; the lowest number of a set stands for it."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def root(self, node: int) -> int:
        """Return the lowest number of the set of `node`."""
        parent = self._parent
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    def join(self, first: int, second: int) -> None:
        low, high = sorted((self.root(first), self.root(second)))
        self._parent[high] = low

    def roots(self) -> dict[int, int]:
        """Return {number: lowest number of its set} of all numbers that were asked for."""
        return {node: self.root(node) for node in self._parent}


def linked(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Return the lowest id of its connected component for each image of the pairs."""
    sets = DisjointSets()
    for first, second in pairs:
        sets.join(first, second)
    return sets.roots()


def components(pairs: Iterable[tuple[int, int]]) -> list[tuple[int, ...]]:
    """Return the connected components of pairs, ids rising."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    for image_id, root in linked(pairs).items():
        members[root].append(image_id)
    return sorted(tuple(sorted(ids)) for ids in members.values())
