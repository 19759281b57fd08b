"""`metrics.jsonl` of a run, a line for each finished epoch, and two files for display alone. Torch-free.

`steps.jsonl` is the loss between epochs, thinned; `accuracy.jsonl` the validation accuracy over time, of all stages.
"""

import dataclasses
import json
import logging
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from visionft.core.errors import VisionFTError
from visionft.core.events import EpochDone, Event, RunStarted, StepDone
from visionft.core.files import parse_json, read_lines, refuse_leaving_link, write_text
from visionft.core.jobs import JobContext
from visionft.core.records import from_plain


def read_metrics(run_dir: Path) -> tuple[EpochDone, ...]:
    """Read the epochs of a run, without a truncated last line."""
    path = run_dir / "metrics.jsonl"
    if not path.exists():
        return ()
    epochs: dict[int, EpochDone] = {}
    with suppress(ValueError):
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
        is_kept: Whether the model is the best one so far.
    """

    at_s: float
    accuracy: float
    epoch: int
    is_kept: bool

    @classmethod
    def of(cls, done: EpochDone, *, is_kept: bool | None = None) -> Self | None:
        """Return the point of an epoch, kept where it is the best; None where nothing was validated."""
        if done.val_accuracy is None:
            return None
        is_kept = done.is_best if is_kept is None else is_kept
        return cls(at_s=done.at_s, accuracy=done.val_accuracy, epoch=done.epoch, is_kept=is_kept)


class StepRecorder:
    """Passes events on, and writes the loss of one step a second and the accuracy over time into the run's folder."""

    def __init__(self, runs: Path, job: JobContext, *, folder: str = "", is_rival: bool = False) -> None:
        """Begin with the next `RunStarted`.

        Args:
            runs: The folder of the project's runs.
            job: Receives every event as well.
            folder: The subfolder of the run for training; empty for the run's own folder.
            is_rival: Whether only its end decides if it replaces the run's present model: no epoch is kept before.
        """
        self._runs, self._job, self._folder, self._is_rival = runs, job, folder, is_rival
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
        elif isinstance(event, EpochDone) and self._run_dir:
            is_start = bool(self._folder and event.epochs and not event.epoch)  # the linear probe that the run has
            append_accuracy(self._run_dir, event, is_kept=event.is_best and not is_start and not self._is_rival)
        self._job.report(event)


def append_accuracy(run_dir: Path, done: EpochDone, *, is_kept: bool) -> None:
    """Record the accuracy of an epoch, where it has one; a full disk costs only the record."""
    if (point := AccuracyPoint.of(done, is_kept=is_kept)) is not None:
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
            with suppress(ValueError):  # a truncated line
                point = from_plain(AccuracyPoint, parse_json(line), is_finite=True)
                if not 0 <= point.accuracy <= 1:
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
            with suppress(ValueError):  # a truncated line
                place, loss = from_plain(tuple[float, float], parse_json(line), is_finite=True)
                while found and found[-1][0] >= place:
                    found.pop()
                found.append((place, loss))
    return tuple(found)
