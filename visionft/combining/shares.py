"""How much each run of a combination counts, fitted to answers about pictures that no run learnt from. NumPy only.

Each part's temperature comes first, so that a loud part does not outvote a sure one. Then a grid of shares is tried,
picture by picture, so that leaving pictures out costs nothing. The least log loss wins, held near equal shares by a
prior worth `PRIOR` pictures (a Dirichlet's): a dozen pictures cannot tell good parts apart, and equal shares are hard
to beat where little is known.

Unless one part is clearly better than every other: by more than two standard errors of the picture-by-picture
difference. Beside such a part the others mostly do harm, so it stands alone, except where the mixture is better than it
by more than one standard error on pictures that its shares were fitted without, and right at least as often.

Measured on both shared sets with all other pictures as test, 4 to 60 pictures a class, four divisions, 50 mixtures of
linear probes of two networks, retrieval and class means: fitted to validation alone without that exception, 33 were at
most .3 point below their better part, the worst -2.4, and the mean gain was .2; fitted to validation and held-out
training pictures, with it, 47, the worst -.6, the mean .4 (the best part alone as these pictures see it: 37, -4.5, -.4;
the share that is the best on the very test pictures: .8).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from visionft.calibration import are_right, cross_entropies, fit_temperature

PRIOR = 2.0
CLEAR = 2.0  # standard errors
FOLDS = 5
_STEPS = (20, 10, 5, 4, 3, 2, 1)  # a share is a multiple of one over so many: the finest that leaves a small grid
_MOST_TRIED = 300
_LEAST_SHARE = 0.01  # of the prior, which would forbid a share of nothing


@dataclass(frozen=True)
class Asked:
    """What P parts say of N pictures.

    Attributes:
        answers: (N, C) logits of each part, in the classes of the first.
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
    """

    answers: list[np.ndarray]
    targets: np.ndarray

    def __len__(self) -> int:
        """Return N."""
        return len(self.targets)

    def and_(self, other: "Asked") -> "Asked":
        """Return these pictures and others, one after the other."""
        answers = [np.concatenate(pair) for pair in zip(self.answers, other.answers, strict=True)]
        return Asked(answers, np.concatenate([self.targets, other.targets]))

    def among(self, chosen: np.ndarray) -> "Asked":
        """Return some of the pictures (N,)."""
        return Asked([values[chosen] for values in self.answers], self.targets[chosen])


@dataclass(frozen=True)
class Mixture:
    """What each of P parts counts and is divided by.

    Attributes:
        shares: (P,), at least 0, with a sum of 1.
        temperatures: (P,).
    """

    shares: np.ndarray
    temperatures: np.ndarray

    def __call__(self, answers: Sequence[np.ndarray]) -> np.ndarray:
        """Return the mixture's (N, C) logits of the parts' (N, C) logits; see `Answerer.mixed`."""
        factors = self.shares / self.temperatures
        return np.tensordot(factors, np.stack(answers).astype(np.float64), axes=1)


def fit_mixture(asked: Asked) -> Mixture:
    """Fit shares and temperatures to what parts say of pictures that none of them learnt from."""
    count, targets = len(asked.answers), asked.targets
    temperatures = np.array([fit_temperature(values, targets) for values in asked.answers])
    if count == 1 or not len(asked):
        return Mixture(np.full(count, 1 / count), temperatures)
    scaled = [values / heat for values, heat in zip(asked.answers, temperatures, strict=True)]
    tried = _Tried.of(scaled, targets, share_grid(count))
    return Mixture(tried.grid[tried.choice()], temperatures)


def held_out(asked: Asked, *, beside: Asked | None = None, seed: int = 0) -> np.ndarray:
    """Return (N, C) logits of mixtures that were fitted without the picture that they answer (and its fold).

    Args:
        asked: The pictures that are answered.
        beside: Other pictures, to which every mixture is fitted, too.
        seed: Draws the folds.
    """
    folds = _folds(len(asked), seed)
    found = np.empty(asked.answers[0].shape)
    for fold in range(min(FOLDS, len(asked))):
        inside = folds == fold
        known = asked.among(~inside)
        mixture = fit_mixture(known if beside is None else known.and_(beside))
        found[inside] = mixture([values[inside] for values in asked.answers])
    return found


def share_grid(parts: int) -> np.ndarray:
    """Return (G, P) shares to try: each part alone, equal ones, and what lies between in even steps."""
    alone_and_equal = np.concatenate([np.eye(parts), np.full((1, parts), 1 / parts)])
    steps = next((each for each in _STEPS if comb(each + parts - 1, parts - 1) <= _MOST_TRIED), 1)
    if steps == 1:
        return alone_and_equal
    cuts = np.array(list(combinations(range(steps + parts - 1), parts - 1)))  # bars between `steps` stars
    edges = np.concatenate([np.full((len(cuts), 1), -1), cuts, np.full((len(cuts), 1), steps + parts - 1)], axis=1)
    return np.concatenate([(np.diff(edges, axis=1) - 1) / steps, alone_and_equal[-1:]])


def _folds(pictures: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(pictures) % FOLDS


@dataclass(frozen=True)
class _Tried:
    """What the mixtures of a grid say of the pictures.

    Attributes:
        grid: (G, P) shares.
        losses: (G, N) of each picture.
        right: (G, N) whether the answer is right.
    """

    grid: np.ndarray
    losses: np.ndarray
    right: np.ndarray

    @classmethod
    def of(cls, scaled: Sequence[np.ndarray], targets: np.ndarray, grid: np.ndarray) -> "_Tried":
        """Try all shares on (N, C) logits that were divided by their temperatures."""
        stacked = np.stack(scaled).astype(np.float64)
        losses, right = np.empty((len(grid), len(targets))), np.empty((len(grid), len(targets)), bool)
        for place, shares in enumerate(grid):
            mixed = np.tensordot(shares, stacked, axes=1)
            losses[place], right[place] = cross_entropies(mixed, targets), are_right(mixed, targets)
        return cls(grid, losses, right)

    def choice(self) -> int:
        """Return the place of the shares to take."""
        alone = [int(np.flatnonzero(self.grid[:, part] == 1)[0]) for part in range(self.grid.shape[1])]
        best = min(alone, key=lambda place: self.losses[place].sum())
        rest = [place for place in alone if place != best]
        is_clear = all(_is_gain(self.losses[place] - self.losses[best], errors=CLEAR) for place in rest)
        return best if is_clear and not self._is_better_than(best) else self._least(np.ones(self.losses.shape[1], bool))

    def _least(self, among: np.ndarray) -> int:
        """Return the place of the least loss over some pictures (N,), with the prior."""
        prior = np.log(np.maximum(self.grid, _LEAST_SHARE)).mean(axis=1)
        return int((self.losses[:, among].sum(axis=1) - PRIOR * prior).argmin())

    def _is_better_than(self, best: int) -> bool:
        """Tell whether the mixture clearly beats a part on pictures that its shares were fitted without."""
        folds, pictures = _folds(self.losses.shape[1]), np.arange(self.losses.shape[1])
        chosen = np.array([self._least(folds != fold) for fold in range(FOLDS)])[folds]
        is_as_right = self.right[chosen, pictures].sum() >= self.right[best].sum()
        return bool(is_as_right) and _is_gain(self.losses[best] - self.losses[chosen, pictures], errors=1.0)


def _is_gain(gains: np.ndarray, *, errors: float) -> bool:
    """Tell whether the mean of gains (N,) is more than so many standard errors above nothing."""
    return bool(gains.mean() > errors * gains.std() / np.sqrt(len(gains)))
