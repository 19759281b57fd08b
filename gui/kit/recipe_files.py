"""Saving recipes: the file dialog, and the writing."""

from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QWidget

from gui.kit import dialogs
from gui.kit.translation import tr
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.recipe import SUFFIX, Recipe, write_recipe

RECIPE_PATTERN: Final = f"TOML (*{SUFFIX})"


def ask_recipe_target(parent: QWidget, name: str) -> Path | None:
    """Let the user name the file of a recipe; None if cancelled."""
    target = dialogs.ask_save_file(parent, tr("Save the recipe"), RECIPE_PATTERN, Path.home() / f"{name}{SUFFIX}")
    return target if target is None or target.suffix else target.with_suffix(SUFFIX)


def write_settings(config: TrainConfig, target: Path, *, job: JobContext) -> Path:
    """Write settings as a recipe with their starting weights; return the file.

    Raises:
        WeightsError: The weights are missing.
        VisionFTError: The file cannot be written.
    """
    write_recipe(target, Recipe.of_settings(config))
    return target
