"""Recipes on the train page: one that is opened becomes the draft; the draft is saved as one."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from gui.kit import dialogs
from gui.kit.i18n import tr
from gui.kit.recipe_files import RECIPE_PATTERN, ask_recipe_target, write_settings
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.errors import ConfigError
from visionft.events import OnEvent, ShouldStop
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.recipe import Recipe, read_recipe, require_same_weights
from visionft.weights.locations import PRETRAINED, local_file

if TYPE_CHECKING:
    from gui.train.setup import SetupView


class Recipes(QObject):
    """Opens and saves recipes for the draft."""

    def __init__(
        self,
        state: AppState,
        view: "SetupView",
        *,
        take: Callable[[TrainConfig], object],
        page: str,
        parent: QObject,
    ) -> None:
        """Connect the buttons of the draft's view.

        Args:
            state: The state of the window.
            view: Shows the draft.
            take: Takes settings into the draft.
            page: Where tasks lead to.
            parent: Whose it is.
        """
        super().__init__(parent)
        self._state, self._view, self._take, self._page = state, view, take, page
        view.open_recipe_button.clicked.connect(lambda _checked=False: self.open())
        view.save_recipe_button.clicked.connect(lambda _checked=False: self.save())
        state.actions.attach(view.open_recipe_button, "run.open_recipe", tr("Take the settings that a file tells"))
        kept = tr("Write these settings, and which weights they begin with, as a file to train with again")
        state.actions.attach(view.save_recipe_button, "run.save_recipe", kept)

    def open(self) -> None:
        """Let the user choose a recipe, and take its settings into the draft."""
        chosen = dialogs.ask_files(self._view.window(), tr("Open a recipe"), RECIPE_PATTERN)
        if chosen:
            self.take(chosen[0])

    def take(self, path: Path) -> None:
        """Read a recipe in a task and take its settings into the draft; one that cannot be trained with is refused."""
        work = partial(read_to_train, path)
        title = tr("Reading {name}", name=path.name)
        task = Task(title=title, work=work, lane=Lane.DISK, page=self._page)
        self._state.tasks.run(task, owner=self, on_done=self._show)

    def _show(self, recipe: Recipe) -> None:
        self._take(recipe.config)
        done = tr("The settings of {name} are taken.", name=recipe.name)
        missing = recipe.config.weights == PRETRAINED and local_file(recipe.config.backbone_row) is None
        hint = tr("Its weights are not on this computer yet: training fetches them first.") if missing else ""
        self._state.say(done, hint, tone="warn" if missing else "good")

    def save(self) -> None:
        """Let the user name a file, and write the draft's settings into it as a recipe."""
        target = ask_recipe_target(self._view.window(), "recipe")
        if target is not None:
            config = self._view.config()
            task = Task(
                title=tr("Writing {name}", name=target.name),
                work=partial(write_settings, config, target),
                lane=Lane.DISK,
                page=self._page,
            )
            saved = partial(self._state.say, tr("Saved: {path}", path=str(target)), tone="good")
            self._state.tasks.run(task, owner=self, on_done=lambda _path: saved())


def read_to_train(path: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> Recipe:
    """Return a recipe whose settings are sound and whose weights, as far as they are here, are the ones it names.

    Raises:
        ConfigError: It is none, or its settings cannot be trained with; by their lines.
        WeightsError: Other weights are here.
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
