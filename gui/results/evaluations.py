"""Converts evaluations, comparisons and settings of runs for the widgets. No state, no learning library."""

import dataclasses
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from gui.kit.forms import value_words
from gui.kit.image_model import Tile
from gui.kit.translation import tr
from visionft.core.messages import Message
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.evaluation.comparison import PredictionChange
from visionft.training.evaluation.stored import StoredEvaluation, StoredPrediction, evaluation_file, read_evaluation
from visionft.training.runs.run_folder import Run

MISTAKES, DOUBTFUL, SUREST = (
    Message("Mistakes, most confident first"),
    Message("Correct, least confident first"),
    Message("Correct, most confident first"),
)
ORDERS = (MISTAKES, DOUBTFUL, SUREST)
Cells = list[tuple[str, Any]]


def joined(classes: Iterable[str]) -> str:
    return ", ".join(classes)


class Images:
    """The project's images by id, with their current labels."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self.class_names = snapshot.class_names if snapshot else ()
        self._images = {image.image_id: image for image in snapshot.images} if snapshot else {}

    def get(self, image_id: int) -> SnapshotImage | None:
        """Return an image, or None when it is no longer in the project."""
        return self._images.get(image_id)

    def mark(self, image: SnapshotImage, true_classes: tuple[str, ...]) -> str:
        """Return a note for an image relabelled since the evaluation; else an empty string."""
        now = self.labels(image.image_id)
        if set(now) == set(true_classes):
            return ""
        return tr("now {label}", label=joined(now) or tr("without label"))

    def labels(self, image_id: int) -> tuple[str, ...]:
        image = self._images.get(image_id)
        return tuple(self.class_names[index] for index in image.labels) if image is not None else ()

    def relabelled(self, predictions: Iterable[StoredPrediction]) -> int:
        """Return the number of these images with another label now."""
        pairs = ((self.get(each.image_id), each.true_classes) for each in predictions)
        return sum(image is not None and bool(self.mark(image, true)) for image, true in pairs)


def predicted_items(predictions: Sequence[StoredPrediction], images: Images) -> list[Tile]:
    """Return predictions as tiles; images no longer in the project are omitted."""
    tiles = []
    for each in predictions:
        title = f"{joined(each.predicted) or '–'}  {each.probability:.0%}"
        true = each.true_classes
        detail = tr("correct") if each.is_right else tr("is {name}", name=joined(true))
        tiles.append(_tile(images, each.image_id, true, title=title, detail=detail, is_right=each.is_right))
    return list(filter(None, tiles))


def changed_items(changes: Sequence[PredictionChange], images: Images) -> list[Tile]:
    """Return compared images with the wrong predictions of model 1 and 2."""
    tiles = []
    for each in changes:
        true, predicted = each.true_classes, {1: each.before, 2: each.after}
        wrong = {number: said for number, said in predicted.items() if set(said) != set(true)}
        title = "  ".join(f"{number}: {joined(said) or '–'}" for number, said in wrong.items())
        detail = tr("is {name}", name=joined(true))
        tiles.append(_tile(images, each.image_id, true, title=title, detail=detail, is_right=False))
    return list(filter(None, tiles))


def _tile(
    images: Images, image_id: int, true: tuple[str, ...], *, title: str, detail: str, is_right: bool
) -> Tile | None:
    image = images.get(image_id)
    tone = "good" if is_right else "bad"
    if image is None:
        return None
    mark = images.mark(image, true)
    return Tile(image_id=image_id, path=image.path, title=title, detail=detail, mark=mark, tone=tone)


def ordered(evaluation: StoredEvaluation, order: str) -> list[StoredPrediction]:
    """Return the images of an evaluation in one of `ORDERS`."""
    if order == MISTAKES:
        return list(evaluation.mistakes())
    right = [each for each in evaluation.predictions if each.is_right]
    return sorted(right, key=lambda each: each.probability, reverse=order == SUREST)


def figures(evaluation: StoredEvaluation) -> str:
    """Return the accuracy with its 95 % interval, the balanced accuracy, and the number of unreadable images."""
    low, high = evaluation.top1_interval
    accuracy = tr(
        "Accuracy {share} ({low} to {high})", share=f"{evaluation.top1:.1%}", low=f"{low:.0%}", high=f"{high:.0%}"
    )
    balanced = tr("balanced accuracy {share}", share=f"{evaluation.balanced_accuracy:.1%}")
    unreadable = tr("{count} unreadable image", "{count} unreadable images", count=evaluation.unreadable)
    return " · ".join((accuracy, balanced, *([unreadable] if evaluation.unreadable else [])))


def setting_rows(runs: Sequence[Run], *, only_differing: bool) -> tuple[list[Cells], list[int]]:
    """Return the settings of runs by row, and the rows with differences; those come first."""
    columns = [_settings(run) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    differing = [name for name in names if len({column.get(name) for column in columns}) > 1]
    shown = differing + ([] if only_differing else [name for name in names if name not in differing])
    rows: list[Cells] = [
        [(f"≠  {name}" if name in differing else name, name)] + [(each.get(name, "–"), 0) for each in columns]
        for name in shown
    ]
    return rows, list(range(len(differing)))


def _settings(run: Run) -> dict[str, str]:
    """Return a run's effective settings by label: those of its method; of an ensemble its members and weights."""
    config = run.config
    if run.parts:
        shares = {tr("Weight of {run}", run=part.run): f"{part.share:.0%}" for part in run.parts}
        return {tr("Method"): tr(config.method_row.title), **shares}
    values: dict[str, str] = {}
    for field in dataclasses.fields(config):
        if field.metadata and field.name not in config.unused_settings:
            values[tr(field.metadata["label"])] = value_words(getattr(config, field.name), field)
    for inner in dataclasses.fields(config.method_options):
        name = f"{tr(config.method_row.title)}: {tr(inner.metadata.get('label', inner.name))}"
        values[name] = value_words(getattr(config.method_options, inner.name), inner)
    return values


class StoredEvaluations:
    """Caches the evaluations, read again after a change of their files; not thread-safe: one instance for each user."""

    def __init__(self) -> None:
        self._read: dict[tuple[Path, str], tuple[int, StoredEvaluation | None]] = {}

    def get(self, run: Run, split: str) -> StoredEvaluation | None:
        """Return a run's evaluation on a split; None where it was not measured."""
        file = Path(run.path) / evaluation_file(split)
        key = (run.path, split)
        time = file.stat().st_mtime_ns if file.exists() else 0
        if key not in self._read or self._read[key][0] != time:
            self._read[key] = (time, read_evaluation(run.path, split))
        return self._read[key][1]
