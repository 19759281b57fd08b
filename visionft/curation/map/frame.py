"""From what a network sees of a picture to the few numbers that a map is drawn of: a projection that never changes.

It is fitted once, on the pictures that the map was drawn from, and kept with the map: the mean and the scale of the
features move with every import, and a picture placed by others would land elsewhere. NumPy only.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from visionft.features.feature_store import Features

WIDTH: Final = 50  # axes kept: the 15 nearest are of the same class as often as with all 896 numbers (two sets)
_BLOCK: Final = 8192
_NOTHING: Final = 1e-9  # a share of the variance below which an axis says nothing: rounding


@dataclass(frozen=True)
class Frame:
    """Principal axes of directions (features centred, scaled and brought to length 1).

    Attributes:
        mean: (D,) of the features.
        divisors: (D,) that give each part of the network's numbers a mean squared norm of 1.
        centre: (D,) mean of the directions.
        axes: (D, K) orthonormal, the one with the most variance first; K is 0 where all pictures look the same.
    """

    mean: np.ndarray
    divisors: np.ndarray
    centre: np.ndarray
    axes: np.ndarray

    def project(self, vectors: np.ndarray) -> np.ndarray:
        """Return (N, K) float32 coordinates of features (N, D), as the network gave them."""
        found = np.empty((len(vectors), self.axes.shape[1]), np.float32)
        for start in range(0, len(vectors), _BLOCK):
            rows = (vectors[start : start + _BLOCK].astype(np.float32) - self.mean) / self.divisors
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
            found[start : start + len(rows)] = (rows - self.centre) @ self.axes
        return found


def fit_frame(features: Features) -> Frame:
    """Return the principal axes of all pictures' directions, exactly; 100,000 x 896 take seconds."""
    mean, divisors = features.scaling
    rows = features.directions
    centre = rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    return Frame(mean, divisors, centre, _axes(rows, centre))


def _axes(rows: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return (D, K) axes: from the smaller one of the two matrices of products, in blocks that fit in memory."""
    most = max(0, min(WIDTH, len(rows) - 1, rows.shape[1]))
    if len(rows) < rows.shape[1]:
        centred = rows - centre
        values, vectors = np.linalg.eigh((centred @ centred.T).astype(np.float64))
        vectors = centred.T @ vectors.astype(np.float32)
        vectors /= np.maximum(np.linalg.norm(vectors, axis=0), 1e-12)
    else:
        products = np.zeros((rows.shape[1], rows.shape[1]), np.float64)
        for start in range(0, len(rows), _BLOCK):
            block = rows[start : start + _BLOCK] - centre
            products += block.T @ block
        values, vectors = np.linalg.eigh(products)
    order = np.argsort(-values, kind="stable")[:most]
    order = order[values[order] > _NOTHING * len(rows)]  # directions have length 1: their variances add up to 1 at most
    axes = vectors[:, order].astype(np.float32)
    # An axis has no sign of its own: the largest number of each is made positive, so that a map is never mirrored.
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]) if axes.size else np.ones(0)
    return np.ascontiguousarray(axes * signs, np.float32)
