"""The immutable view of a project that jobs read: they never see the live project (design rule 5)."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

Task = Literal["single", "multi"]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class SnapshotImage:
    """One labelled or unlabelled picture of the project.

    Attributes:
        image_id: Stable identity within the project; random augmentation derives from it.
        path: Absolute path at the time of the snapshot.
        labels: Indices into `Snapshot.class_names`; empty when unlabelled, at most one for a single-label task.
        split: Where it belongs, or None when it has not been assigned.
    """

    image_id: int
    path: Path
    sha256: str
    labels: tuple[int, ...]
    split: Split | None


@dataclass(frozen=True)
class Snapshot:
    """The pictures, labels and splits of a project at one moment.

    Attributes:
        prompts: What a person says each class looks like, line by line; empty where nobody said anything of any.
    """

    task: Task
    class_names: tuple[str, ...]
    images: tuple[SnapshotImage, ...]
    prompts: tuple[tuple[str, ...], ...] = ()

    def labelled(self, split: Split) -> tuple[SnapshotImage, ...]:
        """Return the labelled pictures of `split`, in image-id order."""
        return tuple(image for image in self.images if image.split == split and image.labels)

    def class_counts(self, images: Iterable[SnapshotImage]) -> dict[str, int]:
        """Count the labels of `images` by class name; classes without pictures count 0."""
        counts = Counter(index for image in images for index in image.labels)
        return {name: counts[index] for index, name in enumerate(self.class_names)}

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 over task, classes, contents, labels and splits: equal digests mean the same data.

        Prompts are no data: what is said of a class makes no run of other methods another one.
        """
        digest = hashlib.sha256(repr((self.task, self.class_names)).encode())
        for image in self.images:
            digest.update(repr((image.image_id, image.sha256, image.labels, image.split)).encode())
        return digest.hexdigest()
