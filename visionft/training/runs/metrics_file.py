"""`metrics.jsonl` of a run, a line for each finished epoch, and two files for display alone. Torch-free.

`steps.jsonl` is the loss between epochs, thinned; `accuracy.jsonl` the validation accuracy over time, of all stages.
"""

import dataclasses
import json
import logging
import math
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from visionft.errors import VisionFTError
from visionft.events import EpochDone, Event, RunStarted, StepDone
from visionft.files import parse_json, read_lines, refuse_leaving_link, write_text
from visionft.jobs import JobContext


def read_metrics(run_dir: Path) -> tuple[EpochDone, ...]:
    """Read the epochs of a run, without a truncated last line."""
    path = run_dir / "metrics.jsonl"
    if not path.exists():
        return ()
    epochs: dict[int, EpochDone] = {}
    with suppress(ValueError, TypeError, AttributeError):
        for line in read_lines(path):
            epoch = EpochDone.from_dict(parse_json(line))
            epochs[epoch.epoch] = epoch
    return tuple(epochs.values())


def append_metrics(run_dir: Path, done: EpochDone) -> None:
    """Record an epoch as the last line, in place of the same or later ones from before a crash."""
    epochs = [epoch for epoch in read_metrics(run_dir) if epoch.epoch < done.epoch]
    _write(run_dir, [*epochs, done])


def _write(run_dir: Path, epochs: list[EpochDone]) -> None:
    lines = [json.dumps(dataclasses.asdict(epoch)) for epoch in epochs]
    write_text(run_dir / "metrics.jsonl", "\n".join(lines) + "\n")


logger = logging.getLogger(__name__)
FILE_NAME = "steps.jsonl"
ACCURACY_FILE = "accuracy.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyPoint:
    """The validation accuracy of a run at a time.

    Attributes:
        at_s: Seconds from the click.
        accuracy: A share of 1, of held-out predictions where the head was fitted to the validation images.
        epoch: The epoch that it is of; 0 for a linear probe.
        is_kept: Whether the model was kept, as the best one so far.
        preset: The preset of the stage (`budget`); empty for the only stage.
    """

    at_s: float
    accuracy: float
    epoch: int
    is_kept: bool
    preset: str = ""


class StepRecorder:
    """Passes events on, and writes the loss of one step a second and the accuracy over time into the run's folder."""

    def __init__(self, runs: Path, job: JobContext, *, folder: str = "", preset: str = "") -> None:
        """Begin with the next `RunStarted`.

        Args:
            runs: The folder of the project's runs.
            job: Every event goes on to it.
            folder: The folder in that of the run that is trained in; empty for the run's own.
            preset: Of the stage.
        """
        self._runs, self._job, self._folder, self._preset = runs, job, folder, preset
        self._run_dir: Path | None = None
        self._last_s = float("-inf")

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._run_dir = self._runs / event.run
        elif isinstance(event, StepDone) and self._run_dir and time.monotonic() - self._last_s >= 1.0:
            self._last_s = time.monotonic()
            line = json.dumps([event.epoch - 1 + event.step / event.steps, event.loss])
            if not _append(self._run_dir / self._folder / FILE_NAME, line):
                self._run_dir = None
        elif isinstance(event, EpochDone) and self._run_dir and event.val_accuracy is not None:
            point = AccuracyPoint(
                at_s=event.at_s,
                accuracy=event.val_accuracy,
                epoch=event.epoch,
                is_kept=event.is_best,
                preset=self._preset,
            )
            append_accuracy(self._run_dir, point)
        self._job.report(event)


def append_accuracy(run_dir: Path, point: AccuracyPoint) -> None:
    """Record an accuracy of a run; a full disk costs only the record."""
    _append(run_dir / ACCURACY_FILE, json.dumps(dataclasses.asdict(point)))


def _append(file: Path, line: str) -> bool:
    """Append a line, and tell whether that was possible."""
    try:
        refuse_leaving_link(file)
        with file.open("a", encoding="utf-8") as stream:
            stream.write(line + "\n")
    except (OSError, VisionFTError) as error:
        logger.warning("The curves are not kept: %s", error)
        return False
    return True


def read_accuracies(run_dir: Path) -> tuple[AccuracyPoint, ...]:
    """Return the recorded accuracies over time, in order; repeated ones after a resumption replace the earlier."""
    found: list[AccuracyPoint] = []
    with suppress(OSError, ValueError):
        for line in read_lines(run_dir / ACCURACY_FILE):
            with suppress(ValueError, TypeError, KeyError):  # a truncated line
                values = parse_json(line)
                point = AccuracyPoint(
                    at_s=float(values["at_s"]),
                    accuracy=float(values["accuracy"]),
                    epoch=int(values["epoch"]),
                    is_kept=bool(values["is_kept"]),
                    preset=str(values["preset"]),
                )
                if not (math.isfinite(point.at_s) and 0 <= point.accuracy <= 1):
                    continue
                while found and found[-1].at_s >= point.at_s:
                    found.pop()
                found.append(point)
    return tuple(found)


def read_steps(run_dir: Path) -> tuple[tuple[float, float], ...]:
    """Return (position in epochs, loss) of the recorded steps, in order; repeated ones replace the earlier."""
    found: list[tuple[float, float]] = []
    with suppress(OSError, ValueError):
        for line in read_lines(run_dir / FILE_NAME):
            with suppress(ValueError, TypeError):  # a truncated line
                place, loss = map(float, parse_json(line))
                while found and found[-1][0] >= place:
                    found.pop()
                found.append((place, loss))
    return tuple(found)
