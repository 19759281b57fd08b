"""From features to the room in which a linear classifier speaks: principal directions beside a Gaussian kernel.

Frozen features are not made for the user's classes: beside what is linear in them it helps how alike pictures are as a
whole. The kernel is approximated by its values at some pictures in the middle of clusters (Nystroem; Williams and
Seeger 2001), so that everything stays linear and closed. Measured on joined ResNet-18 features with 16, 32, 60 pictures
a class: trashnet .689, .753, .801 -> .705, .771, .822; sign_digits .914, .951, .967 -> .905, .945, .964.
"""

from dataclasses import dataclass

import numpy as np

from visionft.heads.axes import principal_directions
from visionft.suggest.clusters import k_means

LINEAR, KERNEL = 256, 256  # dimensions of each half
_GAMMA = 1.0  # of exp(-gamma |u - v|^2 / 2) for directions u, v
_SQUARED_NORM = 1.0  # mean of the kernel half; features of three parts have 3. More helps trashnet, costs sign_digits
_CONSTANT = 3.0  # the last number of every picture, so that a regression has a level
_SAMPLED, _ROUNDS, _ROWS = 5_000, 6, 8_192


@dataclass(frozen=True)
class FeatureMap:
    """How features become rows; fitted once on the pictures that are there, and kept for those that come.

    Attributes:
        rotation: (D, K) the directions in which pictures differ most.
        landmarks: (L, K) directions of length 1; none where there are too few pictures.
        whitening: (L, L) makes inner products of rows the kernel's values.
        middle: (L) mean of the kernel half.
        scale: What that half is multiplied by.
    """

    rotation: np.ndarray
    landmarks: np.ndarray
    whitening: np.ndarray
    middle: np.ndarray
    scale: float

    @classmethod
    def fitted(cls, inputs: np.ndarray, *, linear: int = LINEAR, kernel: int = KERNEL) -> "FeatureMap":
        """Fit to features (N, D) as `Features.inputs`."""
        rotation = principal_directions(inputs, linear)
        sample = inputs[:: max(1, len(inputs) // _SAMPLED)] @ rotation
        count = min(kernel, len(sample) // 4)
        none = np.zeros((0, rotation.shape[1]), np.float32)
        bare = cls(rotation, none, np.zeros((0, 0), np.float32), np.zeros(0, np.float32), 1.0)
        if count < 2:
            return bare
        landmarks = k_means(_directions(sample), count, seed=0, most=_SAMPLED, rounds=_ROUNDS)
        values, vectors = np.linalg.eigh(_kernel(landmarks, landmarks).astype(np.float64) + 1e-6 * np.eye(count))
        whitening = (vectors / np.sqrt(np.maximum(values, 1e-6))).astype(np.float32)
        half = _kernel(_directions(sample), landmarks) @ whitening
        middle = half.mean(axis=0)
        norm = float(np.square(half - middle).sum(axis=1).mean())
        scale = float(np.sqrt(_SQUARED_NORM / norm)) if norm > 1e-9 else 1.0
        return cls(rotation, landmarks, whitening, middle, scale)

    @property
    def linear(self) -> int:
        """Return how many dimensions are those of the features themselves; the first ones."""
        return self.rotation.shape[1]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return (N, K + L + 1) float32 rows of features (N, D)."""
        rows = np.full((len(inputs), self.linear + len(self.landmarks) + 1), _CONSTANT, np.float32)
        for start in range(0, len(inputs), _ROWS):
            turned = inputs[start : start + _ROWS] @ self.rotation
            rows[start : start + _ROWS, : self.linear] = turned
            if len(self.landmarks):
                half = _kernel(_directions(turned), self.landmarks) @ self.whitening
                rows[start : start + _ROWS, self.linear : -1] = (half - self.middle) * self.scale
        return rows


def _directions(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def _kernel(directions: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    return np.exp(_GAMMA * (directions @ landmarks.T - 1))
