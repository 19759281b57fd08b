"""Videos, made here."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


def _write_video(target: Path, *, frames: int, colour: tuple[int, int, int] = (0, 200, 0)) -> Path:
    """Write a video of one colour, given in RGB: to OpenCV it is a camera that is unplugged after its last picture."""
    import cv2

    writer = cv2.VideoWriter(str(target), cv2.VideoWriter_fourcc(*"MJPG"), 15, (64, 48))
    for _ in range(frames):
        writer.write(np.full((48, 64, 3), colour[::-1], np.uint8))
    writer.release()
    return target


@pytest.fixture
def write_video() -> Callable[..., Path]:
    """Return the function that writes a video."""
    return _write_video
