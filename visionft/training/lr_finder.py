"""The learning-rate range test: the loss while the rate grows from tiny to too large (Smith 2017, arXiv:1506.01186)."""

import math
from dataclasses import dataclass, replace

import numpy as np

from visionft.data.types import Snapshot
from visionft.errors import ConfigError, Problem, RunError
from visionft.events import Progress
from visionft.jobs import SILENT, JobCancelled, JobContext
from visionft.training.base_weights import ensure_weights
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.objective import new_totals
from visionft.training.loop.run_context import RunContext, release
from visionft.training.loop.train_step import NotFinite
from visionft.training.loop.trial import open_trial, trial_batches

LOWEST, HIGHEST, STEPS = 1e-6, 1.0, 80
SMOOTHING = 0.8


@dataclass(frozen=True, kw_only=True)
class RateCurve:
    rates: tuple[float, ...]
    losses: tuple[float, ...]  # smoothed training loss after each
    suggestion: float  # the rate of the steepest descent; a peak rate to start from


def find_learning_rate(
    config: TrainConfig, images: Snapshot, *, steps: int = STEPS, job: JobContext = SILENT
) -> RateCurve:
    """Try rising learning rates on a temporary classifier; no run is made (RunError: the loss exploded at once)."""
    config = replace(config, ridge_init=False, ema_decay=0.0, compile=False, image_reading=images.image_reading)
    check_config(config, images)
    if not config.total_epochs:
        hint = "Choose gradient as its solver, or leave the rate alone: it does not matter."
        raise ConfigError((Problem("learning_rate", "a head that is solved for has no learning rate", hint),))
    if not ensure_weights(config, job=job):
        raise JobCancelled
    context = RunContext.of_run(config, classes=len(images.class_names))
    rates, losses, average = np.geomspace(LOWEST, HIGHEST, steps), list[float](), 0.0
    try:
        data, train_step = open_trial(config, images, context, job)
        for epoch, number, batch in trial_batches(data):
            if not len(batch.images):
                continue
            train_step.set_rate(float(rates[len(losses)]))
            totals = new_totals(data.sharding.device)
            try:
                train_step.learn(batch, totals, epoch=epoch, number=number)
            except NotFinite:
                break
            average = SMOOTHING * average + (1 - SMOOTHING) * float(totals[0] / totals[2])
            losses.append(average / (1 - SMOOTHING ** (len(losses) + 1)))
            job.report(Progress(stage="Trying learning rates", done=len(losses), total=steps))
            if len(losses) == steps or losses[-1] > 3 * min(losses) or math.isnan(losses[-1]):
                break
    finally:
        release(context.classifier, None)
    if len(losses) < 5:
        raise RunError("The loss diverged immediately.", "Check the labels, or choose a rate by hand.")
    tried = rates[: len(losses)]
    slopes = np.gradient(np.array(losses), np.log(tried))
    return RateCurve(rates=tuple(tried.tolist()), losses=tuple(losses), suggestion=float(tried[int(slopes.argmin())]))
