"""Fixtures of the train page's tests."""

from pathlib import Path

import pytest

from gui.shell.window import MainWindow
from gui.train.train_page import TrainPage


@pytest.fixture
def page(window: MainWindow, project_dir: Path) -> TrainPage:
    """Return the train page of a project with labelled, split images."""
    window.state.open_project(project_dir)
    window.show_page("train")
    page = window.page("train")
    assert isinstance(page, TrainPage)
    return page
