"""The scenes of the results page for the screenshots."""

from typing import Any

import screenshot_train
from screenshot_data import made_up_explanation


def curves(studio: Any) -> None:
    """Lay three runs over each other."""
    screenshot_train.put_away(studio)
    studio.window.show_page("results")
    names = [
        f"{number:03d}-{name}" for number, name in ((3, "resnet50-full"), (2, "vit_small-lora"), (1, "resnet18-linear"))
    ]
    studio.window.page("results").table.select(names)


def matrix(studio: Any) -> None:
    """Show the confusion matrix of one run."""
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full"])
    page.view_buttons.button(1).click()
    studio.wait_for_pictures(200)


def classes(studio: Any) -> None:
    """Show the scores of its classes."""
    studio.window.page("results").view_buttons.button(2).click()


def pictures(studio: Any) -> None:
    """Show a picture with a heat map."""
    page = studio.window.page("results")
    page.view_buttons.button(3).click()
    first = page.pictures.explain.strip.tiles()[0]
    page.pictures.take_explanations([made_up_explanation(first.image_id, first.path, "missing hole")])
    studio.wait_for_pictures(300)


def calibration(studio: Any) -> None:
    """Show how sure it is and how often right."""
    studio.window.page("results").view_buttons.button(4).click()


def changes(studio: Any) -> None:
    """Show what it changes."""
    studio.window.page("results").view_buttons.button(5).click()
    studio.wait_for_pictures(200)


def settings(studio: Any) -> None:
    """Show two runs' settings side by side."""
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full", "002-vit_small-lora"])
    page.view_buttons.button(6).click()
