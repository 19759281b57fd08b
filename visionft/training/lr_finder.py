"""The learning-rate range test: the loss while the rate grows from tiny to too large (Smith 2017, arXiv:1506.01186)."""

import math
from dataclasses import dataclass, replace

import numpy as np

from visionft.data.types import Snapshot
from visionft.errors import ConfigError, Problem, RunError, StoppedError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.training.base_weights import ensure_weights
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.batches import Stopped
from visionft.training.loop.objective import Objective, new_totals
from visionft.training.loop.run_context import RunContext, release
from visionft.training.loop.train_step import NotFinite, TrainStep
from visionft.training.loop.training_data import TrainingData

SMOOTHING = 0.8
DIVERGED = 3.0


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    """What the test saw.

    Attributes:
        rates: Learning rates tried, rising.
        losses: Smoothed training loss after each.
        suggestion: The rate at which the loss fell fastest; a peak rate to start from.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float


def find_learning_rate(
    config: TrainConfig,
    images: Snapshot,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 80,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> RateCurve:
    """Try rising learning rates on a classifier that is thrown away afterwards; no run is made.

    Args:
        config: The settings of the run to come; its own rate is ignored.
        images: Pictures, labels and splits.
        lowest: First rate.
        highest: Last rate, unless the loss explodes before.
        steps: Optimiser steps at most.
        on_event: Receives how far it is.
        should_stop: Asked before every batch.

    Raises:
        ConfigError: The settings or the pictures cannot be trained on.
        RunError: The loss exploded at once.
        StoppedError: The user stopped.
    """
    config = replace(config, ridge_init=False, ema_decay=0.0, compile=False)
    check_config(config, images)
    if not config.total_epochs:
        hint = "Choose gradient as its solver, or leave the rate alone: it does not matter."
        raise ConfigError((Problem("learning_rate", "a head that is solved for has no learning rate", hint),))
    if not ensure_weights(config, on_event=on_event, should_stop=should_stop):
        raise StoppedError("The search for a learning rate was stopped.", "Start it again when you like.")
    context = RunContext(config, classes=len(images.class_names))
    try:
        rates, losses = _sweep(config, images, context, np.geomspace(lowest, highest, steps), on_event, should_stop)
    except Stopped:
        raise StoppedError("The search for a learning rate was stopped.", "Start it again when you like.") from None
    finally:
        release(context.classifier, None)
    if len(losses) < 5:
        raise RunError("The loss exploded at once.", "Check the labels, or choose a rate by hand.")
    slopes = np.gradient(np.array(losses), np.log(rates))
    return RateCurve(rates=tuple(rates), losses=tuple(losses), suggestion=float(rates[int(slopes.argmin())]))


def _sweep(
    config: TrainConfig,
    images: Snapshot,
    context: RunContext,
    rates: np.ndarray,
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> tuple[list[float], list[float]]:
    classifier, accelerator = context.classifier, context.accelerator
    training_data = TrainingData(
        config, images, classifier, accelerator=accelerator, on_event=on_event, is_asked_to_stop=should_stop
    )
    objective = Objective(images.task, len(images.class_names), config.label_smoothing)
    train_step = TrainStep(
        classifier, training_data.trained, config, objective, accelerator=accelerator, on_shrink=lambda _size: None
    )
    classifier.train()
    tried: list[float] = []
    losses: list[float] = []
    average, epoch = 0.0, 0
    while len(tried) < len(rates):
        epoch += 1
        for number, batch in enumerate(training_data.train_batches.epoch(epoch)):
            training_data.check(batch, training_data.train_images)
            if len(tried) == len(rates) or not len(batch.images):
                continue
            train_step.set_rate(float(rates[len(tried)]))
            totals = new_totals(accelerator.device)
            try:
                train_step.learn(batch, totals, epoch=epoch, number=number)
            except NotFinite:
                return tried, losses
            loss = float(totals[0] / totals[2])
            average = SMOOTHING * average + (1 - SMOOTHING) * loss
            tried.append(float(rates[len(tried)]))
            losses.append(average / (1 - SMOOTHING ** len(tried)))
            on_event(Progress(stage="Trying learning rates", done=len(tried), total=len(rates)))
            if losses[-1] > DIVERGED * min(losses) or math.isnan(losses[-1]):
                return tried, losses
    return tried, losses
