"""Walk of a folder for import: every file, or the reason for skipping it.

Never writes, and never follows a link to a folder, to exclude loops and ways out of the folder.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from visionft.core.files import is_file
from visionft.core.foreign_text import printable
from visionft.core.messages import Message
from visionft.core.names import natural_key
from visionft.data.decode import IMAGE_SUFFIXES

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet", "labels.jsonl", "labels.csv")
# Names of image folders without a class meaning.
CONTAINERS = (
    "all", "data", "dataset", "default", "image", "images", "img", "imgs", "jpegimages", "photos", "pics", "pictures",
    "raw",
)  # fmt: skip

_AS_ZERO = str.maketrans("123456789", "000000000")


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A rejected file or folder, with the reason. `path` is printable."""

    path: str
    reason: str


def holds_images(folder: Path) -> bool:
    """Return whether a folder holds a possible image file at any depth; stops at the first."""
    return any(path.suffix.casefold() in IMAGE_SUFFIXES for path in walk(folder, [], []))


def walk(base: Path, skipped: list[RejectedFile], unreadable: list[RejectedFile]) -> Iterator[Path]:
    """Yield the files below `base` in natural order, and record the skipped entries."""
    pending = [base]
    while pending:
        folder = pending.pop()
        try:
            entries = _in_natural_order(list(os.scandir(folder)))
        except OSError as error:
            unreadable.append(
                RejectedFile(printable(folder), Message("the folder cannot be listed: {reason}", reason=error.strerror))
            )
            continue
        folders: list[Path] = []
        for entry in entries:
            path = folder / entry.name
            reason = _reason_to_skip(entry)
            if reason:
                skipped.append(RejectedFile(printable(path), reason))
            elif entry.is_dir(follow_symlinks=False):
                folders.append(path)
            else:
                yield path
        pending.extend(reversed(folders))


def _in_natural_order(entries: list[os.DirEntry[str]]) -> list[os.DirEntry[str]]:
    """Return entries by name, class 10 after class 9; numbers of equal lengths are in the order of the text."""
    names = [entry.name for entry in entries]
    are_of_one_shape = len({name.translate(_AS_ZERO) for name in names}) < 2
    return sorted(entries, key=lambda entry: entry.name if are_of_one_shape else natural_key(entry.name))


def _reason_to_skip(entry: os.DirEntry[str]) -> str:
    """Return the reason for skipping a folder entry, "" for none."""
    if entry.name.startswith(".") or entry.name in ("__MACOSX", "Thumbs.db", "desktop.ini"):
        return "hidden or made by the operating system"
    try:
        if entry.is_symlink() and not entry.is_file():
            return "a link to a folder is not followed" if entry.is_dir() else "the link leads nowhere"
        if entry.is_dir():
            return "a VisionFT project" if is_file(Path(entry.path, "project.db")) else ""
        return "" if entry.is_file() else Message("not a regular file")
    except OSError as error:  # a link to itself
        what = "the link cannot be followed" if entry.is_symlink() else "it cannot be read"
        return f"{what}: {error.strerror}"
