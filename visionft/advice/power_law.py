"""A power law of the errors over the number of labels, with its uncertainty: e(n) = e0 + b (n / N)^-c.

Errors of classifiers follow such laws from language to images (Hestness et al. 2017, arXiv:1712.00409; Rosenfeld et al.
2020, arXiv:1909.12673). Draws are whole laws, over the choice of labelled images (Bayesian bootstrap, Rubin 1981) and
over the fit (a grid of exponents and floors under a wide prior). NumPy only.
"""

from dataclasses import dataclass

import numpy as np

_DRAWS = 400
_EXPONENTS = np.geomspace(0.1, 2.0, 16)
_USUAL_EXPONENT, _EXPONENT_SPREAD = 0.5, 0.6  # of its logarithm; .07 to .35 in Hestness, .3 to .9 on small sets
_FLOORS = np.arange(0.0, 0.96, 0.1)  # share of today's errors irreducible by labels; fewer is likelier
_MISFIT = 0.008  # of a point with all labels to the law; those with fewer are allowed more
_PSEUDO = 0.5  # right and wrong pseudo-images, counted with the real ones (Jeffreys)


@dataclass(frozen=True)
class PowerLaws:
    """Draws (B) of laws fitted to the measurements.

    Attributes:
        size: N, their anchor.
        floor: (B) e0.
        slope: (B) b, the errors at N removable by labels.
        exponent: (B) c.
    """

    size: int
    floor: np.ndarray
    slope: np.ndarray
    exponent: np.ndarray

    def errors(self, labels: float) -> np.ndarray:
        """Return (B) error rates for a number of labels."""
        ratio = max(labels, 1.0) / self.size
        return np.clip(self.floor + self.slope * ratio**-self.exponent, 0.0, 1.0)

    def accuracies(self, labels: float) -> np.ndarray:
        """Return (B) accuracies for a number of labels."""
        return 1.0 - self.errors(labels)


def image_weights(images: int, *, draws: int = _DRAWS, seed: int = 0) -> np.ndarray:
    """Return (B, L + 2) weights of a Bayesian bootstrap: of the images, one right and one wrong pseudo-image."""
    shapes = np.concatenate([np.ones(images), [_PSEUDO, _PSEUDO]])
    return np.random.default_rng(seed).standard_gamma(shapes, size=(draws, images + 2))


def weighted_means(scores: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Return (B, K) the means of scores (K, L) under each draw of `image_weights`; NaN scores do not count."""
    known = np.isfinite(scores)
    own = weights[:, :-2]
    summed = own @ np.where(known, scores, 0.0).T + weights[:, -2:-1]
    return summed / (own @ known.T + weights[:, -2:].sum(axis=1, keepdims=True))


def draw_laws(sizes: tuple[int, ...], accuracies: np.ndarray, *, seed: int = 0) -> PowerLaws:
    """Return a law for each draw of a curve.

    Args:
        sizes: (K) numbers of labels, ascending; the last is N.
        accuracies: (B, K) as `weighted_means` gave them.
    """
    generator = np.random.default_rng([1, seed])
    errors = 1.0 - accuracies
    ratio = np.asarray(sizes, float) / sizes[-1]
    exponents, shares = (grid.ravel() for grid in np.meshgrid(_EXPONENTS, _FLOORS, indexing="ij"))
    shapes = ratio[None, :] ** -exponents[:, None]  # (G, K)
    precision = ratio / _MISFIT**2
    floors = errors[:, -1:] * shares  # (B, G)
    cross = (errors * precision) @ shapes.T - floors * (shapes @ precision)
    slopes = np.maximum(cross / (shapes**2 @ precision), 0.0)
    rest = errors[:, None, :] - floors[:, :, None] - slopes[:, :, None] * shapes[None]
    fit = -0.5 * np.einsum("bgk,k->bg", rest**2, precision)
    prior = -0.5 * (np.log(exponents / _USUAL_EXPONENT) / _EXPONENT_SPREAD) ** 2 + np.log(1.0 - shares)
    chosen = (fit + prior + generator.gumbel(size=fit.shape)).argmax(axis=1)
    rows = np.arange(len(errors))
    return PowerLaws(sizes[-1], floors[rows, chosen], slopes[rows, chosen], exponents[chosen])
