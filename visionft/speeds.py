"""How long work took on this computer, and the time of work to come that follows from it.

The measurements lie in one file of the user's cache folder, not in a project: projects move. One that is deleted,
damaged or of another version counts as empty and is made anew; on a full disk nothing is kept.
"""

import contextlib
import logging
import math
import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import platformdirs

from models.messages import Text
from visionft.errors import VisionFTError
from visionft.files import read_json, write_json
from visionft.jobs import JobContext

logger = logging.getLogger(__name__)

_KINDS: Final = 400  # a project with three networks has about 40, and a run's estimate one for each of its settings
_REMEMBERED: Final = 4  # measurements of a stage: one among other programs' work is not all that is known


def speeds_file() -> Path:
    """Return the file of measurements."""
    return platformdirs.user_cache_path("visionft", appauthor=False) / "speeds.json"


def read_speed(kind: str) -> Any:
    """Return what was measured last of a kind of work; None where nothing was, or where it cannot be read."""
    return _read().get(kind)


def keep_speed(kind: str, value: Any) -> None:
    """Keep a measurement, as JSON; those of the kinds that were not measured for the longest go."""
    entries, target = _read(), speeds_file()
    entries.pop(kind, None)
    entries[kind] = value
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_json(target, dict(list(entries.items())[-_KINDS:]))
    except (OSError, VisionFTError) as error:
        logger.warning("A measured time was not kept: %s", error)


def _read() -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        entries = read_json(speeds_file())
        return entries if isinstance(entries, dict) else {}
    return {}


@dataclass(frozen=True, slots=True)
class StageTime:
    """The expected time of a stage of a job, from earlier stages of its kind on this computer.

    Attributes:
        kind: Names the work and what its time depends on, such as network and input: "evaluation resnet18 224x224".
        units: Its amount, such as images.
        seconds: Its expected time, the weight of the stage.
    """

    kind: str
    units: float
    seconds: float

    @classmethod
    def of(cls, kind: str, units: float = 0.0, *, fixed_s: float, unit_s: float = 0.0) -> Self:
        """Return the expected time of a stage: a fixed part, and one for each unit.

        Args:
            kind: As the attribute.
            units: As the attribute; 0 where the amount does not matter.
            fixed_s: The usual fixed part in seconds, above 0. The usual parts tell the time until one is measured, and
                their proportion until stages of several amounts are.
            unit_s: The usual seconds of a unit.
        """
        return cls(kind, units, _forecast(_measured(kind), units, fixed_s, unit_s))

    @contextlib.contextmanager
    def stage(self, job: JobContext, name: Text = "") -> Generator[None]:
        """Do the stage, as `JobContext.stage`, and remember its time, unless it fails or is cancelled."""
        began = time.monotonic()
        with job.stage(name, weight=self.seconds):
            yield
        if not job.is_cancelled:
            self.remember(time.monotonic() - began)

    def remember(self, seconds: float, *, units: float | None = None) -> None:
        """Keep a measured time, of all units or of as many as were done."""
        pair = [self.units if units is None else units, round(seconds, 4)]
        keep_speed(self.kind, [*_measured(self.kind), pair][-_REMEMBERED:])


def _measured(kind: str) -> list[list[float]]:
    """Return the [units, seconds] of the latest stages of a kind."""
    found = read_speed(kind)
    try:
        pairs = [[float(units), float(seconds)] for units, seconds in found or ()]
    except (TypeError, ValueError):
        return []
    return pairs if all(math.isfinite(each) and each >= 0 for pair in pairs for each in pair) else []


def _forecast(pairs: list[list[float]], units: float, fixed_s: float, unit_s: float) -> float:
    """Return the seconds of so many units.

    Where the amounts differ by half, a line fitted to the measurements, whose fixed part and slope are not below 0;
    else the usual time, scaled as the measurements are to theirs.
    """
    if not pairs:
        return fixed_s + unit_s * units
    mean_units = sum(each for each, _ in pairs) / len(pairs)
    mean_s = sum(seconds for _, seconds in pairs) / len(pairs)
    if max(pairs)[0] <= 1.5 * min(pairs)[0] or not max(pairs)[0]:
        return mean_s * (fixed_s + unit_s * units) / (fixed_s + unit_s * mean_units)
    together = sum((each - mean_units) * (seconds - mean_s) for each, seconds in pairs)
    slope = together / sum((each - mean_units) ** 2 for each, _ in pairs)
    return mean_s + min(mean_s / mean_units, max(0.0, slope)) * (units - mean_units)
