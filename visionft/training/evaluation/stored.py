"""Evaluations of a run: metrics and predictions on a split, stored in the run's folder. Torch-free."""

import dataclasses
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionft.core.files import parse_json, read_json, read_lines, write_json, write_text
from visionft.core.records import Record, none_if_unreadable
from visionft.data.types import SnapshotImage, Split
from visionft.training.evaluation.metrics import ClassScore, ReliabilityBin, wilson_interval
from visionft.training.runs.manifest import BEST_FOLDER, weights_hash


def evaluation_file(split: str) -> str:
    return f"evaluation-{split}.json"


def predictions_file(split: str) -> str:
    return f"predictions-{split}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(Record):
    """The metrics of a run on one split, from 0 to 1.

    Attributes:
        top1: Top-1 accuracy; for several labels, the subset accuracy (all labels right).
        groups: Number of groups of related images; each image alone is one. None in earlier versions.
        top1_interval: 95 % interval of `top1`, with as many images as their groups are worth.
        top5: Top-5 accuracy; None for several labels.
        balanced_accuracy: Mean recall of the classes with images.
        ece: Expected calibration error of the calibrated probabilities.
        temperature: Divisor of the logits before the softmax, fitted on the validation split.
        confusion: Counts, true class by row, in the order of `per_class`; for several labels one row of (true
            negatives, false positives, false negatives, true positives) per class.
        unreadable: Number of images that could not be decoded, which are excluded.
        mean_average_precision: Mean over the classes with images; multi-label only, like the F1 scores.
        ece_before: `ece` without temperature scaling.
        reliability: The bins of `ece`. `reliability_before` has the bins of `ece_before`.
        weights: Hash of the evaluated weights, as continued training may replace them.
        seen: Number of images that the run was trained on or, for the test split, selected on (`unseen.count_seen`).
        leaked: Number of near-duplicates of images that the run learned from; None if the search was not possible
            (`unseen.leaked_images`).
        without_leaked: `top1` without leaked images; None if all images leaked or `leaked` is None. The same for its
            95 % interval `without_leaked_interval`.
        labels: Digest of the labels that a k-NN run predicted from (`RunModel.labels`); empty for other runs.
    """

    run: str
    split: Split
    images: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float | None = None
    balanced_accuracy: float
    ece: float
    temperature: float
    per_class: dict[str, ClassScore]
    confusion: tuple[tuple[int, ...], ...]
    unreadable: int
    mean_average_precision: float | None = None
    micro_f1: float | None = None
    macro_f1: float | None = None
    ece_before: float = 0.0
    reliability: tuple[ReliabilityBin, ...] = ()
    reliability_before: tuple[ReliabilityBin, ...] = ()
    weights: str = ""
    labels: str = ""
    seen: int = 0
    groups: int | None = None
    leaked: int | None = None
    without_leaked: float | None = None
    without_leaked_interval: tuple[float, float] | None = None

    @property
    def accuracy(self) -> float:
        """Return the top-1 accuracy from 0 to 1; for several labels, the subset accuracy."""
        return self.top1

    @property
    def class_names(self) -> tuple[str, ...]:
        return tuple(self.per_class)

    @property
    def is_multilabel(self) -> bool:
        return self.mean_average_precision is not None

    def worst_pair(self) -> tuple[int, int] | None:
        """Return the (true, predicted) class indices of the most frequent error; ties go to the rarer true class."""
        counts = np.array(self.confusion, dtype=np.int64)
        if self.is_multilabel or not counts.size:
            return None
        support = counts.sum(axis=1, keepdims=True)
        np.fill_diagonal(counts, 0)
        ranked = counts + (counts / np.maximum(support, 1)) / 2  # the added error rate / 2 is below 1: it breaks ties
        true, predicted = np.unravel_index(int(ranked.argmax()), counts.shape)
        return (int(true), int(predicted)) if counts[true, predicted] else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPrediction:
    """The prediction of a run for one image.

    Attributes:
        true_classes: Its labels at the time of evaluation; exactly one for single-label projects.
        true_probability: Probability of the true class; None in files of an earlier version without it.
        is_leaked: Whether it is a near-duplicate of an image that the run learned from.
    """

    image_id: int
    true_classes: tuple[str, ...]
    predicted: tuple[str, ...]
    probability: float
    true_probability: float | None = None
    is_leaked: bool = False

    @property
    def is_right(self) -> bool:
        return set(self.true_classes) == set(self.predicted)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvaluation(Evaluation):
    """An evaluation with its predictions."""

    predictions: tuple[StoredPrediction, ...]

    def covers(self, labels_of: Mapping[int, frozenset[str]]) -> bool:
        """Return whether it evaluated exactly these images with these labels, apart from unreadable images."""
        evaluated = {each.image_id: frozenset(each.true_classes) for each in self.predictions}
        is_same = all(labels_of.get(image_id) == classes for image_id, classes in evaluated.items())
        return is_same and len(labels_of) - len(evaluated) <= self.unreadable

    def is_current(self, labels_of: Mapping[int, frozenset[str]], labels: str) -> bool:
        """Return whether evaluating the same weights again would give the same result.

        Args:
            labels_of: {image id: labels} of the current images, as in `covers`.
            labels: Digest of the labels that the run predicts from now (`retrieval.labels_digest`).
        """
        return self.labels == labels and self.covers(labels_of)

    def cell(self, true_index: int, predicted_index: int) -> tuple[StoredPrediction, ...]:
        names = ((self.class_names[true_index],), (self.class_names[predicted_index],))
        found = (each for each in self.predictions if (each.true_classes, each.predicted) == names)
        return tuple(sorted(found, key=lambda each: -each.probability))

    def mistakes(self) -> tuple[StoredPrediction, ...]:
        found = (each for each in self.predictions if not each.is_right)
        return tuple(sorted(found, key=lambda each: -each.probability))


