"""Models that are not made yet: training-free methods measured on held-out images, and the forecast of training."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.messages import Message
from models.methods.table import METHODS
from models.parameters import count_parameters
from visionft.advice.forecast import ErrorRatio, forecast_accuracy
from visionft.advice.held_out_predictor import HeldOutPredictor, LabelledFeatures
from visionft.advice.power_law import PowerLaws
from visionft.data.types import Snapshot
from visionft.errors import RunError, VisionFTError
from visionft.evaluation.leaderboard import ComparedModel, State
from visionft.evaluation.metrics import wilson_interval
from visionft.evaluation.run_cost import RunCost
from visionft.heads.knn.knn_fitting import fit_memory
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import Estimate, SetFacts, estimate_run, known_estimate
from visionft.training.runs.run_snapshot import read_snapshot

_SAME_LABELS = 0.9  # least share of today's training images for a run to replace its method
_LARGEST_HEAD = 40_000_000  # images x features x classes: the largest linear head to solve here


def held_out_models(
    labelled: LabelledFeatures,
    laws: PowerLaws,
    quick: TrainConfig,
    images: Snapshot,
    *,
    milliseconds: Mapping[str, float],
    job: JobContext,
) -> list[ComparedModel]:
    """Return the training-free methods, measured on held-out images.

    Args:
        laws: The learning curve of the images, in place of a linear head too large to solve.
        milliseconds: {backbone: time of an image}.
    """
    found = []
    for name, accuracy, count in _held_out_accuracies(labelled, laws, job):
        shares = (accuracy, *wilson_interval(accuracy * count, count))
        config = replace(quick, method=name)
        model = _model(config, shares, state="held_out", images=images, milliseconds=milliseconds)
        found.append(replace(model, images=count, preset="quick" if config == quick else ""))
    return found


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


def forecast_model(
    config: TrainConfig,
    base: ComparedModel,
    ratio: ErrorRatio,
    images: Snapshot,
    *,
    milliseconds: Mapping[str, float],
) -> ComparedModel:
    """Return the forecast of training the preset Balanced, from the errors of the best training-free method, `base`."""
    shares = forecast_accuracy(1 - (base.top1 or 0.0), base.images, ratio)
    found = _model(config, shares, state="forecast", images=images, milliseconds=milliseconds)
    return replace(found, preset="balanced")


def _model(
    config: TrainConfig, shares: Sequence[float], *, state: State, images: Snapshot, milliseconds: Mapping[str, float]
) -> ComparedModel:
    """Return a model of these settings; `shares` are its accuracy and the ends of the 95 % interval."""
    accuracy, low, high = shares
    parameters = count_parameters(
        config.backbone_row,
        config.method_row,
        classes=max(2, len(images.class_names)),
        options=config.method_options,
        shape=config.input_shape,
    )
    return ComparedModel(
        run="",
        title=Message(config.method_row.title),
        method=config.method,
        backbone=config.backbone,
        state=state,
        is_training_free=state == "held_out",
        top1=accuracy,
        top1_interval=(low, high),
        cost=RunCost(shipped_bytes=parameters.total * 4),  # fp32
        milliseconds=milliseconds.get(config.backbone),
    )


def with_cost(model: ComparedModel, cost: Estimate | str) -> ComparedModel:
    """Add the cost of making a model; a reason against it refuses only training."""
    if isinstance(cost, str):
        return replace(model, refusal=cost if model.kind == "trained" else "")
    return replace(model, cost=replace(model.cost, seconds=cost.seconds, memory_mb=cost.memory_mb))


def cost_of(config: TrainConfig, images: Snapshot, *, job: JobContext) -> Estimate | str:
    """Return the cost of a run, measured earlier or by a few steps now; or the reason against making it."""
    known = known_estimate(config, SetFacts.of(images))
    if known is not None or job.is_cancelled:
        return known or Message("It was not measured.")
    try:
        return estimate_run(config, images, job=job)
    except VisionFTError as error:
        return error.message


def not_made(
    models: Sequence[ComparedModel], runs: Sequence[tuple[ComparedModel, int]], train_images: int
) -> list[ComparedModel]:
    """Return the models without a run from about as many labels.

    Args:
        models: Models that are not made yet.
        runs: Runs, each with the number of its training images.
        train_images: Number of training images now.
    """
    made = {(run.method, run.backbone) for run, images in runs if images >= _SAME_LABELS * train_images}
    return [each for each in models if (each.method, each.backbone) not in made]


def training_images(run_dir: Path) -> int:
    """Return the number of training images of a run; 0 where its folder does not record it."""
    try:
        return len(read_snapshot(run_dir).labelled("train"))
    except RunError:
        return 0
