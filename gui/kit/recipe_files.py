"""Where a recipe goes: the one dialog for it, and the writing."""

from pathlib import Path
from typing import Final

from PySide6.QtWidgets import QWidget

from gui.kit import dialogs
from gui.kit.i18n import tr
from visionft.events import OnEvent, ShouldStop
from visionft.training.config.train_config import TrainConfig
from visionft.training.recipe import SUFFIX, Recipe, write_recipe

RECIPE_PATTERN: Final = f"TOML (*{SUFFIX})"


def ask_recipe_target(parent: QWidget, name: str) -> Path | None:
    """Let the user name the file of a recipe; None when they think better of it."""
    target = dialogs.ask_save_file(parent, tr("Save the recipe"), RECIPE_PATTERN, Path.home() / f"{name}{SUFFIX}")
    return target if target is None or target.suffix else target.with_suffix(SUFFIX)


def write_settings(config: TrainConfig, target: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> Path:
    """Write settings as a recipe, with the weights that they would begin with; returns the file.

    Raises:
        WeightsError: The weights are not at hand.
        VisionFTError: The file cannot be written.
    """
    write_recipe(target, Recipe.of_settings(config))
    return target
