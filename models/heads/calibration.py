"""Calibrated probabilities from logits: softmax, sigmoid, and temperature scaling.

NumPy only, and a leaf: training, evaluation, suggestions and export share it.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of (N, C) logits along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def sigmoid(logits: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x)), element by element."""
    return np.exp(-np.logaddexp(0, -logits))


# How far a classifier's temperature is from 1 before anything is known: the spread of its logarithm.
USUAL_SPREAD = 0.25
# How many images count as wrong, of N + 2, when a trained network is calibrated on N validation images (Platt 1999).
# docs/decisions/0036 has the figures.
DOUBT = 1.0
_GOLDEN = (math.sqrt(5) - 1) / 2
_PRECISION = 1e-7


def fit_temperature(
    logits: np.ndarray, targets: np.ndarray, *, spread: float | None = USUAL_SPREAD, doubt: float = 0.0
) -> float:
    """Return the T of the greatest likelihood of the targets under logits / T (Guo et al. 2017).

    It may have no bounds where every image is right, or the logits tell nothing: then it lies in [0.05, 20]. With
    `doubt` it has, so it lies in [0.001, 1000]: a head on tuned features may be far too sharp.

    With few images the estimate is noisy: with 34, the best T made the calibration of new images worse in a third
    of cases. So a normal prior on log T, worth a handful of images, keeps T near 1; from some hundred images on it
    makes no difference. A network trained with label smoothing wants .5 to .75: with 25 images the prior leaves its
    log loss .01 to .04 above the least, with 60 .01 to .02 (five networks of magnetic tiles); twice the spread would
    cost the others as much.

    The loss is unimodal in T, so a golden-section search over log T finds it; 1 for no images. It is rounded to six
    decimals, as recorded, so every file and program divides by the same number.

    Args:
        logits: (N, C).
        targets: (N,) class indices under a softmax, or (N, C) zeros and ones under a sigmoid.
        spread: Standard deviation of log T under the prior; None for logits of arbitrary scale.
        doubt: Images that count as wrong besides: N images that are all right do not say that every other will be.
    """
    if not len(targets):
        return 1.0
    exact = logits.astype(np.float64)
    share = doubt / (len(targets) + 2)

    def cost(log_temperature: float) -> float:
        prior = 0.0 if spread is None else (log_temperature / spread) ** 2 / (2 * len(targets))
        return float(_smoothed_losses(exact / math.exp(log_temperature), targets, share).mean()) + prior

    low, high = map(math.log, (0.001, 1000.0) if doubt else (0.05, 20.0))
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = cost(left), cost(right)
    while high - low > _PRECISION:  # one of the two inner points is one of the next two
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = cost(right)
    return round(math.exp((low + high) / 2), 6)


def _smoothed_losses(logits: np.ndarray, targets: np.ndarray, share: float) -> np.ndarray:
    """Return `cross_entropies` against targets of which a share lies on the other classes, evenly."""
    losses = cross_entropies(logits, targets)
    if targets.ndim == 2:
        return losses + share * ((2 * targets - 1) * logits).mean(axis=1)
    own = logits[np.arange(len(targets)), targets]
    return losses + share * (own - logits.mean(axis=1)) * logits.shape[1] / max(1, logits.shape[1] - 1)


def mean_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean of `cross_entropies`."""
    return float(cross_entropies(logits, targets).mean())


def cross_entropies(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the (N,) losses of (N, C) logits, double precision.

    Args:
        logits: (N, C).
        targets: (N,) class indices: the softmax's loss; (N, C) zeros and ones: the mean of the sigmoids'.
    """
    exact = logits.astype(np.float64, copy=False)
    if targets.ndim == 2:
        return (np.logaddexp(0, exact) - targets * exact).mean(axis=1)
    shifted = exact - exact.max(axis=1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(targets)), targets]


def are_right(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return (N,) whether the top class of (N, C) logits is that of (N,) targets; of (N, C) targets, all are right."""
    if targets.ndim == 2:
        return ((logits > 0) == (targets > 0)).all(axis=1)
    return logits.argmax(axis=1) == targets


def is_worse_for_classes(right: Sequence[bool], others: Sequence[bool], classes: Sequence[Any]) -> bool:
    """Tell whether the balanced accuracy is lower than another one by more than a standard error, paired.

    A lower mean loss may come from a large class alone: with 180 images of one class and 20 of another, losing 4 of the
    20 costs less loss than a little more confidence in the 180 gains.

    Args:
        right: (N,) whether each image is classified right.
        others: (N,) whether the other classifier is right.
        classes: (N,) its class.
    """
    changes: dict[Any, list[float]] = {}
    for mine, theirs, of_class in zip(right, others, classes, strict=True):
        changes.setdefault(of_class, []).append(float(mine) - float(theirs))
    means = [statistics.fmean(group) for group in changes.values()]
    squares = [statistics.variance(group) / len(group) for group in changes.values() if len(group) > 1]
    return math.fsum(means) < -math.sqrt(math.fsum(squares))
