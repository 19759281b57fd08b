"""The settings of a new run: a preset for the project, or a backbone and a method, with single settings replaced.

Command line and Python interface call this, so the same words give the same run.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from models.catalog import DEFAULT_BACKBONE, known_backbone
from models.methods.table import METHODS
from visionft.data.types import Snapshot
from visionft.files import from_home
from visionft.jobs import SILENT, JobContext
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.estimate import SetFacts, extrapolate, measure_steps
from visionft.training.framing import with_aspect
from visionft.training.preset_choice import preset_of_project
from visionft.weights.locations import PRETRAINED, RANDOM


def starting_settings(
    images: Snapshot,
    project_dir: Path,
    given: Mapping[str, Any],
    *,
    preset: str | None = None,
    trains_on: str = "",
    job: JobContext = SILENT,
) -> TrainConfig:
    """Return the settings that those of the user replace: of a preset, else the defaults for a backbone.

    Args:
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder.
        given: Settings of the user by name; `backbone`, `method` and `device` count here.
        preset: `quick`, `balanced` or `best`; None for the defaults, with the usual backbone of the method.
        trains_on: The device that a preset is to suit, where it is another computer's.

    Raises:
        ConfigError: There is no such preset, or the images are unsuitable.
    """
    backbone = given.get("backbone") or ""
    if preset is None:
        return TrainConfig(backbone=backbone or usual_backbone(given.get("method")))
    device = given.get("device") or "auto"
    return preset_of_project(
        preset, images, project_dir, backbone=backbone, device=device, trains_on=trains_on, job=job
    )


def usual_backbone(method: str | None) -> str:
    """Return the backbone to take where none is named: the method's usual one, else the program's."""
    return (METHODS[method].usual_backbone if method in METHODS else "") or DEFAULT_BACKBONE


def override_settings(config: TrainConfig, given: Mapping[str, Any], assignments: Iterable[str]) -> TrainConfig:
    """Return settings replaced by given ones and by `KEY=VALUE` texts, such as `lora.rank=4`.

    Raises:
        ConfigError: A text does not parse, or there is no such setting.
    """
    config = dataclasses.replace(config.with_settings(assignments), **given)
    if row := known_backbone(config.backbone):  # timm/NAME may be short for another name
        config = dataclasses.replace(config, backbone=row.name)
    if config.weights not in (PRETRAINED, RANDOM):
        # The run may be continued and exported from another folder.
        config = dataclasses.replace(config, weights=str(from_home(config.weights).absolute()))
    return config


def as_assignments(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return settings as `KEY=VALUE` texts; those of a method are a group: {"lora": {"rank": 4}} is `lora.rank=4`."""
    found: list[str] = []
    for name, value in settings.items():
        is_group = isinstance(value, Mapping)
        found += as_assignments(value, f"{prefix}{name}.") if is_group else [f"{prefix}{name}={value}"]
    return found


def fitted_to_time(config: TrainConfig, images: Snapshot, seconds: float, *, job: JobContext = SILENT) -> TrainConfig:
    """Return the settings with as many epochs, at most their own, as are forecast to take so many seconds.

    A few steps are measured, which takes seconds. A run without epochs, and one that fits, stays as it is.

    Raises:
        ConfigError: Settings or images are unsuitable for training.
        JobCancelled: The user cancelled the measurement.
    """
    if config.total_epochs <= 1:
        return config
    check_config(config, images)
    sized, facts = with_aspect(config, images), SetFacts.of(images)
    cost = measure_steps(sized, images, job=job)

    def takes(epochs: int) -> float:
        return extrapolate(cost, dataclasses.replace(sized, epochs=epochs), facts, evaluates=True).seconds

    fitting = (epochs for epochs in range(config.epochs, 1, -1) if takes(epochs) <= seconds)
    return dataclasses.replace(config, epochs=next(fitting, 1))
