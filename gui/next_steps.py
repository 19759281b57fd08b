"""The next step of an error as a button: what it is called, and the page that takes it (`Page.take_step`).

The command line words the same steps as commands (`visionft.cli.next_steps`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import LiteralString

from visionft.errors import Action, NextStep
from visionft.installation import refusal


@dataclass(frozen=True, slots=True)
class StepButton:
    """A button; pressing it shows `page`, which does the rest."""

    title: LiteralString
    page: str


STEPS: dict[Action, StepButton] = {
    "create_project": StepButton("Create a project", "project"),
    "open_project": StepButton("Open it", "project"),
    "import_images": StepButton("Import pictures", "project"),
    "import_unlabelled": StepButton("Import without labels", "project"),
    "choose_columns": StepButton("Choose the column", "project"),
    "take_marks": StepButton("Take the classes of the boxes", "project"),
    "label": StepButton("Open Label", "label"),
    "embed": StepButton("Look through the pictures", "curate"),
    "look_through": StepButton("Look through the pictures", "curate"),
    "split": StepButton("Split now", "project"),
    "split_without_test": StepButton("Split without a test set", "project"),
    "train": StepButton("Open Train", "train"),
    "resume": StepButton("Continue the run", "train"),
    "evaluate": StepButton("Evaluate it", "results"),
    "combine": StepButton("Open Results", "results"),
    "export": StepButton("Open Export", "export"),
    "restore": StepButton("Restore a backup", "project"),
    "check": StepButton("Check the project", "project"),
    "relink": StepButton("Find pictures again", "project"),
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
    """Return the button of a step as things are here: a program that needs no Python takes nothing in."""
    if step.action == "install" and refusal(step.requirement):
        return StepButton("What to do instead", "settings")
    return STEPS[step.action]


def way_of(step: NextStep | None, take: Callable[[NextStep], object]) -> tuple[str, Callable[[], object]] | None:
    """Return a step as a toast's button, its title and what it does; None where there is no step."""
    return None if step is None else (button_of(step).title, lambda: take(step))
