"""Pairs of duplicates: candidates by hash and by features, verified by registration.

Hashes find resized, recompressed, mirrored and rotated copies in any orientation, and features find crops. Features are
whitened, so that a crop is near its image even among hundreds of similar images: for hands on the same background with
a fifth of a side cut off, 95 % of the crops are among the nearest 8 (65 % without whitening).

The threshold depends on the data set, because some different images look alike; it is set so that fewer than one false
pair is expected among all compared pairs. Most compared pairs are no duplicates. Their scores, on Fisher's scale (the
inverse hyperbolic tangent of a correlation, R. A. Fisher 1915), are modelled as the upper tail of a normal
distribution. It is fitted to the pairs in a range of scores with hardly any duplicates, by maximum likelihood of a
doubly truncated normal distribution, and extrapolated.

If all images show almost the same (a product, a cell, a dial), look-alikes reach any such score. Then there are many
pairs between 0.90 and 0.96, where copies are rare: copies planted in photographs are 6 times more frequent above 0.98,
but pairs of cells on the same grid ten times less. In this case no tail is extrapolated, and only the highest scores
count as duplicates.
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

NEIGHBOUR_COUNT: Final = 8  # candidates per image by features
_QUARTER_TURNS: Final = (1 << 5, 1 << 6)  # orientation bits: transposed and mirrored, transposed and flipped


def candidate_pairs(
    prints: Fingerprints,
    places: np.ndarray,
    vectors: ScaledRows,
    *,
    max_exact: int = MAX_EXACT_IMAGES,
    job: JobContext = SILENT_JOB,
) -> np.ndarray:
    """Return the distinct candidate pairs (P, 3), sorted by the first index.

    The columns are two image indices, the lower first, and a bit for each candidate orientation of the second image
    (`registration.turn`). Featureless images (a white wall) are in no pair. `vectors` (M, D) are the centred features
    of the images at the indices `places` (M).
    """
    has_content = ~prints.is_featureless
    usable = np.flatnonzero(has_content)
    by_hash = pairs_by_hash(prints.rows["hashes"][usable], usable, max_exact=max_exact, job=job)
    has_both = has_content[places]
    vectors = vectors if has_both.all() else vectors.among(has_both)
    pairs = np.concatenate([by_hash, _by_features(vectors, places[has_both], max_exact, job)])
    swapped = pairs[:, 0] > pairs[:, 1]
    pairs[swapped, :2] = pairs[swapped, 1::-1]
    turns, (left, right) = pairs[swapped, 2], _QUARTER_TURNS  # every other orientation is its own inverse
    pairs[swapped, 2] = np.select([turns == left, turns == right], [right, left], turns)
    keys, inverse = np.unique(pairs[:, 0] * len(prints.rows) + pairs[:, 1], return_inverse=True)
    orientations = np.zeros(len(keys), np.int64)
    np.bitwise_or.at(orientations, inverse, pairs[:, 2])
    return np.stack([keys // len(prints.rows), keys % len(prints.rows), orientations], axis=1)


def whitened(vectors: ScaledRows) -> np.ndarray:
    """Return (N, K) unit vectors: the principal components of centred (N, D) rows, scaled to the same variance."""
    components_kept = max(1, min(128, vectors.shape[1], len(vectors) - 1))
    covariance = sum((block.T @ block).astype(np.float64) for block in vectors.blocks(BLOCK)) / max(1, len(vectors))
    values, axes = np.linalg.eigh(covariance)
    floor = max(1e-12, 1e-4 * float(values[-1]))  # smaller variances are rounding errors
    axes = axes[:, -components_kept:] / np.sqrt(np.maximum(values[-components_kept:], floor))
    return unit_rows(vectors @ axes.astype(np.float32))


def _by_features(vectors: ScaledRows, places: np.ndarray, max_exact: int, job: JobContext) -> np.ndarray:
    """Return (P, 3): two indices and the bit of the identity, because features do not determine an orientation."""
    if len(places) < 2:
        return np.empty((0, 3), np.int64)
    near = nearest(whitened(vectors), k=NEIGHBOUR_COUNT, job=job, stage=STAGE, max_exact=max_exact)
    row, column = np.nonzero((near.places >= 0) & (near.products >= 0.2))
    other = near.places[row, column]
    return np.stack([places[row], places[other], np.ones(len(row), np.int64)], axis=1)


_MIN_FITTED_SCORE, _MAX_FITTED_SCORE = 0.75, 0.85  # the part of the tail below the extrapolation
DEFAULT_THRESHOLD: Final = 0.9
MIN_THRESHOLD, MAX_THRESHOLD = 0.86, 0.99  # bounds of an automatic threshold
_CROWD_SCORES, _MIN_COPY_SCORE = (0.90, 0.96), 0.98  # scores of look-alikes; scores of most copies
# Look-alikes are common from this number of pairs, also relative to the number of images and the number of copies.
_MIN_CROWD, _MIN_CROWD_PER_IMAGE, _MIN_CROWD_PER_COPY = 20, 0.05, 0.5
_SCORES_FOLDER: Final = "pairs-2"  # scores by both contents; raise the number whenever scores change
_MIN_STORED_SCORE: Final = 0.7  # lower pairs are not worth a review
_PAIRS_PER_BATCH: Final = 200_000
_CACHED_IMAGES: Final = 2048
_MAX_COMPLETED_IMAGES: Final = 40  # in a connected component; in larger ones not every pair is compared


@dataclass(frozen=True, slots=True)
class Tail:
    """The fitted tail of the scores."""

    threshold: float
    expected: float  # number of false pairs expected above the threshold; NaN without a fit
    fitted: int  # number of fitted pairs

    @property
    def is_of_look_alikes(self) -> bool:
        """Whether many pairs of different images are as similar as copies."""
        return self.threshold > 0.95  # a higher threshold means that most similar pairs are not copies


def fit_tail(scores: np.ndarray, images: int) -> Tail:
    """Fit the tail of the (P,) scores of all compared pairs among this number of images."""
    from scipy.optimize import minimize
    from scipy.stats import norm

    crowd = int(((scores >= _CROWD_SCORES[0]) & (scores < _CROWD_SCORES[1])).sum())
    copies = int((scores >= _MIN_COPY_SCORE).sum())
    if crowd >= max(_MIN_CROWD, _MIN_CROWD_PER_IMAGE * images, _MIN_CROWD_PER_COPY * copies):
        # No gap separates look-alikes from copies.
        return Tail(MAX_THRESHOLD, float("nan"), 0)
    low, high = np.arctanh(_MIN_FITTED_SCORE), np.arctanh(_MAX_FITTED_SCORE)
    values = np.arctanh(np.clip(scores[(scores >= _MIN_FITTED_SCORE) & (scores < _MAX_FITTED_SCORE)], 0, 0.999))
    if len(values) < 40:  # fewer are not sufficient for a fit
        return Tail(DEFAULT_THRESHOLD, float("nan"), len(values))

    def loss(parameters: np.ndarray) -> float:
        mean = parameters[0]
        deviation = np.exp(parameters[1])
        inside = norm.cdf(high, mean, deviation) - norm.cdf(low, mean, deviation)
        # A weak prior on the width, because a few pairs would otherwise give a needle.
        return float(
            -norm.logpdf(values, mean, deviation).sum() + len(values) * np.log(max(inside, 1e-300))
        ) + 4 * float((parameters[1] - np.log(0.25)) ** 2)

    fitted = minimize(loss, np.array([0.8, np.log(0.25)]), method="Nelder-Mead").x
    mean = float(fitted[0])
    deviation = float(np.exp(fitted[1]))
    inside = norm.cdf(high, mean, deviation) - norm.cdf(low, mean, deviation)

    def expected(score: float) -> float:
        return float(len(values) / max(inside, 1e-300) * norm.sf(np.arctanh(score), mean, deviation))

    grid = np.linspace(MIN_THRESHOLD, MAX_THRESHOLD, 131)
    threshold = next((float(score) for score in grid if expected(score) < 1), MAX_THRESHOLD)
    return Tail(threshold, expected(threshold), len(values))


def compare_all(inputs: Inputs, *, check: str, max_exact: int = MAX_EXACT_IMAGES) -> CheckResult:
    """Find the identical and near duplicates among all images; the result has them in `facts`, and no issues yet.

    With more than `max_exact` images the search for similar images is approximate and misses some, and pairs are first
    compared at a third of the scales; `facts` then contains `APPROXIMATE`.
    """
    prints = fingerprints(inputs.project_dir, inputs.images, job=inputs.job)
    is_approximate = len(prints.images) > max_exact
    comparer = _PairComparer(inputs, prints, is_screened=is_approximate)
    pairs = _identical_pairs(prints, inputs.images.image_reading)
    identical = {pair.ids for pair in pairs}
    near = [pair for pair in comparer.compare(_candidates(inputs, prints, max_exact)) if pair.ids not in identical]
    tail = fit_tail(np.array([pair.score for pair in near]), len(prints.images))
    near = comparer.completed([*pairs, *near], tail.threshold)
    pairs += [pair for pair in near if pair.score >= _MIN_STORED_SCORE and pair.ids not in identical]

    def rank_key(index: int) -> tuple[Any, ...]:
        """Return the key to sort images by, best to keep first."""
        image, row = prints.images[index], prints.rows[index]
        pixels = int(row["height"]) * int(row["width"])
        return (-pixels, not image.labels, image.split is None, -float(row["sharpness"]), image.image_id)

    facts = {
        "pairs": [[pair.first, pair.second, round(pair.score, 4)] for pair in pairs],
        "compared": comparer.count,
        "expected_false": None if np.isnan(tail.expected) else round(tail.expected, 3),
        "fitted": tail.fitted,
        **({APPROXIMATE: True} if is_approximate else {}),
        LOOK_ALIKES: tail.is_of_look_alikes,
        "best": [prints.images[index].image_id for index in sorted(range(len(prints.images)), key=rank_key)],
    }
    return CheckResult(
        check=check,
        issues=(),
        threshold=round(tail.threshold, 4),
        checked=len(prints.images),
        unreadable=prints.unreadable,
        facts=facts,
    )


def _identical_pairs(prints: Fingerprints, reading: ImageReading) -> list[DuplicatePair]:
    """Return the pairs with the same content or pixels; with many equal images, only pairs with the first one."""
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
    """Return whether the full-size images are equal, given that the reduced images are equal."""
    try:
        return np.array_equal(decode(first.path, reading=reading), decode(second.path, reading=reading))
    except ImageError:
        return False


def _pair(first: SnapshotImage, second: SnapshotImage, score: float) -> DuplicatePair:
    low, high = sorted((first.image_id, second.image_id))
    return DuplicatePair(low, high, score)


def _candidates(inputs: Inputs, prints: Fingerprints, max_exact: int) -> np.ndarray:
    features = inputs.features
    index_of = {image.image_id: index for index, image in enumerate(prints.images)}
    both = [index for index, image in enumerate(features.images) if image.image_id in index_of]
    places = np.array([index_of[features.images[index].image_id] for index in both], np.int64)
    vectors = features.inputs if len(both) == len(features) else features.inputs.among(both)
    return candidate_pairs(prints, places, vectors, max_exact=max_exact, job=inputs.job)


class _PairComparer:
    """Compares pairs of images, and caches the images prepared last."""

    def __init__(self, inputs: Inputs, prints: Fingerprints, *, is_screened: bool) -> None:
        self._is_screened = is_screened
        self._inputs, self._prints = inputs, prints
        self._cache = ImageCache.default()
        self._reading = inputs.images.image_reading
        self._coarse_template = lru_cache(8 * _CACHED_IMAGES)(self._load_coarse_template)
        self._prepared = lru_cache(_CACHED_IMAGES)(self._load_prepared)
        folder = f"{_SCORES_FOLDER}-screened" if is_screened else _SCORES_FOLDER
        self._scores = RowStore(inputs.project_dir / CURATION_FOLDER / folder, np.dtype(np.float32))
        self.count = 0

    def compare(self, candidates: np.ndarray) -> list[DuplicatePair]:
        """Return the pairs with a score above 0 among (P, 3) candidates."""
        images = self._prints.images
        pairs = list[DuplicatePair]()
        starts = range(0, len(candidates), _PAIRS_PER_BATCH)
        job = self._inputs.job.in_stages(max(1, len(starts)))
        for start in starts:
            items = candidates[start : start + _PAIRS_PER_BATCH].tolist()
            keys = [
                self._reading.content_key(f"{images[first].sha256}{images[second].sha256}{turns}")
                for first, second, turns in items
            ]
            with job.stage(weight=1):
                scores, _, _ = stored_rows(
                    self._scores,
                    keys,
                    lambda index, items=items: self._score(*items[index]),
                    stage=Message("Comparing pairs"),
                    job=job,
                )
            scored = zip(items, scores.tolist(), strict=True)
            pairs += [_pair(images[first], images[second], score) for (first, second, _), score in scored if score > 0]
        self.count += len(candidates)
        return pairs

    def completed(self, pairs: list[DuplicatePair], threshold: float) -> list[DuplicatePair]:
        """Return the pairs, and the missing pairs of images that are connected through other images."""
        index_of = {image.image_id: index for index, image in enumerate(self._prints.images)}
        known = {pair.ids for pair in pairs}
        missing = [
            [index_of[image_id] for image_id in ids]
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
        """Return the best score of two images over the set bits of orientations, or a reason if a file is missing."""
        best = 0.0
        for orientation in range(8):
            if orientations >> orientation & 1:
                coarse, other = self._coarse_template(first), self._coarse_template(second).turned(orientation)
                starts = find_alignments(coarse, other) if not self._is_screened or may_align(coarse, other) else ()
                if starts:
                    image, other_image = self._prepared(first), self._prepared(second)
                    if image is None or other_image is None:
                        return "removed"
                    best = max(best, min(register(image, other_image.turned(orientation), starts), 0.9999))
        return np.float32(best)

    def _load_coarse_template(self, index: int) -> CoarseTemplate:
        row = self._prints.rows[index]
        return coarse_template(row["coarse"][: row["coarse_height"], : row["coarse_width"]])

    def _load_prepared(self, index: int) -> RegistrationImage | None:
        try:
            decoded = self._cache.load(self._prints.images[index].path, NEAR_SIDE, reading=self._reading)
            return prepare(without_borders(decoded.pixels))
        except ImageError:  # the file was removed since its fingerprint was computed
            return None
