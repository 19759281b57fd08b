"""Which pictures may belong together by where they lie, when they were taken and what they are called.

Each way to tell (`Grouping`) is judged by what it would make of the set: a folder of a class is no group, and what puts
everything into one group, or nothing into any, is none either. A person sees the verdict and may decide otherwise.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from PIL import Image

from visionft.data.types import SPLITS, Snapshot, SnapshotImage
from visionft.project.names import name_key

KINDS: Final = ("name", "time", "folder")
LARGEST_SHARE: Final = 0.2  # of all pictures, in one group
_MOST_ALIKE: Final = 20  # names of one stem, on average: above, they are a day's or a camera's, not of one thing
_BURST_S: Final = 2.0  # seconds from one picture to the next
_TAIL = re.compile(r"^(?P<stem>.*?[0-9A-Za-z])(?:[ _\-.]+(?P<last>[0-9A-Za-z]+)|[ _\-]*\(\d+\))$")
_SPLIT_NAMES: Final = frozenset({*SPLITS, "training", "valid", "validation", "testing"})
_TAKEN, _EXIF = 0x9003, 0x8769  # DateTimeOriginal, and the part of EXIF in which it stands


@dataclass(frozen=True)
class Grouping:
    """One way to tell which pictures belong together.

    Attributes:
        kind: `name` (the same stem: IMG_001_a and IMG_001_b), `time` (a burst), `folder`.
        groups: Ids of the pictures of each group, two or more.
        is_plausible: Whether it looks like groups and not like classes, splits or chance.
        reason: Why, as a sentence.
        example: Names of two pictures that would belong together.
    """

    kind: str
    groups: tuple[tuple[int, ...], ...]
    is_plausible: bool
    reason: str
    example: tuple[str, ...] = ()


def groupings(images: Snapshot) -> tuple[Grouping, ...]:
    """Return every way to group the pictures, whether it is plausible or not."""
    taken = _times(images.images)
    return (
        _judged("name", _by_key(_stems(images)), images),
        _judged("time", _bursts(taken), images),
        _judged("folder", _by_key(_folders(images)), images),
    )


def _judged(kind: str, groups: Sequence[tuple[int, ...]], images: Snapshot) -> Grouping:
    """Tell whether groups are plausible: some, and none so large that it is the set itself."""
    paths = {image.image_id: image.path for image in images.images}
    example = tuple(paths[image_id].name for image_id in groups[0][:2]) if groups else ()
    largest = max(map(len, groups), default=0)
    if not groups:
        verdict = (False, "No two pictures belong together by it.")
    elif largest > largest_group(len(paths)):
        verdict = (False, f"One group would hold {largest} of {len(paths)} pictures: that is no group.")
    elif kind == "name" and sum(map(len, groups)) > _MOST_ALIKE * len(groups):
        verdict = (False, f"{len(groups)} names begin alike on so many pictures: more likely series than groups.")
    elif kind == "folder" and len(groups) <= 2 * len(images.class_names):
        verdict = (False, f"There are only {len(groups)} folders: more likely classes or sources than groups.")
    else:
        held = sum(map(len, groups))
        verdict = (True, f"{len(groups)} groups of {held / len(groups):.1f} pictures on average.")
    return Grouping(kind, tuple(groups), *verdict, example)


def largest_group(pictures: int) -> float:
    """Return how many of so many pictures may belong together: more are the set itself, and no group."""
    return max(3, LARGEST_SHARE * pictures)


def _by_key(keys: Mapping[int, object]) -> list[tuple[int, ...]]:
    found: defaultdict[object, list[int]] = defaultdict(list)
    for image_id, key in keys.items():
        found[key].append(image_id)
    return sorted((tuple(ids) for ids in found.values() if len(ids) > 1), key=lambda ids: (-len(ids), ids))


def _place(image: SnapshotImage) -> tuple[str, ...]:
    """Return the folders of a picture, those that only name a split left out."""
    return tuple(part for part in image.path.parent.parts if part.lower() not in _SPLIT_NAMES)


def _stems(images: Snapshot) -> dict[int, tuple[object, ...]]:
    """Return what pictures are called without their last part, of those where another is called so too.

    A word and a number (IMG_1118, rose_7) are how cameras and people count whatever they photograph, and say nothing;
    beside a picture that is called by the word alone they are copies of it.
    """
    stems: dict[int, tuple[object, ...]] = {}
    whole: dict[tuple[object, ...], int] = {}
    counted: set[tuple[object, ...]] = set()
    for image in images.images:
        whole[(_place(image), image.path.stem.lower())] = image.image_id
        if match := _TAIL.match(image.path.stem):
            stems[image.image_id] = key = (_place(image), match["stem"].lower())
            if not any(sign.isdigit() for sign in match["stem"]) and (match["last"] or "").isdigit():
                counted.add(key)
    for key in set(stems.values()) & whole.keys():
        stems[whole[key]] = key  # the original itself: photo.jpg beside photo_aug1.jpg
    return {image_id: key for image_id, key in stems.items() if key not in counted or key in whole}


def _folders(images: Snapshot) -> dict[int, str]:
    """Return the folder of each picture whose folder does not name a class or a split."""
    names = {name_key(name) for name in images.class_names}
    found: dict[int, str] = {}
    for image in images.images:
        folder = image.path.parent
        while folder.name.lower() in _SPLIT_NAMES:
            folder = folder.parent
        if name_key(folder.name) not in names:
            found[image.image_id] = str(folder)
    return found if len(set(found.values())) > 1 else {}


def _times(images: Iterable[SnapshotImage]) -> dict[int, float]:
    """Return when pictures were taken, in seconds, of those whose EXIF says it."""
    chosen = list(images)
    with ThreadPoolExecutor(4) as pool:
        times = pool.map(_taken, (image.path for image in chosen))
        return {image.image_id: time for image, time in zip(chosen, times, strict=True) if time is not None}


def _taken(path: Path) -> float | None:
    if path.suffix.lower() not in (".jpg", ".jpeg", ".jpe", ".tif", ".tiff", ".webp"):
        return None
    try:
        with Image.open(path, formats=("JPEG", "TIFF", "WEBP")) as image:
            exif = image.getexif().get_ifd(_EXIF)
        return datetime.strptime(str(exif[_TAKEN]), "%Y:%m:%d %H:%M:%S").timestamp()
    except Exception:  # hostile bytes raise anything; then nothing is known
        return None


def _bursts(taken: Mapping[int, float]) -> list[tuple[int, ...]]:
    ordered = sorted(taken, key=lambda image_id: (taken[image_id], image_id))
    groups: list[list[int]] = []
    for image_id in ordered:
        if groups and taken[image_id] - taken[groups[-1][-1]] <= _BURST_S:
            groups[-1].append(image_id)
        else:
            groups.append([image_id])
    return [tuple(group) for group in groups if len(group) > 1]
