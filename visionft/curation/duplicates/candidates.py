"""Which pairs of pictures may be doubles: near by hash in any orientation, or near in feature space.

Both only propose; `registration` decides. Hashes find what was resized, saved again, mirrored or turned, features what
was cropped. Features are whitened: then even the crop of a picture among hundreds of the same kind is near to it
(fifths of sides cut off hands on one background: 95 % among the nearest 8, 65 % without).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from visionft.curation.duplicates.fingerprints import Fingerprints
from visionft.errors import StoppedError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.neighbours import nearest

NEAREST: Final = 8  # of each picture, by each of the two
_COMPONENTS: Final = 128
_MOST_BITS: Final = 10  # of 63 that may differ
_LEAST_COSINE: Final = 0.2
_MOST_EXACT: Final = 10_000  # pictures; above, hashes are found by parts: of up to 7 different bits all, then most
_PARTS, _PART_BITS, _FLIPPED_BITS = 4, 16, 1
_BLOCK: Final = 4096
_STAGE: Final = "Looking for pairs"


@dataclass(frozen=True)
class Pairs:
    """Pairs of pictures to compare, each once and by rising first place.

    Attributes:
        first: (P) places among the pictures.
        second: (P) places, above `first`.
        orientations: (P) uint8, a bit for each orientation of the second (`registration.turn`) that is worth a try.
    """

    first: np.ndarray
    second: np.ndarray
    orientations: np.ndarray

    def __len__(self) -> int:
        """Return P."""
        return len(self.first)


def candidates(
    prints: Fingerprints,
    places: np.ndarray,
    vectors: np.ndarray,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Pairs:
    """Return the pairs that may be doubles.

    Args:
        prints: Of N pictures; those without features of their own (a white wall) are in no pair.
        places: (M) which of them have features of a network.
        vectors: (M, D) these features, centred.
        on_event: Receives how far it is.
        should_stop: Asked often.

    Raises:
        StoppedError: The user stopped.
    """
    shows = ~prints.is_featureless
    usable = np.flatnonzero(shows)
    found = [_by_hash(prints.rows["hashes"][usable], usable, on_event, should_stop)]
    has_both = shows[places]
    try:
        found.append(_by_features(vectors[has_both], places[has_both], on_event, should_stop))
    except InterruptedError as error:
        raise _stopped() from error
    return _united(np.concatenate(found), len(prints.rows))


def whitened(vectors: np.ndarray) -> np.ndarray:
    """Return (N, K) directions: the principal components of centred (N, D) rows, each of the same variance."""
    kept = max(1, min(_COMPONENTS, vectors.shape[1], len(vectors) - 1))
    spread = (vectors.T @ vectors).astype(np.float64) / max(1, len(vectors))
    values, axes = np.linalg.eigh(spread)
    floor = max(1e-12, 1e-4 * float(values[-1]))  # what varies less is rounding
    axes = axes[:, -kept:] / np.sqrt(np.maximum(values[-kept:], floor))
    rows = vectors @ axes.astype(np.float32)
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _by_features(vectors: np.ndarray, places: np.ndarray, on_event: OnEvent, should_stop: ShouldStop) -> np.ndarray:
    """Return (P, 3): two places and the bit of the orientation, which is none: features do not say."""
    if len(places) < 2:
        return np.empty((0, 3), np.int64)
    near = nearest(whitened(vectors), k=NEAREST, on_event=on_event, should_stop=should_stop, stage=_STAGE)
    line, column = np.nonzero((near.places >= 0) & (near.products >= _LEAST_COSINE))
    other = near.places[line, column]
    return np.stack([places[line], places[other], np.ones(len(line), np.int64)], axis=1)


def _by_hash(hashes: np.ndarray, places: np.ndarray, on_event: OnEvent, should_stop: ShouldStop) -> np.ndarray:
    """Return (P, 3): two places and the bit of the orientation in which the second is like the first."""
    found = [np.empty((0, 3), np.int64)]
    if len(places) < 2:
        return found[0]
    index = _hash_index(hashes)
    asked = np.ascontiguousarray(hashes[:, 0]).view(np.uint8).reshape(-1, 8)
    for start in range(0, len(asked), _BLOCK):
        if should_stop():
            raise _stopped()
        bits, rows = index.search(np.ascontiguousarray(asked[start : start + _BLOCK]), 2 * NEAREST)
        line, column = np.nonzero((rows >= 0) & (bits <= _MOST_BITS))
        row = rows[line, column]
        pairs = np.stack([places[line + start], places[row // 8], 1 << (row % 8)], axis=1)
        found.append(pairs[pairs[:, 0] != pairs[:, 1]])
        on_event(Progress(stage=_STAGE, done=min(len(asked), start + _BLOCK), total=len(asked)))
    return np.concatenate(found)


def _hash_index(hashes: np.ndarray) -> Any:
    """Return faiss's index of (N, 8) hashes: row 8 n + o is picture n in orientation o."""
    import faiss

    if len(hashes) <= _MOST_EXACT:
        index = faiss.IndexBinaryFlat(64)
    else:
        index = faiss.IndexBinaryMultiHash(64, _PARTS, _PART_BITS)
        index.nflip = _FLIPPED_BITS
    index.add(np.ascontiguousarray(hashes).view(np.uint8).reshape(-1, 8))
    return index


def _united(found: np.ndarray, count: int) -> Pairs:
    """Return each pair once, its orientations together, the lower place first."""
    swapped = found[:, 0] > found[:, 1]
    found[swapped, :2] = found[swapped, 1::-1]
    found[swapped, 2] = _INVERSE_BITS[found[swapped, 2]]
    keys, inverse = np.unique(found[:, 0] * count + found[:, 1], return_inverse=True)
    orientations = np.zeros(len(keys), np.uint8)
    np.bitwise_or.at(orientations, inverse, found[:, 2].astype(np.uint8))
    return Pairs(keys // count, keys % count, orientations)


def _inverse_bits() -> np.ndarray:
    """Return for the bit of each orientation the bit of that which undoes it: only quarter turns differ."""
    bits = np.zeros(256, np.int64)
    for orientation in range(8):
        mirrored, flipped, transposed = orientation & 1, orientation >> 1 & 1, orientation & 4
        undone = (flipped | mirrored << 1 | transposed) if transposed else orientation
        bits[1 << orientation] = 1 << undone
    return bits


_INVERSE_BITS: Final = _inverse_bits()


def _stopped() -> StoppedError:
    return StoppedError("The pictures were not all compared.", "Start again to go on.")
