"""What predictions are worth: accuracy, per-class scores, confusion, calibration, intervals. NumPy only.

Rates are shares of 1. Where a rate has no cases (a class that was never predicted, say) it is 0, as in scikit-learn.
"""

import math
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """How well one class is told apart; `support` counts its pictures."""

    precision: float
    recall: float
    f1: float
    support: int


def confusion_matrix(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count (true class, predicted class) pairs of two (N,) index arrays; returns (C, C) int64, true class by row."""
    pairs = targets.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_scores(confusion: np.ndarray) -> list[ClassScore]:
    """Return precision, recall and F1 of each class of a (C, C) confusion matrix."""
    hits, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        ClassScore(
            precision=_ratio(hit, chosen),
            recall=_ratio(hit, count),
            f1=_ratio(2 * hit, chosen + count),
            support=int(count),
        )
        for hit, count, chosen in zip(hits, support, predicted, strict=True)
    ]


def accuracy(confusion: np.ndarray) -> float:
    """Return the share of right pictures (top-1)."""
    return _ratio(np.trace(confusion), confusion.sum())


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Return the mean recall over the classes that have pictures."""
    recalls = [score.recall for score in class_scores(confusion) if score.support]
    return float(np.mean(recalls)) if recalls else 0.0


def top_k_accuracy(probabilities: np.ndarray, targets: np.ndarray, k: int) -> float:
    """Return the share of pictures whose class is among the `k` most probable; probabilities are (N, C)."""
    k = min(k, probabilities.shape[1])
    best = np.argpartition(-probabilities, k - 1, axis=1)[:, :k]
    return float((best == targets[:, None]).any(axis=1).mean()) if len(targets) else 0.0


def wilson_interval(hits: float, count: int, *, z: float = Z_95) -> tuple[float, float]:
    """Return the 95 % interval of a share `hits / count` (Wilson 1927); (0, 1) for no cases."""
    if not count:
        return 0.0, 1.0
    share, square = hits / count, z * z
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def expected_calibration_error(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017, arXiv:1706.04599)."""
    if not len(targets):
        return 0.0
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.abs(np.bincount(which, confidence - right, bins))
    return float(gaps.sum() / len(targets))


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the softmax of (N, C) logits along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return shifted / shifted.sum(axis=-1, keepdims=True)


def fit_temperature(logits: np.ndarray, targets: np.ndarray) -> float:
    """Return the T in [0.05, 20] that minimises the cross-entropy of softmax(logits / T) (Guo et al. 2017).

    The loss is unimodal in T, so a golden-section search over log T finds it; 1 for no pictures.
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
    probabilities = softmax(logits.astype(np.float64) / math.exp(log_temperature))
    chosen = probabilities[np.arange(len(targets)), targets]
    return float(-np.log(np.maximum(chosen, 1e-300)).mean())


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0
