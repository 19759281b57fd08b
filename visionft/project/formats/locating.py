"""Locate the images of a label file: names may be relative, shortened, URLs or without suffix."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from models.messages import Message
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.files import is_file, list_folder
from visionft.foreign_text import is_unicode
from visionft.project.formats.folders import CONTAINERS, walk
from visionft.project.formats.listing import DEFAULTS, ReadOptions, SourceFile
from visionft.project.formats.split_names import is_split_name
from visionft.project.names import name_key

_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # Label Studio's prefix of an uploaded file name
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def data_folder(file: Path) -> Path:
    """Return the common folder of a label file and its images: for `annotations/train.json`, the parent."""
    above = file.parent.parent
    if file.parent.name.casefold() not in ("annotation", "annotations", "ann", "labels") or not above.is_dir():
        return file.parent
    names = [entry.name for entry in list_folder(above) if entry.is_dir()]
    return above if any(name.casefold() in CONTAINERS or is_split_name(name) for name in names) else file.parent


@dataclass(frozen=True, slots=True)
class _Guess:
    """An image found by its name: its path, the path according to its name, and the folder in the name."""

    path: Path
    meant: Path
    folder: Path


class ImageFinder:
    """Resolve the file names of one label file, relative to its folder `base`.

    Images without an exact match are searched below `root`, the common folder of all images (by default `base`).
    """

    def __init__(self, base: Path, options: ReadOptions = DEFAULTS, *, root: Path | None = None) -> None:
        self._base, self._root = base, root or base
        self._is_confined = options.is_confined
        self._image_folders = tuple(options.image_folders)
        self._folders = tuple(map(str, (base, base / "images", *options.image_folders)))
        self._guesses: dict[str, _Guess] = {}
        self._stems: dict[str, dict[str, list[Path]]] = {}  # {folder: {stem: its images}}

    @classmethod
    def of(cls, file: Path, options: ReadOptions) -> "ImageFinder":
        """Return a finder for a label file with images in folders beside its own."""
        root = data_folder(file)
        containers = [entry for entry in list_folder(root) if entry.name.casefold() in CONTAINERS and entry.is_dir()]
        return cls(file.parent, replace(options, image_folders=(*options.image_folders, root, *containers)), root=root)

    def has(self, name: str) -> bool:
        """Return whether a name leads to an existing image."""
        try:
            return is_file(self.find(name))
        except ValueError:
            return False

    def find(self, name: str) -> Path:
        """Return the image's absolute path; if nothing is found, the path according to the name.

        Tried in this order: as written, below `images/` and the folders beside, each also with an image suffix; then
        anywhere below the folder, by the longest matching end of the path, if it is unique; finally, by a name
        equivalent on another file system. Only the path of a URL counts. Raises `ValueError`: the name is no file name,
        or leads out of the folder despite `is_confined`.
        """
        if not name.strip() or "\0" in name:
            raise ValueError(Message("no file name"))
        if not is_unicode(name):
            raise ValueError(Message("the file name is not valid Unicode"))
        if "?d=" in name:  # Label Studio's URL of a file below its document root
            readings = [unquote(name.partition("?d=")[2])]
        elif _ADDRESS.match(name):
            readings = [unquote(urlsplit(name.replace("\\", "/")).path).lstrip("/")]
        elif "\\" in name and "/" not in name:
            readings = [name, PureWindowsPath(name).as_posix()]
        else:
            readings = [name]
        meant = [Path(os.path.normpath(os.path.join(self._base, path))) for path in readings]  # noqa: PTH118
        leads_out = self._is_confined and not all(path.is_relative_to(self._root) for path in meant)
        for path in () if leads_out else readings:
            for folder in self._folders:
                found = self._in_folder(folder, path)
                if found:
                    return found
        guess = self._below(meant[-1])
        if guess is None and leads_out:
            raise ValueError(Message("the file name leads out of the archive"))
        if guess is not None:
            self._guesses[name] = _Guess(guess, meant[-1], Path(readings[-1]).parent)
        return guess or meant[-1]

    def settled(self, files: Sequence[SourceFile]) -> tuple[list[SourceFile], int]:
        """Return the entries without wrong guesses (images also named otherwise), and how many were relocated."""
        names: defaultdict[Path, set[str]] = defaultdict(set)
        for file in files:
            names[file.path].add(file.name)
        wrong = {name for name, guess in self._guesses.items() if len(names[guess.path]) > 1}
        settled = [replace(file, path=self._guesses[file.name].meant) if file.name in wrong else file for file in files]
        right = [guess for name, guess in self._guesses.items() if name not in wrong]
        elsewhere = [each for each in right if _common_end(each.path.parent, each.folder) < len(each.folder.parts)]
        return settled, len(elsewhere)

    def _below(self, meant: Path) -> Path | None:
        """Return the single best match anywhere below the root for a path."""
        named = self._named(meant.name)
        if not named and _UPLOADED.match(meant.name):  # Label Studio also writes `_` for blanks
            bare = _UPLOADED.sub("", meant.name, count=1)
            named = self._named(bare) or self._by_cleaned_name.get(bare, [])
        if not named:
            return None
        agreeing = {path: _common_end(path.parent, meant.parent) for path in named}
        closest = [path for path in named if agreeing[path] == max(agreeing.values())]
        for folder in self._image_folders:
            inside = [path for path in closest if path.is_relative_to(folder)]
            if len(inside) == 1:
                return inside[0]
        return closest[0] if len(closest) == 1 else None

    def _named(self, name: str) -> list[Path]:
        by_name, by_stem, by_equivalent = self._indexes
        return by_name.get(name) or by_stem.get(name) or by_equivalent.get(_equivalent(name), [])

    def _in_folder(self, folder: str, name: str) -> Path | None:
        """Return the image of this name in a folder, or the only one with this stem; quick text instead of `Path`s."""
        literal = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
        if os.path.isfile(literal):  # noqa: PTH113
            return Path(literal)
        if not literal.startswith(os.path.join(folder, "")):  # noqa: PTH118
            return None
        parent, last = os.path.split(literal)
        if parent not in self._stems:
            listed = list_folder(Path(parent)) if os.path.isdir(parent) else []  # noqa: PTH112
            self._stems[parent] = _by_stem(listed)
        named = self._stems[parent].get(last, [])
        return named[0] if len(named) == 1 else None

    @cached_property
    def _files(self) -> list[Path]:
        return list(walk(self._root, [], []))

    @cached_property
    def _indexes(self) -> tuple[dict[str, list[Path]], ...]:
        """The files below the root by name, images by stem, and files by equivalent name."""
        by_name = _grouped(self._files, lambda path: path.name)
        return by_name, _by_stem(self._files), _grouped(self._files, lambda path: _equivalent(path.name))

    @cached_property
    def _by_cleaned_name(self) -> dict[str, list[Path]]:
        return _grouped(self._files, lambda path: path.name.replace(" ", "_"))


def _by_stem(paths: list[Path]) -> dict[str, list[Path]]:
    return _grouped([path for path in paths if path.suffix.lower() in IMAGE_SUFFIXES], lambda path: path.stem)


def _grouped(paths: list[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _equivalent(name: str) -> str:
    """Return a name's form in any file system: case, accents (macOS decomposes them) and blanks at edges vary."""
    return name_key(name).casefold().strip()


def _common_end(first: Path, second: Path) -> int:
    """Return the number of equal parts at the end of two paths."""
    same = zip(reversed(first.parts), reversed(second.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], same))
