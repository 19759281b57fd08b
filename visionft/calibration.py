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


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the T in [0.05, 20] that minimises the cross-entropy of logits / T (Guo et al. 2017).

    The loss is unimodal in T, so a golden-section search over log T finds it; 1 for no pictures.

    Args:
        logits: (N, C).
        targets: (N,) class indices under a softmax, or (N, C) zeros and ones under a sigmoid.
    """
    if not len(targets):
        return 1.0
    low, high = math.log(0.05), math.log(20.0)
    golden = (math.sqrt(5) - 1) / 2
    for _ in range(60):
        left, right = high - golden * (high - low), low + golden * (high - low)
        if _cross_entropy(logits, targets, left) < _cross_entropy(logits, targets, right):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _cross_entropy(logits: np.ndarray, targets: np.ndarray, log_temperature: float) -> float:
    scaled = logits.astype(np.float64) / math.exp(log_temperature)
    if targets.ndim == 2:
        return float((np.logaddexp(0, scaled) - targets * scaled).mean())
    shifted = scaled - scaled.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(targets)), targets]
    return float((np.log(np.exp(shifted).sum(axis=1)) - chosen).mean())
