"""The settings of a new run: of a recipe, a preset, or a backbone and a method, with single settings replaced.

Command line, Python interface and demonstration call this, so the same words give the same run. The window gathers the
same facts in the background, because reading them takes too long for its main thread.
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

    They start from the recipe or the preset, else from the defaults for a backbone. The user's settings replace them.

    Args:
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder.
        given: Settings of the user by name.
        assignments: More of them as `KEY=VALUE` texts, such as `lora.rank=4`; these win.
        preset: `quick`, `balanced` or `best`; None for the defaults, with the usual backbone of the method.
        recipe_file: The file of a recipe. Missing weights are downloaded, to compare them with the recipe's hash.
        trains_on: The device of another computer, for the choices of a preset.

    Raises:
        ConfigError: A setting is unknown or invalid, or the images are unsuitable; all problems at once.
            A problem of a recipe names its line.
        VisionFTError: Both a preset and a recipe are given.
        WeightsError: The weights are missing, or differ from the recipe's.
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
    """Return the settings before the user's, without a recipe."""
    backbone = given.get("backbone") or ""
    if preset is None:
        return TrainConfig(backbone=backbone or usual_backbone(given.get("method")))
    device = given.get("device") or "auto"
    return preset_of_project(preset, images, project_dir, backbone=backbone, device=device, trains_on=trains_on)


def staged_preset(preset: str | None, given: Mapping[str, Any], assignments: Sequence[str] = ()) -> str:
    """Return the preset whose stages a run goes through; empty where the user's own choice is all it is to do.

    Args:
        preset: The preset that the settings come from.
        given: Settings of the user, as in `run_settings`, like `assignments`.
    """
    return "" if _named(given, assignments) & {"method", "start_from"} else preset or ""


def _named(given: Mapping[str, Any], assignments: Iterable[str]) -> set[str]:
    """Return the names of the settings that the user gave."""
    return {*given, *(each.partition("=")[0].strip() for each in assignments)}


def usual_backbone(method: str | None) -> str:
    """Return the backbone to take where none is named: the method's usual one, else the program's."""
    return (METHODS[method].usual_backbone if method in METHODS else "") or DEFAULT_BACKBONE


def override_settings(config: TrainConfig, given: Mapping[str, Any], assignments: Iterable[str]) -> TrainConfig:
    """Return settings replaced by given ones and by `KEY=VALUE` texts, such as `lora.rank=4`.

    A backbone that is named is taken: no other network is tried.

    Raises:
        ConfigError: A text does not parse, or there is no such setting.
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
    """Return the circumstances of a project on this computer: its images, its framing and the weights that are here.

    Args:
        images: The images as the run will use them, with their splits.
        project_dir: The project's folder; its measured or chosen framing counts, and the network measured best.
        device: The device of the runs, as in the settings.
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
