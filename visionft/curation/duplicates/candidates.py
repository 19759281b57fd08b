"""Candidate pairs of duplicates: near by hash in any orientation, or near in feature space.

Both only propose pairs; `registration` decides. Hashes find resized, recompressed, mirrored and rotated copies,
features find crops. Features are whitened: then even a crop is near to its image among hundreds of the same kind
(fifths of sides cut off hands on one background: 95 % among the nearest 8, 65 % without whitening).
"""

from typing import Final

import numpy as np

from visionft.curation.check import MOST_EXACT
from visionft.features.fingerprints import Fingerprints
from visionft.features.near_duplicates import STAGE, pairs_by_hash
from visionft.features.neighbours import nearest
from visionft.heads.numerics import BLOCK, ScaledRows, unit_rows
from visionft.jobs import SILENT, JobContext

NEAREST: Final = 8  # of each image, by features
_QUARTERS: Final = (1 << 5, 1 << 6)  # bits of the two quarter turns: transposed and mirrored, or flipped


def candidate_pairs(
    prints: Fingerprints,
    places: np.ndarray,
    vectors: ScaledRows,
    *,
    most_exact: int = MOST_EXACT,
    job: JobContext = SILENT,
) -> np.ndarray:
    """Return the candidate pairs (P, 3), each once and by rising first place.

    The columns are two places among the images, the lower first, and a bit for each candidate orientation of the second
    (`registration.turn`). Featureless images (a white wall) are in no pair; `vectors` (M, D) are the centred features
    of the images at `places` (M).
    """
    shows = ~prints.is_featureless
    usable = np.flatnonzero(shows)
    by_hash = pairs_by_hash(prints.rows["hashes"][usable], usable, most_exact=most_exact, job=job)
    has_both = shows[places]
    vectors = vectors if has_both.all() else vectors.among(has_both)
    pairs = np.concatenate([by_hash, _by_features(vectors, places[has_both], most_exact, job)])
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


def _by_features(vectors: ScaledRows, places: np.ndarray, most_exact: int, job: JobContext) -> np.ndarray:
    """Return (P, 3): two places and the bit of the identity, because features do not determine an orientation."""
    if len(places) < 2:
        return np.empty((0, 3), np.int64)
    near = nearest(whitened(vectors), k=NEAREST, job=job, stage=STAGE, most_exact=most_exact)
    line, column = np.nonzero((near.places >= 0) & (near.products >= 0.2))
    other = near.places[line, column]
    return np.stack([places[line], places[other], np.ones(len(line), np.int64)], axis=1)
