"""`steps.jsonl` of a run: the loss between epochs, so that a run that goes on shows its whole curve. Torch-free.

What is written here is for the eye: it is thinned, never read by training, and losing it costs nothing else.
"""

import json
import logging
import time
from contextlib import suppress
from pathlib import Path

from visionft.events import Event, OnEvent, RunStarted, StepDone
from visionft.files import parse_json, read_lines

logger = logging.getLogger(__name__)
FILE_NAME = "steps.jsonl"
_INTERVAL_S = 1.0  # an hour's run leaves 100 kB


class StepRecorder:
    """Passes events on and keeps the loss of a step a second in the folder of the run that they tell of."""

    def __init__(self, runs: Path, on_event: OnEvent) -> None:
        """Args: `runs` is the folder of the project's runs; `on_event` receives every event."""
        self._runs, self._on_event = runs, on_event
        self._file: Path | None = None
        self._last_s = float("-inf")

    def __call__(self, event: Event) -> None:
        """Take one event of a training run."""
        if isinstance(event, RunStarted):
            self._file = self._runs / event.run / FILE_NAME
        elif isinstance(event, StepDone) and time.monotonic() - self._last_s >= _INTERVAL_S:
            self._last_s = time.monotonic()
            self._write(event)
        self._on_event(event)

    def _write(self, step: StepDone) -> None:
        if self._file is None:
            return
        try:
            with self._file.open("a", encoding="utf-8") as file:
                file.write(json.dumps([step.epoch - 1 + step.step / step.steps, step.loss]) + "\n")
        except OSError as error:
            logger.warning("The curve of the steps is not kept: %s", error)
            self._file = None


def read_steps(run_dir: Path) -> tuple[tuple[float, float], ...]:
    """Return (place in epochs, loss) of the steps that were kept, in order.

    A run that was killed goes on from its last checkpoint: what it does again replaces what was there.
    """
    found: list[tuple[float, float]] = []
    with suppress(OSError, ValueError):
        for line in read_lines(run_dir / FILE_NAME):
            if (point := _point(line)) is None:
                continue
            while found and found[-1][0] >= point[0]:
                found.pop()
            found.append(point)
    return tuple(found)


def _point(line: str) -> tuple[float, float] | None:
    """Return what a line holds; None of one that a crash cut short."""
    try:
        place, loss = map(float, parse_json(line))
    except (ValueError, TypeError):
        return None
    return place, loss
