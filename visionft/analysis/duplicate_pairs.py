"""Pairs of duplicates: candidates by hash and by features, verified by registration.

Hashes find resized, recompressed, mirrored and rotated copies in any orientation, features find crops. Features are
whitened: then even a crop is near to its image among hundreds of the same kind (fifths of sides cut off hands on one
background: 95 % among the nearest 8, 65 % without whitening).

The threshold depends on the set, because some images only look alike: fewer than one false pair is expected among all
compared pairs. Most of these are no duplicates. Their scores, on Fisher's scale (the inverse hyperbolic tangent of a
correlation, R. A. Fisher 1915), are modelled as the upper tail of a normal distribution, fitted to the pairs between
two scores with hardly any duplicate, by maximum likelihood of a doubly truncated normal distribution, and extrapolated.

Where all images show much of the same (one product, one cell, one dial), look-alikes reach any such score. Then pairs
crowd between .90 and .96, where copies are rare: of copies planted in photographs, 6 times more are above .98, of
pairs of cells with one grid a tenth. No tail is extrapolated there; only the highest scores count.
"""

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any, Final

import numpy as np

from models.heads.numerics import BLOCK, ScaledRows, unit_rows
from visionft.analysis.check import APPROXIMATE, CURATION_FOLDER, MAX_EXACT_IMAGES, CheckResult, Inputs
from visionft.analysis.duplicate_groups import LOOK_ALIKES, SLACK, DuplicatePair
from visionft.core.errors import ImageError
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.decode import decode
from visionft.data.image_cache import ImageCache
from visionft.data.image_reading import ImageReading
from visionft.data.types import SnapshotImage
from visionft.features.connected import components
from visionft.features.fingerprints import NEAR_SIDE, Fingerprints, fingerprints
from visionft.features.near_duplicates import STAGE, pairs_by_hash
from visionft.features.neighbours import nearest
from visionft.features.registration import (
    CoarseTemplate,
    RegistrationImage,
    coarse_template,
    find_alignments,
    may_align,
    prepare,
    register,
    without_borders,
)
from visionft.features.row_store import RowStore, stored_rows

NEIGHBOUR_COUNT: Final = 8  # of each image, by features
_QUARTERS: Final = (1 << 5, 1 << 6)  # bits of the two quarter turns: transposed and mirrored, or flipped


