"""Fingerprints of images to find duplicates: hashes in all orientations, digest, sharpness; computed once.

A hash is the signs of the 63 lowest frequencies of the image's cosine transform at 32 x 32 pixels, one bit each.
Turning or mirroring an image swaps or negates frequencies, so that the hashes of all eight orientations come from one
transform; all are stored, because choosing one by its value is unstable (ThreatExchange#1676).
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from visionft.core.errors import ImageError
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.data.decode import DecodedImage
from visionft.data.image_cache import ImageCache
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.registration import (
    COARSE_SIDE,
    FLIPPED,
    MIRRORED,
    TRANSPOSED,
    coarse_of,
    grey_of,
    without_borders,
)
from visionft.features.row_store import RowStore, stored_rows

NEAR_SIDE: Final = 320  # as for features at 160 pixels: most images are cached at this size
FINGERPRINTS_FOLDER: Final = "curation/fingerprints-2"  # in the project; raise the number whenever the values change
ROW: Final = np.dtype(
    [
        *(("hashes", np.uint64, (8,)), ("contrast", np.float32), ("sharpness", np.float32)),
        *(("digest", np.uint8, (16,)), ("height", np.uint32), ("width", np.uint32)),
        *(("coarse", np.uint8, (COARSE_SIDE, COARSE_SIDE)), ("coarse_height", np.uint8), ("coarse_width", np.uint8)),
    ]
)
_SIDE, _LOWEST = 32, 8


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of images, in their order; unreadable ones are left out.

    `rows` (N,) of dtype `ROW`: `hashes` by orientation (bits of `registration.turn`), `contrast` in grey levels,
    `sharpness` (mean absolute Laplacian at `NEAR_SIDE` over contrast), `digest` of the pixels at `NEAR_SIDE`, height
    and width of the whole image without plain borders, `coarse` the image at 32 pixels, in the corner of size
    `coarse_height` x `coarse_width`.
    """

    images: tuple[SnapshotImage, ...]  # (N) the images
    rows: np.ndarray
    unreadable: tuple[tuple[int, str], ...] = ()  # (image id, reason)

    @property
    def is_featureless(self) -> np.ndarray:
        """Return (N,) whether an image has too little contrast to be told from others."""
        return self.rows["contrast"] < 3.0  # grey levels of contrast (root mean square of the lowest frequencies)


def fingerprints(project_dir: Path, snapshot: Snapshot, *, job: JobContext) -> Fingerprints:
    """Return the fingerprints of images; new ones are computed and stored.

    Raises:
        JobCancelled: The user cancelled; fingerprints computed so far are stored.
    """
    cache = ImageCache.default()
    images = snapshot.images
    reading = snapshot.image_reading
    keys = [reading.content_key(image.sha256) for image in images]

    def measure(place: int) -> np.ndarray | str:
        try:
            image = images[place]
            return fingerprint(cache.load(image.path, NEAR_SIDE, reading=reading, sha256=image.sha256))
        except ImageError as error:
            return error.message

    rows, exists, reasons = stored_rows(
        RowStore(project_dir / FINGERPRINTS_FOLDER, ROW),
        keys,
        measure,
        stage=Message("Measuring the images"),
        job=job,
    )
    bad = np.flatnonzero(~exists).tolist()
    unreadable = tuple((images[place].image_id, reasons.get(keys[place], "")) for place in bad)
    return Fingerprints(tuple(images[place] for place in np.flatnonzero(exists).tolist()), rows[exists], unreadable)


def fingerprint(decoded: DecodedImage) -> np.ndarray:
    """Return the fingerprint of a decoded image, of dtype `ROW`; all but its digest without plain borders."""
    inner = np.ascontiguousarray(without_borders(decoded.pixels))
    grey = cv2.cvtColor(inner, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).astype(np.float32)
    frequencies = lowest_frequencies(small)
    contrast = float(np.sqrt((frequencies**2).sum()) / _SIDE)
    edges = float(np.abs(cv2.Laplacian(grey.astype(np.float32), cv2.CV_32F)).mean())
    digest = hashlib.blake2b(decoded.pixels.data, digest_size=16, key=repr(decoded.size).encode()).digest()
    row = np.zeros((), ROW)
    row["hashes"] = hashes_of(frequencies)
    row["contrast"] = contrast
    row["sharpness"] = edges / max(contrast, 1.0)
    row["digest"] = np.frombuffer(digest, np.uint8)
    row["height"], row["width"] = (
        round(side * part / whole)
        for side, part, whole in zip(decoded.size, inner.shape, decoded.pixels.shape, strict=False)
    )
    coarse = coarse_of(grey_of(inner))
    row["coarse_height"], row["coarse_width"] = coarse.shape
    row["coarse"][: coarse.shape[0], : coarse.shape[1]] = coarse
    return row


def lowest_frequencies(small: np.ndarray) -> np.ndarray:
    """Return the (8, 8) lowest frequencies of a (32, 32) image, without its mean; orthonormal."""
    frequencies = cv2.dct(small)[:_LOWEST, :_LOWEST].copy()
    frequencies[0, 0] = 0
    return frequencies


def hashes_of(frequencies: np.ndarray) -> np.ndarray:
    """Return the (8,) uint64 hashes of the orientations of `registration.turn`."""
    signs = 1 - 2 * (np.arange(_LOWEST) % 2)
    hashes = np.empty(8, np.uint64)
    for orientation in range(8):
        turned = frequencies.T if orientation & TRANSPOSED else frequencies
        turned = turned * signs if orientation & MIRRORED else turned
        turned = turned * signs[:, None] if orientation & FLIPPED else turned
        hashes[orientation] = np.packbits(turned.ravel() > 0).view(np.uint64)[0]
    return hashes
