"""The pictures that an export is compared on: real ones, of validation, as they are decoded."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from visionft.data.decode import decode
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ImageError, nothing_readable
from visionft.evaluation.report import run_images
from visionft.training.runs.run_folder import RunSummary

logger = logging.getLogger(__name__)

PARITY_IMAGES = 200


def parity_pictures(run: RunSummary, images: Snapshot) -> list[np.ndarray]:
    """Decode up to `PARITY_IMAGES` validation pictures, evenly spread over the split.

    Raises:
        RunError: There is none, or none can be read.
    """
    chosen = compared_pictures(run, images)
    step = max(1, len(chosen) // PARITY_IMAGES)
    pictures = list(readable_pictures(chosen[::step][:PARITY_IMAGES]))
    if not pictures:
        raise nothing_readable("validation pictures")
    return pictures


def compared_pictures(run: RunSummary, images: Snapshot) -> Sequence[SnapshotImage]:
    """Return the pictures to compare on: of validation, or any where a method that needs no labels has none there."""
    if not images.labelled("val") and not run.config.method_row.needs_labels:
        return images.images
    return run_images(run, images, "val")[0]


def readable_pictures(chosen: Sequence[SnapshotImage]) -> Iterator[np.ndarray]:
    """Decode pictures; those that cannot be read are left out, and the log says so."""
    for image in chosen:
        try:
            yield decode(image.path)
        except ImageError as error:
            logger.info("picture %d is left out of the comparison: %s", image.image_id, error.message)


def uniform_batch(pictures: list[np.ndarray], size: int) -> np.ndarray:
    """Return `size` pictures cut to their common extent, (size, H, W, 3): a batch holds one size only."""
    chosen = [pictures[index % len(pictures)] for index in range(size)]
    height, width = min(each.shape[0] for each in chosen), min(each.shape[1] for each in chosen)
    return np.stack([each[:height, :width] for each in chosen])
