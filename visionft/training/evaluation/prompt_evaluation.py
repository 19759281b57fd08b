"""Evaluating prompts: zero-shot accuracy on labelled images, together and prompt by prompt. NumPy only.

Images of the test split are left out: choosing prompts on them would bias their test.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from models.catalog import DEFAULT_TEXT_BACKBONE, get_backbone
from models.text.class_texts import DEFAULT_TEMPLATES, ClassTexts, all_texts, texts_of
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.jobs import SILENT, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.embedding import features_under
from visionft.features.feature_spec import FeatureSpec
from visionft.features.feature_store import Features
from visionft.training.evaluation.metrics import average_precision, wilson_interval

_EQUAL = 1e-5  # cosines closer than this are of the same text


@dataclass(frozen=True, slots=True, kw_only=True)
class LineScore:
    """The scores of one prompt line, used alone for its class; the other classes keep all their lines.

    Attributes:
        accuracy: Accuracy on all images; for several labels the mean average precision.
        recall: Recall of the class; for several labels its average precision.
    """

    line: str
    accuracy: float
    recall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassPromptScore:
    """The scores of the prompts of one class.

    Attributes:
        is_name_alone: Whether the class has no prompt, so its name is used.
        recall: Its recall with all lines together; None without images.
        confused_with: The most frequent wrong prediction; empty where all are right.
        lines: Each line alone, in their order.
    """

    class_name: str
    is_name_alone: bool
    images: int
    recall: float | None
    confused_with: str
    lines: tuple[LineScore, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptReport:
    """Zero-shot accuracy of a project's prompts on its labelled images.

    Attributes:
        backbone: The image and text encoder.
        metric: `accuracy`, or for several labels `average precision`.
        accuracy: With all lines together; `interval` is its 95 % interval (Wilson), none for several labels.
        by_names: Every class by its name alone, in the chosen templates.
    """

    backbone: str
    templates: str
    metric: str
    images: int
    accuracy: float
    interval: tuple[float, float] | None
    by_names: float
    classes: tuple[ClassPromptScore, ...]


def evaluate_prompts(
    project_dir: Path,
    images: Snapshot,
    *,
    backbone: str = DEFAULT_TEXT_BACKBONE,
    templates: str = DEFAULT_TEMPLATES,
    job: JobContext = SILENT,
) -> PromptReport:
    """Evaluate the prompts of a project on its labelled images.

    Args:
        backbone: One with a text encoder.
        templates: A key of `TEMPLATE_SETS`.

    Raises:
        ConfigError: The backbone has no text side.
        VisionFTError: No image outside of the test split has a label, or weights or packages are missing.
        JobCancelled: The user cancelled; computed features are kept.
    """
    from models.text.text_encoder import text_side_of

    text_side_of(get_backbone(backbone))  # refused before any image is read
    chosen = tuple(image for image in images.images if image.labels and image.split != "test")
    if not chosen:
        hint = Message("Label a few images of each class; those of the test split do not count.")
        raise VisionFTError("Prompts are evaluated on labelled images, and there are none.", hint, NextStep("label"))
    classes = all_texts(images.class_names, images.prompts, templates)
    by_name = all_texts(images.class_names, (), templates)
    lines = [[texts_of(each.class_name, (line,), templates) for line in each.lines] for each in classes]
    texts = [text for group in (classes, by_name, *lines) for each in group for text in each.texts]
    evaluator = _open_evaluator(project_dir, images, chosen, texts, backbone=backbone, job=job)
    scores = evaluator.scores(classes)
    accuracy, count = evaluator.accuracy(scores), len(scores)
    return PromptReport(
        backbone=backbone,
        templates=templates,
        metric="average precision" if evaluator.is_multilabel else "accuracy",
        images=count,
        accuracy=accuracy,
        interval=None if evaluator.is_multilabel else wilson_interval(accuracy * count, count),
        by_names=evaluator.accuracy(evaluator.scores(by_name)),
        classes=tuple(
            evaluator.class_score(scores, index, *pair) for index, pair in enumerate(zip(classes, lines, strict=True))
        ),
    )


def predict_by_prompts(
    project_dir: Path, images: Snapshot, chosen: Sequence[SnapshotImage], *, job: JobContext = SILENT
) -> np.ndarray:
    """Return (N) whether zero-shot with the usual network and templates is right for each chosen image, of one label.

    An image without features counts as wrong. Errors are those of `evaluate_prompts`.
    """
    classes = all_texts(images.class_names, images.prompts, DEFAULT_TEMPLATES)
    texts = [text for each in classes for text in each.texts]
    evaluator = _open_evaluator(project_dir, images, chosen, texts, backbone=DEFAULT_TEXT_BACKBONE, job=job)
    right = evaluator.are_right(evaluator.scores(classes))
    return np.array([right.get(image.image_id, False) for image in chosen])


def _open_evaluator(
    project_dir: Path,
    images: Snapshot,
    chosen: Sequence[SnapshotImage],
    texts: Sequence[str],
    *,
    backbone: str,
    job: JobContext,
) -> "_PromptEvaluator":
    """Compute the features of the chosen images and of texts in their common space."""
    from models.text.text_encoder import open_text_side

    row = get_backbone(backbone)
    spec = FeatureSpec(backbone=row.name, image_reading=images.image_reading)
    features = features_under(project_dir, chosen, spec, job=job)
    encoder = open_text_side(row, job=job)
    texts = list(dict.fromkeys(texts))
    points = dict(zip(texts, encoder.encode(texts, job=job).numpy(), strict=True))
    own = features.vectors[:, -features.kind.widths[-1] :].astype(np.float32)  # the network's own embedding
    if encoder.space.projection is not None:
        own = own @ encoder.space.projection.numpy().T
        own += 0 if encoder.space.offset is None else encoder.space.offset.numpy()
    own /= np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    return _PromptEvaluator(features, own, points, images)


class _PromptEvaluator:
    """Compares images with the texts of classes."""

    def __init__(
        self, features: Features, image_points: np.ndarray, text_points: Mapping[str, np.ndarray], images: Snapshot
    ) -> None:
        """Args: `image_points` (N, E) and `text_points` (E) have length 1."""
        self._image_points, self._text_points = image_points, text_points
        self._names, self.is_multilabel = images.class_names, images.task == "multi"
        self._images = features.images
        self._targets = np.zeros((len(features.images), len(images.class_names)), np.float32)
        for row, image in zip(self._targets, features.images, strict=True):
            row[list(image.labels)] = 1

    def scores(self, classes: Sequence[ClassTexts]) -> np.ndarray:
        means = np.stack([np.mean([self._text_points[text] for text in each.texts], axis=0) for each in classes])
        return self._image_points @ (means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)).T

    def are_right(self, scores: np.ndarray) -> dict[int, bool]:
        """Return {image id: whether the class with the highest score is right}."""
        right = self._targets[np.arange(len(scores)), _predictions(scores)] > 0
        return {image.image_id: bool(each) for image, each in zip(self._images, right, strict=True)}

    def accuracy(self, scores: np.ndarray) -> float:
        """Return the accuracy, or for several labels the mean average precision of the classes with images."""
        if not self.is_multilabel:
            return float(self._targets[np.arange(len(scores)), _predictions(scores)].mean())
        known = np.flatnonzero(self._targets.any(axis=0))
        return float(np.mean([average_precision(scores[:, index], self._targets[:, index]) for index in known]))

    def class_score(
        self, scores: np.ndarray, index: int, texts: ClassTexts, lines: Sequence[ClassTexts]
    ) -> ClassPromptScore:
        """Return the scores of the class at `index`: with all its lines, and with each alone."""
        own, alone = self._targets[:, index] > 0, []
        for line, each in zip(texts.lines, lines, strict=True):
            changed = scores.copy()
            changed[:, index] = self.scores([each])[:, 0]
            recall = self._recall(changed, index) or 0.0
            alone.append(LineScore(line=line, accuracy=self.accuracy(changed), recall=recall))
        predictions = _predictions(scores[own])
        wrong = np.bincount(predictions[predictions != index], minlength=len(self._names))
        is_confused = not self.is_multilabel and bool(wrong.sum())
        return ClassPromptScore(
            class_name=texts.class_name,
            is_name_alone=texts.is_name_alone,
            images=int(own.sum()),
            recall=self._recall(scores, index),
            confused_with=self._names[int(wrong.argmax())] if is_confused else "",
            lines=tuple(alone),
        )

    def _recall(self, scores: np.ndarray, index: int) -> float | None:
        own = self._targets[:, index] > 0
        if not own.any():
            return None
        if self.is_multilabel:
            return average_precision(scores[:, index], self._targets[:, index])
        return float((_predictions(scores[own]) == index).mean())


def _predictions(scores: np.ndarray) -> np.ndarray:
    """Return the class (N,) with the highest score in each row of (N, C); the first of equal ones.

    Scores of equal texts count as equal: their cosines differ in the last digit, by the processor's order of addition.
    """
    return (scores >= scores.max(axis=1, keepdims=True) - _EQUAL).argmax(axis=1)
