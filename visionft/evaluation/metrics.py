"""What predictions are worth: accuracy, per-class scores, confusion, calibration, intervals. NumPy only.

Rates are shares of 1. Where a rate has no cases (a class that was never predicted, say) it is 0, as in scikit-learn.
"""

import math
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """How well one class is told apart.

    Attributes:
        recall_interval: 95 % Wilson interval of the recall.
        support: Its pictures.
        average_precision: Area under the precision-recall curve; several labels only.
        threshold: Probability from which the class is assigned; several labels only.
    """

    precision: float
    recall: float
    f1: float
    support: int
    recall_interval: tuple[float, float] = (0.0, 1.0)
    average_precision: float | None = None
    threshold: float | None = None


def confusion_matrix(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count (true class, predicted class) pairs of two (N,) index arrays; returns (C, C) int64, true class by row."""
    pairs = targets.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_scores(confusion: np.ndarray) -> list[ClassScore]:
    """Return precision, recall and F1 of each class of a (C, C) confusion matrix."""
    hits, support, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return [
        class_score(float(hit), int(count), float(chosen))
        for hit, count, chosen in zip(hits, support, predicted, strict=True)
    ]


def class_score(hits: float, support: int, predicted: float) -> ClassScore:
    """Return the scores of a class that has `support` pictures and was assigned `predicted` times, `hits` rightly."""
    return ClassScore(
        precision=_ratio(hits, predicted),
        recall=_ratio(hits, support),
        f1=_ratio(2 * hits, predicted + support),
        support=support,
        recall_interval=wilson_interval(hits, support),
    )


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """The pictures whose confidence falls into one of the equal-width bins; shares of 1.

    Attributes:
        confidence: Their mean confidence.
        accuracy: The share of them that is right.
        count: How many; bins without any are left out.
    """

    confidence: float
    accuracy: float
    count: int


def reliability(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """Return the bins behind `expected_calibration_error`, lowest confidence first."""
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    counts, sums, hits = (np.bincount(which, part, bins) for part in (None, confidence, right))
    return tuple(
        ReliabilityBin(confidence=float(total / count), accuracy=float(hit / count), count=int(count))
        for count, total, hit in zip(counts, sums, hits, strict=True)
        if count
    )


def average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """Return the sum of (R_n - R_{n-1}) P_n over the thresholds of (N,) scores; 0 where nothing is positive."""
    precision, recall = _curve(scores, targets)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def best_threshold(scores: np.ndarray, targets: np.ndarray) -> float:
    """Return the score from which assigning a class gives the highest F1; 0.5 where nothing is positive."""
    if not targets.any():
        return 0.5
    precision, recall = _curve(scores, targets)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return float(np.unique(scores)[::-1][f1.argmax()])


def _curve(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall at each distinct score, highest first."""
    levels, which = np.unique(-scores, return_inverse=True)
    hits = np.bincount(which, targets, len(levels)).cumsum()
    taken = np.bincount(which, minlength=len(levels)).cumsum()
    return hits / taken, hits / max(1.0, float(targets.sum()))


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0
