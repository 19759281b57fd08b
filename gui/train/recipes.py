"""Recipes on the train page: open one as the draft, save the draft as one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject

from gui.kit import dialogs
from gui.kit.recipe_files import RECIPE_PATTERN, ask_recipe_target, write_settings
from gui.kit.translation import tr
from gui.runner import TRAIN
from gui.state import AppState
from gui.tasks import Lane, Task, Work
from visionft.errors import ConfigError
from visionft.jobs import JobContext
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.recipe import Recipe, read_recipe, require_same_weights
from visionft.weights.locations import PRETRAINED, local_file

if TYPE_CHECKING:
    from gui.train.setup import SetupView


class Recipes(QObject):
    """Opens and saves recipes for the draft."""

    def __init__(
        self, state: AppState, view: "SetupView", *, take: Callable[[TrainConfig], object], parent: QObject
    ) -> None:
        """Connect the buttons of the `view` of the draft; `take` sets its settings."""
        super().__init__(parent)
        self._state, self._view, self._take = state, view, take
        view.open_recipe_button.clicked.connect(lambda _checked=False: self.open())
        view.save_recipe_button.clicked.connect(lambda _checked=False: self.save())
        state.actions.attach(view.open_recipe_button, "run.open_recipe", tr("Load the settings of a recipe file"))
        kept = tr("Save these settings and the initial weights as a recipe file")
        state.actions.attach(view.save_recipe_button, "run.save_recipe", kept)

    def open(self) -> None:
        chosen = dialogs.ask_files(self._view.window(), tr("Open a recipe"), RECIPE_PATTERN)
        if chosen:
            self.take(chosen[0])

    def take(self, path: Path) -> None:
        """Read a recipe in a task and copy its settings into the draft; a recipe with invalid settings is refused."""

        def show(recipe: Recipe) -> None:
            self._take(recipe.config)
            done = tr("The settings of {name} are loaded.", name=recipe.name)
            missing = recipe.config.weights == PRETRAINED and local_file(recipe.config.backbone_row) is None
            hint = tr("Its weights are not on this computer yet: training fetches them first.") if missing else ""
            self._state.say(done, hint, tone="warn" if missing else "good")

        self._run(tr("Reading {name}", name=path.name), partial(read_to_train, path), show)

    def save(self) -> None:
        target = ask_recipe_target(self._view.window(), "recipe")
        if target is not None:
            done = tr("Saved: {path}", path=str(target))
            work = partial(write_settings, self._view.config(), target)
            title = tr("Writing {name}", name=target.name)
            self._run(title, work, lambda _path: self._state.say(done, tone="good"))

    def _run(self, title: str, work: Work[Any], on_done: Callable[[Any], object]) -> None:
        task = Task(title=title, work=work, lane=Lane.DISK, page=TRAIN)
        self._state.tasks.run(task, owner=self, on_done=on_done)


def read_to_train(path: Path, *, job: JobContext) -> Recipe:
    """Return a recipe with valid settings whose local weights have the recorded checksums.

    Raises:
        ConfigError: The file is no recipe, or its settings cannot be trained with; the message names their lines.
        WeightsError: The weights on this computer differ.
    """
    recipe = read_recipe(path)
    config = recipe.config
    try:
        check_config(config)
    except ConfigError as error:
        raise recipe.located(error) from error
    if config.weights != PRETRAINED or local_file(config.backbone_row) is not None:
        require_same_weights(recipe, config)
    return recipe
