"""Clusters of pictures by direction: k-means, in NumPy."""

import numpy as np

_MOST_SAMPLED = 20_000
_ROUNDS = 12


def k_means(
    rows: np.ndarray, clusters: int, *, seed: int, most: int = _MOST_SAMPLED, rounds: int = _ROUNDS
) -> np.ndarray:
    """Return (K, D) centres of length 1 of directions (N, D): k-means++ (Arthur and Vassilvitskii 2007), then Lloyd.

    Of more than `most` rows a random sample is clustered.
    """
    generator = np.random.default_rng(seed)
    if len(rows) > most:
        rows = rows[np.sort(generator.choice(len(rows), most, replace=False))]
    centres = np.empty((clusters, rows.shape[1]), np.float32)
    far = np.ones(len(rows))
    for number in range(clusters):
        total = far.sum()
        place = generator.choice(len(rows), p=far / total) if total > 1e-9 else generator.integers(len(rows))
        centres[number] = rows[place]
        far = np.minimum(far, np.maximum(0, 1 - rows @ centres[number]).astype(np.float64))
    for _ in range(rounds):
        nearest = assign(rows, centres)
        sums = _sums_by(rows, nearest, clusters)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(lengths > 1e-9, sums / np.maximum(lengths, 1e-9), centres)
    return centres


def assign(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """Return the (N) nearest centre of each row."""
    nearest = np.empty(len(rows), np.intp)
    for start in range(0, len(rows), _MOST_SAMPLED):
        nearest[start : start + _MOST_SAMPLED] = (rows[start : start + _MOST_SAMPLED] @ centres.T).argmax(axis=1)
    return nearest


def _sums_by(rows: np.ndarray, group: np.ndarray, groups: int) -> np.ndarray:
    """Return the (K, D) sums of the rows of each group."""
    order = np.argsort(group, kind="stable")
    found, starts = np.unique(group[order], return_index=True)
    sums = np.zeros((groups, rows.shape[1]), np.float32)
    sums[found] = np.add.reduceat(rows[order], starts, axis=0)
    return sums
