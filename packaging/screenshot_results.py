"""The scenes of the results page for the screenshots."""

from typing import Any

import screenshot_train
from screenshot_data import made_up_explanation

from gui.results import page as views


def curves(studio: Any) -> None:
    """Lay three runs over each other."""
    screenshot_train.put_away(studio)
    studio.window.show_page("results")
    names = [
        f"{number:03d}-{name}" for number, name in ((3, "resnet50-full"), (2, "vit_small-lora"), (1, "resnet18-linear"))
    ]
    page = studio.window.page("results")
    page.table.select(names)
    page.view_buttons.button(views.CURVES).click()


def matrix(studio: Any) -> None:
    """Show the confusion matrix of one run."""
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full"])
    page.view_buttons.button(views.MATRIX).click()
    studio.wait_for_pictures(200)


def classes(studio: Any) -> None:
    """Show the scores of its classes."""
    studio.window.page("results").view_buttons.button(views.CLASSES).click()


def pictures(studio: Any) -> None:
    """Show a picture with a heat map."""
    page = studio.window.page("results")
    page.view_buttons.button(views.PICTURES).click()
    first = page.pictures.explain.strip.tiles()[0]
    page.pictures.take_explanations([made_up_explanation(first.image_id, first.path, "missing hole")])
    studio.wait_for_pictures(300)


def calibration(studio: Any) -> None:
    """Show how sure it is and how often right."""
    studio.window.page("results").view_buttons.button(views.CALIBRATION).click()


def scoreboard(studio: Any) -> None:
    """Rank the runs and show what they cost."""
    page = studio.window.page("results")
    page.view_buttons.button(views.BOARD).click()
    studio.wait_for_pictures(800)


def changes(studio: Any) -> None:
    """Show what it changes."""
    studio.window.page("results").view_buttons.button(views.CHANGES).click()
    studio.wait_for_pictures(200)


def settings(studio: Any) -> None:
    """Show two runs' settings side by side."""
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full", "002-vit_small-lora"])
    page.view_buttons.button(views.SETTINGS).click()
