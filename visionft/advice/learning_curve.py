"""The learning curve: accuracy over the number of labels, its extrapolation, and the class to label next.

Measured by the closed-form classifier of the suggestions on frozen features (`suggest`), without training, in seconds;
its accuracy follows that of the linear probe. Images of the test split are left out: runs will be tested on them.

From 60 labels, the forecast for 240 contained the result of the whole sets in 7 of 8 divisions (both shared sets; 95 %
intervals), in 2 s; 1,800 labels take 5 s.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visionft.advice.held_out_predictor import MOST, HeldOutPredictor, LabelledFeatures
from visionft.advice.label_check import check_labels
from visionft.advice.power_law import PowerLaws, draw_laws, image_weights, weighted_means
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ProjectError
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.jobs import SILENT, JobContext

_AHEAD = (2, 4)  # multiples of the current labels
_SIZES, _LEAST = 6, 8  # numbers of labels to measure with; the smallest of them
_LINE = 33  # points of the drawn line
_MOST_CLASSES = 6  # those with the most mistakes
# Weight of the mean confidence against the counts, in images: few counts are noisy. With 72 images the confidence was
# off by .07 and .08 (root mean square, trashnet and sign_digits), counts by .09 and .10; with 1,800 by .02 and 0.
TRUSTED = 200
_ROUND = (5, 10, 20, 40, 100, 200, 500, 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """Accuracy with a number of labels, with its 95 % interval."""

    labels: int
    accuracy: float
    low: float
    high: float

    @classmethod
    def of(cls, labels: int, drawn: np.ndarray) -> "CurvePoint":
        low, middle, high = np.quantile(drawn, (0.025, 0.5, 0.975)).tolist()
        return cls(labels=labels, accuracy=middle, low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """The gain in accuracy from more labels, with its 95 % interval.

    Attributes:
        class_name: The class; empty for all classes in their current proportions.
        recall: Held-out recall of the class; the accuracy where no class is named.
    """

    class_name: str
    labels: int
    recall: float
    added: int
    gain: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCurve:
    """Accuracy over the number of labels.

    Attributes:
        measured: Accuracies with parts of the labels and with all.
        line: The fitted law, from the first of them to four times the labels.
        gains: Gains from more images of a class, the largest first; of the classes with the most mistakes only.
        spread: Gain from as many images, spread over all classes.
    """

    labels: int
    classes: int
    measured: tuple[CurvePoint, ...]
    line: tuple[CurvePoint, ...]
    now: CurvePoint
    ahead: tuple[CurvePoint, ...]
    gains: tuple[Gain, ...]
    spread: Gain

    @property
    def is_estimated(self) -> bool:
        """Return whether `measured` depends more on the mean confidence than on counted predictions."""
        return self.labels < TRUSTED

    @property
    def best_gain(self) -> Gain:
        return max((*self.gains, self.spread), key=lambda each: each.gain)

    def at(self, labels: int) -> CurvePoint:
        """Return the line's estimate for a number of labels, within its ends: interpolated on a logarithmic axis."""
        places = np.log([point.labels for point in self.line])
        accuracy, low, high = (
            float(np.interp(np.log(max(1, labels)), places, [getattr(point, name) for point in self.line]))
            for name in ("accuracy", "low", "high")
        )
        return CurvePoint(labels=labels, accuracy=accuracy, low=low, high=high)


def learning_curve(
    project_dir: Path,
    images: Snapshot,
    *,
    accepted: frozenset[int] = frozenset(),
    added: int = 0,
    seed: int = 0,
    job: JobContext = SILENT,
) -> LearningCurve:
    """Measure the curve of a project; missing features are computed first.

    Args:
        accepted: Images with a label accepted from suggestions only: it came from the same features.
        added: Number of added labels for the gains; 0 uses about as many as a class has.

    Raises:
        ProjectError: There are too few labels.
        VisionFTError: The features cannot be computed.
    """
    check_labels(project_dir, images, accepted)
    labelled, total = labelled_images(embedded(project_dir, images, job=job), images, accepted, seed=seed)
    return curve_of(labelled, images.class_names, total=total, added=added, seed=seed, job=job)[0]


