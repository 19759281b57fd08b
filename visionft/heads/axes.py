"""Scales and principal directions of features: what comes before any head. NumPy only, a leaf."""

from collections.abc import Sequence

import numpy as np

_SAMPLED = 5_000


def part_scaling(vectors: np.ndarray, widths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the (D,) float32 means and divisors that centre (N, D) features and give each part a squared norm of 1.

    One scale a part, not one a feature: within a part the network's own scales say what matters.

    Args:
        vectors: Side by side from one or several parts of a network.
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
    """Return (D, K) float32: the directions in which pictures (N, D) differ most, K at most `dimensions`."""
    width = inputs.shape[1]
    if width <= dimensions or len(inputs) < 2:
        return np.eye(width, min(width, dimensions), dtype=np.float32)
    sample = inputs[:: max(1, len(inputs) // _SAMPLED)]
    _, vectors = np.linalg.eigh(np.cov(sample.T.astype(np.float64)))
    return np.ascontiguousarray(vectors[:, : -dimensions - 1 : -1], np.float32)
