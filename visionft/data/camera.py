"""Pictures from a camera, through OpenCV. A camera that is absent, taken or unplugged is an expected failure."""

import os
import sys
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from visionft.errors import ImageError

_TRIES, _TRY_PAUSE_S = 10, 0.05  # a camera that has just woken up misses a picture now and then
_ABSENT = "Plug a camera in, close other programs that use it, and allow VisionFT to use it in the system's settings."
_GONE = "Plug the camera in again and start it once more."


def camera_pictures(source: int | Path) -> Generator[np.ndarray]:
    """Yield uint8 (H, W, 3) RGB pictures, the newest one each time, until the generator is closed.

    Args:
        source: Number of the camera, from 0; or a video file.

    Raises:
        ImageError: There is no such camera, or it stopped sending pictures.
    """
    capture, cv2 = _open(source)
    try:
        if not capture.isOpened():
            name = f"camera {source + 1}" if isinstance(source, int) else str(source)
            raise ImageError(f"There is no {name} that can be used.", _ABSENT)
        while True:
            yield cv2.cvtColor(_read(capture), cv2.COLOR_BGR2RGB)
    finally:
        capture.release()


def _open(source: int | Path) -> tuple[Any, Any]:
    if sys.platform == "darwin":
        os.environ.setdefault("OPENCV_AVFOUNDATION_SKIP_AUTH", "1")  # it may only ask on the main thread; macOS asks
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # absence is reported here, not on stderr
    capture = cv2.VideoCapture(source if isinstance(source, int) else str(source))
    capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)  # a queue of old pictures would lag behind what is held up to the lens
    return capture, cv2


def _read(capture: Any) -> np.ndarray:
    for _ in range(_TRIES):
        is_read, picture = capture.read()
        if is_read:
            return picture
        time.sleep(_TRY_PAUSE_S)
    raise ImageError("The camera stopped sending pictures.", _GONE)
