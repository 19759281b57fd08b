"""Inputs of the linear classifiers: principal axes of the features next to an approximate Gaussian kernel.

Frozen features are not made for the user's classes: overall similarity adds to their linear part. The kernel is
approximated by its values at landmark images at cluster centres (Nystroem; Williams and Seeger 2001), so that the
classifiers stay linear and closed-form. Measured on multi-stage ResNet-18 features with 16, 32, 60 images a class:
trashnet .689, .753, .801 -> .705, .771, .822; sign_digits .914, .951, .967 -> .905, .945, .964.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from visionft.heads.closed_form import INTERCEPT
from visionft.heads.numerics import Rows, principal_directions, unit_rows

_CLUSTER_ROWS = 20_000  # images compared with the centres at a time


def k_means(rows: np.ndarray, clusters: int, *, seed: int, most: int = _CLUSTER_ROWS, rounds: int = 12) -> np.ndarray:
    """Return (K, D) unit centres of (at most `most`) directions (N, D), by k-means."""
    import faiss

    if len(rows) > most:
        rows = rows[np.sort(np.random.default_rng(seed).choice(len(rows), most, replace=False))]
    bounds = {"min_points_per_centroid": 1, "max_points_per_centroid": most}
    means: Any = faiss.Kmeans(rows.shape[1], clusters, niter=rounds, seed=seed + 1, spherical=True, **bounds)
    means.train(np.ascontiguousarray(rows, np.float32))
    return means.centroids


def assign(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    starts = range(0, max(1, len(rows)), _CLUSTER_ROWS)
    return np.concatenate([(rows[start : start + _CLUSTER_ROWS] @ centres.T).argmax(axis=1) for start in starts])


_LINEAR = 256  # dimensions of the features' half
_KERNEL = 256  # dimensions of the kernel's half: landmarks
_GAMMA = 1.0  # of exp(-gamma |u - v|^2 / 2) for directions u, v
_SQUARED_NORM = 1.0  # mean of the kernel half; features of three stages have 3. More helps trashnet, costs sign_digits
_SAMPLED = 5_000  # images to fit to
_ROUNDS = 6  # of k-means
_ROWS = 8_192  # mapped at a time: copies of more never lie in memory


@dataclass(frozen=True)
class FeatureMap:
    """Mapping of features to rows; fitted once on the present images, and kept for later ones."""

    rotation: np.ndarray  # (D, K) principal axes of the images
    landmarks: np.ndarray  # (L, K) directions of length 1; none with too few images
    whitening: np.ndarray  # (L, L) makes inner products of rows equal the kernel's values
    middle: np.ndarray
    scale: float

    @classmethod
    def fitted(cls, inputs: Rows) -> "FeatureMap":
        rotation = principal_directions(inputs, _LINEAR)
        sample = inputs[:: max(1, len(inputs) // _SAMPLED)] @ rotation
        count = min(_KERNEL, len(sample) // 4)
        none = np.zeros((0, rotation.shape[1]), np.float32)
        bare = cls(rotation, none, np.zeros((0, 0), np.float32), np.zeros(0, np.float32), 1.0)
        if count < 2:
            return bare
        landmarks = k_means(unit_rows(sample), count, seed=0, most=_SAMPLED, rounds=_ROUNDS)
        values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks).astype(np.float64) + 1e-6 * np.eye(count))
        whitening = (vectors / np.sqrt(np.maximum(values, 1e-6))).astype(np.float32)
        half = _kernel(unit_rows(sample), landmarks) @ whitening
        middle = half.mean(axis=0)
        norm = float(np.square(half - middle).sum(axis=1).mean())
        scale = float(np.sqrt(_SQUARED_NORM / norm)) if norm > 1e-9 else 1.0
        return cls(rotation, landmarks, whitening, middle, scale)

    @property
    def linear(self) -> int:
        return self.rotation.shape[1]

    def __call__(self, inputs: Rows) -> np.ndarray:
        """Return (N, K + L + 1) float32 rows of features (N, D)."""
        rows = np.full((len(inputs), self.linear + len(self.landmarks) + 1), INTERCEPT, np.float32)
        for start in range(0, len(inputs), _ROWS):
            turned = inputs[start : start + _ROWS] @ self.rotation
            rows[start : start + _ROWS, : self.linear] = turned
            if len(self.landmarks):
                half = _kernel(unit_rows(turned), self.landmarks) @ self.whitening
                rows[start : start + _ROWS, self.linear : -1] = (half - self.middle) * self.scale
        return rows


def _kernel(directions: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    return np.exp(_GAMMA * (directions @ landmarks.T - 1))
