"""Fixtures of the results page's tests."""

from collections.abc import Callable

import pytest

from gui.shell.window import MainWindow


@pytest.fixture
def page(window: MainWindow, image_ids: list[int]):
    """Return the results page of a project with two runs; the newer one is evaluated on four images."""
    window.show_page("results")
    return window.page("results")


@pytest.fixture
def show(qtbot, page) -> Callable[[int], None]:
    """Return a function to open a view by its button."""
    return lambda place: page.view_buttons.button(place).click()
