"""Measurements of images or pairs in a `RowStore`: missing rows are computed in threads, and stored as they come."""

import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np

from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.features.row_store import RowStore

_BLOCK: Final = 64  # items between two events


def stored_rows(
    store: RowStore, keys: Sequence[str], measure: Callable[[int], Any], *, stage: str, job: JobContext
) -> tuple[np.ndarray, np.ndarray, dict[str, str]]:
    """Return (N, ...) rows, zeros for missing ones, (N,) whether each exists, and {key: reason} of the missing ones.

    Args:
        store: Its rows are keyed by content.
        keys: (N) contents; those without a row are measured, each once.
        measure: Called in a thread with the place of a key; returns a row, or the reason why there is none.
        stage: Of the progress.
        job: Rows so far are stored when it is cancelled.

    Raises:
        VisionFTError: The disk is full, or the project's folder cannot be written.
    """
    import cv2

    written = time.monotonic()
    rows, exists = store.read(keys)
    missing = list({keys[place]: place for place in np.flatnonzero(~exists).tolist()}.values())
    if not missing:
        return rows, exists, {}
    reasons = dict[str, str]()
    waiting = list[tuple[str, Any]]()

    def write() -> None:
        nonlocal written
        written = time.monotonic()
        if waiting:
            store.append([key for key, _ in waiting], np.stack([row for _, row in waiting]))
            waiting.clear()

    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)  # each call is too small for several; OpenCV and the decoders release the GIL
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for start in range(0, len(missing), _BLOCK):
                job.check_cancelled()
                places = missing[start : start + _BLOCK]
                for place, row in zip(places, pool.map(measure, places), strict=True):
                    if isinstance(row, str):
                        reasons[keys[place]] = row
                    else:
                        waiting.append((keys[place], row))
                if len(waiting) >= 512 and time.monotonic() > written + 1.0:  # each write waits for the disk
                    write()
                job.report(Progress(stage=stage, done=start + len(places), total=len(missing)))
    finally:
        cv2.setNumThreads(threads)
        write()
    return (*store.read(keys), reasons)
