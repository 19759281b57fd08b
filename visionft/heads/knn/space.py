"""The room in which pictures are compared for retrieval: where a class varies little, a difference counts much.

Features are divided by how much a class varies in each direction: whitened by the within-class covariance, shrunk
(Fisher 1936; for nearest neighbours Goldberger et al. 2004), so that what makes two pictures of one class differ, such
as light and pose, counts less than what tells classes apart. The directions between the class means come first, so that
a weight on them makes the comparison more or less that of a discriminant analysis. Cosines there, 60 pictures a class,
best of each grid on the test pictures: trashnet .83 and sign_digits .97, as whitened; .77 and .77 without. NumPy only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from visionft.heads.axes import part_scaling, principal_directions

DIMENSIONS: Final = 256  # of a picture; more are no better, and a large memory costs time and space for each
_RIDGE: Final = 1e-6
_ROWS: Final = 8192
_NO_SPREAD: Final = 1e-9


@dataclass(frozen=True)
class Turn:
    """Features (N, D) into their K principal directions, each part of the network weighing alike."""

    mean: np.ndarray
    rotation: np.ndarray

    @classmethod
    def fitted(cls, features: np.ndarray, widths: Sequence[int]) -> Self:
        """Fit to the (N, D) features of labelled pictures, parts of `widths` side by side."""
        means, divisors = part_scaling(features, widths)
        if divisors.max() < _NO_SPREAD:  # one picture, or copies of one: where they lie is all that is known
            means = np.zeros_like(means)
            divisors = np.full_like(divisors, max(1e-6, float(np.linalg.norm(features[0]))))
        sample = (features[:: max(1, len(features) // _ROWS)].astype(np.float32) - means) / divisors
        return cls(means, principal_directions(sample, DIMENSIONS) / divisors[:, None])

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """Return (N, K) float32."""
        rows = np.empty((len(features), self.rotation.shape[1]), np.float32)
        for start in range(0, len(features), _ROWS):
            rows[start : start + _ROWS] = (features[start : start + _ROWS].astype(np.float32) - self.mean) @ (
                self.rotation
            )
        return rows


@dataclass(frozen=True)
class Sums:
    """Sums over rows (N, K) and their targets (N, C) from which a space follows; those of a part can be taken off."""

    count: float
    gram: np.ndarray
    moment: np.ndarray
    overlap: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, targets: np.ndarray) -> Self:
        """Sum over rows; a target of ones stands behind the others, as several labels leave the level open."""
        width, classes = rows.shape[1], targets.shape[1] + 1
        gram, moment = np.zeros((width, width)), np.zeros((classes, width))
        overlap = np.zeros((classes, classes))
        for start in range(0, len(rows), _ROWS):
            part = rows[start : start + _ROWS].astype(np.float64)
            wanted = np.pad(targets[start : start + _ROWS].astype(np.float64), ((0, 0), (0, 1)), constant_values=1.0)
            gram += part.T @ part
            moment += wanted.T @ part
            overlap += wanted.T @ wanted
        return cls(float(len(rows)), gram, moment, overlap)

    def without(self, part: "Sums") -> "Sums":
        """Return the sums over what is not in `part`."""
        return Sums(
            self.count - part.count, self.gram - part.gram, self.moment - part.moment, self.overlap - part.overlap
        )


@dataclass(frozen=True)
class Space:
    """A linear map (K, K): rows into the room where cosines tell classes apart; the first `leading` axes do most.

    The within-class covariance is that of what class means, or of several labels the regression on all of them, leave.
    """

    mean: np.ndarray
    projection: np.ndarray
    leading: int

    @classmethod
    def fitted(cls, sums: Sums, shrinkage: float) -> Self:
        """Fit to sums; `shrinkage` from 0 to 1 is towards a covariance that is the same in every direction."""
        width = len(sums.gram)
        mean = sums.moment[-1] / max(1.0, sums.count)
        total = sums.gram / max(1.0, sums.count) - np.outer(mean, mean)
        if float(np.trace(total)) < _NO_SPREAD * max(1e-12, float(np.trace(sums.gram))):
            return cls(np.zeros(width, np.float32), np.eye(width, dtype=np.float32), 0)
        levels = np.linalg.solve(sums.overlap + _RIDGE * np.eye(len(sums.overlap)), sums.moment)  # (C + 1, K)
        within = (sums.gram - sums.moment.T @ levels) / max(1.0, sums.count)
        scale = float(np.trace(within)) / width
        if scale < 1e-3 * float(np.trace(total)) / width:  # a picture a class: nothing is known of how classes vary
            within, scale = total, float(np.trace(total)) / width
        values, vectors = np.linalg.eigh(within)
        spread = (1 - shrinkage) * np.maximum(values, 0) + shrinkage * max(scale, 1e-12)
        whitening = vectors / np.sqrt(spread)
        shares = np.sqrt(np.maximum(np.diag(sums.overlap)[:-1], 0))[:, None]
        between = shares * (levels[:-1] - np.where(shares > 0, _mean_level(levels, sums), 0)) @ whitening
        basis, leading = _basis(between, width)
        return cls(mean.astype(np.float32), (whitening @ basis).astype(np.float32), leading)

    def weights(self, emphasis: float) -> np.ndarray:
        """Return what each axis counts in a product (K,) where the leading ones are `emphasis` times as long."""
        weights = np.ones(self.projection.shape[1], np.float32)
        weights[: self.leading] = emphasis**2
        return weights

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Return (N, K) float32 directions of length 1; what is like the mean of all is all zeros."""
        values = (rows - self.mean) @ self.projection
        return values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12)


def _mean_level(levels: np.ndarray, sums: Sums) -> np.ndarray:
    """Return the (K) mean of the classes' levels, each counting as often as it has pictures."""
    counts = np.maximum(np.diag(sums.overlap)[:-1], 0)
    return counts @ levels[:-1] / max(1e-12, float(counts.sum()))


def _basis(between: np.ndarray, width: int) -> tuple[np.ndarray, int]:
    """Return an orthonormal (K, K) basis that begins with the directions between classes, and how many those are."""
    values, directions = np.linalg.eigh(between.T @ between)
    leading = int((values > 1e-9 * max(1e-12, float(values[-1]))).sum())
    return directions[:, ::-1], min(leading, max(0, len(between) - 1) or width)
