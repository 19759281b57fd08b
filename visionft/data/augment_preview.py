"""What training would make of a picture: random variants of it, drawn beside the program.

A process of its own draws them with the run's own augmentation. The libraries for that (albumentations, OpenCV) take
seconds to import and would bring torch into the window's process; there they are loaded without it.
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

from visionft.errors import VisionFTError

ANSWER_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewRequest:
    """Which picture, changed how.

    Attributes:
        augmentation: A preset of `visionft.data.augment`.
        size: Side of the network's input, in pixels: what training would see, blur included.
        near_side: About how many pixels of the shorter side training looks at, as `decode` takes it.
        crop_share: Share of the shorter side that is seen without augmentation.
        seeds: One variant each.
    """

    path: Path
    augmentation: str
    size: int
    near_side: int
    crop_share: float
    seeds: tuple[int, ...]


def render(request: PreviewRequest) -> list[np.ndarray]:
    """Return a uint8 (size, size, 3) array for each seed.

    Raises:
        ImageError: The picture cannot be decoded.
    """
    from visionft.data.picture_cache import PictureCache

    pixels = PictureCache.usual().load(request.path, request.near_side).pixels
    if request.augmentation == "none":
        return [_plain(pixels, request)] * len(request.seeds)
    from visionft.data.augment import build_augment

    augment = build_augment(request.augmentation, request.size)
    return [augment(pixels, seed) for seed in request.seeds]


def _plain(pixels: np.ndarray, request: PreviewRequest) -> np.ndarray:
    """Return the centre square as validation sees it; the filter is OpenCV's, which the eye cannot tell apart."""
    import cv2

    height, width = pixels.shape[:2]
    side = max(1, round(min(height, width) * request.crop_share))
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(pixels[top : top + side, left : left + side])
    smaller = side > request.size
    return cv2.resize(square, (request.size,) * 2, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


class PreviewProcess:
    """The process that draws; started with the first request. One thread asks, any thread may `rest` or `stop`."""

    def __init__(self) -> None:
        self._process: Any = None
        self._connection: Connection | None = None
        self._is_stopped = False
        self._lock = threading.Lock()  # a process that is being started cannot be ended yet

    def render(self, request: PreviewRequest) -> list[np.ndarray]:
        """Have the variants drawn and wait for them.

        Raises:
            VisionFTError: The picture cannot be decoded, or the process died or hangs; the next request starts another.
        """
        try:
            connection = self._start()
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

    def _start(self) -> Connection:
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
            return self._connection

    def rest(self) -> None:
        """End the process until something is asked again; who waits for an answer gets an error."""
        with self._lock:
            if self._process is not None:
                self._process.kill()

    def stop(self) -> None:
        """End the process for good, from any thread; `close` follows once nobody asks any more."""
        with self._lock:
            self._is_stopped = True
        self.rest()

    def close(self) -> None:
        """End the process and let go of it."""
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
                answer = f"{request.path.name}: {error.message}"
            except Exception as error:  # a bug in the preview must not take it down for good
                answer = f"The preview could not be drawn: {error}"
            connection.send(answer)
