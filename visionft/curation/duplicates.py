"""Pictures that are in the project twice: the same pixels, or one made of the other (resized, cropped, turned, saved).

Candidates by hash and by features (`candidates`) are judged by laying one on the other (`registration`). What the
threshold is depends on the set, because some pictures only look alike: see `tail`.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

import numpy as np

from visionft.curation.candidates import Pairs, candidates
from visionft.curation.check import FOLDER, Check, CheckResult, Finding, Inputs
from visionft.curation.fingerprints import NEAR_SIDE, Fingerprints, fingerprints, in_parallel
from visionft.curation.grouping import SLACK, Pair, groups_of, linked
from visionft.curation.registration import Glance, Prepared, glance, places, prepare, register
from visionft.curation.tail import fit_tail
from visionft.data.decode import decode
from visionft.data.picture_cache import PictureCache
from visionft.data.types import SnapshotImage
from visionft.errors import ImageError, StoppedError
from visionft.events import Progress
from visionft.features.row_store import RowStore

_STAGE: Final = "Comparing pairs"
_SCORES: Final = "pairs-1"  # what was compared, by both contents; another number whenever scores are others
_WRITTEN: Final = 2048  # pairs after which they are written
_KEPT_FROM: Final = 0.7  # pairs below are not worth a look
_KNOWN_PICTURES: Final = 2048  # kept ready for comparing
_LARGEST_COMPLETED: Final = 40  # pictures of a component whose missing pairs are compared too

_Item = tuple[int, int, int]  # two places, and the orientations of the second as bits


class Duplicates(Check):
    """Finds pictures that are in the project twice."""

    name = "duplicates"
    title = "Duplicates"
    summary = "Pictures that are there twice, also resized, cropped or turned: keep the best of each group."

    def look(self, inputs: Inputs) -> CheckResult:
        """Look at all pictures; `facts` hold the pairs, from which `duplicate_groups` makes groups at any threshold."""
        prints = fingerprints(
            inputs.project_dir, inputs.images.images, on_event=inputs.on_event, should_stop=inputs.should_stop
        )
        compared = _Comparing(inputs, prints)
        pairs = _exact_pairs(prints)
        exact = {(pair.first, pair.second) for pair in pairs}
        near = compared.pairs(_candidates(inputs, prints))
        near = [pair for pair in near if (pair.first, pair.second) not in exact]
        tail = fit_tail(np.array([pair.score for pair in near]))
        near = compared.completed([*pairs, *near], tail.threshold)
        pairs += [pair for pair in near if pair.score >= _KEPT_FROM and (pair.first, pair.second) not in exact]
        facts = {
            "pairs": [[pair.first, pair.second, round(pair.score, 4)] for pair in pairs],
            "compared": compared.count,
            "expected_false": None if np.isnan(tail.expected) else round(tail.expected, 3),
            "fitted": tail.fitted,
            "best": _ranks(inputs, prints),
        }
        result = CheckResult(
            check=self.name,
            findings=(),
            threshold=round(tail.threshold, 4),
            looked_at=len(prints.images),
            unreadable=prints.unreadable,
            facts=facts,
        )
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
    pairs = [
        pair
        for pair in duplicate_pairs(result)
        if (pair.first, pair.second) not in fine and pair.first not in gone and pair.second not in gone
    ]
    scores = {(pair.first, pair.second): pair.score for pair in pairs}
    rank = {int(image_id): place for place, image_id in enumerate(result.facts.get("best", ()))}
    found: list[DuplicateGroup] = []
    for members in groups_of(pairs, least):
        within = [scores.get(pair, 0.0) for pair in combinations(members, 2)]
        kind = "exact" if min(within) >= 1 else "near"
        best_first = sorted(members, key=lambda image_id: rank.get(image_id, len(rank)))
        found.append(DuplicateGroup(kind, tuple(best_first), max(min(within), 0.0)))
    return found


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
        if group is not None:  # those of its group first
            within = frozenset(group.image_ids)
            related = tuple(sorted(related, key=lambda other: other not in within))
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


def _exact_pairs(prints: Fingerprints) -> list[Pair]:
    """Return the pairs with the same content or the same pixels, each picture with the first of its kind and others."""
    by_content: defaultdict[bytes, list[SnapshotImage]] = defaultdict(list)
    for image, row in zip(prints.images, prints.rows, strict=True):
        by_content[row["digest"].tobytes()].append(image)
    pairs: list[Pair] = []
    for images in by_content.values():
        for first, second in combinations(images, 2) if len(images) <= _LARGEST_COMPLETED else _star(images):
            if first.sha256 == second.sha256 or _have_same_pixels(first, second):
                low, high = sorted((first.image_id, second.image_id))
                pairs.append(Pair(low, high, 1.0))
    return pairs


def _star(images: Sequence[SnapshotImage]) -> list[tuple[SnapshotImage, SnapshotImage]]:
    return [(images[0], other) for other in images[1:]]


def _have_same_pixels(first: SnapshotImage, second: SnapshotImage) -> bool:
    """Tell whether whole pictures are equal whose reduced ones are."""
    try:
        return bool(np.array_equal(decode(first.path), decode(second.path)))
    except ImageError:
        return False


def _candidates(inputs: Inputs, prints: Fingerprints) -> Pairs:
    """Return what to compare."""
    features = inputs.features
    place_of = {image.image_id: place for place, image in enumerate(prints.images)}
    both = [place for place, image in enumerate(features.images) if image.image_id in place_of]
    where = np.array([place_of[features.images[place].image_id] for place in both], np.int64)
    vectors = features.inputs if len(both) == len(features) else features.inputs[both]
    return candidates(prints, where, vectors, on_event=inputs.on_event, should_stop=inputs.should_stop)


def _ranks(inputs: Inputs, prints: Fingerprints) -> list[int]:
    """Return the ids of all pictures, those first that are better kept: largest, labelled, in a split, sharpest."""

    def worth(place: int) -> tuple[Any, ...]:
        image, row = prints.images[place], prints.rows[place]
        pixels = int(row["height"]) * int(row["width"])
        return (-pixels, not image.labels, image.split is None, -float(row["sharpness"]), image.image_id)

    return [prints.images[place].image_id for place in sorted(range(len(prints.images)), key=worth)]


class _Comparing:
    """Compares pairs of pictures; what was loaded and prepared last is kept at hand."""

    def __init__(self, inputs: Inputs, prints: Fingerprints) -> None:
        self._inputs, self._prints = inputs, prints
        self._cache = PictureCache.usual()
        self._glance = lru_cache(8 * _KNOWN_PICTURES)(self._new_glance)
        self._prepared = lru_cache(_KNOWN_PICTURES)(self._new_prepared)
        self._known = RowStore(inputs.project_dir / FOLDER / _SCORES, np.dtype(np.float32))
        self.count = 0

    def pairs(self, pairs: Pairs) -> list[Pair]:
        """Return the pairs that are alike at all, with their scores.

        Raises:
            StoppedError: The user stopped.
        """
        items = list(zip(pairs.first.tolist(), pairs.second.tolist(), pairs.orientations.tolist(), strict=True))
        images = self._prints.images
        keys = [f"{images[first].sha256}{images[second].sha256}{turns}" for first, second, turns in items]
        scores = self._compared(items, keys)
        self.count += len(items)
        found: list[Pair] = []
        for (first, second, _), score in zip(items, scores.tolist(), strict=True):
            if score > 0:
                low, high = sorted((images[first].image_id, images[second].image_id))
                found.append(Pair(low, high, score))
        return found

    def _compared(self, items: Sequence[_Item], keys: Sequence[str]) -> np.ndarray:
        """Return the (P,) scores of pairs; those that are new are compared and kept, also when it is stopped."""
        scores = np.zeros(len(items), np.float32)
        at = self._known.places(keys)
        known = np.flatnonzero(at >= 0)
        scores[known], is_whole = self._known.rows(at[known])
        todo = np.flatnonzero(at < 0).tolist() + known[~is_whole].tolist()
        waiting: list[int] = []
        done = 0

        def write() -> None:
            self._known.append([keys[place] for place in waiting], scores[waiting])
            waiting.clear()

        def take(place: int, score: float | None) -> bool:
            nonlocal done
            done += 1
            if score is not None:
                scores[place] = score
                waiting.append(place)
            if len(waiting) >= _WRITTEN:
                write()
            if done % 64 == 0 or done == len(todo):
                self._inputs.on_event(Progress(stage=_STAGE, done=done, total=len(todo)))
            return not self._inputs.should_stop()

        try:
            in_parallel(lambda place: self._score(*items[place]), todo, take)
        finally:
            if waiting:
                write()
        if done < len(todo):
            raise StoppedError("The pictures were not all compared.", "Start again to go on where it stopped.")
        return scores

    def completed(self, pairs: list[Pair], threshold: float) -> list[Pair]:
        """Return the pairs and those that nobody proposed, of pictures that hang together through others."""
        place_of = {image.image_id: place for place, image in enumerate(self._prints.images)}
        known = {(pair.first, pair.second) for pair in pairs}
        members: defaultdict[int, list[int]] = defaultdict(list)
        roots = linked((pair.first, pair.second) for pair in pairs if pair.score >= threshold - SLACK / 2)
        for image_id, root in roots.items():
            members[root].append(image_id)
        missing = [
            pair
            for group in members.values()
            if 2 < len(group) <= _LARGEST_COMPLETED
            for pair in combinations(sorted(group), 2)
            if pair not in known
        ]
        if not missing:
            return pairs
        first, second = (np.array([place_of[pair[side]] for pair in missing]) for side in range(2))
        hashes = self._prints.rows["hashes"]
        bits = np.bitwise_count(hashes[first, :1] ^ hashes[second])
        orientations = (1 | 1 << bits.argmin(axis=1)).astype(np.uint8)
        return pairs + self.pairs(Pairs(first, second, orientations))

    def _score(self, first: int, second: int, orientations: int) -> float | None:
        """Return the best score of two pictures over the orientations whose bits are set; None where one has gone."""
        best = 0.0
        for orientation in range(8):
            if orientations >> orientation & 1:
                starts = places(self._glance(first), self._glance(second).turned(orientation))
                if starts:
                    one, other = self._prepared(first), self._prepared(second)
                    if one is None or other is None:
                        return None
                    best = max(best, min(register(one, other.turned(orientation), starts), 0.9999))
        return best

    def _new_glance(self, place: int) -> Glance:
        row = self._prints.rows[place]
        return glance(row["coarse"][: row["coarse_height"], : row["coarse_width"]])

    def _new_prepared(self, place: int) -> Prepared | None:
        try:
            return prepare(self._cache.load(self._prints.images[place].path, NEAR_SIDE).pixels)
        except ImageError:  # it has gone since it was measured
            return None
