"""Held-out predictions of a closed-form classifier on labelled images, fitted to parts of the labels. NumPy only.

With any part of the labels, every labelled image is predicted: those outside the part directly, those inside by
leave-one-out (closed form). So each point of a curve uses all labels.

From 60 labels, the forecast for 240 contained the result of the whole sets in 7 of 8 divisions (both shared sets; 95 %
intervals), in 2 s; 1,800 labels take 5 s.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visionft.data.types import SnapshotImage
from visionft.events import Progress
from visionft.features.feature_store import Features
from visionft.heads.closed_form import ClosedForm
from visionft.heads.feature_map import FeatureMap
from visionft.jobs import SILENT, JobContext
from visionft.suggest.blend import predict

MOST = 10_000  # labelled images used at most: more cost memory and change no figure by a tenth of a point
TRUSTED = 200  # weight of the classifier's own confidence against the counts, in images
_MOST_DRAWS, _ROWS_DRAWN = 8, 8_000  # draws of each size: their number times the images stays below
_CHEAP = 2_000_000  # images x classes for a few seconds of computing


@dataclass(frozen=True)
class LabelledFeatures:
    """Labelled images as features and targets.

    Attributes:
        inputs: (L, D) float32, as `Features.inputs`.
        targets: (L, C) zeros and ones.
        widths: Widths of the concatenated multi-stage features; empty for one.
    """

    inputs: np.ndarray
    targets: np.ndarray
    is_multilabel: bool = False
    widths: tuple[int, ...] = ()

    @classmethod
    def of(
        cls, images: Sequence[SnapshotImage], features: Features, classes: int, *, is_multilabel: bool
    ) -> "LabelledFeatures":
        """Return the features and labels of images; each has features."""
        targets = np.zeros((len(images), classes), np.float32)
        for row, image in zip(targets, images, strict=True):
            row[list(image.labels)] = 1
        places = [features.place_of[image.image_id] for image in images]
        return cls(features.inputs[places], targets, is_multilabel, features.kind.widths)

    def __len__(self) -> int:
        """Return L."""
        return len(self.inputs)

    @property
    def counts(self) -> np.ndarray:
        """Return (C) numbers of images of each class."""
        return self.targets.sum(axis=0, dtype=np.int64)

    def affordable(self, most: int) -> int:
        """Return the affordable number of passes over all images, at least 1: 1,000 classes take seconds a pass."""
        return max(1, min(most, _CHEAP // max(self.targets.size, 1)))

    def among(self, places: np.ndarray) -> "LabelledFeatures":
        return LabelledFeatures(self.inputs[places], self.targets[places], self.is_multilabel, self.widths)


@dataclass(frozen=True)
class HeldOutPredictions:
    """Held-out results on labelled images; NaN where none could be computed.

    Attributes:
        right: (..., L) 1 for right and 0 for wrong, or the mean of several draws.
        confidence: (..., L) calibrated confidence of the prediction.
    """

    right: np.ndarray
    confidence: np.ndarray

    @classmethod
    def mean_of(cls, draws: Sequence["HeldOutPredictions"]) -> "HeldOutPredictions":
        """Return the mean of several results, image by image, over those without NaN."""
        right, confidence = ([getattr(each, name) for each in draws] for name in ("right", "confidence"))
        return cls(_mean(np.stack(right, axis=-1)), _mean(np.stack(confidence, axis=-1)))

    @property
    def shift(self) -> np.ndarray:
        """Return (...) a correction of the accuracy: shrinks the counted accuracy towards the mean confidence.

        With few images counts are noisy. With 72 the confidence was off by .07 and .08 (root mean square, trashnet and
        sign_digits), counts by .09 and .10; with 1,800 the confidence can be off by .02 and counts are not.
        """
        trust = TRUSTED / (TRUSTED + self.right.shape[-1])
        return trust * (_mean(self.confidence) - _mean(self.right))


class HeldOutPredictor:
    """Computes held-out predictions for all labelled images, with any part of their labels known."""

    def __init__(self, labelled: LabelledFeatures) -> None:
        self.labelled = labelled
        feature_map = FeatureMap.fitted(labelled.inputs)
        rows, classes = feature_map(labelled.inputs), labelled.targets.shape[1]
        self._state = ClosedForm(rows, classes, linear=feature_map.linear)

    def predict(self, known: np.ndarray) -> HeldOutPredictions:
        """Return (L) held-out results of the classifier fitted to the labels at some indices (K)."""
        self._state.relearn(known, self.labelled.targets[known])
        count = len(self.labelled)
        fitted = predict(self._state, is_multilabel=self.labelled.is_multilabel, most_left_out=count)
        probabilities = np.full(self.labelled.targets.shape, np.nan)
        outside = ~self._state.is_labelled
        probabilities[outside] = fitted.probabilities[outside]
        probabilities[fitted.left_out] = fitted.left_out_probabilities
        wanted, is_known = self.labelled.targets > 0, np.isfinite(probabilities).all(axis=1)
        if fitted.thresholds is None:
            right = wanted[np.arange(count), probabilities.argmax(axis=1)]
            confidence = probabilities.max(axis=1)
        else:
            right = ((probabilities >= fitted.thresholds) == wanted).all(axis=1)
            confidence = np.maximum(probabilities, 1 - probabilities).prod(axis=1)
        return HeldOutPredictions(np.where(is_known, right, np.nan), confidence)

    def predict_by_class_means(self) -> np.ndarray:
        """Return (L) whether the nearest class mean is right, by leave-one-out; NaN for the only image of a class."""
        every = np.arange(len(self.labelled))
        targets, counts = self.labelled.targets, self.labelled.counts
        self._state.relearn(every, targets)
        products = np.where(counts > 0, self._state.to_means_left_out(every), -np.inf)
        is_right = targets[every, products.argmax(axis=1)] > 0
        return np.where(targets @ counts.astype(np.float32) > 1, is_right, np.nan)

    def predict_sizes(self, sizes: tuple[int, ...], *, seed: int = 0, job: JobContext = SILENT) -> HeldOutPredictions:
        """Return (K, L) held-out results of the classifier for each number of labels, the mean of several draws.

        Args:
            sizes: (K) numbers of labels, ascending; the last may be all.
            seed: Draws the parts; each contains the smaller ones.
        """
        total = len(self.labelled)
        draws = self.labelled.affordable(max(2, min(_MOST_DRAWS, _ROWS_DRAWN // total)))
        orders = nested_orders(self.labelled, draws=draws, seed=seed)
        fits = [(size, order) for size in sizes for order in (orders if size < total else orders[:1])]
        by_size: dict[int, list[HeldOutPredictions]] = {size: [] for size in sizes}
        for done, (size, order) in enumerate(fits, start=1):
            job.check_cancelled()
            by_size[size].append(self.predict(order[:size]))
            job.report(Progress(stage="Measuring the learning curve", done=done, total=len(fits)))
        rows = [HeldOutPredictions.mean_of(each) for each in by_size.values()]
        return HeldOutPredictions(np.stack([row.right for row in rows]), np.stack([row.confidence for row in rows]))


def nested_orders(labelled: LabelledFeatures, *, draws: int, seed: int = 0) -> list[np.ndarray]:
    """Return orders (L) of the images, stratified: every prefix has about the class shares of the whole."""
    generator = np.random.default_rng(seed)
    first = np.where(labelled.targets.any(axis=1), labelled.targets.argmax(axis=1), -1)
    orders = []
    for _ in range(draws):
        rank = np.zeros(len(labelled))
        for group in np.unique(first):
            members = generator.permutation(np.flatnonzero(first == group))
            rank[members] = (np.arange(len(members)) + generator.uniform(0.0, 1.0)) / len(members)
        orders.append(np.argsort(rank, kind="stable"))
    return orders


def _mean(values: np.ndarray) -> np.ndarray:
    """Return the mean along the last axis, without NaN; NaN where nothing is left."""
    known = np.isfinite(values)
    counts = known.sum(axis=-1)
    return np.where(counts, np.where(known, values, 0).sum(axis=-1) / np.maximum(counts, 1), np.nan)
