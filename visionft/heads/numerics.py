"""Scales, principal directions, folds and regularization grids, shared by all heads. NumPy only, a leaf."""

from collections.abc import Sequence

import numpy as np

RIDGES = (1e-2, 1e-1, 1.0, 10.0)  # strengths relative to the mean variance of a feature
SHRINKAGES = (0.05, 0.2, 0.5, 0.9)  # towards a covariance equal in every direction
_SAMPLED = 5_000


def unit_rows(rows: np.ndarray) -> np.ndarray:
    """Return (N, D) rows scaled to length 1; rows of zeros stay zeros."""
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def part_scaling(vectors: np.ndarray, widths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return (D,) float32 means and divisors to centre (N, D) features and give each part a mean squared norm of 1.

    One scale a part, not one a feature: within a part the network's own scales carry information.

    Args:
        widths: Of the parts; their sum is D.
    """
    if not len(vectors):
        return np.zeros(sum(widths), np.float32), np.ones(sum(widths), np.float32)
    means = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    centred = vectors.astype(np.float32) - means
    norms = []
    for part in np.split(centred, np.cumsum(widths)[:-1], axis=1):
        norm = np.sqrt(np.einsum("nd,nd->", part, part, dtype=np.float64) / len(part))
        norms.append(np.full(part.shape[1], max(norm, 1e-12), np.float32))
    return means, np.concatenate(norms)


def principal_directions(inputs: np.ndarray, dimensions: int) -> np.ndarray:
    """Return (D, K) float32: the principal directions of images (N, D), K at most `dimensions`."""
    width = inputs.shape[1]
    if width <= dimensions or len(inputs) < 2:
        return np.eye(width, min(width, dimensions), dtype=np.float32)
    sample = inputs[:: max(1, len(inputs) // _SAMPLED)]
    _, vectors = np.linalg.eigh(np.cov(sample.T.astype(np.float64)))
    return np.ascontiguousarray(vectors[:, : -dimensions - 1 : -1], np.float32)


def class_folds(targets: np.ndarray, folds: int, *, is_multilabel: bool, generator: np.random.Generator) -> np.ndarray:
    """Return the (N,) stratified fold of each image; -1 for the only one of its class. Several labels are one class."""
    fold_of = np.full(len(targets), -1)
    groups = np.zeros(len(targets), np.int64) if is_multilabel else targets.argmax(axis=1)
    placed = 0
    for group in np.unique(groups):
        members = np.flatnonzero(groups == group)
        if len(members) > 1:
            fold_of[generator.permutation(members)] = (np.arange(len(members)) + placed) % folds
            placed += len(members)
    return fold_of
