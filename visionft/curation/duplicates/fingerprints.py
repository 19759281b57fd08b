"""What is measured once of each picture's pixels to find its doubles: hashes in all orientations, digest, sharpness.

A hash is the signs of the 63 lowest frequencies of the picture's cosine transform at 32 x 32 pixels, one bit each.
Turning or mirroring a picture swaps or negates frequencies, so that the hashes of all eight orientations come from one
transform; all are kept, for one that is chosen among them by its value is unstable (ThreatExchange#1676).
"""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from visionft.curation.duplicates.registration import COARSE, FLIPPED, MIRRORED, TRANSPOSED, coarse_of, grey_of
from visionft.data.decode import Decoded
from visionft.data.picture_cache import PictureCache
from visionft.data.types import SnapshotImage
from visionft.errors import ImageError, StoppedError
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.features.row_store import RowStore

NEAR_SIDE: Final = 320  # what features at 160 pixels are computed from: most pictures lie in the cache at this size
FOLDER: Final = "fingerprints-1"  # another number whenever other values are measured
ROW: Final = np.dtype(
    [
        *(("hashes", np.uint64, (8,)), ("contrast", np.float32), ("sharpness", np.float32)),
        *(("digest", np.uint8, (16,)), ("height", np.uint32), ("width", np.uint32)),
        *(("coarse", np.uint8, (COARSE, COARSE)), ("coarse_height", np.uint8), ("coarse_width", np.uint8)),
    ]
)
_SIDE, _LOWEST = 32, 8
_STAGE: Final = "Measuring the pictures"
_WRITTEN: Final = 512  # pictures after which rows are written
_FEATURELESS: Final = 3.0  # grey levels of contrast (root mean square of the lowest frequencies)


@dataclass(frozen=True)
class Fingerprints:
    """What is known of pictures, in their order; those that cannot be read are left out.

    Attributes:
        images: (N) the pictures.
        rows: (N,) of dtype `ROW`: `hashes` by orientation (bits of `registration.turn`), `contrast` in grey levels,
            `sharpness` (mean absolute Laplacian at `NEAR_SIDE` over contrast), `digest` of the pixels at `NEAR_SIDE`,
            height and width of the whole picture, `coarse` the picture at 32 pixels, in the corner that its
            `coarse_height` and `coarse_width` tell.
        unreadable: (image id, reason).
    """

    images: tuple[SnapshotImage, ...]
    rows: np.ndarray
    unreadable: tuple[tuple[int, str], ...] = ()

    @property
    def is_featureless(self) -> np.ndarray:
        """Return (N,) whether a picture shows nothing by which it could be told from others."""
        return self.rows["contrast"] < _FEATURELESS


def fingerprints(
    project_dir: Path, images: Sequence[SnapshotImage], *, on_event: OnEvent, should_stop: ShouldStop
) -> Fingerprints:
    """Return the fingerprints of pictures; those that are new are measured and kept.

    Raises:
        StoppedError: The user stopped; what was measured is kept.
    """
    from visionft.curation.check import FOLDER as CURATION

    store = RowStore(project_dir / CURATION / FOLDER, ROW)
    known, good = _known(store, images)
    todo = [place for place in range(len(images)) if not good[place]]
    once = list({images[place].sha256: images[place] for place in todo}.values())
    reasons = _measure_all(store, once, on_event, should_stop) if once else {}
    if once:
        known, good = _known(store, images)
    bad = [images[place] for place in np.flatnonzero(~good).tolist()]
    unreadable = tuple((image.image_id, reasons.get(image.sha256, "")) for image in bad)
    return Fingerprints(tuple(images[place] for place in np.flatnonzero(good).tolist()), known[good], unreadable)


def in_parallel(work: Callable[[Any], Any], items: Sequence[Any], each: Callable[[Any, Any], bool]) -> None:
    """Do work on items in a thread for each processor; OpenCV and the decoders release the interpreter.

    Args:
        work: Done in a thread.
        items: What it is given, one by one.
        each: Receives an item and its result in this thread, in order; False ends it.
    """
    threads, block = os.cpu_count() or 1, 64
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)  # each call is too small to be shared: its threads would only wait for each other
    try:
        with ThreadPoolExecutor(threads) as pool:
            for start in range(0, len(items), block):
                part = items[start : start + block]
                for item, result in zip(part, pool.map(work, part), strict=True):
                    if not each(item, result):
                        return
    finally:
        cv2.setNumThreads(before)


