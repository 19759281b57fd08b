"""Held-out predictions of a closed-form classifier on labelled images, fitted to parts of the labels. NumPy only.

With any part of the labels, every labelled image is predicted: those outside the part directly, those inside by
leave-one-out (closed form). So each point of a curve uses all labels.
"""

import warnings
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
_MOST_DRAWS, _ROWS_DRAWN = 8, 8_000  # draws of each size: their number times the images stays below
_CHEAP = 2_000_000  # images x classes x draws for a few seconds of computing


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

    def among(self, places: np.ndarray) -> "LabelledFeatures":
        return LabelledFeatures(self.inputs[places], self.targets[places], self.is_multilabel, self.widths)


class HeldOutPredictor:
    """Computes held-out predictions for all labelled images, with any part of their labels known.

    Results are (2, ..., L): 1 for right and 0 for wrong, or the mean of several draws; and the calibrated confidence.
    Both are NaN where there is no prediction.
    """

    def __init__(self, labelled: LabelledFeatures) -> None:
        self.labelled = labelled
        feature_map = FeatureMap.fitted(labelled.inputs)
        rows = feature_map(labelled.inputs)
        classes = labelled.targets.shape[1]
        self._state = ClosedForm(rows, classes, linear=feature_map.linear)

    def predict(self, known: np.ndarray) -> np.ndarray:
        """Return (2, L) results of the classifier fitted to the labels at some indices (K)."""
        self._state.relearn(known, self.labelled.targets[known])
        count = len(self.labelled)
        fitted = predict(self._state, is_multilabel=self.labelled.is_multilabel, most_left_out=count)
        probabilities = np.full(self.labelled.targets.shape, np.nan)
        outside = ~self._state.is_labelled
        probabilities[outside] = fitted.probabilities[outside]
        probabilities[fitted.left_out] = fitted.left_out_probabilities
        wanted = self.labelled.targets > 0
        is_known = np.isfinite(probabilities).all(axis=1)
        if fitted.thresholds is None:
            right = wanted[np.arange(count), probabilities.argmax(axis=1)]
            confidence = probabilities.max(axis=1)
        else:
            right = ((probabilities >= fitted.thresholds) == wanted).all(axis=1)
            confidence = np.maximum(probabilities, 1 - probabilities).prod(axis=1)
        return np.where(is_known, [right, confidence], np.nan)

    def predict_by_class_means(self) -> np.ndarray:
        """Return (L) whether the nearest class mean is right, by leave-one-out; NaN for the only image of a class."""
        every = np.arange(len(self.labelled))
        targets, counts = self.labelled.targets, self.labelled.counts
        self._state.relearn(every, targets)
        products = np.where(counts > 0, self._state.to_means_left_out(every), -np.inf)
        is_right = targets[every, products.argmax(axis=1)] > 0
        return np.where(targets @ counts.astype(np.float32) > 1, is_right, np.nan)

    def predict_sizes(self, sizes: tuple[int, ...], *, seed: int = 0, job: JobContext = SILENT) -> np.ndarray:
        """Return (2, K, L) results of the classifier for each number of labels, the mean of several draws.

        Args:
            sizes: (K) numbers of labels, ascending; the last may be all.
            seed: Draws the parts; each contains the smaller ones.
        """
        total = len(self.labelled)
        draws = min(max(2, min(_MOST_DRAWS, _ROWS_DRAWN // total)), max(1, _CHEAP // self.labelled.targets.size))
        orders = nested_orders(self.labelled, draws=draws, seed=seed)
        fits = [(size, order) for size in sizes for order in (orders if size < total else orders[:1])]
        by_size: dict[int, list[np.ndarray]] = {size: [] for size in sizes}
        for done, (size, order) in enumerate(fits, start=1):
            job.check_cancelled()
            by_size[size].append(self.predict(order[:size]))
            job.report(Progress(stage="Measuring the learning curve", done=done, total=len(fits)))
        with warnings.catch_warnings(category=RuntimeWarning, action="ignore"):  # nothing is left: NaN
            return np.stack([np.nanmean(np.stack(drawn), axis=0) for drawn in by_size.values()], axis=1)


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
