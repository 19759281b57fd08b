"""Fixtures of the results page's tests."""

from collections.abc import Callable

import pytest

from gui.results.results_page import DETAILS
from gui.shell.window import MainWindow


@pytest.fixture
def page(window: MainWindow, image_ids: list[int]):
    """Return the results page of a project with two runs; the newer one is evaluated on four images."""
    window.show_page("results")
    return window.page("results")


@pytest.fixture
def show(page) -> Callable[..., None]:
    """Return a function to open a view, and a view inside it, by their buttons."""
    inner = {DETAILS: page.details.views}

    def show(place: int, inside: int | None = None) -> None:
        page.view_buttons.button(place).click()
        if inside is not None:
            inner[place].buttons.button(inside).click()

    return show