def labelled_images(
    features: Features, images: Snapshot, accepted: frozenset[int] = frozenset(), *, seed: int = 0
) -> tuple[LabelledFeatures, int]:
    """Return the images to measure on, one per content, and their full number; of very many only a sample.

    Raises:
        ProjectError: No class has two readable images.
    """
    by_content: dict[str, SnapshotImage] = {}
    for image in features.images:
        if image.labels and image.split != "test" and image.image_id not in accepted:
            by_content.setdefault(image.sha256, image)
    every = list(by_content.values())
    chosen = np.arange(len(every))
    if len(every) > MOST:
        chosen = np.sort(np.random.default_rng(seed).choice(chosen, MOST, replace=False))
    labelled = LabelledFeatures.of(
        [every[place] for place in chosen], features, len(images.class_names), is_multilabel=images.task == "multi"
    )
    if not len(labelled) or labelled.counts.max() < 2:
        hint = "Check that the images are where they were."
        raise ProjectError("No class has two images that can be read.", hint)
    return labelled, len(every)


def curve_of(
    labelled: LabelledFeatures,
    class_names: tuple[str, ...],
    *,
    total: int = 0,
    added: int = 0,
    seed: int = 0,
    job: JobContext = SILENT,
) -> tuple[LearningCurve, PowerLaws]:
    """Measure the curve of labelled images; the returned laws are the source of its figures.

    Args:
        labelled: The images; one class has two at least.
        class_names: (C) of the targets.
        total: Full number of labels, where these are only a sample; 0 for all.
        added: Number of added labels for the gains; 0 uses about as many as a class has.
    """
    labels = total or len(labelled)
    classes = int(np.count_nonzero(labelled.counts))
    sizes = curve_sizes(len(labelled), classes)
    right, confidence = HeldOutPredictor(labelled).predict_sizes(sizes, seed=seed, job=job)
    weights = image_weights(len(labelled), seed=seed)
    trust = TRUSTED / (TRUSTED + len(labelled))
    shifts = trust * (np.nanmean(confidence, axis=1) - np.nanmean(right, axis=1))  # (K)
    drawn = np.clip(weighted_means(right, weights) + shifts, 0.0, 1.0)
    laws = draw_laws(sizes, drawn, seed=seed)
    many = added or max((each for each in _ROUND if each <= labels / max(1, classes)), default=_ROUND[0])
    now = CurvePoint.of(labels, laws.accuracies(labels))
    line = np.unique(np.geomspace(sizes[0], _AHEAD[-1] * labels, _LINE).round().astype(int)).tolist()
    curve = LearningCurve(
        labels=labels,
        classes=classes,
        measured=tuple(CurvePoint.of(size, drawn[:, place]) for place, size in enumerate(sizes)),
        line=tuple(CurvePoint.of(each, laws.accuracies(each)) for each in line),
        now=now,
        ahead=tuple(CurvePoint.of(times * labels, laws.accuracies(times * labels)) for times in _AHEAD),
        gains=_class_gains(labelled, class_names, right[-1], weights[:, :-2], laws, labels=labels, added=many),
        spread=_gain("", labels, now.accuracy, many, laws.errors(labels) - laws.errors(labels + many)),
    )
    return curve, laws


def curve_sizes(total: int, classes: int) -> tuple[int, ...]:
    """Return numbers of labels to measure with, from an eighth (two a class at least) to all."""
    first = min(total, max(2 * classes, total // 8, _LEAST))
    return tuple(dict.fromkeys(int(each) for each in np.geomspace(first, total, _SIZES).round()))


def _class_gains(
    labelled: LabelledFeatures,
    class_names: tuple[str, ...],
    right: np.ndarray,
    weights: np.ndarray,
    laws: PowerLaws,
    *,
    labels: int,
    added: int,
) -> tuple[Gain, ...]:
    """Return the gains from more images of the classes with the most mistakes, the largest first.

    The mistakes on a class fall over its own labels as all mistakes fall over all labels.
    """
    times = labels / len(labelled)
    wrong = np.where(np.isfinite(right), 1 - right, 0.0)
    mistakes = labelled.targets.T @ wrong  # (C)
    drawn = (weights * wrong) @ labelled.targets  # (B, C)
    shares = drawn / np.maximum((weights @ wrong)[:, None], 1e-9)
    gains = []
    for column in np.argsort(-mistakes, kind="stable")[:_MOST_CLASSES].tolist():
        count = int(labelled.counts[column])
        if count < 2:
            continue
        fewer = 1 - (1 + added / (count * times)) ** -laws.exponent
        gained = shares[:, column] * laws.slope * times**-laws.exponent * fewer
        recall = 1 - float(mistakes[column]) / count
        gains.append(_gain(class_names[column], round(count * times), recall, added, gained))
    return tuple(sorted(gains, key=lambda each: -each.gain))


def _gain(name: str, labels: int, recall: float, added: int, drawn: np.ndarray) -> Gain:
    low, middle, high = np.quantile(drawn, (0.025, 0.5, 0.975)).tolist()
    return Gain(class_name=name, labels=labels, recall=recall, added=added, gain=middle, low=low, high=high)
