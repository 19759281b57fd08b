"""`metrics.jsonl` of a run, a line for each finished epoch, and `steps.jsonl`, the loss between epochs. Torch-free.

The steps are for display only: they are thinned, and training never reads them.
"""

import dataclasses
import json
import logging
import time
from contextlib import suppress
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


def replace_metrics(run_dir: Path, *changed: EpochDone) -> None:
    """Replace the recorded epochs of the same numbers."""
    by_number = {epoch.epoch: epoch for epoch in changed}
    _write(run_dir, [by_number.get(epoch.epoch, epoch) for epoch in read_metrics(run_dir)])


def append_metrics(run_dir: Path, done: EpochDone) -> None:
    """Record an epoch as the last line, in place of the same or later ones from before a crash."""
    epochs = [epoch for epoch in read_metrics(run_dir) if epoch.epoch < done.epoch]
    _write(run_dir, [*epochs, done])


def _write(run_dir: Path, epochs: list[EpochDone]) -> None:
    lines = [json.dumps(dataclasses.asdict(epoch)) for epoch in epochs]
    write_text(run_dir / "metrics.jsonl", "\n".join(lines) + "\n")


logger = logging.getLogger(__name__)
FILE_NAME = "steps.jsonl"


class StepRecorder:
    """Passes events on and writes the loss of one step a second into the run's folder."""

    def __init__(self, runs: Path, job: JobContext) -> None:
        """Args: `runs` is the folder of the project's runs; every event goes on to `job`."""
        self._runs, self._job = runs, job
        self._file: Path | None = None
        self._last_s = float("-inf")

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunStarted):
            self._file = self._runs / event.run / FILE_NAME
        elif isinstance(event, StepDone) and self._file and time.monotonic() - self._last_s >= 1.0:
            self._last_s = time.monotonic()
            try:
                refuse_leaving_link(self._file)
                with self._file.open("a", encoding="utf-8") as file:
                    file.write(json.dumps([event.epoch - 1 + event.step / event.steps, event.loss]) + "\n")
            except (OSError, VisionFTError) as error:
                logger.warning("The curve of the steps is not kept: %s", error)
                self._file = None
        self._job.report(event)


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
