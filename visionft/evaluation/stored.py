"""Reading what an evaluation left in a run's folder: figures, confusion, each picture's prediction. Torch-free."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from visionft.evaluation.metrics import ReliabilityBin, wilson_interval
from visionft.files import parse_json, read_json, read_lines
from visionft.training.runs.manifest import weights_hash
from visionft.training.runs.run_folder import BEST_FOLDER

logger = logging.getLogger(__name__)


def evaluation_file(split: str) -> str:
    """Return the name of the file that holds a split's figures."""
    return f"evaluation-{split}.json"


def predictions_file(split: str) -> str:
    """Return the name of the file that holds what was said of each picture of a split."""
    return f"predictions-{split}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What a run said of one picture.

    Attributes:
        true_classes: Its labels when it was evaluated: one, or for several labels any number.
        predicted: What the run said it is, likewise.
        probability: How sure the run was of what it said.
        true_probability: What it gave the true class; None where an earlier program did not note it.
    """

    image_id: int
    true_classes: tuple[str, ...]
    predicted: tuple[str, ...]
    probability: float
    true_probability: float | None = None

    @property
    def is_right(self) -> bool:
        """Tell whether the run was right."""
        return set(self.true_classes) == set(self.predicted)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One class: shares of 1; `recall_interval` is the 95 % interval of its recall."""

    name: str
    precision: float
    recall: float
    recall_interval: tuple[float, float]
    f1: float
    support: int
    average_precision: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvaluation:
    """An evaluation as the run's folder tells it.

    Attributes:
        confusion: Counts with the true class by row; for several labels one row of (true negatives, false positives,
            false negatives, true positives) per class.
        is_multilabel: Whether a picture may have several labels.
        reliability: Bins of the calibrated probabilities; empty where an earlier program did not note them.
    """

    run: str
    split: str
    images: int
    unreadable: int
    top1: float
    top1_interval: tuple[float, float]
    balanced_accuracy: float
    ece: float
    ece_before: float
    temperature: float
    reliability: tuple[ReliabilityBin, ...]
    reliability_before: tuple[ReliabilityBin, ...]
    is_multilabel: bool
    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    scores: tuple[ScoreRow, ...]
    predictions: tuple[Predicted, ...]

    def cell(self, true_index: int, predicted_index: int) -> tuple[Predicted, ...]:
        """Return the pictures of one confusion cell, the surest first."""
        names = ((self.class_names[true_index],), (self.class_names[predicted_index],))
        return _surest_first(each for each in self.predictions if (each.true_classes, each.predicted) == names)

    def worst_pair(self) -> tuple[int, int] | None:
        """Return the (true, predicted) class indices of the most frequent mistake; of equal ones, of a rarer class."""
        counts = np.array(self.confusion, dtype=np.int64)
        if self.is_multilabel or not counts.size:
            return None
        support = counts.sum(axis=1, keepdims=True)
        np.fill_diagonal(counts, 0)
        ranked = counts + (counts / np.maximum(support, 1)) / 2  # a share is at most 1: half of it breaks ties only
        true, predicted = np.unravel_index(int(ranked.argmax()), counts.shape)
        return (int(true), int(predicted)) if counts[true, predicted] else None

    def mistakes(self) -> tuple[Predicted, ...]:
        """Return the wrongly classified pictures, the surest mistake first."""
        return _surest_first(each for each in self.predictions if not each.is_right)


def _surest_first(chosen: Any) -> tuple[Predicted, ...]:
    return tuple(sorted(chosen, key=lambda each: -each.probability))


def read_evaluation(run_dir: Path, split: str) -> StoredEvaluation | None:
    """Return the evaluation of a run on a split; None when there is none that can be read and is of its weights."""
    try:
        if not (stored := _figures(run_dir, split)):
            return None
        lines = read_lines(run_dir / predictions_file(split))
        return _evaluation(stored, [_parsed(line) for line in lines if line])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        logger.warning("The evaluation in %s cannot be read: %s", run_dir, error)
        return None


