"""From which score on fewer than one false pair is to be expected among all pairs that were compared.

Most of them are no doubles: they only look alike. Their scores, on Fisher's scale (the inverse hyperbolic tangent of a
correlation, R. A. Fisher 1915), are taken for the upper tail of a normal distribution. It is fitted to the pairs
between two scores that hold hardly any double, by maximum likelihood of a distribution cut off on both sides, and
continued upwards.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

_FROM, _TO = 0.75, 0.85  # scores that are fitted: the part of the tail next to where it is continued
_LEAST_PAIRS: Final = 40  # fewer say nothing of a tail
USUAL: Final = 0.9
LOWEST, HIGHEST = 0.86, 0.95  # the bounds of a threshold that is set by itself


@dataclass(frozen=True, slots=True)
class Tail:
    """What was fitted.

    Attributes:
        threshold: Score from which less than one false pair is expected.
        expected: False pairs that are expected from the threshold on; NaN where there were too few to fit.
        fitted: Pairs that it was fitted to.
    """

    threshold: float
    expected: float
    fitted: int


def fit_tail(scores: np.ndarray) -> Tail:
    """Fit the tail of (P,) scores of all pairs that were compared."""
    from scipy.optimize import minimize
    from scipy.stats import norm

    low, high = np.arctanh(_FROM), np.arctanh(_TO)
    values = np.arctanh(np.clip(scores[(scores >= _FROM) & (scores < _TO)], 0, 0.999))
    if len(values) < _LEAST_PAIRS:
        return Tail(USUAL, float("nan"), len(values))

    def loss(parameters: np.ndarray) -> float:
        mean, deviation = parameters[0], np.exp(parameters[1])
        inside = norm.cdf(high, mean, deviation) - norm.cdf(low, mean, deviation)
        # a weak wish for a plausible width: few pairs would else fit a needle
        return float(
            -norm.logpdf(values, mean, deviation).sum() + len(values) * np.log(max(inside, 1e-300))
        ) + 4 * float((parameters[1] - np.log(0.25)) ** 2)

    found = minimize(loss, np.array([0.8, np.log(0.25)]), method="Nelder-Mead").x
    mean, deviation = float(found[0]), float(np.exp(found[1]))
    inside = norm.cdf(high, mean, deviation) - norm.cdf(low, mean, deviation)

    def expected(score: float) -> float:
        return float(len(values) / max(inside, 1e-300) * norm.sf(np.arctanh(score), mean, deviation))

    grid = np.linspace(LOWEST, HIGHEST, 91)
    threshold = next((float(score) for score in grid if expected(score) < 1), HIGHEST)
    return Tail(threshold, expected(threshold), len(values))
