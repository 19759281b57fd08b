"""The scenes of the results page for the screenshots."""

from typing import Any

import screenshot_train
from screenshot_data import made_up_explanation

from gui.results import details_view, results_page


def images(studio: Any) -> None:
    """Show the mistakes of one run, one of them with a heat map."""
    screenshot_train.put_away(studio)
    studio.window.show_page("results")
    page = studio.window.page("results")
    page.table.select(["003-resnet50-full"])
    page.view_buttons.button(results_page.MISTAKES).click()
    first = page.images.explain.strip.tiles()[0]
    page.images.take_explanations([made_up_explanation(first.image_id, first.path, "missing hole")])
    studio.wait_for_images(300)


def classes(studio: Any) -> None:
    """Show the confusion matrix and the scores of its classes."""
    studio.window.page("results").view_buttons.button(results_page.CLASSES).click()
    studio.wait_for_images(200)


def leaderboard(studio: Any) -> None:
    """Show the leaderboard of the runs with their costs."""
    _compare(studio, results_page.LEADERBOARD)


def comparison(studio: Any) -> None:
    """Show two models side by side."""
    _compare(studio, results_page.SIDE_BY_SIDE)


def _compare(studio: Any, place: int) -> None:
    page = studio.window.page("results")
    page.view_buttons.button(results_page.COMPARE).click()
    page.compare.choose(place)
    studio.wait_for_images(800)


def curves(studio: Any) -> None:
    """Lay three runs over each other."""
    names = [
        f"{number:03d}-{name}" for number, name in ((3, "resnet50-full"), (2, "vit_small-lora"), (1, "resnet18-linear"))
    ]
    studio.window.page("results").table.select(names)
    _details(studio, details_view.CURVES)


def calibration(studio: Any) -> None:
    """Show the calibration of the run."""
    _details(studio, details_view.CALIBRATION)


def settings(studio: Any) -> None:
    """Compare the settings of two runs."""
    studio.window.page("results").table.select(["003-resnet50-full", "002-vit_small-lora"])
    _details(studio, details_view.SETTINGS)


def _details(studio: Any, place: int) -> None:
    page = studio.window.page("results")
    page.view_buttons.button(results_page.DETAILS).click()
    page.details.views.choose(place)