def candidate_pairs(
    prints: Fingerprints,
    places: np.ndarray,
    vectors: ScaledRows,
    *,
    max_exact: int = MAX_EXACT_IMAGES,
    job: JobContext = SILENT_JOB,
) -> np.ndarray:
    """Return the candidate pairs (P, 3), each once and by rising first place.

    The columns are two places among the images, the lower first, and a bit for each candidate orientation of the second
    (`registration.turn`). Featureless images (a white wall) are in no pair; `vectors` (M, D) are the centred features
    of the images at `places` (M).
    """
    shows = ~prints.is_featureless
    usable = np.flatnonzero(shows)
    by_hash = pairs_by_hash(prints.rows["hashes"][usable], usable, max_exact=max_exact, job=job)
    has_both = shows[places]
    vectors = vectors if has_both.all() else vectors.among(has_both)
    pairs = np.concatenate([by_hash, _by_features(vectors, places[has_both], max_exact, job)])
    swapped = pairs[:, 0] > pairs[:, 1]
    pairs[swapped, :2] = pairs[swapped, 1::-1]
    turns, (quarter, back) = pairs[swapped, 2], _QUARTERS  # any other orientation is its own inverse
    pairs[swapped, 2] = np.select([turns == quarter, turns == back], [back, quarter], turns)
    keys, inverse = np.unique(pairs[:, 0] * len(prints.rows) + pairs[:, 1], return_inverse=True)
    orientations = np.zeros(len(keys), np.int64)
    np.bitwise_or.at(orientations, inverse, pairs[:, 2])
    return np.stack([keys // len(prints.rows), keys % len(prints.rows), orientations], axis=1)


def whitened(vectors: ScaledRows) -> np.ndarray:
    """Return (N, K) directions: the principal components of centred (N, D) rows, each of the same variance."""
    kept = max(1, min(128, vectors.shape[1], len(vectors) - 1))
    spread = sum((block.T @ block).astype(np.float64) for block in vectors.blocks(BLOCK)) / max(1, len(vectors))
    values, axes = np.linalg.eigh(spread)
    floor = max(1e-12, 1e-4 * float(values[-1]))  # a smaller variance is rounding
    axes = axes[:, -kept:] / np.sqrt(np.maximum(values[-kept:], floor))
    return unit_rows(vectors @ axes.astype(np.float32))


def _by_features(vectors: ScaledRows, places: np.ndarray, max_exact: int, job: JobContext) -> np.ndarray:
    """Return (P, 3): two places and the bit of the identity, because features do not determine an orientation."""
    if len(places) < 2:
        return np.empty((0, 3), np.int64)
    near = nearest(whitened(vectors), k=NEIGHBOUR_COUNT, job=job, stage=STAGE, max_exact=max_exact)
    line, column = np.nonzero((near.places >= 0) & (near.products >= 0.2))
    other = near.places[line, column]
    return np.stack([places[line], places[other], np.ones(len(line), np.int64)], axis=1)


_FROM, _TO = 0.75, 0.85  # fitted scores: the part of the tail next to the extrapolation
USUAL: Final = 0.9
LOWEST, HIGHEST = 0.86, 0.99  # bounds of an automatic threshold
_CROWD, _COPIES = (0.90, 0.96), 0.98  # scores of look-alikes; scores of most copies
# Look-alikes are common from this number of their pairs, also relative to the number of images and to that of copies.
_MIN_CROWD, _MIN_CROWD_PER_IMAGE, _MIN_CROWD_PER_COPY = 20, 0.05, 0.5
_SCORES: Final = "pairs-2"  # scores by both contents; raise the number whenever scores change
_KEPT_FROM: Final = 0.7  # pairs below are not worth a review
_PAIRS: Final = 200_000  # compared at a time
_KNOWN_IMAGES: Final = 2048  # size of the cache
_MAX_COMPLETED_IMAGES: Final = 40  # in a connected component; in larger ones not every pair is compared


@dataclass(frozen=True, slots=True)
class Tail:
    """The fitted tail: its threshold, the false pairs expected above it (NaN without a fit), and the fitted pairs."""

    threshold: float
    expected: float
    fitted: int

    @property
    def is_of_look_alikes(self) -> bool:
        """Whether many pairs of different images are as similar as copies."""
        return self.threshold > 0.95  # above, most similar pairs are not copies


def fit_tail(scores: np.ndarray, images: int) -> Tail:
    """Fit the tail of (P,) scores of all compared pairs, for this number of images."""
    from scipy.optimize import minimize
    from scipy.stats import norm

    crowd = int(((scores >= _CROWD[0]) & (scores < _CROWD[1])).sum())
    copies = int((scores >= _COPIES).sum())
    if crowd >= max(_MIN_CROWD, _MIN_CROWD_PER_IMAGE * images, _MIN_CROWD_PER_COPY * copies):
        # No gap separates look-alikes from copies.
        return Tail(HIGHEST, float("nan"), 0)
    low, high = np.arctanh(_FROM), np.arctanh(_TO)
    values = np.arctanh(np.clip(scores[(scores >= _FROM) & (scores < _TO)], 0, 0.999))
    if len(values) < 40:  # fewer are not sufficient for a fit
        return Tail(USUAL, float("nan"), len(values))

    def loss(parameters: np.ndarray) -> float:
        mean = parameters[0]
        deviation = np.exp(parameters[1])
        inside = norm.cdf(high, mean, deviation) - norm.cdf(low, mean, deviation)
        # a weak prior of a plausible width: else few pairs would give a needle
        return float(
            -norm.logpdf(values, mean, deviation).sum() + len(values) * np.log(max(inside, 1e-300))
        ) + 4 * float((parameters[1] - np.log(0.25)) ** 2)

    found = minimize(loss, np.array([0.8, np.log(0.25)]), method="Nelder-Mead").x
    mean = float(found[0])
    deviation = float(np.exp(found[1]))
    inside = norm.cdf(high, mean, deviation) - norm.cdf(low, mean, deviation)

    def expected(score: float) -> float:
        return float(len(values) / max(inside, 1e-300) * norm.sf(np.arctanh(score), mean, deviation))

    grid = np.linspace(LOWEST, HIGHEST, 131)
    threshold = next((float(score) for score in grid if expected(score) < 1), HIGHEST)
    return Tail(threshold, expected(threshold), len(values))


def compare_all(inputs: Inputs, *, check: str, max_exact: int = MAX_EXACT_IMAGES) -> CheckResult:
    """Compare all images; `facts` of the result hold the pairs, its issues are still empty.

    Of more than `max_exact` images most of the nearest by features are candidates, and pairs are compared at a third
    of the scales first; `APPROXIMATE` in `facts` says so.
    """
    prints = fingerprints(inputs.project_dir, inputs.images, job=inputs.job)
    is_approximate = len(prints.images) > max_exact
    comparer = _PairComparer(inputs, prints, is_screened=is_approximate)
    pairs = _exact_pairs(prints, inputs.images.image_reading)
    exact = {pair.ids for pair in pairs}
    near = [pair for pair in comparer.compare(_candidates(inputs, prints, max_exact)) if pair.ids not in exact]
    tail = fit_tail(np.array([pair.score for pair in near]), len(prints.images))
    near = comparer.completed([*pairs, *near], tail.threshold)
    pairs += [pair for pair in near if pair.score >= _KEPT_FROM and pair.ids not in exact]

    def worth(place: int) -> tuple[Any, ...]:
        image, row = prints.images[place], prints.rows[place]
        pixels = int(row["height"]) * int(row["width"])
        return (-pixels, not image.labels, image.split is None, -float(row["sharpness"]), image.image_id)

    facts = {
        "pairs": [[pair.first, pair.second, round(pair.score, 4)] for pair in pairs],
        "compared": comparer.count,
        "expected_false": None if np.isnan(tail.expected) else round(tail.expected, 3),
        "fitted": tail.fitted,
        **({APPROXIMATE: True} if is_approximate else {}),
        LOOK_ALIKES: tail.is_of_look_alikes,
        "best": [prints.images[place].image_id for place in sorted(range(len(prints.images)), key=worth)],
    }
    return CheckResult(
        check=check,
        issues=(),
        threshold=round(tail.threshold, 4),
        checked=len(prints.images),
        unreadable=prints.unreadable,
        facts=facts,
    )


def _exact_pairs(prints: Fingerprints, reading: ImageReading) -> list[DuplicatePair]:
    """Return the pairs with the same content or pixels; of many equal images only those with the first one."""
    by_content: defaultdict[bytes, list[SnapshotImage]] = defaultdict(list)
    for image, row in zip(prints.images, prints.rows, strict=True):
        by_content[row["digest"].tobytes()].append(image)
    pairs: list[DuplicatePair] = []
    for images in by_content.values():
        is_small = len(images) <= _MAX_COMPLETED_IMAGES
        for first, second in combinations(images, 2) if is_small else ((images[0], other) for other in images[1:]):
            if first.sha256 == second.sha256 or _have_same_pixels(first, second, reading):
                pairs.append(_pair(first, second, 1.0))
    return pairs


def _have_same_pixels(first: SnapshotImage, second: SnapshotImage, reading: ImageReading) -> bool:
    """Return whether whole images are equal, given equal reduced ones."""
    try:
        return np.array_equal(decode(first.path, reading=reading), decode(second.path, reading=reading))
    except ImageError:
        return False


def _pair(first: SnapshotImage, second: SnapshotImage, score: float) -> DuplicatePair:
    low, high = sorted((first.image_id, second.image_id))
    return DuplicatePair(low, high, score)


def _candidates(inputs: Inputs, prints: Fingerprints, max_exact: int) -> np.ndarray:
    features = inputs.features
    place_of = {image.image_id: place for place, image in enumerate(prints.images)}
    both = [place for place, image in enumerate(features.images) if image.image_id in place_of]
    where = np.array([place_of[features.images[place].image_id] for place in both], np.int64)
    vectors = features.inputs if len(both) == len(features) else features.inputs.among(both)
    return candidate_pairs(prints, where, vectors, max_exact=max_exact, job=inputs.job)


class _PairComparer:
    """Compare pairs of images, with a cache of the last prepared ones."""

    def __init__(self, inputs: Inputs, prints: Fingerprints, *, is_screened: bool) -> None:
        self._is_screened = is_screened
        self._inputs, self._prints = inputs, prints
        self._cache = ImageCache.default()
        self._reading = inputs.images.image_reading
        self._coarse_template = lru_cache(8 * _KNOWN_IMAGES)(self._load_coarse_template)
        self._prepared = lru_cache(_KNOWN_IMAGES)(self._load_prepared)
        folder = f"{_SCORES}-screened" if is_screened else _SCORES
        self._scores = RowStore(inputs.project_dir / CURATION_FOLDER / folder, np.dtype(np.float32))
        self.count = 0

    def compare(self, candidates: np.ndarray) -> list[DuplicatePair]:
        """Return the pairs with a score above 0 among (P, 3) candidates."""
        images = self._prints.images
        found = list[DuplicatePair]()
        starts = range(0, len(candidates), _PAIRS)
        job = self._inputs.job.in_stages(max(1, len(starts)))
        for start in starts:
            items = candidates[start : start + _PAIRS].tolist()
            keys = [
                self._reading.content_key(f"{images[first].sha256}{images[second].sha256}{turns}")
                for first, second, turns in items
            ]
            with job.stage(weight=1):
                scores, _, _ = stored_rows(
                    self._scores,
                    keys,
                    lambda place, items=items: self._score(*items[place]),
                    stage=Message("Comparing pairs"),
                    job=job,
                )
            scored = zip(items, scores.tolist(), strict=True)
            found += [_pair(images[first], images[second], score) for (first, second, _), score in scored if score > 0]
        self.count += len(candidates)
        return found

    def completed(self, pairs: list[DuplicatePair], threshold: float) -> list[DuplicatePair]:
        """Return the pairs, with the missing pairs of images connected through others."""
        place_of = {image.image_id: place for place, image in enumerate(self._prints.images)}
        known = {pair.ids for pair in pairs}
        missing = [
            [place_of[each] for each in ids]
            for group in components(pair.ids for pair in pairs if pair.score >= threshold - SLACK / 2)
            if 2 < len(group) <= _MAX_COMPLETED_IMAGES
            for ids in combinations(group, 2)
            if ids not in known
        ]
        if not missing:
            return pairs
        first, second = np.array(missing).T
        hashes = self._prints.rows["hashes"]
        nearest = np.bitwise_count(hashes[first, :1] ^ hashes[second]).argmin(axis=1)
        return pairs + self.compare(np.stack([first, second, 1 | 1 << nearest], axis=1))

    def _score(self, first: int, second: int, orientations: int) -> np.float32 | str:
        """Return the best score of two images over the set bits of orientations; a reason where one file is gone."""
        best = 0.0
        for orientation in range(8):
            if orientations >> orientation & 1:
                one, other = self._coarse_template(first), self._coarse_template(second).turned(orientation)
                starts = find_alignments(one, other) if not self._is_screened or may_align(one, other) else ()
                if starts:
                    mine, its = self._prepared(first), self._prepared(second)
                    if mine is None or its is None:
                        return "removed"
                    best = max(best, min(register(mine, its.turned(orientation), starts), 0.9999))
        return np.float32(best)

    def _load_coarse_template(self, place: int) -> CoarseTemplate:
        row = self._prints.rows[place]
        return coarse_template(row["coarse"][: row["coarse_height"], : row["coarse_width"]])

    def _load_prepared(self, place: int) -> RegistrationImage | None:
        try:
            return prepare(
                without_borders(
                    self._cache.load(self._prints.images[place].path, NEAR_SIDE, reading=self._reading).pixels
                )
            )
        except ImageError:  # removed since its fingerprint was computed
            return None
