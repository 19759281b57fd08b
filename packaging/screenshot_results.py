"""The scenes of the results page for the screenshots."""

from typing import Any

import screenshot_train
from screenshot_data import made_up_explanation

from gui.results import results_page


def curves(studio: Any) -> None:
    """Lay three runs over each other."""
    screenshot_train.put_away(studio)
    studio.window.show_page("results")
    names = [
        f"{number:03d}-{name}" for number, name in ((3, "resnet50-full"), (2, "vit_small-lora"), (1, "resnet18-linear"))
    ]
    page = studio.window.page("results")
    page.table.select(names)
    page.view_buttons.button(results_page.CURVES).click()


def matrix(studio: Any) -> None:
    """Show the confusion matrix of one run."""
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full"])
    page.view_buttons.button(results_page.MATRIX).click()
    studio.wait_for_images(200)


def classes(studio: Any) -> None:
    """Show the scores of its classes."""
    studio.window.page("results").view_buttons.button(results_page.CLASSES).click()


def images(studio: Any) -> None:
    """Show an image with a heat map."""
    page = studio.window.page("results")
    page.view_buttons.button(results_page.IMAGES).click()
    first = page.images.explain.strip.tiles()[0]
    page.images.take_explanations([made_up_explanation(first.image_id, first.path, "missing hole")])
    studio.wait_for_images(300)


def calibration(studio: Any) -> None:
    """Show the calibration of the run."""
    studio.window.page("results").view_buttons.button(results_page.CALIBRATION).click()


def leaderboard(studio: Any) -> None:
    """Show the leaderboard of the runs with their costs."""
    page = studio.window.page("results")
    page.view_buttons.button(results_page.LEADERBOARD).click()
    studio.wait_for_images(800)


def changes(studio: Any) -> None:
    """Show the changed predictions."""
    studio.window.page("results").view_buttons.button(results_page.CHANGES).click()
    studio.wait_for_images(200)


def settings(studio: Any) -> None:
    """Compare the settings of two runs."""
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full", "002-vit_small-lora"])
    page.view_buttons.button(results_page.SETTINGS).click()
