"""The budget of a run: the stages of a preset and a time limit. Both can change while the run is training."""

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

# Settings with the same value in all stages of a run.
_SHARED_SETTINGS = (
    "try_networks", "weights", "accept_licence", "image_size", "framing", "aspect", "region", "seed", "device",
    "precision", "workers", "balance", "batch_size", "image_reading", "methods",
)  # fmt: skip


class Budget:
    """The last stage and the time limit of a run. Another thread may change them while the run is training.

    A preset is a budget: `quick` fits a head, `balanced` then trains the network, `best` then trains it longer.
    """

    def __init__(self, preset: str = "", *, seconds: float | None = None, fetches: bool = False) -> None:
        """Start the clock.

        Args:
            preset: A name in `PRESETS`; empty if the settings of the run are its only stage.
            seconds: Time from now to the end of the last stage; None for no limit.
            fetches: Whether a stronger network may be downloaded after the first result.
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
        """Return whether the budget includes the stage of a preset; an empty preset is always included."""
        order = list(PRESETS)
        return not preset or not self.preset or order.index(preset) <= order.index(self.preset)

    def should_end(self, preset: str, seconds: float) -> bool:
        """Return whether a stage must end: its preset is not allowed any more, or less than `seconds` are left."""
        return not self.allows(preset) or self.left_s < seconds or self.left_s <= 0

    def limited(self, job: JobContext, share: float) -> JobContext:
        """Return a job context that is cancelled once `share` of the remaining time has passed."""
        min_left_s = self.left_s * (1 - share)
        return JobContext(
            job.report, lambda: job.is_cancelled or (self.seconds is not None and self.left_s <= min_left_s)
        )


def staged_configs(
    config: TrainConfig, config_preset: str, last_preset: str, circumstances: Circumstances
) -> tuple[tuple[str, TrainConfig], ...]:
    """Return (preset, settings) of each stage of a run, in order; only ("", `config`) for settings without a preset.

    Args:
        config: Settings of the run.
        config_preset: The preset that made `config`; empty for none.
        last_preset: The preset of the last stage.
        circumstances: The project and this computer.
    """
    if not config_preset or not last_preset:
        return (("", config),)
    order = list(PRESETS)
    shared = {name: getattr(config, name) for name in _SHARED_SETTINGS}
    backbone = "" if config.try_networks else config.backbone
    stages: list[tuple[str, TrainConfig]] = []
    for name in order[: order.index(last_preset) + 1]:
        stage = config
        if name != config_preset:
            stage = dataclasses.replace(preset_config(name, circumstances, backbone=backbone), **shared)
        if stage.total_epochs or not stages:
            stages.append((name, stage))
    return tuple(stages)


def fitted_to_framing(
    config: TrainConfig, framed: TrainConfig, preset: str, circumstances: Circumstances
) -> TrainConfig:
    """Return `framed` with the epochs and method that the preset chooses for its framing and network.

    The settings of a first run are made before its framing is measured: at 320 pixels instead of 160, 30 epochs of 280
    images took 45 minutes instead of the preset's quarter of an hour. Values chosen by the user stay.

    Args:
        config: Settings of the preset before the framing was measured.
        framed: The same settings with the project's framing and network.
        preset: A name in `PRESETS`; empty for the user's own settings, which stay.
        circumstances: The project, with its framing, and this computer.
    """
    if not preset or not framed.total_epochs:
        return framed
    unframed = dataclasses.replace(circumstances, framing=None)
    before = preset_config(preset, unframed, backbone=config.backbone)
    after = preset_config(preset, circumstances, backbone=framed.backbone)
    if not after.total_epochs:
        return framed
    names = ("epochs", "method")
    fitted = {name: getattr(after, name) for name in names if getattr(framed, name) == getattr(before, name)}
    return dataclasses.replace(framed, **fitted)


def fitted_to_time(
    config: TrainConfig, images: Snapshot, seconds: float, *, job: JobContext = SILENT_JOB
) -> TrainConfig | None:
    """Return the settings with the epochs reduced to fit into a time limit, or None if one epoch takes longer.

    The forecast measures a few steps, which takes seconds. A run without epochs is returned unchanged.

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

    def forecast_s(epochs: int) -> float:
        return extrapolate(cost, dataclasses.replace(sized, epochs=epochs), facts, evaluates=True).seconds

    epochs = next((epochs for epochs in range(config.epochs, 0, -1) if forecast_s(epochs) <= seconds), 0)
    return dataclasses.replace(config, epochs=epochs) if epochs else None
