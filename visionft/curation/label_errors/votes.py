"""What closed-form classifiers say of labelled pictures that each was held out of, kept up to date label by label.

Three kinds: ridge regression, Gaussian classes with one covariance (LDA), and the nearest neighbours. Each knows
exactly what it would say of a picture without that picture, from sums over all: leaving one out changes an inverse by
rank one (Sherman-Morrison; Allen's PRESS 1974; Friedman 1989). So does a changed label, and re-scoring all pictures
after one costs a product of the features with one vector. NumPy only; knows neither pictures nor projects.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final, Protocol

import numpy as np

from visionft.features.neighbours import Neighbours

NEIGHBOURS: Final = 30  # that vote
SPARE: Final = 10  # more that are kept, for when some of them are dropped
COSINES: Final = 0.05  # a neighbour whose cosine is lower than the nearest one's by so much counts 1/e
_DOUBT: Final = 0.5  # votes that are given to all classes by their frequency
_ROWS: Final = 8192
_LEAST: Final = 1e-9


class Vote(ABC):
    """One classifier's answers for N pictures that it was held out of; `targets` is shared by all and changed first.

    Attributes:
        name: Of its kind, for people who want the details.
    """

    name: ClassVar[str]

    @abstractmethod
    def held_out(self, targets: np.ndarray) -> np.ndarray:
        """Return (N, C) logits of each picture by the classifier without it; targets are (N, C) zeros and ones."""

    @abstractmethod
    def change(self, row: int, before: np.ndarray | None, after: np.ndarray | None) -> None:
        """Follow a picture whose (C,) target changed; None where it took no part before, or takes none after."""


class RidgeVote(Vote):
    """Least squares on zeros and ones, W = (X'X + k I)^-1 X'Y, with a level that is not held back.

    Picture i left out: (prediction - h y) / (1 - h), h its leverage.
    """

    name = "ridge"

    def __init__(
        self, rows: np.ndarray, mean: np.ndarray, inverse: np.ndarray, *, moment: np.ndarray, leverages: np.ndarray
    ) -> None:
        """Start from features and what follows from them.

        Args:
            rows: (N, D) features.
            mean: (D,), taken off them.
            inverse: (D + 1, D + 1), the level's row last.
            moment: (D + 1, C) sums of features times targets.
            leverages: (N) of each picture.
        """
        self._rows, self._mean, self._inverse = rows, mean, inverse
        self._predictions, self._leverages = self._outputs(inverse @ moment), leverages

    def held_out(self, targets: np.ndarray) -> np.ndarray:
        """Return (N, C) predictions without the picture itself, less the half that lies between yes and no."""
        leverages = np.minimum(self._leverages, 1 - 1e-6)[:, None]
        return (self._predictions - leverages * targets) / (1 - leverages) - 0.5

    def change(self, row: int, before: np.ndarray | None, after: np.ndarray | None) -> None:
        """Follow a change by one column of the hat matrix."""
        own = np.append(self._rows[row] - self._mean, 1.0)
        reach = self._inverse @ own
        column = self._outputs(reach)  # of the hat matrix
        if before is not None and after is not None:
            self._predictions += np.outer(column, after - before)
            return
        sign = 1.0 if before is None else -1.0
        target = after if before is None else before
        factor = 1 / max(_LEAST, 1 + sign * float(own @ reach))
        self._predictions += sign * factor * np.outer(column, target - self._predictions[row])
        self._leverages -= sign * factor * column**2
        self._inverse -= sign * factor * np.outer(reach, reach)

    def _outputs(self, weight: np.ndarray) -> np.ndarray:
        """Return the (N,) or (N, C) outputs under weights (D + 1,) or (D + 1, C)."""
        level = weight[-1] - self._mean @ weight[:-1]
        return (self._rows @ weight[:-1].astype(np.float32)).astype(np.float64) + level


class DiscriminantVote(Vote):
    """Gaussian classes with one covariance A: x'A^-1 m - m'A^-1 m / 2 + log prior.

    Kept are q = x'A^-1 x, G = X A^-1 M' and H = M A^-1 M'. Picture i left out of its class of n: its mean moves by
    r / (n - 1), r = x - m, and the scatter loses n / (n - 1) r r'.
    """

    name = "discriminant"

    def __init__(
        self,
        rows: np.ndarray,
        means: np.ndarray,
        counts: np.ndarray,
        *,
        inverse: np.ndarray,
        norms: np.ndarray,
        share: float,
    ) -> None:
        """Start from features and what follows from them.

        Args:
            rows: (N, D) features.
            means: (C, D) of the classes.
            counts: (C) pictures of the classes.
            inverse: (D, D), of A.
            norms: (N) q.
            share: What a unit of scatter adds to A.
        """
        self._rows, self._means, self._counts = rows, means, counts
        self._inverse, self._norms, self._share = inverse, norms, share
        reach = inverse @ means.T
        self._cross = (rows @ reach.astype(np.float32)).astype(np.float64)  # G
        self._between = means @ reach  # H

    def held_out(self, targets: np.ndarray) -> np.ndarray:
        """Return (N, C) logits; those of the only picture of a class say nothing."""
        places, own = np.arange(len(targets)), targets.argmax(axis=1)
        cross, between = self._cross, self._between
        others = np.maximum(self._counts[own] - 1, _LEAST)
        lost = self._share * self._counts[own] / others
        to_own = self._norms - cross[places, own]  # x'A^-1 r
        reach = cross - between[own]  # M A^-1 r, (N, C)
        length = to_own - reach[places, own]  # r'A^-1 r
        factor = lost / np.maximum(1 - lost * length, _LEAST)
        products = cross + (factor * to_own)[:, None] * reach
        squares = np.diagonal(between) + factor[:, None] * reach**2
        grown = 1 + factor * length
        products[places, own] -= grown * to_own / others
        squares[places, own] += grown * (length / others - 2 * reach[places, own]) / others
        logits = products - squares / 2 + np.log((self._counts + 1) / (self._counts.sum() + len(self._counts)))
        return np.where(self._counts > 0, logits, logits.min(axis=1, keepdims=True))

    def change(self, row: int, before: np.ndarray | None, after: np.ndarray | None) -> None:
        """Take the picture out of its class before, and put it into its class after."""
        if before is not None:
            self._move(row, int(before.argmax()), -1.0)
        if after is not None:
            self._move(row, int(after.argmax()), 1.0)

    def _move(self, row: int, index: int, sign: float) -> None:
        """Add a picture to a class (sign 1), or take it out."""
        count = self._counts[index]
        if count + sign <= 0:  # its mean stays, for want of another one
            self._counts[index] = 0
            return
        apart = self._rows[row] - self._means[index]
        reach = self._inverse @ apart
        column, to_means, length = self._along(reach), self._means @ reach, float(apart @ reach)
        gain = sign * self._share * count / (count + sign)
        factor = -gain / max(_LEAST, 1 + gain * length)
        self._norms += factor * column**2
        self._cross += factor * np.outer(column, to_means)
        self._between += factor * np.outer(to_means, to_means)
        self._inverse += factor * np.outer(reach, reach)
        step, grown = sign / (count + sign), 1 + factor * length
        self._cross[:, index] += step * grown * column
        self._between[index] += step * grown * to_means
        self._between[:, index] += step * grown * to_means
        self._between[index, index] += step**2 * grown * length
        self._means[index] += step * apart
        self._counts[index] = count + sign

    def _along(self, weight: np.ndarray) -> np.ndarray:
        return (self._rows @ weight.astype(np.float32)).astype(np.float64)


class NeighbourVote(Vote):
    """The share of each class among the nearest pictures, nearer ones counting more; logits are its logarithm."""

    name = "neighbours"

    def __init__(self, neighbours: Neighbours, taking_part: np.ndarray, *, is_multilabel: bool = False) -> None:
        """Take (N, K) neighbours of each picture, and (N,) which pictures take part."""
        self._places, self._cosines = neighbours.places, neighbours.products
        self._taking_part, self._is_multilabel = taking_part.copy(), is_multilabel

    def held_out(self, targets: np.ndarray) -> np.ndarray:
        """Return (N, C) logits: of one class among all, or for several labels of each class against its absence."""
        weights = self._weights()
        votes = np.zeros(targets.shape)
        for rank in range(weights.shape[1]):
            votes += weights[:, rank, None] * targets[self._places[:, rank]]
        count = max(1, int(self._taking_part.sum()))
        usual = (targets[self._taking_part].sum(axis=0) + _DOUBT) / (count + 2 * _DOUBT)
        shares = (votes + _DOUBT * usual) / (weights.sum(axis=1, keepdims=True) + _DOUBT)
        return np.log(shares) - np.log1p(-shares) if self._is_multilabel else np.log(shares)

    def change(self, row: int, before: np.ndarray | None, after: np.ndarray | None) -> None:
        """Note whether the picture takes part."""
        self._taking_part[row] = after is not None

    def _weights(self) -> np.ndarray:
        """Return (N, K) how much each neighbour counts: of those that take part, the nearest `NEIGHBOURS`."""
        counts = (self._places >= 0) & self._taking_part[self._places]
        counts &= counts.cumsum(axis=1) <= NEIGHBOURS
        nearest = np.max(self._cosines, axis=1, where=counts, initial=-1.0, keepdims=True)
        return np.where(counts, np.exp((np.where(counts, self._cosines, -1.0) - nearest) / COSINES), 0.0)


class Maker(Protocol):
    """Makes a vote under each of some strengths, for rows (M, D) of the features that it was fitted to."""

    def __call__(self, asked: np.ndarray, strengths: Sequence[float], /) -> list[Vote]: ...


def ridge_votes(rows: np.ndarray, targets: np.ndarray) -> Maker:
    """Fit ridge regressions to features (N, D) float32 and targets (N, C)."""
    mean = rows.mean(axis=0, dtype=np.float64)
    values, axes = np.linalg.eigh(_scatter(rows, mean))
    values = np.maximum(values, 0)
    scale = max(values.mean(), _LEAST)
    totals = targets.sum(axis=0)
    moment = np.vstack([_product(rows, targets) - np.outer(mean, totals), totals])

    def make(asked: np.ndarray, strengths: Sequence[float]) -> list[Vote]:
        held = [1 / (values + strength * scale) for strength in strengths]
        norms = _norms(asked, axes, np.stack(held), mean)
        votes: list[Vote] = []
        for factors, leverages in zip(held, norms, strict=True):
            inverse = np.zeros((len(mean) + 1, len(mean) + 1))
            inverse[:-1, :-1] = (axes * factors) @ axes.T
            inverse[-1, -1] = 1 / len(rows)
            votes.append(RidgeVote(asked, mean, inverse, moment=moment, leverages=leverages + 1 / len(rows)))
        return votes

    return make


def discriminant_votes(rows: np.ndarray, targets: np.ndarray) -> Maker:
    """Fit Gaussian classes with one covariance to features (N, D) float32 and one-hot targets (N, C)."""
    counts = targets.sum(axis=0)
    means = _product(rows, targets).T / np.maximum(counts, _LEAST)[:, None]
    within = _scatter(rows, np.zeros(rows.shape[1])) - (means * counts[:, None]).T @ means
    values, axes = np.linalg.eigh(within)
    freedom = max(1.0, len(rows) - int((counts > 0).sum()))
    values = np.maximum(values, 0) / freedom
    scale = max(values.mean(), _LEAST)

    def make(asked: np.ndarray, strengths: Sequence[float]) -> list[Vote]:
        held = [1 / ((1 - shrinkage) * values + shrinkage * scale) for shrinkage in strengths]
        norms = _norms(asked, axes, np.stack(held), np.zeros(len(axes)))
        return [
            DiscriminantVote(
                asked,
                means.copy(),
                counts.copy(),
                inverse=(axes * factors) @ axes.T,
                norms=lengths,
                share=(1 - shrinkage) / freedom,
            )
            for shrinkage, factors, lengths in zip(strengths, held, norms, strict=True)
        ]

    return make


def _norms(rows: np.ndarray, axes: np.ndarray, factors: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return (S, M) x' axes diag(f) axes' x of each row x about a centre, for factors f (S, D)."""
    turned, shift = axes.astype(np.float32), (centre @ axes).astype(np.float32)
    found = np.empty((len(factors), len(rows)))
    for start in range(0, len(rows), _ROWS):
        squares = (rows[start : start + _ROWS] @ turned - shift) ** 2
        found[:, start : start + _ROWS] = factors @ squares.T.astype(np.float64)
    return found


def _scatter(rows: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """Return the (D, D) sum of outer products of rows about a centre, double precision."""
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for start in range(0, len(rows), _ROWS):
        block = rows[start : start + _ROWS] - centre
        total += block.T @ block
    return total


def _product(rows: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return rows' targets, (D, C), double precision."""
    total = np.zeros((rows.shape[1], targets.shape[1]))
    for start in range(0, len(rows), _ROWS):
        total += rows[start : start + _ROWS].T.astype(np.float64) @ targets[start : start + _ROWS]
    return total
