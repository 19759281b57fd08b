"""Model candidates of a recommendation: existing runs, training-free methods, and forecasts of training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from models.messages import Message
from models.methods.table import METHODS
from models.parameters import count_parameters
from visionft.advice.forecast import ErrorRatio, forecast_accuracy
from visionft.advice.held_out_predictor import HeldOutPredictor, LabelledFeatures
from visionft.advice.power_law import PowerLaws
from visionft.data.types import Snapshot
from visionft.errors import RunError, VisionFTError
from visionft.evaluation.leaderboard import LeaderboardRow, read_leaderboard
from visionft.evaluation.metrics import Z_95, wilson_interval
from visionft.heads.knn.knn_fitting import FOLDS as KNN_FOLDS
from visionft.heads.knn.knn_fitting import fit_memory
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import Estimate, SetFacts, estimate_run, known_estimate
from visionft.training.runs.run_folder import RunSummary, list_runs
from visionft.training.runs.run_snapshot import read_snapshot

Kind = Literal["run", "free", "peft", "full"]

_SAME_LABELS = 0.9  # least share of today's training images for a run to replace its method
_LINEAR_KNOWN = 0.8  # share of the labels behind held-out predictions of the linear head (five folds)
_LARGEST_HEAD = 40_000_000  # images x features x classes: the largest linear head to solve here


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCandidate:
    """A model candidate with its accuracy and costs.

    Attributes:
        name: A run's name, or a method's; `title` is the name for display.
        accuracy: Measured or forecast; `low` and `high` its 95 % interval.
        expected: The accuracy that candidates are compared by, to a tenth of a point. It differs from `accuracy` only
            for a run measured on few images.
        images: Number of images behind the measurement; 0 for a forecast.
        train_images: Number of training images of a run; 0 for others, or where its folder does not record it.
        seconds: Time to make it; 0 for an existing run, None where it was not measured.
        milliseconds: Time of a prediction, reading the image included; None likewise.
        size_mb: Size to ship, in MB; None likewise.
        memory_mb: Memory to make it, in MiB; None likewise.
        preset: The preset to make it with; empty for none.
        refusal: Reason against it; empty for none.
    """

    name: str
    title: str
    kind: Kind
    method: str
    backbone: str
    accuracy: float
    low: float
    high: float
    expected: float
    is_forecast: bool
    images: int = 0
    train_images: int = 0
    seconds: float | None = None
    milliseconds: float | None = None
    size_mb: float | None = None
    memory_mb: int | None = None
    preset: str = ""
    refusal: str = ""

    @property
    def is_trained(self) -> bool:
        return self.kind in ("peft", "full")


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

    Each method was measured with another share of the labels. Its errors are scaled along the learning curve to the
    number of training images.

    Args:
        milliseconds: {backbone: time of an image}.
    """
    candidates = []
    errors_now = float(np.median(laws.errors(max(1, len(images.labelled("train"))))))
    for name, accuracy, count, known in _held_out_accuracies(labelled, laws, job):
        errors_then = float(np.median(laws.errors(known * len(labelled))))
        scale = errors_now / errors_then if errors_then else 1.0
        interval = wilson_interval(accuracy * count, count)
        shares = tuple(1 - min(scale * (1 - each), 1.0) for each in (accuracy, *interval))
        config = replace(quick, method=name)
        candidate = _candidate(config, shares, kind="free", images=images, milliseconds=milliseconds)
        preset = "quick" if config == quick else ""
        candidates.append(replace(candidate, images=count, is_forecast=False, preset=preset))
    return candidates


def _held_out_accuracies(
    labelled: LabelledFeatures, laws: PowerLaws, job: JobContext
) -> Iterator[tuple[str, float, int, float]]:
    """Yield method, held-out accuracy, number of evaluated images, and the share of the labels known to it."""
    if not labelled.is_multilabel:
        right = HeldOutPredictor(labelled).predict_by_class_means()
        is_known = np.isfinite(right)
        yield "prototype", float(right[is_known].mean()), int(is_known.sum()), 1.0
    widths = labelled.widths or (labelled.inputs.shape[1],)
    options = {"widths": widths, "is_multilabel": labelled.is_multilabel}
    if "knn" in METHODS:
        fitted = fit_memory(labelled.inputs, labelled.targets, **options, job=job)
        if fitted.accuracy is not None:
            yield "knn", fitted.accuracy, len(fitted.places), 1 - 1 / KNN_FOLDS
    if labelled.inputs.size * labelled.targets.shape[1] > _LARGEST_HEAD:
        yield "linear", float(np.median(laws.accuracies(len(labelled)))), len(labelled), 1.0
        return
    from visionft.heads.linear_head import fit_head

    head = fit_head(labelled.inputs, labelled.targets, **options, job=job)
    if head.accuracy is not None:
        yield "linear", head.accuracy, len(head.places), _LINEAR_KNOWN


