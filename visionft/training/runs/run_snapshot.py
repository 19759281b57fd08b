"""The snapshot of images, labels and splits in a run's folder, and samples of a split. Torch-free."""

import gzip
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from visionft.core.errors import RunError
from visionft.core.files import atomic_path, parse_json, read_gzip
from visionft.core.messages import Message
from visionft.core.records import from_plain
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.types import Snapshot, SnapshotImage, Split, Task

SNAPSHOT_FILE = "snapshot.json.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stored:
    """The content of the file.

    `images` are rows of id, path, SHA-256, labels and split; `groups` are names by image id, only of larger groups.
    """

    task: Task
    class_names: tuple[str, ...]
    images: tuple[tuple[int, str, str, tuple[int, ...], Split | None], ...]
    prompts: tuple[tuple[str, ...], ...] = ()
    groups: dict[str, str] = field(default_factory=dict[str, str])
    image_reading: dict[str, str] = field(default_factory=dict[str, str])


def write_snapshot(run_dir: Path, images: Snapshot) -> None:
    rows = [[i.image_id, str(i.path), i.sha256, list(i.labels), i.split] for i in images.images]
    values = {"task": images.task, "class_names": images.class_names, "images": rows}
    if any(images.prompts):
        values["prompts"] = images.prompts
    if groups := {str(image.image_id): image.group for image in images.images if image.group}:
        values["groups"] = groups
    if images.image_reading != AS_STORED:
        values["image_reading"] = images.image_reading.to_dict()
    text = json.dumps(values, ensure_ascii=False)
    with atomic_path(run_dir / SNAPSHOT_FILE) as temporary:
        temporary.write_bytes(gzip.compress(text.encode(), compresslevel=5, mtime=0))


def read_snapshot(run_dir: Path) -> Snapshot:
    """Return a snapshot from `write_snapshot` (RunError: the file is missing or damaged)."""
    try:
        values = parse_json(read_gzip(run_dir / SNAPSHOT_FILE))
        return _snapshot(from_plain(_Stored, values))
    except (OSError, EOFError, ValueError, TypeError) as error:
        message = Message("{name} has lost the list of its images: {reason}.", name=run_dir.name, reason=error)
        raise RunError(message, "Start a new run.") from error


def _snapshot(stored: _Stored) -> Snapshot:
    """Return the snapshot of a file (ValueError: an invalid id, class or label)."""
    images = tuple(
        SnapshotImage(number, Path(path), digest, labels, split, stored.groups.get(str(number), ""))
        for number, path, digest, labels, split in stored.images
    )
    classes = len(stored.class_names)
    if len({image.image_id for image in images}) < len(images):
        raise ValueError("two images have one number")
    if len(set(stored.class_names)) < classes:
        raise ValueError("two classes have one name")
    if stored.prompts and len(stored.prompts) != classes:
        raise ValueError("the prompts are of other classes")
    for image in images:
        if image.image_id < 0 or "\0" in str(image.path):
            raise ValueError(Message("{number} is not the number of an image", number=image.image_id))
        if image.labels and not 0 <= min(image.labels) <= max(image.labels) < classes:
            raise ValueError("an image has a label of no class")
    return Snapshot(
        stored.task, stored.class_names, images, stored.prompts, ImageReading.from_dict(stored.image_reading)
    )


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
