"""Probability of a label error: votes blended by their fit to held-out labels, and a model of label noise.

Labels are assumed correct except for two kinds of error with unknown rates: *careless* errors hit any other class
alike, *confused* errors hit a class in proportion to the image's similarity to it. The weights of the votes and both
rates maximize the likelihood of the given labels, each image held out of its prediction. So a vote is weighted by its
predictive power, with label errors accounted for (forward correction: Patrini et al. 2017), and Bayes' rule then gives
the probability of a label error. For several labels each class of an image is present or absent, and the two rates are
those of labels missing and added by mistake.

The labels often do not determine the number of errors: sharp votes with many errors and blunt votes with few fit them
about as well, above all with two classes. So each sum of the rates has weights of its own, and all contribute by their
fit. With errors planted in seven pairs of classes (409 to 997 images, 0, 5 and 20 %, 2 or 3 seeds) the estimated number
is off by 3 % of the labels (root mean square; with 200 labels by 4 %, with 60 by 7 %), and the reported range contains
the planted number in 98 of 100 cases. The single best fit was off by 3, 6 and 9 %, and gave no range.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from visionft.calibration import sigmoid, softmax
from visionft.heads.numerics import parts

MOST_NUMBERS: Final = 2_000_000  # images x classes used to fit weights
MOST_ROWS, FEWEST_ROWS = 3000, 500
_START: Final = 0.03  # of both rates
_RANGE: Final = (1e-4, 0.35)
_USUAL: Final = 0.2  # assumed errors of each kind ...
_TRUST: Final = 10.0  # ... among this many images: one of five images is little evidence
_PENALTY: Final = (1e-4, 0.05)  # on squared weights: always, and per image
_TOTALS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.04, 0.08, 0.13, 0.19, 0.26, 0.35, 0.45)  # of both rates together
_NEAR: Final = (0.86, 0.93, 1.0, 1.075, 1.16)  # and these multiples of the most probable one
_SHARE: Final = (0.001, 0.999)  # of the first rate in their sum
_RULED_OUT: Final = 2.0  # distance below the highest log-likelihood (for 95 %: 1.92)
_MODEL_ERROR: Final = 0.1  # relative error of the number of wrong labels even with well-modelled votes
_LEAST: Final = 1e-9


@dataclass(frozen=True)
class Blend:
    """Weighted votes with a model of label noise.

    `rates` are of careless and of confused labels; for several labels of those missing and added by mistake.
    """

    scales: np.ndarray  # (V,) spread of each vote's logits at the fit; they are divided by it
    weights: np.ndarray  # (V,), none below 0
    levels: np.ndarray  # (C,) added to the logits; zeros unless there are several labels
    rates: tuple[float, float]
    loss: float  # mean negative log-likelihood of the fitted labels
    is_multilabel: bool = False  # whether each class is a binary question

    def logits(self, votes: Sequence[np.ndarray]) -> np.ndarray:
        """Return the (N, C) blend of votes (N, C)."""
        shares = self.weights / self.scales
        return sum((share * vote for share, vote in zip(shares, votes, strict=True)), np.zeros(1)) + self.levels

    def probabilities(self, votes: Sequence[np.ndarray]) -> np.ndarray:
        """Return (N, C) probabilities of each image's true class, independent of its label."""
        logits = self.logits(votes)
        return sigmoid(logits) if self.is_multilabel else softmax(logits)

    def error_probability(self, probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Return the probability of a label error, (N,) or for several labels (N, C), given those of true classes."""
        wrong, right = self._likelihoods(probabilities, targets)
        return wrong / np.maximum(wrong + right, 1e-300)

    def log_likelihood(self, probabilities: np.ndarray, targets: np.ndarray) -> float:
        """Return the log-likelihood of the labels (N, C) under the rates."""
        wrong, right = self._likelihoods(probabilities, targets)
        return float(np.log(np.maximum(wrong + right, 1e-300)).sum())

    @property
    def log_prior(self) -> float:
        """The logarithm of the prior of the rates."""
        return _log_prior(np.array(self.rates))

    def _likelihoods(self, probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probabilities of a label by error, and by a correct assignment.

        A present label may have been added by mistake, and a correct one was not missing by mistake.
        """
        if self.is_multilabel:
            (missing, added), is_present = self.rates, targets > 0
            given = np.where(is_present, probabilities, 1 - probabilities)
            wrong = np.where(is_present, added, missing) * (1 - given)
            return wrong, (1 - np.where(is_present, missing, added)) * given
        given, careless, confused = _label_likelihoods(probabilities, targets)
        return self.rates[0] * careless + self.rates[1] * confused, (1 - sum(self.rates)) * given


def fit_blend(votes: Sequence[np.ndarray], targets: np.ndarray, *, is_multilabel: bool = False) -> Blend:
    """Fit weights and rates to held-out votes (N, C) and given labels (N, C), zeros and ones.

    Many images are subsampled at even intervals: only a handful of parameters is fitted.
    """
    problem = _Problem(votes, targets, is_multilabel)
    return problem.blend(*_minimize(problem, problem.start, problem.bounds))


def fit_blends(votes: Sequence[np.ndarray], targets: np.ndarray, *, is_multilabel: bool = False) -> tuple[Blend, ...]:
    """Fit weights for each possible sum of both rates, the smallest sum first; see `fit_blend`.

    Sharp votes with many label errors and blunt votes with few often fit the labels about as well, above all with two
    classes: then no single fit determines the number of errors.
    """
    problem = _Problem(votes, targets, is_multilabel)
    best = sum(problem.blend(*_minimize(problem, problem.start, problem.bounds)).rates)
    values, blends = np.append(problem.start[:-2], 0.5), list[Blend]()  # at the end the first rate's share of the sum
    for total in np.unique(np.clip([*_TOTALS, *(best * near for near in _NEAR)], _TOTALS[0], _TOTALS[-1])):

        def with_rates(values: np.ndarray, total: float = total) -> np.ndarray:
            return np.concatenate([values[:-1], total * np.array([values[-1], 1 - values[-1]])])

        def loss(values: np.ndarray, total: float = total) -> tuple[float, np.ndarray]:
            loss, gradient = problem(with_rates(values, total))
            return loss, np.append(gradient[:-2], total * (gradient[-2] - gradient[-1]))

        values, least = _minimize(loss, values, [*problem.bounds[:-2], _SHARE])
        blends.append(problem.blend(with_rates(values), least))
    return tuple(blends)


def posterior_weights(blends: Sequence[Blend], log_likelihoods: np.ndarray) -> np.ndarray:
    """Return the posterior probability of each blend (K,), given the log-likelihoods of the labels under each."""
    weights = np.gradient([sum(blend.rates) for blend in blends]) * np.exp(log_likelihoods - log_likelihoods.max())
    return weights / weights.sum()


@dataclass(frozen=True)
class MixtureEstimate:
    """Mean of several blends, weighted by their probability.

    `possible_errors` are the least and the most images with a label error: of all blends with about the fit of the
    best, plus two standard deviations, and a tenth for the model error of the votes.
    """

    best: int  # the place of the most probable one
    probabilities: np.ndarray  # (N, C) float32 of the true classes
    error_probability: np.ndarray  # as `Blend.error_probability`; for several labels float32
    possible_errors: tuple[float, float]


def estimate_mixture(
    blends: Sequence[Blend],
    probabilities_of: Callable[[np.ndarray, Sequence[int]], Iterable[np.ndarray]],
    targets: np.ndarray,
    *,
    is_present: np.ndarray,
    by_image: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> MixtureEstimate:
    """Mix blends of votes, some images at a time: of many images with many classes the votes fill the memory.

    Args:
        blends: One for each sum of rates, as `fit_blends`.
        probabilities_of: Images (B) and places of blends -> the (B, C) probabilities of the true classes by each.
        targets: (N, C) zeros and ones.
        is_present: (N,) mask of the images to count.
        by_image: Error probabilities of labels, and their images (B) -> (B,) probability of a label error in an image.
    """
    every = range(len(blends))
    log_likelihoods = np.array([blend.log_prior for blend in blends])
    for part in parts(*targets.shape):
        places = np.arange(part.start, part.stop)[is_present[part]]
        for at, probabilities in zip(every, probabilities_of(places, every), strict=True):
            log_likelihoods[at] += blends[at].log_likelihood(probabilities, targets[places])
    is_possible = log_likelihoods >= log_likelihoods.max() - _RULED_OUT
    weights = posterior_weights(blends, log_likelihoods)
    chosen: list[int] = np.flatnonzero(is_possible | (weights > 1e-3)).tolist()
    shares = np.zeros(targets.shape, np.float32)
    wrong = np.zeros(targets.shape, np.float32) if blends[0].is_multilabel else np.zeros(len(targets))
    totals, variances = np.zeros((2, len(blends)))
    for part in parts(*targets.shape):
        places = np.arange(part.start, part.stop)
        mean, error = np.zeros(1), np.zeros(1)
        for at, probabilities in zip(chosen, probabilities_of(places, chosen), strict=True):
            errors = blends[at].error_probability(probabilities, targets[part])
            mean, error = mean + weights[at] * probabilities, error + weights[at] * errors
            of_images = by_image(errors, places)[is_present[part]]
            totals[at] += of_images.sum()
            variances[at] += (of_images * (1 - of_images)).sum()
        shares[part], wrong[part] = mean, error
    totals = totals[is_possible]
    spreads = np.sqrt(variances[is_possible])
    least, most = (totals - 2 * spreads).min(), (totals + 2 * spreads).max()
    possible = max(0.0, float((1 - _MODEL_ERROR) * least)), float((1 + _MODEL_ERROR) * most)
    return MixtureEstimate(int(log_likelihoods.argmax()), shares, wrong, possible)


def _minimize(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]],
    start: np.ndarray,
    bounds: Sequence[tuple[float | None, float | None]],
) -> tuple[np.ndarray, float]:
    """Return the minimizer of a loss with its gradient, and its minimum."""
    from scipy.optimize import minimize

    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return found.x, float(found.fun)


