"""Evaluations, comparisons and settings of runs as what the widgets show. No state, no learning library."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gui.kit.i18n import tr
from gui.kit.picture_model import Tile
from visionft.data.types import Snapshot, SnapshotImage
from visionft.evaluation.comparison import Changed
from visionft.evaluation.stored import Predicted, ScoreRow, StoredEvaluation
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RunSummary

MISTAKES, DOUBTFUL, SUREST = "Mistakes, the surest first", "Right, the least sure first", "Right, the surest first"
ORDERS = (MISTAKES, DOUBTFUL, SUREST)
SCORE_HEADERS = ("Class", "Pictures", "Precision", "F1", "Recall", "Recall with its 95 % interval")

Cells = list[tuple[str, Any]]


def joined(classes: Iterable[str]) -> str:
    """Return class names as the screen shows them."""
    return ", ".join(classes)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCurve:
    """A run's validation figures by epoch, and the epoch it kept; `colour` is its place among the colours."""

    name: str
    colour: int
    epochs: tuple[int, ...]
    loss: tuple[float, ...]
    accuracy: tuple[float, ...]
    best_epoch: int | None


class Pictures:
    """The project's pictures by id, with the labels they have now."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self._names = snapshot.class_names if snapshot else ()
        self._images = {image.image_id: image for image in snapshot.images} if snapshot else {}

    def get(self, image_id: int) -> SnapshotImage | None:
        """Return a picture, or None when it is no longer in the project."""
        return self._images.get(image_id)

    def mark(self, image: SnapshotImage, true_classes: tuple[str, ...]) -> str:
        """Return what to say of a picture whose label is another one than when it was evaluated; else nothing."""
        now = self.labels(image.image_id)
        if set(now) == set(true_classes):
            return ""
        return tr("now {label}", label=joined(now) or tr("without label"))

    def labels(self, image_id: int) -> tuple[str, ...]:
        """Return the classes that a picture has now."""
        image = self._images.get(image_id)
        return tuple(self._names[index] for index in image.labels) if image is not None else ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """The project's classes."""
        return self._names

    def relabelled(self, predictions: Iterable[Predicted]) -> int:
        """Return how many of these pictures have another label by now."""
        pairs = ((self.get(each.image_id), each.true_classes) for each in predictions)
        return sum(image is not None and bool(self.mark(image, true)) for image, true in pairs)


def predicted_items(predictions: Sequence[Predicted], pictures: Pictures) -> list[Tile]:
    """Return predictions as pictures; those that left the project are left out."""
    found = ((each, pictures.get(each.image_id)) for each in predictions)
    return [
        Tile(
            image_id=each.image_id,
            path=image.path,
            title=f"{joined(each.predicted) or '–'}  {each.probability:.0%}",
            detail=tr("right") if each.is_right else tr("is {name}", name=joined(each.true_classes)),
            mark=pictures.mark(image, each.true_classes),
            tone="good" if each.is_right else "bad",
        )
        for each, image in found
        if image is not None
    ]


def changed_items(changes: Sequence[Changed], pictures: Pictures) -> list[Tile]:
    """Return what changed between two runs as pictures."""
    found = ((each, pictures.get(each.image_id)) for each in changes)
    return [
        Tile(
            image_id=each.image_id,
            path=image.path,
            title=f"{joined(each.before) or '–'} → {joined(each.after) or '–'}",
            detail=tr("is {name}", name=joined(each.true_classes)),
            mark=pictures.mark(image, each.true_classes),
            tone="good" if set(each.after) == set(each.true_classes) else "bad",
        )
        for each, image in found
        if image is not None
    ]


def ordered(evaluation: StoredEvaluation, order: str) -> list[Predicted]:
    """Return the pictures of an evaluation in one of `ORDERS`."""
    if order == MISTAKES:
        return list(evaluation.mistakes())
    right = [each for each in evaluation.predictions if each.is_right]
    return sorted(right, key=lambda each: each.probability, reverse=order == SUREST)


def score_cells(score: ScoreRow) -> Cells:
    """Return a class's scores in the order of `SCORE_HEADERS`."""
    low, high = score.recall_interval
    return [
        (score.name, score.name.casefold()),
        (f"{score.support:,}", score.support),
        (f"{score.precision:.1%}", score.precision),
        (f"{score.f1:.1%}", score.f1),
        (f"{score.recall:.1%}", score.recall),
        (f"{low:.0%} to {high:.0%}", (low, score.recall, high)),
    ]


def figures(evaluation: StoredEvaluation) -> str:
    """Return an evaluation in a line."""
    low, high = evaluation.top1_interval
    unread = tr(", {n} unreadable", n=f"{evaluation.unreadable:,}") if evaluation.unreadable else ""
    return tr(
        "{right} right ({low} to {high}), balanced {balanced}{unread}",
        right=f"{evaluation.top1:.1%}",
        low=f"{low:.1%}",
        high=f"{high:.1%}",
        balanced=f"{evaluation.balanced_accuracy:.1%}",
        unread=unread,
    )


def curve(run: RunSummary, colour: int) -> RunCurve:
    """Return a run's validation curves."""
    return RunCurve(
        name=run.title,
        colour=colour,
        epochs=tuple(epoch.epoch for epoch in run.epochs if epoch.figures),
        loss=tuple(epoch.figures[0] for epoch in run.epochs if epoch.figures),
        accuracy=tuple(epoch.figures[1] for epoch in run.epochs if epoch.figures),
        best_epoch=run.best.epoch if run.best else None,
    )


def setting_rows(runs: Sequence[RunSummary], *, only_differing: bool) -> tuple[list[Cells], list[int]]:
    """Return the settings of runs by row, and which rows differ; those come first."""
    columns = [_shares(run) if run.parts else _flat(run.config) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    differing = [name for name in names if len({str(column.get(name)) for column in columns}) > 1]
    shown = differing + ([] if only_differing else [name for name in names if name not in differing])
    rows: list[Cells] = [
        [(f"≠  {name}" if name in differing else name, name)] + [(_shown(each.get(name)), 0) for each in columns]
        for name in shown
    ]
    return rows, list(range(len(differing)))


def _shown(value: object) -> str:
    if value is None or value == "":
        return "–"
    return (tr("yes") if value else tr("no")) if isinstance(value, bool) else str(value)


def _shares(run: RunSummary) -> dict[str, object]:
    """Return what a combination is made of: its own settings are those of no training."""
    shares: dict[str, object] = {tr("Share of {run}", run=part.run): f"{part.share:.0%}" for part in run.parts}
    return {"Method": run.config.method, **shares}


def _flat(config: TrainConfig) -> dict[str, object]:
    """Return the settings by label; those of the methods that were not used are left out."""
    values: dict[str, object] = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not dataclasses.is_dataclass(value):
            values[field.metadata.get("label", field.name)] = _chosen(value, field.metadata)
    for inner in dataclasses.fields(config.method_options):
        name = f"{config.method_row.title}: {inner.metadata.get('label', inner.name)}"
        values[name] = _chosen(getattr(config.method_options, inner.name), inner.metadata)
    return values


def _chosen(value: object, metadata: Mapping[str, Any]) -> object:
    """Return a setting's value, or that it was left to the program: 0 as a learning rate would say something else."""
    automatic = metadata.get("automatic")
    return tr("automatic") if automatic is not None and value == automatic else value
