"""What a run may spend: the stages of a preset, and a time. It can be changed while the run goes on."""

import dataclasses
import math
import time

from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.data.types import Snapshot
from visionft.features.feature_spec import with_aspect
from visionft.training.config.checks import check_config
from visionft.training.config.presets import PRESETS, Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import SetFacts, extrapolate, measure_steps

# Of a preset's settings, those that are the same in all stages of a run.
_COMMON = (
    "try_networks", "weights", "accept_licence", "image_size", "framing", "aspect", "region", "seed", "device",
    "precision", "workers", "balance", "batch_size", "image_reading", "methods",
)  # fmt: skip


class Budget:
    """What a run may spend. Another thread may change it while the run goes on.

    A preset is a budget: `quick` solves for a head, `balanced` then trains the network, `best` then trains it longer.
    """

    def __init__(self, preset: str = "", *, seconds: float | None = None, fetches: bool = False) -> None:
        """Begin to count the seconds.

        Args:
            preset: A name of `PRESETS`; empty where the settings of the run are its only stage.
            seconds: From now to the end of the last stage; None for as many as it takes.
            fetches: Whether a stronger network may be fetched, after the first answer.
        """
        self.preset = preset
        self.seconds = seconds
        self.fetches = fetches
        self._began = time.monotonic()

    @property
    def left_s(self) -> float:
        """Return the seconds left, at least 0; infinite without a limit."""
        if self.seconds is None:
            return math.inf
        return max(0.0, self.seconds - (time.monotonic() - self._began))

    def allows(self, preset: str) -> bool:
        """Tell whether the stage of a preset is within this one; that of no preset always is."""
        order = list(PRESETS)
        return not preset or not self.preset or order.index(preset) <= order.index(self.preset)

    def is_enough(self, preset: str, seconds: float) -> bool:
        """Tell whether a stage of a preset is to end: it is no longer allowed, or so many more seconds are too many."""
        return not self.allows(preset) or self.left_s < seconds or self.left_s <= 0

    def limited(self, job: JobContext, share: float) -> JobContext:
        """Return the context of a part of the job that is cancelled when this share of the time left has passed."""
        least_s = self.left_s * (1 - share)
        return JobContext(job.report, lambda: job.is_cancelled or (self.seconds is not None and self.left_s <= least_s))


def staged_configs(
    config: TrainConfig, own: str, preset: str, circumstances: Circumstances
) -> tuple[tuple[str, TrainConfig], ...]:
    """Return (preset, settings) of each stage of a run, in order; ("", `config`) alone for settings of no preset.

    Args:
        config: Settings of the run.
        own: The preset that they are of; empty for none.
        preset: That of the last stage.
        circumstances: Of the project on this computer.
    """
    if not own or not preset:
        return (("", config),)
    order = list(PRESETS)
    common = {name: getattr(config, name) for name in _COMMON}
    backbone = "" if config.try_networks else config.backbone
    found: list[tuple[str, TrainConfig]] = []
    for name in order[: order.index(preset) + 1]:
        stage = config
        if name != own:
            stage = dataclasses.replace(preset_config(name, circumstances, backbone=backbone), **common)
        if stage.total_epochs or not found:
            found.append((name, stage))
    return tuple(found)


def fitted_to_framing(
    config: TrainConfig, framed: TrainConfig, preset: str, circumstances: Circumstances
) -> TrainConfig:
    """Return settings at a framing with the epochs and the method that their preset has for it and for its network.

    The settings of a first run are made before its framing is measured: at 320 pixels instead of 160, 30 epochs of 280
    images took 45 minutes where the preset means a quarter of an hour. What the user has chosen instead stays.

    Args:
        config: Settings of the preset, as they were made.
        framed: The same at the project's framing, with its network.
        preset: A name of `PRESETS`; empty for settings of the user's own, which stay.
        circumstances: With the project's framing.
    """
    if not preset or not framed.total_epochs:
        return framed
    unframed = dataclasses.replace(circumstances, framing=None)
    usual = preset_config(preset, unframed, backbone=config.backbone)
    meant = preset_config(preset, circumstances, backbone=framed.backbone)
    if not meant.total_epochs:
        return framed
    names = ("epochs", "method")
    fitted = {name: getattr(meant, name) for name in names if getattr(framed, name) == getattr(usual, name)}
    return dataclasses.replace(framed, **fitted)


def fitted_to_time(
    config: TrainConfig, images: Snapshot, seconds: float, *, job: JobContext = SILENT_JOB
) -> TrainConfig | None:
    """Return the settings with as many epochs, at most their own, as are forecast to take so many seconds.

    A few steps are measured for the forecast, which takes seconds. The epochs of a run without epochs stay. None where
    a single epoch is forecast to take longer.

    Raises:
        ConfigError: Settings or images are unsuitable for training.
        JobCancelled: The user cancelled the measurement.
    """
    if not config.total_epochs or math.isinf(seconds):
        return config
    check_config(config, images)
    sized = with_aspect(config, images)
    facts = SetFacts.of(images)
    cost = measure_steps(sized, images, job=job)

    def takes(epochs: int) -> float:
        return extrapolate(cost, dataclasses.replace(sized, epochs=epochs), facts, evaluates=True).seconds

    fitting = (epochs for epochs in range(config.epochs, 0, -1) if takes(epochs) <= seconds)
    most = next(fitting, 0)
    return dataclasses.replace(config, epochs=most) if most else None
