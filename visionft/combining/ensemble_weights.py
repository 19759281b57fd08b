"""Fitting the weights of an ensemble to predictions on images unseen by all of its runs. NumPy only.

Each member's temperature is fitted first, so an overconfident one does not outvote a reliable one. Then a grid of
weights is evaluated image by image, so leaving images out costs nothing. The lowest log loss wins, under a prior for
equal weights worth `PRIOR` images (a Dirichlet's): a dozen images cannot tell good members apart, and equal weights are
hard to beat with little data.

An exception is a member clearly better than every other: by more than two standard errors of the image-by-image
difference. The others then mostly do harm, so it gets the whole weight, except where the mixture is better than
it by more than one standard error on images held out from the fit, and right at least as often.

Measured: docs/decisions/0046.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from visionft.calibration import are_right, cross_entropies, fit_temperature

PRIOR = 2.0  # images
CLEAR = 2.0  # standard errors
FOLDS = 5
_STEPS = (20, 10, 5, 4, 3, 2, 1)  # a weight is a multiple of one over the steps: the finest with a small grid
_MOST_TRIED = 300  # mixtures: of 3 members in twentieths (231), of 4 in tenths (286), of 5 and 6 in fifths (126, 252)
_LEAST_SHARE = 0.01  # for the prior, where a weight of 0 would be impossible


@dataclass(frozen=True)
class MemberPredictions:
    """The logits of P members on N images.

    Attributes:
        logits: (N, C) of each member, in the classes of the first.
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
    """

    logits: list[np.ndarray]
    targets: np.ndarray

    def __len__(self) -> int:
        """Return N."""
        return len(self.targets)

    def and_(self, other: "MemberPredictions") -> "MemberPredictions":
        """Return these images followed by others."""
        logits = [np.concatenate(pair) for pair in zip(self.logits, other.logits, strict=True)]
        return MemberPredictions(logits, np.concatenate([self.targets, other.targets]))


@dataclass(frozen=True)
class Mixture:
    """Weights (P,), at least 0 with a sum of 1, and temperatures (P,) of the members."""

    shares: np.ndarray
    temperatures: np.ndarray

    def __call__(self, logits: Sequence[np.ndarray]) -> np.ndarray:
        """Return the mixture's (N, C) logits of the members' (N, C) logits; see `RunModel.mixed`."""
        factors = self.shares / self.temperatures
        return np.tensordot(factors, np.stack(logits).astype(np.float64), axes=1)


def fit_mixture(known: MemberPredictions) -> Mixture:
    """Fit weights and temperatures to the members' predictions on images unseen by all of them."""
    members = len(known.logits)
    targets = known.targets
    temperatures = np.array([fit_temperature(values, targets) for values in known.logits])
    if members == 1 or not len(known):
        return Mixture(np.full(members, 1 / members), temperatures)
    scaled = np.stack(known.logits).astype(np.float64) / temperatures.reshape(-1, *[1] * known.logits[0].ndim)
    grid = share_grid(members)
    losses = np.empty((len(grid), len(targets)))
    right = np.empty((len(grid), len(targets)), bool)
    for place, shares in enumerate(grid):
        mixed = np.tensordot(shares, scaled, axes=1)
        losses[place], right[place] = cross_entropies(mixed, targets), are_right(mixed, targets)
    return Mixture(grid[_choose(grid, losses, right)], temperatures)


def _choose(grid: np.ndarray, losses: np.ndarray, right: np.ndarray) -> int:
    """Return the place in a grid (G, P) of the weights to use, by the losses and hits (G, N) of each image."""
    prior = PRIOR * np.log(np.maximum(grid, _LEAST_SHARE)).mean(axis=1)
    mixture = int((losses.sum(axis=1) - prior).argmin())
    alone = [int(np.flatnonzero(grid[:, member] == 1)[0]) for member in range(grid.shape[1])]
    best = min(alone, key=lambda place: losses[place].sum())
    if not all(_is_gain(losses[place] - losses[best], errors=CLEAR) for place in alone if place != best):
        return mixture
    # The clearly better member, unless the mixture clearly beats it on images held out from the fit.
    images = np.arange(losses.shape[1])
    folds = _folds(len(images))
    chosen = np.array([(losses[:, folds != fold].sum(axis=1) - prior).argmin() for fold in range(FOLDS)])[folds]
    is_as_right = right[chosen, images].sum() >= right[best].sum()
    return mixture if is_as_right and _is_gain(losses[best] - losses[chosen, images], errors=1.0) else best


def _is_gain(gains: np.ndarray, *, errors: float) -> bool:
    """Return whether the mean of gains (N,) is more than a number of standard errors above 0."""
    return bool(gains.mean() > errors * gains.std() / np.sqrt(len(gains)))


def held_out(predicted: MemberPredictions, *, others: MemberPredictions | None = None, seed: int = 0) -> np.ndarray:
    """Return (N, C) held-out logits: of mixtures fitted to all `others` and to these images without the same fold."""
    folds = _folds(len(predicted), seed)
    logits = np.empty(predicted.logits[0].shape)
    for fold in range(min(FOLDS, len(predicted))):
        inside = folds == fold
        known = MemberPredictions([values[~inside] for values in predicted.logits], predicted.targets[~inside])
        mixture = fit_mixture(known if others is None else known.and_(others))
        logits[inside] = mixture([values[inside] for values in predicted.logits])
    return logits


def share_grid(members: int) -> np.ndarray:
    """Return (G, P) candidate weights: each member alone, equal ones, and mixtures in even steps between them."""
    alone_and_equal = np.concatenate([np.eye(members), np.full((1, members), 1 / members)])
    steps = next((each for each in _STEPS if comb(each + members - 1, members - 1) <= _MOST_TRIED), 1)
    if steps == 1:
        return alone_and_equal
    cuts = np.array(list(combinations(range(steps + members - 1), members - 1)))  # bars between `steps` stars
    edges = np.concatenate([np.full((len(cuts), 1), -1), cuts, np.full((len(cuts), 1), steps + members - 1)], axis=1)
    return np.concatenate([(np.diff(edges, axis=1) - 1) / steps, alone_and_equal[-1:]])


def _folds(images: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(images) % FOLDS