def write_evaluation(
    folder: Path,
    evaluation: Evaluation,
    images: Sequence[SnapshotImage],
    targets: np.ndarray,
    probabilities: np.ndarray,
    thresholds: np.ndarray | None = None,
    *,
    leaked: Collection[int] = (),
) -> None:
    """Write the metrics, and for each image its classes and the calibrated probability of every class.

    For several labels, `probability` belongs to the most confident error, or to the best class if all labels are right.

    Args:
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
        probabilities: (N, C).
        thresholds: (C,) for several labels.
        leaked: Ids of the images that are near-duplicates of images that the run learned from.
    """
    lines = []
    names = np.array(evaluation.class_names, object)
    for image, target, row in zip(images, targets, probabilities, strict=True):
        if thresholds is None:
            true = [int(target)]
            predicted = [int(row.argmax())]
            confidence = float(row.max())
        else:
            true, predicted = np.flatnonzero(target).tolist(), np.flatnonzero(row >= thresholds).tolist()
            errors = [float(row[each] if each in predicted else 1 - row[each]) for each in set(true) ^ set(predicted)]
            confidence = max(errors, default=float(row.max()))
        record = {
            "image_id": image.image_id,
            "file": str(image.path),
            "classes": names[true].tolist(),
            "predicted": names[predicted].tolist(),
            "probability": round(confidence, 6),
            "true_probability": round(float(row[true].min()), 6),
            **({"leaked": True} if image.image_id in leaked else {}),
            "probabilities": {name: round(float(value), 6) for name, value in zip(names, row, strict=True)},
        }
        lines.append(json.dumps(record, ensure_ascii=False))
    write_text(folder / predictions_file(evaluation.split), "\n".join(lines) + "\n")
    write_json(folder / evaluation_file(evaluation.split), asdict(evaluation))


@none_if_unreadable
def read_evaluation(run_dir: Path, split: str, *, with_predictions: bool = True) -> StoredEvaluation | None:
    """Return the evaluation of a run on a split; None if it is missing, unreadable, or of other weights."""
    if not (stored := _metrics(run_dir, split)):
        return None
    lines = read_lines(run_dir / predictions_file(split)) if with_predictions else ()
    return _evaluation(stored, [line for line in lines if line])


def stored_evaluations(run_dir: Path) -> dict[Split, Evaluation]:
    """Return {split: evaluation} for validation and test, without predictions."""
    evaluations: dict[Split, Evaluation] = {}
    for split in ("val", "test"):
        if (evaluation := read_evaluation(run_dir, split, with_predictions=False)) is not None:
            evaluations[split] = evaluation
    return evaluations


def temperature_of(run_dir: Path) -> float:
    """Return the temperature fitted on validation; 1 for a run without evaluation."""
    try:
        return float(_metrics(run_dir, "val").get("temperature", 1.0))
    except (OSError, ValueError, TypeError, AttributeError):
        return 1.0


def _metrics(run_dir: Path, split: str) -> dict[str, Any]:
    """Return the stored metrics; empty if continued training has replaced the evaluated weights."""
    stored: dict[str, Any] = read_json(run_dir / evaluation_file(split))
    evaluated = stored.get("weights", "")
    current = weights_hash(run_dir / BEST_FOLDER)
    return stored if not evaluated or not current or evaluated == current else {}


def _evaluation(stored: dict[str, Any], lines: list[str]) -> StoredEvaluation:
    low, high = stored["top1_interval"]
    values = {
        "ece_before": stored["ece"],  # default for files of earlier versions
        **{field.name: stored[field.name] for field in dataclasses.fields(Evaluation) if field.name in stored},
        "top1_interval": (low, high),
        "per_class": {name: _class_score(**score) for name, score in stored["per_class"].items()},
        "confusion": tuple(tuple(line) for line in stored["confusion"]),
        "reliability": tuple(ReliabilityBin(**each) for each in stored.get("reliability", ())),
        "reliability_before": tuple(ReliabilityBin(**each) for each in stored.get("reliability_before", ())),
    }
    predictions: list[StoredPrediction] = []
    for line in lines:
        # The class probabilities are skipped: with 1,000 classes they are most of the line. They come last, and a JSON
        # string cannot contain the unescaped quotes of their key.
        start, mark, _ = line.partition(', "probabilities": {')
        record: dict[str, Any] = parse_json(f"{start}}}" if mark else line)
        prediction = StoredPrediction(
            image_id=record["image_id"],
            true_classes=tuple(record["classes"]),
            predicted=tuple(record["predicted"]),
            probability=record["probability"],
            true_probability=record.get("true_probability"),
            is_leaked=record.get("leaked") is True,
        )
        predictions.append(prediction)
    if values.get("without_leaked_interval"):
        low, high = values["without_leaked_interval"]
        values["without_leaked_interval"] = (low, high)
    return StoredEvaluation(**values, predictions=tuple(predictions))


def _class_score(*, support: int, recall: float, **values: Any) -> ClassScore:
    if not support:  # earlier versions stored zeros
        return ClassScore(precision=None, recall=None, f1=None, support=0)
    low, high = values.pop("recall_interval", None) or wilson_interval(recall * support, support)
    values["recall_interval"] = (low, high)
    return ClassScore(support=support, recall=recall, **values)
