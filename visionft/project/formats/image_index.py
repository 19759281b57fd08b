"""The files of a source by name, stem and number, to find the images that a label file names."""

import os
import re
from collections.abc import Callable, Iterable, Set
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from pathlib import Path, PureWindowsPath

from visionft.core.names import name_key
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.project.formats.folders import walk

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio's prefix of an uploaded file name
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
        if not found and _UPLOADED.match(name):  # Label Studio also writes `_` for blanks
            bare = _UPLOADED.sub("", name, count=1)
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
