"""Comparing the pictures for duplicates: candidates by hash and by features, judged by laying one on the other.

What the threshold is depends on the set, because some pictures only look alike: see `tail`.
"""

from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

import numpy as np

from visionft.curation.check import FOLDER, CheckResult, Inputs
from visionft.curation.duplicates.candidates import Pairs, candidates
from visionft.curation.duplicates.fingerprints import NEAR_SIDE, Fingerprints, fingerprints, in_parallel
from visionft.curation.duplicates.grouping import SLACK, Pair, linked
from visionft.curation.duplicates.registration import Glance, Prepared, glance, places, prepare, register
from visionft.curation.duplicates.tail import fit_tail
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


def compare_all(inputs: Inputs, *, check: str) -> CheckResult:
    """Compare all pictures; `facts` of the result hold the pairs, and its findings are yet to be made of them.

    Raises:
        StoppedError: The user stopped.
    """
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
    return CheckResult(
        check=check,
        findings=(),
        threshold=round(tail.threshold, 4),
        looked_at=len(prints.images),
        unreadable=prints.unreadable,
        facts=facts,
    )


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
