"""Which answerer to take: the least effort of those that are about as good as the best that the limits allow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from visionft.advice.answerers import Answerer, Drawn
from visionft.amounts import memory_text, rough_duration_text
from visionft.errors import VisionFTError

WORTH = 0.01  # less than a point is not worth training for ...
WORTH_OF_ERRORS = 0.25  # ... unless it spares so much of the errors that are left
_EFFORT = {"run": 0, "free": 1, "peft": 2, "full": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What making an answerer may take; None for as much as it wants.

    Attributes:
        minutes: Of computing; with 0 nothing is trained.
        memory_mb: In MiB.
    """

    minutes: float | None = None
    memory_mb: int | None = None

    def refusal(self, answerer: Answerer) -> str:
        """Return why an answerer is out of the question under these limits; empty where it is not."""
        if answerer.refusal or answerer.kind == "run":
            return answerer.refusal
        if self.memory_mb is not None and (answerer.memory_mb or 0) > self.memory_mb:
            return f"It needs {memory_text(answerer.memory_mb or 0)} of memory."
        if self.minutes is None or not answerer.is_trained:
            return ""
        if answerer.seconds is None or answerer.seconds > 60 * self.minutes:
            takes = rough_duration_text(answerer.seconds) if answerer.seconds is not None else "an unknown time"
            return f"It takes about {takes}."
        return ""


def choose(found: Sequence[Drawn], limits: Limits) -> Drawn:
    """Return what to take: of those that are about as good as the best possible, the one with the least effort.

    A run that is there costs nothing, what needs no training seconds.

    Raises:
        VisionFTError: Nothing is possible.
    """
    possible = [each for each in found if not each.answerer.refusal]
    if not possible:
        least = min(each.answerer.memory_mb or 0 for each in found)
        raise VisionFTError(
            f"Nothing that answers fits into {memory_text(limits.memory_mb or 0)} of memory.",
            f"The smallest needs {memory_text(least)} to be made.",
        )
    top = max(each.expected for each in possible)
    near = [each for each in possible if not is_worth(each.expected, top)]

    def effort(drawn: Drawn) -> tuple[float, float, float]:
        answerer = drawn.answerer
        seconds = (answerer.seconds or 0.0) if answerer.is_trained else 0.0
        return _EFFORT[answerer.kind], seconds, -drawn.expected

    return min(near, key=effort)


def is_worth(accuracy: float, better: float) -> bool:
    """Tell whether a better accuracy is worth the effort of training."""
    gain = better - accuracy
    return gain > 0 and gain >= min(WORTH, WORTH_OF_ERRORS * (1 - accuracy))


def gain_over(better: Drawn, other: Drawn) -> tuple[float, float, float]:
    """Return the median of what one has more than the other, and its 95 % interval."""
    low, middle, high = np.quantile(better.draws - other.draws, (0.025, 0.5, 0.975))
    return float(middle), float(low), float(high)
