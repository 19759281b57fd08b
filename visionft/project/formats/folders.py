"""The files of a folder for import: a walk that records skipped files, and an index by name, stem and number.

Read only. Links to folders are not followed: they may form loops, or lead out of the folder.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from pathlib import Path, PureWindowsPath

from visionft.core.files import is_file
from visionft.core.foreign_text import printable
from visionft.core.messages import Message
from visionft.core.names import name_key, natural_key
from visionft.data.decode import IMAGE_SUFFIXES

METADATA_FILES = ("metadata.jsonl", "metadata.csv", "metadata.parquet", "labels.jsonl", "labels.csv")
# Names of image folders without a class meaning.
CONTAINERS = (
    "all", "data", "dataset", "default", "image", "images", "img", "imgs", "jpegimages", "photos", "pics", "pictures",
    "raw",
)  # fmt: skip

_DIGITS_TO_ZERO = str.maketrans("123456789", "000000000")


@dataclass(frozen=True, slots=True)
class RejectedFile:
    """A rejected file or folder, with the reason. `path` is printable."""

    path: str
    reason: str


def holds_images(folder: Path) -> bool:
    """Return whether a folder contains a possible image file at any depth."""
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
    """Return entries in natural order: class 10 after class 9.

    If all names have digits at the same places, plain text order is the same, and quicker.
    """
    names = [entry.name for entry in entries]
    have_same_shape = len({name.translate(_DIGITS_TO_ZERO) for name in names}) < 2
    return sorted(entries, key=lambda entry: entry.name if have_same_shape else natural_key(entry.name))


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
        problem = "the link cannot be followed" if entry.is_symlink() else "it cannot be read"
        return f"{problem}: {error.strerror}"


_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")  # of Label Studio
_PART_SEPARATOR = re.compile(r"[ _.\-]+")  # separates the parts of a name
_TRAILING_NUMBER = re.compile(r"(\d+)$")


class ImageIndex:
    """Look-up of the files below a folder by name, and of the images by stem and trailing number.

    All readers of a source share it. Each look-up table is built on first use.
    """

    def __init__(self, root: Path, files: Iterable[Path] | None = None) -> None:
        """Index `files`, by default all files below `root`."""
        self.root = root
        self._given = files

    @cached_property
    def _files(self) -> list[Path]:
        return list(walk(self.root, [], []) if self._given is None else self._given)

    @cached_property
    def count(self) -> int:
        """The number of images."""
        return sum(bool(_image_stem(_name(path))) for path in self._files)

    @cached_property
    def folders(self) -> frozenset[str]:
        """The folders of the images."""
        return frozenset(folder_of(path) for path in self._files if _image_stem(_name(path)))

    def _index(self, key: Callable[[str], str]) -> dict[str, Path | list[Path]]:
        """Return {key of the name: file, or a list of several}; a list for each file would take more memory."""
        files: dict[str, Path | list[Path]] = {}
        for path in self._files:
            if name := key(_name(path)):
                known = files.setdefault(name, path)
                if isinstance(known, list):
                    known.append(path)
                elif known is not path:
                    files[name] = [known, path]
        return files

    @cached_property
    def _by_name(self) -> dict[str, Path | list[Path]]:
        return self._index(lambda name: name)

    @cached_property
    def _by_stem(self) -> dict[str, Path | list[Path]]:
        return self._index(_image_stem)

    @cached_property
    def _by_equivalent(self) -> dict[str, Path | list[Path]]:
        return self._index(_stem_key)

    @cached_property
    def _by_number(self) -> dict[str, Path | list[Path]]:
        def number(name: str) -> str:
            match = _TRAILING_NUMBER.search(_image_stem(name))
            return str(int(match[1])) if match and len(match[1]) < 20 else ""

        return self._index(number)

    @cached_property
    def _by_cleaned_name(self) -> dict[str, Path | list[Path]]:
        return self._index(lambda name: name.replace(" ", "_"))

    def named(self, name: str) -> list[Path]:
        """Return the files of this name, else the images of this stem, else images of an equivalent name or stem."""
        files = self._by_name.get(name) or self._by_stem.get(name)
        if not files:
            equivalent = _list(self._by_equivalent.get(_stem_key(name)))
            files = [path for path in equivalent if _normalized(_name(path)) == _normalized(name)] or equivalent
        if not files and _UPLOAD_PREFIX.match(name):  # Label Studio also replaces blanks by `_`
            original = _UPLOAD_PREFIX.sub("", name, count=1)
            files = self.named(original) or self._by_cleaned_name.get(original)
        return _list(files)

    def numbered(self, name: str) -> list[Path]:
        """Return the images whose stem ends in this number: `7.jpg` or `image_00007.jpg` for `0007` and `7.png`."""
        stem = _image_stem(name) or name
        return _list(self._by_number.get(str(int(stem)))) if stem.isdecimal() and len(stem) < 20 else []

    def by_part(self, keys: Set[str]) -> dict[Path, str]:
        """Return {image: key} of the images with exactly one of the keys as a part of their name or as a folder."""
        keys_by_image: dict[Path, str] = {}
        for path in self._files:
            if stem := _image_stem(_name(path)):
                folders = path.parent.relative_to(self.root).parts if path.is_relative_to(self.root) else ()
                # `4711-BK` is a prefix of `4711-BK_1.jpg`.
                prefixes = (stem[: separator.start()] for separator in _PART_SEPARATOR.finditer(stem))
                matching = keys & {stem, *_PART_SEPARATOR.split(stem), *prefixes, *folders}
                if len(matching) == 1:
                    keys_by_image[path] = next(iter(matching))
        return keys_by_image

    def nearest(self, name: str) -> str:
        """Return the most similar name of an image; empty if no name is similar."""
        names = list(islice(filter(_image_stem, map(_name, self._files)), 5000))
        return next(iter(get_close_matches(PureWindowsPath(name).name, names, 1, 0.4)), "")


def folder_of(path: Path) -> str:
    """Return the folder of a file as text."""
    return os.path.dirname(str(path))  # noqa: PTH120


def _image_stem(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return stem if f".{suffix.lower()}" in IMAGE_SUFFIXES else ""


def _name(path: Path) -> str:
    return os.path.basename(str(path))  # noqa: PTH119  (quicker than pathlib)


def _list(files: Path | list[Path] | None) -> list[Path]:
    if files is None:
        return []
    return files if isinstance(files, list) else [files]


def _normalized(name: str) -> str:
    """Return the normalized form of a name: file systems change case, outer blanks and accents."""
    return name_key(name).casefold().strip()


def _stem_key(name: str) -> str:
    """Return the normalized form of an image's stem, or of another name."""
    return _normalized(_image_stem(name.strip()) or name)
