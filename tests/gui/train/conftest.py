"""Fixture of the train page's tests."""

import pytest

from gui.train.train_page import TrainPage


@pytest.fixture
def page(open_page) -> TrainPage:
    """Return the train page of a project with labelled, split images."""
    return open_page("train")