def _log_prior(rates: np.ndarray) -> float:
    return float(np.log(rates).sum() * _USUAL + (_TRUST - 2 * _USUAL) * np.log(1 - rates).sum())


def sample_of(count: int, classes: int) -> np.ndarray:
    """Return the places of the images used to fit weights."""
    most = min(count, max(FEWEST_ROWS, min(MOST_ROWS, MOST_NUMBERS // max(1, classes))))
    return np.linspace(0, count - 1, most).astype(np.int64) if count else np.zeros(0, np.int64)


def _label_likelihoods(probabilities: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (N,) probabilities of a correct, a careless and a confused label, without the rates.

    Careless: the true class is another one, and the label is any of the others. Confused: the label was drawn from the
    classes other than the true one in proportion to the image's similarity to them.
    """
    own = targets.argmax(axis=1)
    places = np.arange(len(targets))
    given = probabilities[places, own]
    careless = np.maximum(1 - given, 0) / max(1, targets.shape[1] - 1)
    odds = probabilities / np.maximum(1 - probabilities, _LEAST)
    return given, careless, given * (odds.sum(axis=1) - odds[places, own])


class _Problem:
    """The loss of weights (V), levels (C, for several labels) and rates (2), with its gradient, on sampled images."""

    def __init__(self, votes: Sequence[np.ndarray], targets: np.ndarray, is_multilabel: bool) -> None:
        chosen = sample_of(len(targets), targets.shape[1])
        stacked = np.stack([vote[chosen] for vote in votes])
        centred = stacked if is_multilabel else stacked - stacked.mean(axis=2, keepdims=True)
        self._scales = np.maximum(centred.std(axis=(1, 2)), _LEAST)
        self._votes, self._targets = centred / self._scales[:, None, None], targets[chosen]
        self._is_multilabel = is_multilabel
        self._count = len(votes)
        self._levels = targets.shape[1] if is_multilabel else 0
        self._penalty = _PENALTY[0] + _PENALTY[1] / max(1, len(chosen))
        self.start = np.concatenate([np.full(self._count, 2 / self._count), np.zeros(self._levels), [_START, _START]])
        self.bounds: list[tuple[float | None, float | None]] = [
            *[(0.0, None)] * self._count,
            *[(None, None)] * self._levels,
            _RANGE,
            _RANGE,
        ]

    def blend(self, values: np.ndarray, loss: float) -> Blend:
        """Return the blend for a parameter vector."""
        weights, levels, rates = self._parts(values)
        return Blend(self._scales, weights, levels, (float(rates[0]), float(rates[1])), loss, self._is_multilabel)

    def _parts(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        levels = values[self._count : -2] if self._levels else np.zeros(self._targets.shape[1])
        return values[: self._count], levels, values[-2:]

    def __call__(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        weights, levels, rates = self._parts(values)
        logits = np.tensordot(weights, self._votes, 1) + levels
        likelihood, to_logits, to_rates = (self._multi if self._is_multilabel else self._single)(logits, rates)
        likelihood = np.maximum(likelihood, 1e-12)
        slope = to_logits / (likelihood if self._is_multilabel else likelihood[:, None])
        count = likelihood.size
        loss = -(np.log(likelihood).sum() + _log_prior(rates)) / count + self._penalty * (values[:-2] ** 2).sum()
        gradient = np.concatenate(
            [
                -np.einsum("nc,vnc->v", slope, self._votes) / count + 2 * self._penalty * weights,
                (-slope.sum(axis=0) / count + 2 * self._penalty * levels)[: self._levels],
                -np.array([(part / likelihood).sum() for part in to_rates]) / count
                - (_USUAL / rates - (_TRUST - 2 * _USUAL) / (1 - rates)) / count,
            ]
        )
        return loss, gradient

    def _single(
        self, logits: np.ndarray, rates: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return each label's likelihood (N,), its slope by the logits (N, C), and by the two rates."""
        shares = softmax(logits)
        given, careless, confused = _label_likelihoods(shares, self._targets)
        right = 1 - rates.sum()
        is_own = self._targets > 0
        odds = np.where(is_own, 0.0, shares / np.maximum(1 - shares, _LEAST))
        steep = odds / np.maximum(1 - shares, _LEAST)
        by_given = right - rates[0] / max(1, self._targets.shape[1] - 1) + rates[1] * odds.sum(axis=1)
        slope = (given * by_given)[:, None] * (is_own - shares)
        slope += (rates[1] * given)[:, None] * (odds - shares * (steep.sum(axis=1, keepdims=True) - steep))
        likelihood = right * given + rates[0] * careless + rates[1] * confused
        return likelihood, slope, (careless - given, confused - given)

    def _multi(
        self, logits: np.ndarray, rates: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray]]:
        """Return each label's likelihood (N, C), its slope by its logit, and by the rates."""
        shares = sigmoid(logits)
        is_present = self._targets > 0
        missing, added = rates
        present = (1 - missing) * shares + added * (1 - shares)
        slope = (1 - missing - added) * shares * (1 - shares)
        sign = np.where(is_present, 1.0, -1.0)
        return np.where(is_present, present, 1 - present), sign * slope, (-sign * shares, sign * (1 - shares))