def trained_candidate(
    config: TrainConfig,
    base: ModelCandidate,
    ratio: ErrorRatio,
    images: Snapshot,
    *,
    backbone_ratio: float,
    milliseconds: Mapping[str, float],
) -> ModelCandidate:
    """Return the forecast of training the preset Balanced, from the errors of the best training-free method.

    Args:
        backbone_ratio: Errors of the backbone's probe over those of the probe on the features of `base`.
        milliseconds: {backbone: time of an image}.
    """
    kind: Literal["full", "peft"] = "full" if config.method == "full" else "peft"
    family = config.backbone_row.family
    shares = forecast_accuracy(
        1 - base.accuracy, base.images, ratio, kind=kind, family=family, backbone_ratio=backbone_ratio
    )
    return replace(_candidate(config, shares, kind=kind, images=images, milliseconds=milliseconds), preset="balanced")


def _candidate(
    config: TrainConfig, shares: Sequence[float], *, kind: Kind, images: Snapshot, milliseconds: Mapping[str, float]
) -> ModelCandidate:
    accuracy, low, high = shares
    parameters = count_parameters(
        config.backbone_row,
        config.method_row,
        classes=max(2, len(images.class_names)),
        options=config.method_options,
        image_size=config.input_size,
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
        expected=round(accuracy, 3),
        is_forecast=True,
        milliseconds=milliseconds.get(config.backbone),
        size_mb=parameters.total * 4 / 1e6,
    )


def with_cost(candidate: ModelCandidate, cost: Estimate | str) -> ModelCandidate:
    """Add the cost of making a candidate; a reason against it refuses only training."""
    if isinstance(cost, str):
        return replace(candidate, refusal=cost if candidate.is_trained else "")
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
    runs = {run.name: run for run in list_runs(project_dir)}
    board = read_leaderboard(tuple(runs.values()), images, "val")
    return [_run_candidate(row, runs[row.run]) for row in board.ranked]


def _run_candidate(row: LeaderboardRow, run: RunSummary) -> ModelCandidate:
    accuracy = row.top1 or 0.0
    low, high = row.top1_interval or (accuracy, accuracy)
    try:
        train_images = len(read_snapshot(run.path).labelled("train"))
    except RunError:
        train_images = 0
    return ModelCandidate(
        name=row.run,
        title=row.title,
        kind="run",
        method=run.config.method,
        backbone=run.config.backbone,
        accuracy=accuracy,
        low=low,
        high=high,
        expected=round(accuracy, 3),
        is_forecast=False,
        images=row.images,
        train_images=train_images,
        seconds=0.0,
        milliseconds=row.milliseconds,
        size_mb=row.cost.shipped_bytes / 1e6 if row.cost.shipped_bytes else None,
        memory_mb=row.cost.memory_mb,
    )


def merge_runs(
    methods: Sequence[ModelCandidate], runs: Sequence[ModelCandidate], train_images: int
) -> list[ModelCandidate]:
    """Return all runs, and the methods without a run from about as many labels: such a run replaces its method.

    The expected accuracy of such a run is the mean of its measurement and its method's, each weighted by its number of
    images: a run with eight of eight validation images right is not perfect.
    """
    by_settings = {(each.method, each.backbone): each for each in methods}
    merged = list[ModelCandidate]()
    for run in runs:
        method = by_settings.get((run.method, run.backbone))
        if method is not None and run.train_images >= _SAME_LABELS * train_images:
            usual, spread = min(max(method.accuracy, 0.01), 0.99), (method.high - method.low) / (2 * Z_95)
            weight = max(usual * (1 - usual) / (spread**2 + 1e-6) - 1, 1.0)  # of the method, in images
            expected = (run.accuracy * run.images + usual * weight) / (run.images + weight)
            run = replace(run, expected=round(expected, 3))
            del by_settings[run.method, run.backbone]
        merged.append(run)
    return [*merged, *by_settings.values()]
