"""Fixtures of the project page's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gui.home import new_project
from gui.home.home_page import ProjectPage
from gui.shell.window import MainWindow


@pytest.fixture
def page(window: MainWindow, current, tmp_path, monkeypatch):
    """Return the project page, whichever project is open; new projects go to a temporary folder."""
    monkeypatch.setattr(new_project, "projects_folder", lambda: tmp_path / "projects")
    assert isinstance(window.page("project"), ProjectPage)
    return current("project")


@pytest.fixture
def project(window: MainWindow, tmp_path):
    """Return the open, empty project."""
    window.state.create_project(tmp_path / "p")
    return window.state.session.project


@pytest.fixture
def look(page, finish) -> Callable[[Path], None]:
    """Return a function to show the preview of a source."""

    def look(source: Path) -> None:
        page.take_source(source)
        finish()

    return look


@pytest.fixture
def confirm(qtbot, page, finish) -> Callable[[], None]:
    """Return a function to import the displayed source."""

    def confirm() -> None:
        page.imports.panel.import_button.click()
        finish()

    return confirm
