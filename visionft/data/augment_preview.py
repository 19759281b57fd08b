"""A preview of augmentation: random variants of an image, drawn in a separate process.

The process uses the run's own augmentation. Its libraries (albumentations, OpenCV) take seconds to import and would
bring torch into the window's process; in the separate process they are loaded without it.
"""

import contextlib
import multiprocessing
import sys
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from models.messages import Message
from visionft.data.preprocess import PreprocessConfig
from visionft.errors import VisionFTError

ANSWER_S = 30.0  # a process that takes longer hangs: it starts in a few seconds, and augments an image in less than one


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRequest:
    path: Path
    augmentation: str  # a preset of `visionft.data.augment`
    preprocessing: PreprocessConfig  # of the run
    near_side: int  # approximate pixels of the shorter side after decoding, see `decode`
    seeds: tuple[int, ...]  # one variant each


def render(request: PreviewRequest) -> list[np.ndarray]:
    """Return a uint8 (height, width, 3) array for each seed; raise `ImageError` where the image cannot be decoded."""
    from visionft.data.image_cache import ImageCache

    reading = request.preprocessing.image_reading
    pixels = ImageCache.usual().load(request.path, request.near_side, reading=reading).pixels
    if request.augmentation != "none":
        from visionft.data.augment import build_augment

        augment = build_augment(request.augmentation, request.preprocessing.shape)
        part = request.preprocessing.in_region(pixels)
        return [augment(part, seed) for seed in request.seeds]
    import cv2

    # As in validation; OpenCV's filter differs invisibly.
    top, left, height, width = request.preprocessing.crop_box(*pixels.shape[:2])
    part = np.ascontiguousarray(pixels[top : top + height, left : left + width])
    filter_ = cv2.INTER_AREA if height > request.preprocessing.height else cv2.INTER_CUBIC
    return [cv2.resize(part, request.preprocessing.shape[::-1], interpolation=filter_)] * len(request.seeds)


class PreviewProcess:
    """The drawing process, started with the first request. One thread asks, any thread may `rest` or `stop`."""

    def __init__(self) -> None:
        self._process: Any = None
        self._connection: Connection | None = None
        self._is_stopped = False
        self._lock = threading.Lock()  # a process that is being started cannot be ended yet

    def render(self, request: PreviewRequest) -> list[np.ndarray]:
        """Return the drawn variants; a `VisionFTError` where it fails, and the next request starts another process."""
        try:
            if self._process is not None and not self._process.is_alive():
                self._end()
            with self._lock:
                if self._is_stopped:
                    raise EOFError
                if self._connection is None:
                    context = multiprocessing.get_context("spawn")
                    self._connection, theirs = context.Pipe()
                    self._process = context.Process(target=_serve, args=(theirs,), name="VisionFT preview", daemon=True)
                    self._process.start()
                    theirs.close()
                connection = self._connection
            connection.send(request)
            if not connection.poll(ANSWER_S):
                raise EOFError
            answer = connection.recv()
        except (EOFError, OSError) as error:
            self._end()
            raise VisionFTError("The preview could not be drawn.", "Change a setting to try again.") from error
        if isinstance(answer, str):
            raise VisionFTError(answer)
        return answer

    def rest(self) -> None:
        """End the process until the next request; a pending request gets an error."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def stop(self) -> None:
        """End the process for good, from any thread; `close` follows once nobody asks any more."""
        with self._lock:
            self._is_stopped = True
        self.rest()

    def close(self) -> None:
        self.stop()
        self._end()

    def _end(self) -> None:
        self.rest()
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            if self._process is not None:
                self._process.join()
                self._process.close()
            self._process, self._connection = None, None


def _serve(connection: Connection) -> None:
    # albumentations imports torch where it can, for a conversion nobody needs here: 3 s and 200 MB.
    sys.modules.setdefault("torch", None)  # type: ignore[arg-type]
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        while True:
            request = connection.recv()
            try:
                answer: list[np.ndarray] | str = render(request)
            except VisionFTError as error:
                answer = Message("{name}: {reason}", name=request.path.name, reason=error.message)
            except Exception as error:  # a bug in the preview must not take it down for good
                answer = Message("The preview could not be drawn: {error}", error=error)
            connection.send(answer)
