"""The pass that measures a project's pictures: those that have no row yet, several at a time, kept as they come."""

import contextlib
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from visionft.curation.check import FOLDER
from visionft.curation.quality.measures import ROW, VERSION, measure
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ImageError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.row_store import RowStore

STAGE: Final = "Measuring the pictures"
_MOST_THREADS: Final = 8  # decoding and OpenCV leave Python to the others meanwhile
_AT_ONCE, _WRITTEN = 64, 512  # pictures between two questions whether to stop; after how many rows are written


@dataclass(frozen=True)
class Measured:
    """What is known of pictures, in the order of the snapshot.

    Attributes:
        images: (N) those that were measured.
        rows: (N,) of `measures.ROW`.
        unreadable: (image id, reason) of those that could not be looked at now; a file that is broken has a row.
        is_stopped: Whether the user stopped; what was measured is kept, the others are in none of these.
    """

    images: tuple[SnapshotImage, ...]
    rows: np.ndarray
    unreadable: tuple[tuple[int, str], ...] = ()
    is_stopped: bool = False


def rows_of(project_dir: Path) -> RowStore:
    """Return the store of a project's rows."""
    return RowStore(project_dir / FOLDER / f"measures-{VERSION}", ROW)


def measured(
    project_dir: Path, images: Snapshot, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> Measured:
    """Measure the pictures that were not yet, and return what is known of all.

    Raises:
        VisionFTError: The disk is full, or the project's folder cannot be written.
    """
    store = rows_of(project_dir)
    known = _known(store, images)
    todo = {image.sha256: image for image in images.images if image.sha256 not in known}
    refused: dict[str, str] = {}
    is_stopped = False
    if todo:
        is_stopped = _fill(store, list(todo.values()), refused, on_event, should_stop)
        known = _known(store, images)
    chosen = tuple(image for image in images.images if image.sha256 in known)
    rows = np.array([known[image.sha256] for image in chosen], ROW)
    unreadable = ((image.image_id, refused[image.sha256]) for image in images.images if image.sha256 in refused)
    return Measured(chosen, rows, tuple(unreadable), is_stopped)


def _known(store: RowStore, images: Snapshot) -> dict[str, np.void]:
    """Return {content: its row} of those that have one that is whole."""
    contents = list(dict.fromkeys(image.sha256 for image in images.images))
    places = store.places(contents)
    rows, is_whole = store.rows(places[places >= 0])
    found = (content for content, place in zip(contents, places, strict=True) if place >= 0)
    return {content: row for content, row, whole in zip(found, rows, is_whole, strict=True) if whole}


def _fill(
    store: RowStore, todo: list[SnapshotImage], refused: dict[str, str], on_event: OnEvent, should_stop: ShouldStop
) -> bool:
    """Measure pictures and keep their rows, note {content: reason} of those refused; tell whether it was stopped."""
    waiting: list[tuple[str, np.ndarray]] = []

    def write() -> None:
        if waiting:
            store.append([content for content, _ in waiting], np.stack([row for _, row in waiting]))
            waiting.clear()

    done = 0
    with contextlib.ExitStack() as stack:
        stack.callback(write)  # whatever ends it
        for some in _measured(todo):
            for image, found in some:
                if isinstance(found, str):
                    refused[image.sha256] = found
                else:
                    waiting.append((image.sha256, found))
            done += len(some)
            on_event(Progress(stage=STAGE, done=done, total=len(todo)))
            if len(waiting) >= _WRITTEN:
                write()
            if should_stop():
                return done < len(todo)
    return False


def _measured(todo: list[SnapshotImage]) -> Iterator[list[tuple[SnapshotImage, np.ndarray | str]]]:
    """Yield pictures in groups, each with its row or the reason why it has none."""
    with ThreadPoolExecutor(min(_MOST_THREADS, os.cpu_count() or 1)) as pool:
        for start in range(0, len(todo), _AT_ONCE):
            some = todo[start : start + _AT_ONCE]
            yield list(zip(some, pool.map(_row, some), strict=True))


def _row(image: SnapshotImage) -> np.ndarray | str:
    try:
        return measure(image.path, image.sha256)
    except ImageError as error:
        return error.message