def measured(decoded: Decoded) -> np.ndarray:
    """Return the fingerprint of a decoded picture, of dtype `ROW`."""
    grey = cv2.cvtColor(decoded.pixels, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    frequencies = lowest_frequencies(small)
    contrast = float(np.sqrt((frequencies**2).sum()) / _SIDE)
    edges = float(np.abs(cv2.Laplacian(grey.astype(np.float32), cv2.CV_32F)).mean())
    digest = hashlib.blake2b(decoded.pixels.data, digest_size=16, key=repr(decoded.size).encode()).digest()
    row = np.zeros((), ROW)
    row["hashes"], row["contrast"], row["sharpness"] = hashes_of(frequencies), contrast, edges / max(contrast, 1.0)
    row["digest"] = np.frombuffer(digest, np.uint8)
    row["height"], row["width"] = decoded.size
    coarse = coarse_of(grey_of(decoded.pixels))
    row["coarse_height"], row["coarse_width"] = coarse.shape
    row["coarse"][: coarse.shape[0], : coarse.shape[1]] = coarse
    return row


def lowest_frequencies(small: np.ndarray) -> np.ndarray:
    """Return the (8, 8) lowest frequencies of a (32, 32) picture, without its mean; orthonormal."""
    cosines = _cosines()
    found = cosines @ small @ cosines.T
    found[0, 0] = 0
    return found


def hashes_of(frequencies: np.ndarray) -> np.ndarray:
    """Return the (8,) uint64 hashes of the orientations that `registration.turn` knows."""
    signs = 1 - 2 * (np.arange(_LOWEST) % 2)
    hashes = np.empty(8, np.uint64)
    for orientation in range(8):
        turned = frequencies.T if orientation & TRANSPOSED else frequencies
        turned = turned * signs if orientation & MIRRORED else turned
        turned = turned * signs[:, None] if orientation & FLIPPED else turned
        hashes[orientation] = np.packbits(turned.ravel() > 0).view(np.uint64)[0]
    return hashes


@lru_cache(maxsize=1)
def _cosines() -> np.ndarray:
    places = np.arange(_SIDE)
    rows = np.cos(np.pi * (2 * places + 1) * np.arange(_LOWEST)[:, None] / (2 * _SIDE)) * np.sqrt(2 / _SIDE)
    rows[0] /= np.sqrt(2)
    return rows.astype(np.float32)


def _known(store: RowStore, images: Sequence[SnapshotImage]) -> tuple[np.ndarray, np.ndarray]:
    """Return (N,) rows and which of them are known."""
    places = store.places([image.sha256 for image in images])
    rows, good = np.zeros(len(images), ROW), places >= 0
    rows[good], is_whole = store.rows(places[good])
    good[good] = is_whole
    return rows, good


def _measure_all(
    store: RowStore, images: Sequence[SnapshotImage], on_event: OnEvent, should_stop: ShouldStop
) -> dict[str, str]:
    """Measure and keep; return why pictures cannot be read, by content."""
    cache, reasons, waiting = PictureCache.usual(), dict[str, str](), list[tuple[str, np.ndarray]]()
    done = 0

    def write() -> None:
        if waiting:
            store.append([content for content, _ in waiting], np.stack([row for _, row in waiting]))
            waiting.clear()

    def work(image: SnapshotImage) -> np.ndarray | str:
        try:
            return measured(cache.load(image.path, NEAR_SIDE))
        except ImageError as error:
            return error.message

    def take(image: SnapshotImage, result: np.ndarray | str) -> bool:
        nonlocal done
        done += 1
        if isinstance(result, str):
            reasons[image.sha256] = result
        else:
            waiting.append((image.sha256, result))
        on_event(Progress(stage=_STAGE, done=done, total=len(images)))
        if len(waiting) >= _WRITTEN:
            write()
        return not should_stop()

    try:
        in_parallel(work, images, take)
    finally:
        write()
    if done < len(images) or should_stop():
        raise StoppedError("The pictures were not all measured.", "Start again to go on where it stopped.")
    return reasons
