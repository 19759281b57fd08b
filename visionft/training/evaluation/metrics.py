"""Evaluation metrics: accuracy, per-class scores, confusion, calibration, intervals. NumPy only.

Rates are from 0 to 1. A rate without cases, such as the precision of a class never predicted, is 0, as in scikit-learn.
A class without images has the rates None.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054
# Smaller differences count as equal: PyTorch and ONNX Runtime sum in different orders. SAME_PROBABILITY is relative.
SAME_LOGIT, SAME_PROBABILITY = 1e-3, 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassScore:
    """Precision, recall and related scores of one class; None without images of the class.

    Attributes:
        recall_interval: 95 % Wilson interval of the recall.
        average_precision: Area under the precision-recall curve; multi-label only.
        threshold: Minimum probability to assign the class; multi-label only.
    """

    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    recall_interval: tuple[float, float] | None = None
    average_precision: float | None = None
    threshold: float | None = None


def confusion_matrix(targets: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count (true class, predicted class) pairs of two (N,) index arrays; returns (C, C) int64, true class by row."""
    pairs = targets.astype(np.int64) * classes + predictions.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_scores(confusion: np.ndarray) -> list[ClassScore]:
    """Return precision, recall and F1 of each class of a (C, C) confusion matrix."""
    hits = np.diag(confusion)
    support = confusion.sum(axis=1)
    predicted = confusion.sum(axis=0)
    return [
        class_score(float(hit), int(count), float(chosen))
        for hit, count, chosen in zip(hits, support, predicted, strict=True)
    ]


def class_score(hits: float, support: int, predicted: float) -> ClassScore:
    """Return the scores of a class with `support` images, predicted `predicted` times, `hits` times correctly."""
    if not support:
        return ClassScore(precision=None, recall=None, f1=None, support=0)
    return ClassScore(
        precision=_ratio(hits, predicted),
        recall=_ratio(hits, support),
        f1=_ratio(2 * hits, predicted + support),
        support=support,
        recall_interval=wilson_interval(hits, support),
    )


def accuracy(confusion: np.ndarray) -> float:
    return _ratio(np.trace(confusion), confusion.sum())


def balanced_accuracy(confusion: np.ndarray) -> float:
    """Return the mean recall of the classes with images."""
    return mean_measured(score.recall for score in class_scores(confusion))


def mean_measured(values: Iterable[float | None]) -> float:
    measured = [value for value in values if value is not None]
    return float(np.mean(measured)) if measured else 0.0


def top_k_accuracy(probabilities: np.ndarray, targets: np.ndarray, k: int) -> float:
    """Return the share of images with the true class among the `k` most probable; probabilities are (N, C)."""
    k = min(k, probabilities.shape[1])
    best = np.argpartition(-probabilities, k - 1, axis=1)[:, :k]
    return float((best == targets[:, None]).any(axis=1).mean()) if len(targets) else 0.0


def wilson_interval(hits: float, count: float, *, z: float = Z_95) -> tuple[float, float]:
    """Return the 95 % interval of the proportion `hits / count` (Wilson 1927); (0, 1) if `count` is 0."""
    if not count:
        return 0.0, 1.0
    share, square = hits / count, z * z
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, centre - half), min(1.0, centre + half)


def grouped_interval(right: np.ndarray, groups: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of the share of right images, with as many images as their groups are worth.

    The count of `wilson_interval` is divided by the design effect, the variance of the share over groups relative to
    that over images (Kish 1965, Survey Sampling). It lies between the number of images and N^2 / sum n_g^2, the worth
    of groups of equal images, which also counts if all images are right or all are wrong.

    Args:
        right: (N,) zeros and ones.
        groups: (N,) numbers of the groups of related images.
    """
    count = len(right)
    _, numbers, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if not count or len(sizes) == count:
        return wilson_interval(float(np.mean(right)) * count if count else 0, count)
    share = float(np.mean(right))
    least = count**2 / float(np.square(sizes).sum())
    spread = float(np.square(np.bincount(numbers, right - share)).sum())
    worth = min(float(count), max(least, share * (1 - share) * count**2 / spread)) if spread > 0 else least
    return wilson_interval(share * worth, worth)


def expected_calibration_error(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy over equal-width bins (Guo et al. 2017, arXiv:1706.04599)."""
    groups = reliability(probabilities, targets, bins=bins)
    return sum(each.count * abs(each.confidence - each.accuracy) for each in groups) / max(1, len(targets))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReliabilityBin:
    """Mean confidence and accuracy, from 0 to 1, of the images with a confidence in one equal-width bin."""

    confidence: float
    accuracy: float
    count: int


def reliability(probabilities: np.ndarray, targets: np.ndarray, *, bins: int = 15) -> tuple[ReliabilityBin, ...]:
    """Return the non-empty bins of `expected_calibration_error`, lowest confidence first."""
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == targets
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    counts, sums, hits = (np.bincount(which, part, bins) for part in (None, confidence, right))
    return tuple(
        ReliabilityBin(confidence=float(total / count), accuracy=float(hit / count), count=int(count))
        for count, total, hit in zip(counts, sums, hits, strict=True)
        if count
    )


def average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """Return the sum of (R_n - R_{n-1}) P_n over the thresholds of (N,) scores; 0 without positives."""
    precision, recall = _curve(scores, targets)
    return float((np.diff(recall, prepend=0.0) * precision).sum())


def best_thresholds(probabilities: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return the (C,) `best_threshold` of each class; (N, C) probabilities, and targets of zeros and ones."""
    return np.array([best_threshold(*pair) for pair in zip(probabilities.T, targets.T, strict=True)])


def best_threshold(probabilities: np.ndarray, targets: np.ndarray) -> float:
    """Return the threshold on the probability with the highest F1; 0.5 without positives.

    The threshold is the midpoint between the lowest assigned probability and the next lower one, or 0, as a float32.
    Rounding then moves no image across it, and programs with single or double precision agree.
    """
    if not targets.any():
        return 0.5
    precision, recall = _curve(probabilities, targets)
    f1 = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    levels = np.unique(probabilities)[::-1].astype(np.float64)
    below = np.append(levels[1:], 0.0)
    is_tie = levels - below <= levels * (SAME_LOGIT * (1 - levels) + SAME_PROBABILITY)
    is_tie[-1] = False  # the last level has no lower neighbour
    best = np.where(is_tie, -1.0, f1).argmax()
    return float(np.float32((levels[best] + below[best]) / 2))


def _curve(scores: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return precision and recall at each distinct score, highest first."""
    levels, which = np.unique(-scores, return_inverse=True)
    hits = np.bincount(which, targets, len(levels)).cumsum()
    taken = np.bincount(which, minlength=len(levels)).cumsum()
    return hits / taken, hits / max(1.0, float(targets.sum()))


def _ratio(part: float, whole: float) -> float:
    return float(part) / float(whole) if whole else 0.0
