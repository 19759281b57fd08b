"""The choice among models: McNemar's test among runs, a least gain for what is not made yet.

Runs were measured on the same images, so a test tells whether one is better (docs/decisions/0047). A model that is not
made yet was measured on other images, or is a forecast: no test can compare it with a run, and it has to gain enough to
be worth making (docs/decisions/0042).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from models.messages import Message
from visionft.amounts import memory_text, rough_duration_text
from visionft.errors import VisionFTError
from visionft.evaluation.leaderboard import ComparedModel

WORTH = 0.01  # less than a point is not worth training for ...
_WORTH_OF_ERRORS = 0.25  # ... unless it removes this share of the remaining errors


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits on making a model; None for no limit.

    Attributes:
        minutes: Of computing; with 0 nothing is trained.
        memory_mb: In MiB.
    """

    minutes: float | None = None
    memory_mb: int | None = None

    def refusal(self, model: ComparedModel) -> str:
        """Return the reason against making a model under these limits; empty for none."""
        if model.refusal or model.kind == "run":
            return model.refusal
        seconds = model.cost.seconds
        memory_mb = model.cost.memory_mb or 0
        if self.memory_mb is not None and memory_mb > self.memory_mb:
            return Message("It needs {memory} of memory.", memory=memory_text(memory_mb))
        if self.minutes is None or model.kind == "free":
            return ""
        if seconds is None or seconds > 60 * self.minutes:
            takes = rough_duration_text(seconds) if seconds is not None else "an unknown time"
            return Message("It takes about {time}.", time=takes)
        return ""


NO_LIMITS = Limits()


def is_worth(accuracy: float, better: float) -> bool:
    """Return whether an accuracy is enough above another one to make another model for it."""
    gain = round(better - accuracy, 6)  # .69 - .68 is less than .01
    return gain > 0 and gain >= min(WORTH, _WORTH_OF_ERRORS * (1 - accuracy))


def cheapest(models: Sequence[ComparedModel]) -> ComparedModel | None:
    """Return the run to use of those that share the first rank: the cheapest. None without a ranked run.

    The cheapest has the lowest time per image, then the smallest size; an unknown cost counts as the highest. One that
    is worth replacing by the best is left out: 6 of 10 images are not significantly less than 9 of 10 (p = .25).
    """
    first = [each for each in models if each.rank == 1]
    best = _best(first)
    near = [each for each in first if best is not None and not is_worth(each.expected, best.expected)]
    return min(near, key=_cost, default=None)


def _cost(run: ComparedModel) -> tuple[float, float, float]:
    time, size = run.milliseconds, run.cost.shipped_bytes
    return math.inf if time is None else time, math.inf if size is None else size, -(run.top1 or 0.0)


def choose(models: Sequence[ComparedModel], limits: Limits) -> ComparedModel:
    """Return the recommended model: training only where it is worth it over the best one without.

    Without training, a run about as good as the best model is chosen first: it is already there. Among runs, only those
    that share the first rank are chosen, the cheapest first.

    Raises:
        VisionFTError: Nothing is possible.
    """
    trained, free = best_trained(models), best_free(models)
    if free is None and trained is None:
        least = min(each.cost.memory_mb or 0 for each in models)
        raise VisionFTError(
            Message("No model fits into {memory} of memory.", memory=memory_text(limits.memory_mb or 0)),
            Message("The smallest needs {memory} to be made.", memory=memory_text(least)),
        )
    if free is None or (trained is not None and is_worth(free.expected, trained.expected)):
        return trained or models[0]
    others = [each for each in (free, trained) if each is not None]
    for run in (cheapest(models), _best([each for each in models if each.rank == 1])):
        if run is not None and not any(is_worth(run.expected, each.expected) for each in others):
            return run
    return free


def best_trained(models: Sequence[ComparedModel]) -> ComparedModel | None:
    return _best([each for each in models if each.kind == "trained"])


def best_free(models: Sequence[ComparedModel]) -> ComparedModel | None:
    """Return the most accurate run or training-free method; None without any."""
    return _best([each for each in models if each.kind != "trained"])


def _best(models: Sequence[ComparedModel]) -> ComparedModel | None:
    return max((each for each in models if not each.refusal), key=lambda each: each.expected, default=None)
