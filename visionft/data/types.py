"""The immutable snapshot of a project for jobs; they never read the live project (design rule 5)."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from visionft.core.errors import VisionFTError
from visionft.core.messages import Message
from visionft.data.image_reading import AS_STORED, ImageReading

Task = Literal["single", "multi"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


def evaluated_split(name: str) -> Split:
    """Return a split on which runs are evaluated, `val` or `test`; a `VisionFTError` for any other word."""
    if name not in ("val", "test"):
        raise VisionFTError(Message("Cannot evaluate on {split}.", split=repr(name)), "Give val or test.")
    return name  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class SnapshotImage:
    image_id: int  # stable identity within the project; random augmentation derives from it
    path: Path  # absolute path at the time of the snapshot
    sha256: str
    # Indices into `Snapshot.class_names`; empty when unlabelled, at most one for a single-label task.
    labels: tuple[int, ...]
    split: Split | None  # none when it has not been assigned
    # The group that stays together in splits and folds: a name, empty for an image alone, None before the comparison.
    group: str | None = None


def group_numbers(images: Sequence[SnapshotImage]) -> tuple[int, ...]:
    """Return the group of each image as a number, from 0 in order of first appearance.

    Images with the same content or in the same group share a number; every other image has its own.
    """
    keys: dict[str, str] = {}  # {SHA-256: first group}; equal files stay together even if only one is in a group
    for image in images:
        if image.group:
            keys.setdefault(image.sha256, f"group {image.group}")
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(keys.get(image.sha256, image.sha256), len(numbers)) for image in images)


@dataclass(frozen=True)
class Snapshot:
    """The images, labels and splits of a project at one moment."""

    task: Task
    class_names: tuple[str, ...]
    images: tuple[SnapshotImage, ...]
    prompts: tuple[tuple[str, ...], ...] = ()  # prompt lines of each class; empty without any
    image_reading: ImageReading = AS_STORED  # of the project
    framing: str = ""  # the framing chosen by the user, as the project stores it; empty: measured

    def labelled(self, split: Split) -> tuple[SnapshotImage, ...]:
        """Return the labelled images of `split`, in image-id order."""
        return tuple(image for image in self.images if image.split == split and image.labels)

    @cached_property
    def by_id(self) -> dict[int, SnapshotImage]:
        return {image.image_id: image for image in self.images}

    def labels_of(self, image: SnapshotImage) -> tuple[str, ...]:
        return tuple(self.class_names[index] for index in image.labels)

    def label_sets(self, split: Split) -> dict[int, frozenset[str]]:
        """Return the labels of the labelled images of `split`, by image id."""
        return {image.image_id: frozenset(self.labels_of(image)) for image in self.labelled(split)}

    def class_counts(self, images: Iterable[SnapshotImage]) -> dict[str, int]:
        """Count the labels of `images` by class name; classes without images count 0."""
        counts = Counter(index for image in images for index in image.labels)
        return {name: counts[index] for index, name in enumerate(self.class_names)}

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of task, classes, contents, labels, splits and reading; not of prompts, which few use."""
        digest = hashlib.sha256(repr((self.task, self.class_names)).encode())
        digest.update(self.image_reading.key.encode())
        for image in self.images:
            digest.update(repr((image.image_id, image.sha256, image.labels, image.split)).encode())
            if image.group:
                digest.update(image.group.encode())
        return digest.hexdigest()
