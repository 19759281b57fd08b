"""Images from a camera, through OpenCV. An absent, busy or unplugged camera is an expected failure."""

import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from models.messages import Message
from visionft.errors import ImageError

# A camera that has just woken up misses an image now and then: for half a second.
_TRIES = 10
_TRY_PAUSE_S = 0.05
_ABSENT = "Plug a camera in, close other programs that use it, and allow VisionFT to use it in the system's settings."
_GONE = "Plug the camera in again and start it once more."


def camera_images(source: int | Path) -> Generator[np.ndarray]:
    """Yield the newest uint8 (H, W, 3) RGB image of a camera (a number from 0) or video; an `ImageError` for none."""
    if sys.platform == "darwin":
        os.environ.setdefault("OPENCV_AVFOUNDATION_SKIP_AUTH", "1")  # it may only ask on the main thread; macOS asks
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # absence is reported here, not on stderr
    capture: Any = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a queue of old images would lag behind what is held up to the lens
    try:
        if not capture.isOpened():
            name = f"camera {source + 1}" if isinstance(source, int) else str(source)
            raise ImageError(Message("There is no {name} that can be used.", name=name), _ABSENT)
        misses = 0
        while misses < _TRIES:
            is_read, image = capture.read()
            if is_read:
                misses = 0
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            else:
                misses += 1
                time.sleep(_TRY_PAUSE_S)
        raise ImageError("The camera stopped sending images.", _GONE)
    finally:
        capture.release()