def _parsed(line: str) -> dict[str, Any]:
    """Return what was said of a picture, without the probability of every class: of 1,000 classes that is all but all.

    They stand last, and no text in JSON can hold the quotes of their name unescaped.
    """
    said, found, _ = line.partition(', "probabilities": {')
    return parse_json(f"{said}}}" if found else line)


def read_probabilities(run_dir: Path, split: str) -> dict[int, dict[str, float]]:
    """Return the calibrated probability of every class, by picture id; empty where there are none that can be read."""
    try:
        if not _figures(run_dir, split):
            return {}
        parsed = (parse_json(line) for line in read_lines(run_dir / predictions_file(split)) if line)
        return {int(line["image_id"]): dict(line["probabilities"]) for line in parsed if "probabilities" in line}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        logger.warning("The predictions in %s cannot be read: %s", run_dir, error)
        return {}


def temperature_of(run_dir: Path) -> float:
    """Return the temperature that was fitted to a run on validation; 1 where it was not evaluated."""
    try:
        return float(_figures(run_dir, "val").get("temperature", 1.0))
    except (OSError, ValueError, TypeError, AttributeError):
        return 1.0


def _figures(run_dir: Path, split: str) -> dict[str, Any]:
    """Return what was measured; nothing where training went on since, and keeps other weights now."""
    stored: dict[str, Any] = read_json(run_dir / evaluation_file(split))
    measured, kept = stored.get("weights", ""), weights_hash(run_dir / BEST_FOLDER)
    return stored if not measured or not kept or measured == kept else {}


def _evaluation(stored: dict[str, Any], lines: list[dict[str, Any]]) -> StoredEvaluation:
    per_class: dict[str, dict[str, Any]] = stored["per_class"]
    low, high = stored["top1_interval"]
    return StoredEvaluation(
        run=stored["run"],
        split=stored["split"],
        images=stored["images"],
        unreadable=stored["unreadable"],
        top1=stored["top1"],
        top1_interval=(low, high),
        balanced_accuracy=stored["balanced_accuracy"],
        ece=stored["ece"],
        ece_before=stored.get("ece_before", stored["ece"]),
        temperature=stored["temperature"],
        reliability=_bins(stored, "reliability"),
        reliability_before=_bins(stored, "reliability_before"),
        is_multilabel=stored.get("mean_average_precision") is not None,
        class_names=tuple(per_class),
        confusion=tuple(tuple(line) for line in stored["confusion"]),
        scores=tuple(_score(name, values) for name, values in per_class.items()),
        predictions=tuple(_predicted(line, tuple(per_class)) for line in lines),
    )


def _bins(stored: dict[str, Any], name: str) -> tuple[ReliabilityBin, ...]:
    return tuple(ReliabilityBin(**values) for values in stored.get(name, ()))


def _predicted(line: dict[str, Any], class_names: tuple[str, ...]) -> Predicted:
    return Predicted(
        image_id=line["image_id"],
        true_classes=_classes(line["classes"] if "classes" in line else line["class"], class_names),
        predicted=_classes(line["predicted"], class_names),
        probability=line["probability"],
        true_probability=line.get("true_probability"),
    )


def _classes(stored: list[str] | str, class_names: tuple[str, ...]) -> tuple[str, ...]:
    """Return classes as they were written: a list, or by an earlier program a text joined by commas."""
    if isinstance(stored, list):
        return tuple(stored)
    found = _unjoined(stored, class_names) if stored else ()
    return (stored,) if found is None else found


def _unjoined(text: str, class_names: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return the classes whose names make up a text, joined in the order of the classes; None where none do."""
    for place, name in enumerate(class_names):
        if text == name:
            return (name,)
        if text.startswith(f"{name}, "):
            rest = _unjoined(text.removeprefix(f"{name}, "), class_names[place + 1 :])
            if rest is not None:
                return (name, *rest)
    return None


def _score(name: str, values: dict[str, Any]) -> ScoreRow:
    support = values["support"]
    return ScoreRow(
        name=name,
        precision=values["precision"],
        recall=values["recall"],
        recall_interval=wilson_interval(values["recall"] * support, support),
        f1=values["f1"],
        support=support,
        average_precision=values.get("average_precision"),
    )
