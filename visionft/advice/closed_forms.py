"""Accuracy of models that need no training on held-out images: closed forms fitted to all labels or to a part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from visionft.calibration import are_right
from visionft.data.types import SnapshotImage
from visionft.evaluation.metrics import wilson_interval
from visionft.features.feature_store import Features
from visionft.heads.class_means import fit_class_means
from visionft.heads.knn.knn_fitting import fit_memory
from visionft.jobs import SILENT, JobContext

CLOSED_FORMS: Final = ("linear", "knn", "prototype")  # names of methods, the preferred one of equals first
LABEL_SHARES: Final = (0.25, 0.5, 1.0)
DRAWS: Final = 3  # repetitions with a part of the labels
_QUERIES: Final = 1_000  # images that are compared with all labelled ones at once


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The accuracy with a part of the labels, the mean of a few draws, with its 95 % interval (Wilson)."""

    labels: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class LabelledFeatures:
    """Features (N, D) of labelled images, with their targets (N, C) of zeros and ones.

    Attributes:
        widths: Widths of the concatenated multi-stage features.
    """

    vectors: np.ndarray
    targets: np.ndarray
    widths: tuple[int, ...]
    is_multilabel: bool = False

    @classmethod
    def of(
        cls, images: Sequence[SnapshotImage], features: Features, classes: int, *, is_multilabel: bool
    ) -> "LabelledFeatures":
        """Return the features and labels of images; each image has features."""
        targets = np.zeros((len(images), classes), np.float32)
        for row, image in zip(targets, images, strict=True):
            row[list(image.labels)] = 1
        vectors = features.vectors[[features.place_of[image.image_id] for image in images]].astype(np.float32)
        return cls(vectors, targets, features.kind.widths or (vectors.shape[1],), is_multilabel)

    def __len__(self) -> int:
        return len(self.vectors)

    def among(self, places: np.ndarray) -> "LabelledFeatures":
        return LabelledFeatures(self.vectors[places], self.targets[places], self.widths, self.is_multilabel)


def predict_right(
    method: str, known: LabelledFeatures, held_out: LabelledFeatures, *, job: JobContext = SILENT
) -> np.ndarray:
    """Return (M) whether a closed form fitted to labelled images is right for each held-out image.

    Args:
        method: One of `CLOSED_FORMS`.
    """
    job.check_cancelled()
    is_multilabel = known.is_multilabel
    fitted = known.vectors, known.targets
    if method == "knn":
        memory = fit_memory(*fitted, widths=known.widths, is_multilabel=is_multilabel, job=job).memory
        starts = range(0, len(held_out), _QUERIES)
        queries = (memory.directions(held_out.vectors[start : start + _QUERIES]) for start in starts)
        logits = np.concatenate([memory.predict(each) for each in queries])
        logits = logits - 0.5 if is_multilabel else logits
    else:
        if method == "prototype":
            head = fit_class_means(*fitted, widths=known.widths, is_multilabel=is_multilabel)
        else:
            from visionft.heads.linear_head import fit_head

            head = fit_head(*fitted, widths=known.widths, is_multilabel=is_multilabel, job=job)
        logits = held_out.vectors @ head.weight.T + head.bias
    return are_right(logits, held_out.targets if is_multilabel else held_out.targets.argmax(axis=1))


def measure_learning_curve(
    known: LabelledFeatures,
    held_out: LabelledFeatures,
    with_all: np.ndarray,
    *,
    seed: int = 0,
    job: JobContext = SILENT,
) -> tuple[tuple[CurvePoint, ...], float]:
    """Return the accuracy of a linear probe with 25, 50 and 100 % of the labels, and the gain of the second half.

    The gain is 0 where it is not above its standard error. Parts with less than two images a class are left out.

    Args:
        with_all: (M) whether the linear probe fitted to all labels is right for each held-out image.
        seed: Draws the parts; each contains the smaller ones.
    """
    orders = [_stratified_order(known, np.random.default_rng([seed, draw])) for draw in range(DRAWS)]
    points, gain = list[CurvePoint](), 0.0
    for share in LABEL_SHARES:
        labels = round(share * len(known))
        right = with_all.astype(float)
        if share < 1:
            if labels < 2 * np.count_nonzero(known.targets.any(axis=0)):
                continue
            drawn = [predict_right("linear", known.among(order[:labels]), held_out, job=job) for order in orders]
            right = np.mean(drawn, axis=0)
            if share == 0.5:
                gains = with_all - right
                standard_error = float(gains.std()) / max(1, len(gains)) ** 0.5
                gain = float(gains.mean()) if gains.mean() > standard_error else 0.0
        accuracy, count = float(right.mean()), len(right)
        points.append(CurvePoint(labels=labels, accuracy=accuracy, interval=wilson_interval(accuracy * count, count)))
    return tuple(points), gain


def _stratified_order(labelled: LabelledFeatures, generator: np.random.Generator) -> np.ndarray:
    """Return an order (N) of the images; every prefix has about the class shares of the whole."""
    first = labelled.targets.argmax(axis=1)
    rank = np.zeros(len(labelled))
    for group in np.unique(first):
        members = generator.permutation(np.flatnonzero(first == group))
        rank[members] = (np.arange(len(members)) + generator.uniform()) / len(members)
    return np.argsort(rank, kind="stable")
