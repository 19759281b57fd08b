"""Forecast of training with the current labels: the errors without training times a ratio, with an interval.

Before any measurement on a data set, the ratio is a prior with a wide spread: its logarithm is -.1 for each doubling of
the images of a class (from 8 on), i.e. -.18 at 20 images a class, -.38 at 100 (docs/decisions/0042: published ratios).
Short trials then correct it for the user's own images, more strongly with more evaluated images.
"""

import math
from dataclasses import dataclass

import numpy as np

from visionft.advice.trials import HALVES, Trial
from visionft.evaluation.metrics import Z_95

_PER_DOUBLING, _FROM = 0.1, 8.0  # the decrease of the ratio's logarithm with the images of a class
_SPREAD = 0.45
_SHORTENED = 0.15  # a trial is shorter than a run, on half of the images: possible effect of that on the logarithm
_REMAINING_LOSS = 0.25  # of a loss from training: a run's checkpoint stays the probe unless validation improves


@dataclass(frozen=True)
class ErrorRatio:
    """A normal distribution of the logarithm of (errors of fine-tuning / errors without training)."""

    mean: float
    spread: float


def usual_ratio(images_a_class: float) -> ErrorRatio:
    return ErrorRatio(-_PER_DOUBLING * math.log2(1 + max(images_a_class, 0.0) / _FROM), _SPREAD)


def ratio_after(trial: Trial | None, images_a_class: float) -> ErrorRatio:
    """Return the posterior of fine-tuning's error ratio after trials; the prior where none was run.

    A trial trains on a half, so it is compared with the prior for a half, and the shift is carried over to all images.
    """
    usual = usual_ratio(images_a_class)
    if trial is None:
        return usual
    at_half = usual_ratio(images_a_class / HALVES)
    measured = np.log(trial.error_ratios(2000))
    trust = _SPREAD**2 / (_SPREAD**2 + float(measured.var()) + _SHORTENED**2)
    shift = trust * (float(measured.mean()) - at_half.mean)
    return ErrorRatio(usual.mean + shift, math.sqrt((1 - trust) * _SPREAD**2 + _SHORTENED**2))


def forecast_accuracy(errors: float, images: int, ratio: ErrorRatio) -> tuple[float, float, float]:
    """Return the forecast accuracy of a fine-tuned network, and its 95 % interval.

    `errors` is the error rate without training, measured on this number of `images`.
    """
    wrong = errors * images + 0.5
    spread = math.sqrt(ratio.spread**2 + (1 - wrong / (images + 1)) / wrong)  # of the logarithm of a counted share
    errors = max(errors, 0.5 / (images + 1))

    def accuracy(z: float) -> float:
        logarithm = ratio.mean + z * spread
        factor = math.exp(logarithm * (_REMAINING_LOSS if logarithm > 0 else 1.0))
        return 1.0 - min(errors * factor, 1.0)

    return accuracy(0.0), accuracy(Z_95), accuracy(-Z_95)
