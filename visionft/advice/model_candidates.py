"""Model candidates of a recommendation: existing runs, training-free methods, and forecasts of training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from models.messages import Message
from models.methods.table import METHODS
from models.parameters import count_parameters
from visionft.advice.forecast import ErrorRatio, forecast_accuracy
from visionft.advice.held_out_predictor import HeldOutPredictor, LabelledFeatures
from visionft.advice.power_law import PowerLaws
from visionft.data.types import Snapshot, Split
from visionft.errors import RunError, VisionFTError
from visionft.evaluation.leaderboard import read_leaderboard
from visionft.evaluation.metrics import wilson_interval
from visionft.evaluation.unseen import unseen_evaluation
from visionft.heads.knn.knn_fitting import fit_memory
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import Estimate, SetFacts, estimate_run, known_estimate
from visionft.training.runs.run_folder import list_runs
from visionft.training.runs.run_snapshot import read_snapshot

Kind = Literal["run", "free", "trained"]

_SAME_LABELS = 0.9  # least share of today's training images for a run to replace its method
_LARGEST_HEAD = 40_000_000  # images x features x classes: the largest linear head to solve here


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCandidate:
    """A model candidate with its accuracy and costs.

    Attributes:
        name: A run's name, or a method's; `title` is the name for display.
        accuracy: Measured or forecast; `low` and `high` its 95 % interval.
        images: Number of images behind the measurement; 0 for a forecast.
        train_images: Number of training images of a run; 0 for others, or where its folder does not record it.
        seconds: Time to make it; 0 for an existing run, None where it was not measured.
        milliseconds: Time of a prediction, reading the image included; None likewise.
        size_mb: Size to ship, in MB; None likewise.
        memory_mb: Memory to make it, in MiB; None likewise.
        preset: The preset to make it with; empty for none.
        refusal: Reason against it; empty for none.
        is_unseen: Whether no image behind its accuracy trained or chose it.
    """

    COMPUTED: ClassVar = ("expected", "is_forecast")

    name: str
    title: str
    kind: Kind
    method: str
    backbone: str
    accuracy: float
    low: float
    high: float
    images: int = 0
    train_images: int = 0
    seconds: float | None = None
    milliseconds: float | None = None
    size_mb: float | None = None
    memory_mb: int | None = None
    preset: str = ""
    refusal: str = ""
    is_unseen: bool = True

    @property
    def is_forecast(self) -> bool:
        """Return whether it is still to be trained."""
        return self.kind == "trained"

    @property
    def expected(self) -> float:
        """Return the accuracy that candidates are compared by, to a tenth of a point.

        A measured one counts half an image more as right, and as wrong (Jeffreys): eight of eight is not perfect.
        """
        accuracy = (self.accuracy * self.images + 0.5) / (self.images + 1) if self.images else self.accuracy
        return round(accuracy, 3)


def training_free_candidates(
    labelled: LabelledFeatures,
    laws: PowerLaws,
    quick: TrainConfig,
    images: Snapshot,
    *,
    milliseconds: Mapping[str, float],
    job: JobContext,
) -> list[ModelCandidate]:
    """Return the training-free methods, measured on held-out images.

    Args:
        laws: The learning curve of the images, in place of a linear head too large to solve.
        milliseconds: {backbone: time of an image}.
    """
    candidates = []
    for name, accuracy, count in _held_out_accuracies(labelled, laws, job):
        shares = (accuracy, *wilson_interval(accuracy * count, count))
        config = replace(quick, method=name)
        candidate = _candidate(config, shares, kind="free", images=images, milliseconds=milliseconds)
        candidates.append(replace(candidate, images=count, preset="quick" if config == quick else ""))
    return candidates


def _held_out_accuracies(
    labelled: LabelledFeatures, laws: PowerLaws, job: JobContext
) -> Iterator[tuple[str, float, int]]:
    """Yield method, held-out accuracy, and number of evaluated images."""
    if not labelled.is_multilabel:
        right = HeldOutPredictor(labelled).predict_by_class_means()
        yield "prototype", float(np.nanmean(right)), int(np.isfinite(right).sum())
    widths = labelled.widths or (labelled.inputs.shape[1],)
    options = {"widths": widths, "is_multilabel": labelled.is_multilabel, "job": job}
    if "knn" in METHODS:
        memory = fit_memory(labelled.inputs, labelled.targets, **options)
        if memory.accuracy is not None:
            yield "knn", memory.accuracy, len(memory.places)
    if labelled.inputs.size * labelled.targets.shape[1] > _LARGEST_HEAD:
        yield "linear", float(np.median(laws.accuracies(len(labelled)))), len(labelled)
        return
    from visionft.heads.linear_head import fit_head

    head = fit_head(labelled.inputs, labelled.targets, **options)
    if head.accuracy is not None:
        yield "linear", head.accuracy, len(head.places)


def trained_candidate(
    config: TrainConfig,
    base: ModelCandidate,
    ratio: ErrorRatio,
    images: Snapshot,
    *,
    milliseconds: Mapping[str, float],
) -> ModelCandidate:
    """Return the forecast of training the preset Balanced, from the errors of the best training-free method, `base`."""
    shares = forecast_accuracy(1 - base.accuracy, base.images, ratio)
    found = _candidate(config, shares, kind="trained", images=images, milliseconds=milliseconds)
    return replace(found, preset="balanced")


def _candidate(
    config: TrainConfig, shares: Sequence[float], *, kind: Kind, images: Snapshot, milliseconds: Mapping[str, float]
) -> ModelCandidate:
    accuracy, low, high = shares
    parameters = count_parameters(
        config.backbone_row,
        config.method_row,
        classes=max(2, len(images.class_names)),
        options=config.method_options,
        shape=config.input_shape,
    )
    return ModelCandidate(
        name=config.method,
        title=config.method_row.title,
        kind=kind,
        method=config.method,
        backbone=config.backbone,
        accuracy=accuracy,
        low=low,
        high=high,
        milliseconds=milliseconds.get(config.backbone),
        size_mb=parameters.total * 4 / 1e6,
    )


def with_cost(candidate: ModelCandidate, cost: Estimate | str) -> ModelCandidate:
    """Add the cost of making a candidate; a reason against it refuses only training."""
    if isinstance(cost, str):
        return replace(candidate, refusal=cost if candidate.is_forecast else "")
    return replace(candidate, seconds=cost.seconds, memory_mb=cost.memory_mb)


def cost_of(config: TrainConfig, images: Snapshot, *, job: JobContext) -> Estimate | str:
    """Return the cost of a run, measured earlier or by a few steps now; or the reason against making it."""
    known = known_estimate(config, SetFacts.of(images))
    if known is not None or job.is_cancelled:
        return known or Message("It was not measured.")
    try:
        return estimate_run(config, images, job=job)
    except VisionFTError as error:
        return error.message


def run_candidates(project_dir: Path, images: Snapshot) -> list[ModelCandidate]:
    """Return the runs measured on today's test images, or validation images where there are none."""
    runs = {run.name: run for run in list_runs(project_dir)}
    found = []
    split: Split = "test" if images.labelled("test") else "val"
    for row in read_leaderboard(tuple(runs.values()), images, split).ranked:
        run, accuracy = runs[row.run], row.top1 or 0.0
        low, high = row.top1_interval or (accuracy, accuracy)
        try:
            train_images = len(read_snapshot(run.path).labelled("train"))
        except RunError:
            train_images = 0
        found.append(
            ModelCandidate(
                name=row.run,
                title=row.title,
                kind="run",
                method=run.config.method,
                backbone=run.config.backbone,
                accuracy=accuracy,
                low=low,
                high=high,
                images=row.images,
                train_images=train_images,
                seconds=0.0,
                milliseconds=row.milliseconds,
                size_mb=row.cost.shipped_bytes / 1e6 if row.cost.shipped_bytes else None,
                memory_mb=row.cost.memory_mb,
                is_unseen=unseen_evaluation(run) is not None,
            )
        )
    return found


def merge_runs(
    methods: Sequence[ModelCandidate], runs: Sequence[ModelCandidate], train_images: int
) -> list[ModelCandidate]:
    """Return all runs, and the methods without a run from about as many labels."""
    made = {(run.method, run.backbone) for run in runs if run.train_images >= _SAME_LABELS * train_images}
    return [*runs, *(each for each in methods if (each.method, each.backbone) not in made)]
