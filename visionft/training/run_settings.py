"""The settings of a new run, from a recipe, a preset, or a backbone and a method, with single settings replaced.

The command line, the Python interface and the demonstration use this module, so that the same settings give the same
run. The window gathers the same facts in the background, because reading them takes too long for its main thread.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from models.catalog import DEFAULT_BACKBONE, known_backbone
from models.methods.table import METHODS
from models.weights.locations import PRETRAINED, RANDOM, local_backbones
from visionft.core.errors import ConfigError, VisionFTError
from visionft.core.files import expand_home
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.data.types import Snapshot
from visionft.training.base_weights import ensure_weights
from visionft.training.config.checks import check_config
from visionft.training.config.presets import Circumstances, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.framing_choice import read_framing
from visionft.training.recipe import read_recipe, require_same_weights


def run_settings(
    images: Snapshot,
    project_dir: Path,
    given: Mapping[str, Any],
    assignments: Sequence[str] = (),
    *,
    preset: str | None = None,
    recipe_file: Path | None = None,
    trains_on: str = "",
    job: JobContext = SILENT_JOB,
) -> TrainConfig:
    """Return the checked settings of a new run.

    They start from the recipe, the preset or the defaults for a backbone, and are replaced by the user's settings.

    Args:
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder.
        given: Settings of the user by name.
        assignments: Further settings as `KEY=VALUE` texts, such as `lora.rank=4`; they take precedence over `given`.
        preset: `quick`, `balanced` or `best`; None for the defaults, with the default backbone of the method.
        recipe_file: A recipe file. Missing weights are downloaded, to compare them with the recipe's hash.
        trains_on: The device of the remote computer that will train, for the choices of a preset.

    Raises:
        ConfigError: Settings are unknown or invalid, or the images are unsuitable; it lists all problems, with line
            numbers if they are in a recipe.
        VisionFTError: Both a preset and a recipe are given.
        WeightsError: The weights are missing, or differ from the weights of the recipe.
        JobCancelled: The user cancelled the download.
    """
    if recipe_file is None:
        config = override_settings(_start(images, project_dir, given, preset, trains_on), given, assignments)
        check_config(config, images)
        return config
    if preset is not None:
        raise VisionFTError("A preset and a recipe exclude each other.", "Give a preset or a recipe, not both.")
    recipe = read_recipe(recipe_file)
    config = override_settings(recipe.config, given, assignments)
    try:
        check_config(config, images)
    except ConfigError as error:
        raise recipe.located(error, given=tuple(_named(given, assignments))) from error
    if not ensure_weights(config, job=job):
        raise JobCancelled
    require_same_weights(recipe, config)
    return config


def _start(
    images: Snapshot, project_dir: Path, given: Mapping[str, Any], preset: str | None, trains_on: str
) -> TrainConfig:
    """Return the settings of the preset, or the defaults, before the user's settings are applied."""
    backbone = given.get("backbone") or ""
    if preset is None:
        return TrainConfig(backbone=backbone or usual_backbone(given.get("method")))
    device = given.get("device") or "auto"
    return preset_of_project(preset, images, project_dir, backbone=backbone, device=device, trains_on=trains_on)


def staged_preset(preset: str | None, given: Mapping[str, Any], assignments: Sequence[str] = ()) -> str:
    """Return the preset whose stages a run goes through, or an empty string if the user chose the method or start.

    Args:
        preset: The preset of the settings.
        given: The user's settings, as in `run_settings`; the same for `assignments`.
    """
    return "" if _named(given, assignments) & {"method", "start_from"} else preset or ""


def _named(given: Mapping[str, Any], assignments: Iterable[str]) -> set[str]:
    """Return the names of the settings that the user gave."""
    return {*given, *(assignment.partition("=")[0].strip() for assignment in assignments)}


def usual_backbone(method: str | None) -> str:
    """Return the default backbone of a method, or the program's default backbone."""
    return (METHODS[method].usual_backbone if method in METHODS else "") or DEFAULT_BACKBONE


def override_settings(config: TrainConfig, given: Mapping[str, Any], assignments: Iterable[str]) -> TrainConfig:
    """Replace settings by given ones and by `KEY=VALUE` texts, such as `lora.rank=4`.

    If a backbone is given, no other networks are tried.

    Raises:
        ConfigError: A text cannot be parsed, or a setting is unknown.
    """
    assignments = tuple(assignments)
    config = dataclasses.replace(config.with_settings(assignments), **given)
    named = _named(given, assignments)
    if "backbone" in named and "try_networks" not in named:
        config = dataclasses.replace(config, try_networks=False)
    if row := known_backbone(config.backbone):  # timm/NAME may be short for another name
        config = dataclasses.replace(config, backbone=row.name)
    if config.weights not in (PRETRAINED, RANDOM):
        # The run may be continued and exported from another folder.
        config = dataclasses.replace(config, weights=str(expand_home(config.weights).absolute()))
    return config


def as_assignments(settings: Mapping[str, Any], prefix: str = "") -> list[str]:
    """Return settings as `KEY=VALUE` texts; a method's settings are a group: {"lora": {"rank": 4}} is `lora.rank=4`."""
    found: list[str] = []
    for name, value in settings.items():
        is_group = isinstance(value, Mapping)
        found += as_assignments(value, f"{prefix}{name}.") if is_group else [f"{prefix}{name}={value}"]
    return found


def project_circumstances(images: Snapshot, project_dir: Path, *, device: str = "auto") -> Circumstances:
    """Return the facts that determine a preset: the project's images and framing, the device, and local weights.

    Args:
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder, from which the framing (measured or chosen) and the best-measured backbone
            are read.
        device: The device to train on; the same values as for the `device` setting.
    """
    choice = read_framing(project_dir, images)
    framing, backbone = (choice.framing, choice.backbone) if choice is not None else (None, "")
    return Circumstances.of(
        images, local_backbones=local_backbones(), device=device, framing=framing, backbone=backbone
    )


def preset_of_project(
    preset: str,
    images: Snapshot,
    project_dir: Path,
    *,
    backbone: str = "",
    device: str = "auto",
    trains_on: str = "",
) -> TrainConfig:
    """Return the settings of a preset for a project on this computer.

    Args:
        preset: `quick`, `balanced` or `best`.
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder.
        backbone: The backbone to take; empty for the best one measured on the images, else the first to try.
        device: The device of the settings.
        trains_on: The device that the preset is to suit, where it is another computer's.

    Raises:
        ConfigError: There is no such preset.
    """
    circumstances = project_circumstances(images, project_dir, device=trains_on or device)
    return preset_config(preset, circumstances, backbone=backbone, device=device)
