"""Sums over features, the sufficient statistics of closed-form heads: over all images, and over all but one fold.

A head then costs a solve of D equations for any number of images, and so does leaving a fold out: its sums are
subtracted from the whole.
"""

from dataclasses import dataclass, fields

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

_ROWS = 8192  # summed at a time: the copy in double precision stays small


@dataclass(frozen=True)
class Scatter:
    """Weighted sums over some images, double precision."""

    count: Tensor  # () sum of the weights
    total: Tensor  # (D,) sum of the features
    gram: Tensor  # (D, D) sum of the outer products of the features
    moment: Tensor  # (D, C) sum of the outer products of features and targets
    targets: Tensor  # (C,) sum of the targets
    overlap: Tensor  # (C, C) sum of the outer products of the targets

    @classmethod
    def of(cls, features: Tensor, targets: Tensor, weights: Tensor | None = None) -> "Scatter":
        """Sum over features (N, D) with targets (N, C) and weights (N,), equal when None."""
        width, classes = features.shape[1], targets.shape[1]
        shapes = ((), (width,), (width, width), (width, classes), (classes,), (classes, classes))
        sums = [torch.zeros(shape, dtype=torch.double) for shape in shapes]
        for start in range(0, len(features), _ROWS):
            part = slice(start, start + _ROWS)
            rows, wanted = features[part].double(), targets[part].double()
            counts = torch.ones(len(rows), 1).double() if weights is None else weights[part].double()[:, None]
            weighted, shares = rows * counts, wanted * counts
            firsts = (counts.sum(), weighted.sum(dim=0), weighted.T @ rows)
            products = (weighted.T @ wanted, shares.sum(dim=0), shares.T @ wanted)
            for total, value in zip(sums, (*firsts, *products), strict=True):
                total += value
        return cls(*sums)

    def without(self, part: "Scatter") -> "Scatter":
        return Scatter(*(getattr(self, each.name) - getattr(part, each.name) for each in fields(self)))

    @property
    def mean(self) -> Tensor:
        return self.total / self.count

    @property
    def prior(self) -> Tensor:
        return self.targets / self.count

    def covariance(self) -> Tensor:
        return self.gram / self.count - torch.outer(self.mean, self.mean)


def in_own_span(features: Tensor) -> tuple[Tensor, Tensor | None]:
    """Return features (N, D) in coordinates (N, N) of the space that they span, and its orthonormal basis (D, N).

    Weights with a penalty on their sum of squares lie in that space: a head of few images costs equations for each
    image instead of each feature, and is the same. Unless N is much smaller than D, the basis is
    None and the features are returned as they are.
    """
    if 4 * len(features) > 3 * features.shape[1]:
        return features, None
    basis, coordinates = torch.linalg.qr(features.double().T)
    return coordinates.T.contiguous(), basis


def solve(matrix: Tensor, right: Tensor, *, ridge: float) -> Tensor:
    """Return (matrix + ridge I)^-1 right for a positive semi-definite (D, D) matrix.

    Rounding leaves it slightly indefinite where there are fewer images than features; then the ridge grows.
    """
    eye = torch.eye(len(matrix), dtype=matrix.dtype)
    floor = 1e-12 + 1e-10 * float(matrix.diagonal().mean().clamp_min(0))
    while True:
        factor, info = torch.linalg.cholesky_ex(matrix + max(ridge, floor) * eye)
        if not info.item():
            return torch.cholesky_solve(right, factor)
        floor *= 10
