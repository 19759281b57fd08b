"""Sums over features from which closed-form heads follow: all of them, and all but those of one fold.

A head costs a solve of D equations then, however many pictures there are, and so does leaving a fold out: its sums
are subtracted from the whole.
"""

from dataclasses import dataclass

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

_ROWS = 8192  # summed at a time: the copy in double precision stays small


@dataclass(frozen=True)
class Scatter:
    """Weighted sums over some pictures, double precision.

    Attributes:
        count: Sum of the weights.
        total: (D,) sum of the features.
        gram: (D, D) sum of the outer products of the features.
        moment: (D, C) sum of the outer products of features and targets.
        targets: (C,) sum of the targets.
    """

    count: float
    total: Tensor
    gram: Tensor
    moment: Tensor
    targets: Tensor

    @classmethod
    def of(cls, features: Tensor, targets: Tensor, weights: Tensor) -> "Scatter":
        """Sum over features (N, D) with targets (N, C) and weights (N,)."""
        width, classes = features.shape[1], targets.shape[1]
        total, gram = torch.zeros(width).double(), torch.zeros(width, width).double()
        moment, sums = torch.zeros(width, classes).double(), torch.zeros(classes).double()
        for start in range(0, len(features), _ROWS):
            part = slice(start, start + _ROWS)
            rows, wanted = features[part].double(), targets[part].double()
            weighted = rows * weights[part].double()[:, None]
            total += weighted.sum(dim=0)
            gram += weighted.T @ rows
            moment += weighted.T @ wanted
            sums += (wanted * weights[part].double()[:, None]).sum(dim=0)
        return cls(float(weights.double().sum()), total, gram, moment, sums)

    def without(self, part: "Scatter") -> "Scatter":
        """Return the sums over what is not in `part`."""
        return Scatter(
            self.count - part.count,
            self.total - part.total,
            self.gram - part.gram,
            self.moment - part.moment,
            self.targets - part.targets,
        )

    @property
    def mean(self) -> Tensor:
        """Return the (D,) mean of the features."""
        return self.total / self.count

    @property
    def prior(self) -> Tensor:
        """Return the (C,) mean of the targets."""
        return self.targets / self.count

    def covariance(self) -> Tensor:
        """Return the (D, D) covariance about the mean."""
        return self.gram / self.count - torch.outer(self.mean, self.mean)


def solve(matrix: Tensor, right: Tensor, *, ridge: float) -> Tensor:
    """Return (matrix + ridge I)^-1 right for a positive semi-definite (D, D) matrix.

    Rounding leaves it slightly indefinite where there are fewer pictures than features; then the ridge grows.
    """
    eye = torch.eye(len(matrix), dtype=matrix.dtype)
    floor = 1e-12 + 1e-10 * float(matrix.diagonal().mean().clamp_min(0))
    while True:
        factor, info = torch.linalg.cholesky_ex(matrix + max(ridge, floor) * eye)
        if not info.item():
            return torch.cholesky_solve(right, factor)
        floor *= 10
