"""Groupings of related images by folder, capture time and file name.

Each way to group (`Grouping`) is tested on the set: a folder of a class is no group, and a grouping with everything in
one group, or no group at all, is implausible. The user sees the verdict and may override it.
"""

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from models.messages import Message
from visionft.data.decode import read_exif
from visionft.data.types import SPLITS, Snapshot, SnapshotImage
from visionft.errors import ImageError
from visionft.project.names import name_key

_MOST_SHARED: Final = 20  # names per stem, on average: above, a stem is a day or a camera, not one object
_TAIL = re.compile(r"^(?P<stem>.*?[0-9A-Za-z])(?:[ _\-.]+(?P<last>[0-9A-Za-z]+)|[ _\-]*\(\d+\))$")
_SPLIT_NAMES: Final = frozenset({*SPLITS, "training", "valid", "validation", "testing"})
_TAKEN, _EXIF = 0x9003, 0x8769  # DateTimeOriginal, and its part of EXIF


@dataclass(frozen=True)
class Grouping:
    """One way to group related images."""

    kind: str  # `name` (the same stem: IMG_001_a and IMG_001_b), `time` (a burst), `folder`
    groups: tuple[tuple[int, ...], ...]  # ids of the images of each group, two or more
    is_plausible: bool  # whether these look like groups and not like classes, splits or chance
    reason: str


def groupings(images: Snapshot) -> tuple[Grouping, ...]:
    return (
        _tested("name", _by_key(_stems(images)), images),
        _tested("time", _bursts(images.images), images),
        _tested("folder", _by_key(_folders(images)), images),
    )


def _tested(kind: str, groups: Sequence[tuple[int, ...]], images: Snapshot) -> Grouping:
    """Return groups with whether they are plausible: at least one, and none as large as the set itself."""
    count = len(images.images)
    largest = max(map(len, groups), default=0)
    members = sum(map(len, groups))
    is_plausible = False
    if not groups:
        reason = Message("No two images share it.")
    elif largest > largest_group(count):
        reason = Message("One group would hold {count} of {all} images: that is no group.", count=largest, all=count)
    elif kind == "name" and members > _MOST_SHARED * len(groups):
        reason = Message("{groups} name stems for so many images: more likely series than groups.", groups=len(groups))
    elif kind == "folder" and len(groups) <= 2 * len(images.class_names):
        reason = Message(
            "There are only {count} folders: more likely classes or sources than groups.", count=len(groups)
        )
    else:
        is_plausible = True
        size = f"{members / len(groups):.1f}"
        reason = Message("{groups} groups of {size} images on average.", groups=len(groups), size=size)
    return Grouping(kind, tuple(groups), is_plausible, reason)


def largest_group(images: int) -> float:
    """Return the largest plausible group size for a number of images: a larger group is the set itself."""
    return max(3, 0.2 * images)


def _by_key(keys: Mapping[int, object]) -> list[tuple[int, ...]]:
    found: defaultdict[object, list[int]] = defaultdict(list)
    for image_id, key in keys.items():
        found[key].append(image_id)
    return sorted((tuple(ids) for ids in found.values() if len(ids) > 1), key=lambda ids: (-len(ids), ids))


def _stems(images: Snapshot) -> dict[int, tuple[object, ...]]:
    """Return the names of images without their last part, where another image has the same.

    A word and a number (IMG_1118, rose_7) are the usual counting of cameras and people, and no evidence; next to an
    image named by the word alone they are copies of it.
    """
    stems: dict[int, tuple[object, ...]] = {}
    whole: dict[tuple[object, ...], int] = {}
    counted: set[tuple[object, ...]] = set()
    for image in images.images:
        folders = tuple(part for part in image.path.parent.parts if part.lower() not in _SPLIT_NAMES)
        whole[(folders, image.path.stem.lower())] = image.image_id
        if match := _TAIL.match(image.path.stem):
            stems[image.image_id] = key = (folders, match["stem"].lower())
            if not any(sign.isdigit() for sign in match["stem"]) and (match["last"] or "").isdigit():
                counted.add(key)
    for key in set(stems.values()) & whole.keys():
        stems[whole[key]] = key  # the original itself: photo.jpg beside photo_aug1.jpg
    return {image_id: key for image_id, key in stems.items() if key not in counted or key in whole}


def _folders(images: Snapshot) -> dict[int, str]:
    """Return the folder of each image, unless it is named after a class or a split."""
    names = {name_key(name) for name in images.class_names}
    found: dict[int, str] = {}
    for image in images.images:
        folder = image.path.parent
        while folder.name.lower() in _SPLIT_NAMES:
            folder = folder.parent
        if name_key(folder.name) not in names:
            found[image.image_id] = str(folder)
    return found if len(set(found.values())) > 1 else {}


def _bursts(images: Sequence[SnapshotImage]) -> list[tuple[int, ...]]:
    with ThreadPoolExecutor(4) as pool:
        times = pool.map(_capture_time, (image.path for image in images))
        taken = sorted((time, image.image_id) for image, time in zip(images, times, strict=True) if time is not None)
    groups: list[list[int]] = []
    before = -math.inf
    for time, image_id in taken:
        if time - before <= 2.0:  # seconds from one image to the next
            groups[-1].append(image_id)
        else:
            groups.append([image_id])
        before = time
    return [tuple(group) for group in groups if len(group) > 1]


def _capture_time(path: Path) -> float | None:
    if path.suffix.lower() not in (".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".webp", ".heic", ".heif", ".hif"):
        return None
    try:
        return datetime.strptime(str(read_exif(path, _EXIF)[_TAKEN]), "%Y:%m:%d %H:%M:%S").timestamp()
    except (ImageError, KeyError, ValueError, OverflowError, OSError):  # not known
        return None
