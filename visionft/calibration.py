"""From logits to probabilities that mean what they say: softmax, sigmoid, and the temperature that calibrates them.

NumPy only, and a leaf: training, evaluation, suggestions and export share it.
"""

import math

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


def fit_temperature(logits: np.ndarray, targets: np.ndarray, *, spread: float | None = USUAL_SPREAD) -> float:
    """Return the T in [0.05, 20] that makes the targets most probable under logits / T (Guo et al. 2017).

    Few pictures say little: of 34, the best T is as much luck as need, and made the calibration of new pictures worse
    in a third of cases. So T is held near 1 by a normal prior on its logarithm, worth a handful of pictures; from some
    hundred pictures on it makes no difference.

    The loss is unimodal in T, so a golden-section search over log T finds it; 1 for no pictures.

    Args:
        logits: (N, C).
        targets: (N,) class indices under a softmax, or (N, C) zeros and ones under a sigmoid.
        spread: Standard deviation of log T under the prior; None for logits whose size says nothing.
    """
    if not len(targets):
        return 1.0

    def cost(log_temperature: float) -> float:
        prior = 0.0 if spread is None else (log_temperature / spread) ** 2 / (2 * len(targets))
        return mean_cross_entropy(logits / math.exp(log_temperature), targets) + prior

    low, high = math.log(0.05), math.log(20.0)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if cost(left) < cost(right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def mean_cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the mean loss of (N, C) logits: the softmax's for (N,) class indices, the sigmoid's for (N, C) targets."""
    scaled = logits.astype(np.float64)
    if targets.ndim == 2:
        return float((np.logaddexp(0, scaled) - targets * scaled).mean())
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(targets)), targets]
    return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())
