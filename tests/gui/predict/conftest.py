"""The Try page with a tiny exported file."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def page(project_dir, write_model, open_page):
    """Return the Try page of a project with an export."""
    write_model(project_dir / "exports" / "001-run" / "model.onnx")
    return open_page("try")


@pytest.fixture
def classify(qtbot, window, page) -> Callable[..., None]:
    """Return a function to classify images and select the first one."""

    def run(*sources: Path) -> None:
        page.classify(list(sources))
        qtbot.waitUntil(lambda: not window.state.jobs.pending, timeout=20_000)
        page.grid.selection.set_current(0)

    return run
