"""Reading what an evaluation left in a run's folder: figures, confusion, each picture's prediction. Torch-free."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.evaluation.metrics import wilson_interval

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicted:
    """What a run said of one picture."""

    image_id: int
    true_class: str
    predicted: str
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow:
    """One class: shares of 1; `recall_interval` is the 95 % interval of its recall."""

    name: str
    precision: float
    recall: float
    recall_interval: tuple[float, float]
    f1: float
    support: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvaluation:
    """An evaluation as the run's folder tells it; `confusion` has the true class by row."""

    split: str
    images: int
    top1: float
    top1_interval: tuple[float, float]
    balanced_accuracy: float
    ece: float
    class_names: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    scores: tuple[ScoreRow, ...]
    predictions: tuple[Predicted, ...]

    def cell(self, true_index: int, predicted_index: int) -> tuple[int, ...]:
        """Return the pictures of one confusion cell, the surest first."""
        names = (self.class_names[true_index], self.class_names[predicted_index])
        chosen = [each for each in self.predictions if (each.true_class, each.predicted) == names]
        return tuple(each.image_id for each in sorted(chosen, key=lambda each: -each.probability))

    def mistakes(self) -> tuple[int, ...]:
        """Return the wrongly classified pictures, the surest mistake first."""
        wrong = [each for each in self.predictions if each.true_class != each.predicted]
        return tuple(each.image_id for each in sorted(wrong, key=lambda each: -each.probability))


def read_evaluation(run_dir: Path, split: str) -> StoredEvaluation | None:
    """Return the evaluation of a run on a split; None when there is none or it cannot be read."""
    try:
        stored = json.loads((run_dir / f"evaluation-{split}.json").read_text(encoding="utf-8"))
        lines = (run_dir / f"predictions-{split}.jsonl").read_text(encoding="utf-8").splitlines()
        return _evaluation(stored, [json.loads(line) for line in lines])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        logger.warning("The evaluation in %s cannot be read: %s", run_dir, error)
        return None


def _evaluation(stored: dict[str, Any], lines: list[dict[str, Any]]) -> StoredEvaluation:
    per_class: dict[str, dict[str, Any]] = stored["per_class"]
    return StoredEvaluation(
        split=stored["split"],
        images=stored["images"],
        top1=stored["top1"],
        top1_interval=tuple(stored["top1_interval"]),
        balanced_accuracy=stored["balanced_accuracy"],
        ece=stored["ece"],
        class_names=tuple(per_class),
        confusion=tuple(tuple(line) for line in stored["confusion"]),
        scores=tuple(_score(name, values) for name, values in per_class.items()),
        predictions=tuple(
            Predicted(
                image_id=line["image_id"],
                true_class=line["class"],
                predicted=line["predicted"],
                probability=line["probability"],
            )
            for line in lines
        ),
    )


def _score(name: str, values: dict[str, Any]) -> ScoreRow:
    support = values["support"]
    return ScoreRow(
        name=name,
        precision=values["precision"],
        recall=values["recall"],
        recall_interval=wilson_interval(values["recall"] * support, support),
        f1=values["f1"],
        support=support,
    )
