"""The Try page with a tiny exported file, and videos."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def _write_video(target: Path, *, frames: int, colour: tuple[int, int, int] = (0, 200, 0)) -> Path:
    """Write a video of one RGB colour: to OpenCV it is a camera, unplugged after its last frame."""
    import cv2

    writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"MJPG"), 15, (64, 48))
    for _ in range(frames):
        writer.write(np.full((48, 64, 3), colour[::-1], np.uint8))
    writer.release()
    return target


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """Return a function to write a video."""
    return _write_video


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
        qtbot.waitUntil(lambda: not window.state.tasks.pending, timeout=20_000)
        page.grid.selection.set_current(0)

    return run
