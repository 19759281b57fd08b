"""The files of a folder for import: a walk that says why it skips a file, and an index by name, stem and number.

Never writes, and never follows a link to a folder, to exclude loops and ways out of the folder.
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


_UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio's prefix of an uploaded file name
_PARTS = re.compile(r"[ _.\-]+")  # between the parts of a name
_LAST_NUMBER = re.compile(r"(\d+)$")


class ImageIndex:
    """The files below a folder by name, images by stem and by the number at its end; shared by the readers of a source.

    Each index is built on its first use.
    """

    def __init__(self, root: Path, files: Iterable[Path] | None = None) -> None:
        """Index `files` below `root`, by default all that a walk finds."""
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
        """Return the files by a key of their names: one, or a list of several, since lists take memory."""
        found: dict[str, Path | list[Path]] = {}
        for path in self._files:
            if name := key(_name(path)):
                known = found.setdefault(name, path)
                if isinstance(known, list):
                    known.append(path)
                elif known is not path:
                    found[name] = [known, path]
        return found

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
            found = _LAST_NUMBER.search(_image_stem(name))
            return str(int(found[1])) if found and len(found[1]) < 20 else ""

        return self._index(number)

    @cached_property
    def _by_cleaned_name(self) -> dict[str, Path | list[Path]]:
        return self._index(lambda name: name.replace(" ", "_"))

    def named(self, name: str) -> list[Path]:
        """Return the files of a name, else the images of this stem, else of an equivalent name or another format."""
        found = self._by_name.get(name) or self._by_stem.get(name)
        if not found:
            alike = _list(self._by_equivalent.get(_stem_key(name)))
            found = [path for path in alike if _equivalent(_name(path)) == _equivalent(name)] or alike
        if not found and _UPLOAD_PREFIX.match(name):  # Label Studio also writes `_` for blanks
            bare = _UPLOAD_PREFIX.sub("", name, count=1)
            found = self.named(bare) or self._by_cleaned_name.get(bare)
        return _list(found)

    def numbered(self, name: str) -> list[Path]:
        """Return the images whose stem ends in this number: `7.jpg` or `image_00007.jpg` for `0007` and `7.png`."""
        stem = _image_stem(name) or name
        return _list(self._by_number.get(str(int(stem)))) if stem.isdecimal() and len(stem) < 20 else []

    def by_part(self, keys: Set[str]) -> dict[Path, str]:
        """Return {image: key} of the images of which a part of the name, or a folder, is exactly one of some keys."""
        found: dict[Path, str] = {}
        for path in self._files:
            if stem := _image_stem(_name(path)):
                inner = path.parent.relative_to(self.root).parts if path.is_relative_to(self.root) else ()
                starts = (stem[: sign.start()] for sign in _PARTS.finditer(stem))  # `4711-BK_1.jpg` for `4711-BK`
                parts = keys & {stem, *_PARTS.split(stem), *starts, *inner}
                if len(parts) == 1:
                    found[path] = next(iter(parts))
        return found

    def nearest(self, name: str) -> str:
        """Return the most similar name of an image; empty where none is similar."""
        known = list(islice(filter(_image_stem, map(_name, self._files)), 5000))
        return next(iter(get_close_matches(PureWindowsPath(name).name, known, 1, 0.4)), "")


def folder_of(path: Path) -> str:
    """Return the folder of a file as text."""
    return os.path.dirname(str(path))  # noqa: PTH120


def _image_stem(name: str) -> str:
    stem, _, suffix = name.rpartition(".")
    return stem if f".{suffix.lower()}" in IMAGE_SUFFIXES else ""


def _name(path: Path) -> str:
    return os.path.basename(str(path))  # noqa: PTH119  (quicker, for every file of a source)


def _list(found: Path | list[Path] | None) -> list[Path]:
    if found is None:
        return []
    return found if isinstance(found, list) else [found]


def _equivalent(name: str) -> str:
    """Return a name's form in any file system: case, accents (macOS decomposes them) and blanks at edges vary."""
    return name_key(name).casefold().strip()


def _stem_key(name: str) -> str:
    """Return the equivalent form of an image's stem, or of another name."""
    return _equivalent(_image_stem(name.strip()) or name)
