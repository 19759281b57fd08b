"""The next step of an error as a button: its title, and the page that takes the step (`Page.take_step`).

The command line prints the same steps as commands (`visionft.cli.next_steps`).
"""

from collections.abc import Callable
from typing import NamedTuple

from visionft.core.errors import Action, NextStep
from visionft.core.installation import refusal
from visionft.core.messages import Text


class StepButton(NamedTuple):
    """The button of a step; pressing it shows `page`."""

    title: Text
    page: str


STEPS: dict[Action, StepButton] = {
    "create_project": StepButton("Create a project", "project"),
    "open_project": StepButton("Open the project", "project"),
    "import_images": StepButton("Import images", "project"),
    "import_unlabelled": StepButton("Import without labels", "project"),
    "choose_columns": StepButton("Choose the column", "project"),
    "take_marks": StepButton("Use the classes of the boxes", "project"),
    "label": StepButton("Open Label", "label"),
    "find_issues": StepButton("Find issues", "curate"),
    "keep_best": StepButton("Show the images", "curate"),
    "mend": StepButton("Show the images", "curate"),
    "decide_conflicts": StepButton("Decide conflicts", "curate"),
    "split": StepButton("Split now", "project"),
    "split_without_test": StepButton("Split without a test set", "project"),
    "train": StepButton("Open Train", "train"),
    "resume": StepButton("Continue the run", "train"),
    "evaluate": StepButton("Evaluate the run", "results"),
    "combine": StepButton("Open Results", "results"),
    "export": StepButton("Open Export", "export"),
    "restore": StepButton("Restore a backup", "project"),
    "check": StepButton("Check the project", "project"),
    "relink": StepButton("Find images again", "project"),
    "fetch_weights": StepButton("Fetch the weights", "settings"),
    "import_weights": StepButton("Import a weights file", "settings"),
    "remove_weights": StepButton("Remove the weights", "settings"),
    "list_weights": StepButton("Show the weights", "settings"),
    "list_settings": StepButton("Show the settings", "train"),
    "allow_network": StepButton("Open Settings", "settings"),
    "diagnose": StepButton("Check this computer", "settings"),
    "install": StepButton("Copy the command", "settings"),
}


def button_of(step: NextStep) -> StepButton:
    """Return the button of a step; a standalone program cannot install packages and offers help instead."""
    if step.action == "install" and refusal(step.requirement):
        return StepButton("What to do instead", "settings")
    return STEPS[step.action]


def step_action(step: NextStep | None, take: Callable[[NextStep], object]) -> tuple[str, Callable[[], object]] | None:
    """Return the title and callback of the button for a step; None without a step."""
    return None if step is None else (button_of(step).title, lambda: take(step))
