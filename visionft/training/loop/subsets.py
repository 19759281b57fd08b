"""Representative samples of a split, where all images would cost too much. Torch-free."""

from collections.abc import Sequence
from typing import TypeVar

from visionft.data.types import SnapshotImage

Item = TypeVar("Item")
DRIFT_IMAGES = 128
# Enough for class means; a ridge initialisation then costs the same few seconds however many images there are.
RIDGE_INIT_PER_CLASS = 32


def spread(images: Sequence[Item], most: int) -> tuple[Item, ...]:
    """Return at most `most` images or places, evenly spaced over all of them, in their order."""
    if len(images) <= most:
        return tuple(images)
    return tuple(images[i * len(images) // most] for i in range(most))


def spread_by_class(images: Sequence[SnapshotImage], most: int) -> tuple[SnapshotImage, ...]:
    """Return at most `most` images of each class (the first label counts), evenly spaced, in their order."""
    by_class: dict[int, list[SnapshotImage]] = {}
    for image in images:
        by_class.setdefault(image.labels[0], []).append(image)
    chosen = {image.image_id for group in by_class.values() for image in spread(group, most)}
    return tuple(image for image in images if image.image_id in chosen)
