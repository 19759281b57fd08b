"""Training within a time: as many epochs as are forecast to fit, and a stop at the end of an epoch."""

import dataclasses
import time
from pathlib import Path

from visionft.data.types import Snapshot
from visionft.events import EpochDone, Event
from visionft.features.framing import with_aspect
from visionft.jobs import SILENT, JobContext
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import SetFacts, extrapolate, measure_steps
from visionft.training.framing_choice import known_framing


class TimeLimit:
    """Stops a training at the end of the epoch after which another one would exceed the limit.

    Epochs are seen in the events of the job, and the training asks after each step whether to stop.
    """

    def __init__(self, seconds: float, job: JobContext) -> None:
        """Begin to count `seconds`."""
        self._began = time.monotonic()
        self._seconds = seconds
        self._job = job
        self.is_over = False

    @property
    def left(self) -> float:
        """Return the seconds left, at least 0."""
        return max(0.0, self._seconds - (time.monotonic() - self._began))

    @property
    def job(self) -> JobContext:
        """Return the context for the training: that of the caller, which also ends when the time is up."""
        return JobContext(self._report, lambda: self.is_over or self._job.is_cancelled)

    def _report(self, event: Event) -> None:
        self._job.report(event)
        if isinstance(event, EpochDone) and event.epoch < event.epochs:
            self.is_over = self.left < event.seconds


def fitted_to_time(
    config: TrainConfig, images: Snapshot, project_dir: Path, seconds: float, *, job: JobContext = SILENT
) -> TrainConfig:
    """Return the settings with as many epochs, at most their own, as are forecast to take so many seconds.

    Nothing is measured to choose the framing: that of the project is taken, or the centre square. A few steps are
    measured for the forecast, which takes seconds. The epochs of a run without epochs, and of one that fits, stay.

    Raises:
        ConfigError: Settings or images are unsuitable for training.
        JobCancelled: The user cancelled the measurement.
    """
    config = known_framing(config, images, project_dir)
    if config.framing == "auto":
        config = dataclasses.replace(config, framing="centre")
    if config.total_epochs <= 1:
        return config
    check_config(config, images)
    sized = with_aspect(config, images)
    facts = SetFacts.of(images)
    cost = measure_steps(sized, images, job=job)

    def takes(epochs: int) -> float:
        return extrapolate(cost, dataclasses.replace(sized, epochs=epochs), facts, evaluates=True).seconds

    fitting = (epochs for epochs in range(config.epochs, 1, -1) if takes(epochs) <= seconds)
    return dataclasses.replace(config, epochs=next(fitting, 1))
