"""Locate the images of a label file: names may be relative, shortened, URLs, or lack the suffix."""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from visionft.core.files import list_folder
from visionft.core.foreign_text import is_unicode
from visionft.core.messages import Message
from visionft.project.formats.folders import CONTAINERS, ImageIndex, folder_of
from visionft.project.formats.image_table import DEFAULT_OPTIONS, ImportRow, ReadOptions
from visionft.project.formats.split_names import is_split_name, name_words, split_of

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class AmbiguousNameError(ValueError):
    """A name matches several images equally well. `found` are the images, `meant` is the path in the label file."""

    def __init__(self, meant: Path, found: Sequence[Path]) -> None:
        places = ", ".join(sorted({path.parent.name for path in found})[:3])
        super().__init__(Message("{count} images are called so, in {places}", count=len(found), places=places))
        self.meant, self.found = meant, found


def data_folder(file: Path) -> Path:
    """Return the common folder of a label file and its images: for `annotations/train.json`, the parent."""
    above = file.parent.parent
    if file.parent.name.casefold() not in ("annotation", "annotations", "ann", "labels") or not above.is_dir():
        return file.parent
    names = [entry.name for entry in list_folder(above) if entry.is_dir()]
    return above if any(name.casefold() in CONTAINERS or is_split_name(name) for name in names) else file.parent


class ImageFinder:
    """Resolve the file names of one label file, relative to its folder `base`.

    Names without an exact match are searched below `root`, the common folder of all images (by default `base`). Of
    several images with a name, the longest matching folder path wins; on a tie the name is ambiguous.
    """

    def __init__(
        self, base: Path, options: ReadOptions = DEFAULT_OPTIONS, *, root: Path | None = None, file: Path | None = None
    ) -> None:
        self._base = base
        self._base_text = str(base)
        self.root = root or base
        self._is_confined, self.is_multi_label = options.is_confined, options.is_multi_label
        self._index = options.index or ImageIndex(self.root)
        self._is_shared = options.index is not None
        self._folders = tuple(map(str, options.image_folders))
        stem = file.stem if file is not None else ""
        splits = {split_of(word) for word in name_words(stem) if is_split_name(word)}
        self._split = splits.pop() if len(splits) == 1 else None
        self._guesses: dict[str, Path] = {}  # {name: image at another path than the name states}
        self._elsewhere: set[str] = set()  # names whose folder differs from the image's
        self._splits: dict[str, str | None] = {}  # {folder: split in its name}
        self.ambiguous = 0  # number of ambiguous names so far
        self.by_number = 0  # number of names found only by a number

    @classmethod
    def of(cls, file: Path, options: ReadOptions) -> "ImageFinder":
        """Return a finder for the images of a label file, in its folder or beside it."""
        root = options.index.root if options.index else data_folder(file)
        return cls(file.parent, options, root=root, file=file)

    def has(self, name: str) -> bool:
        """Return whether at least one image has this name."""
        try:
            return self._found(name)[0] is not None
        except AmbiguousNameError:
            return True
        except ValueError:
            return False

    def lookup(self, name: str) -> Path | None:
        """Return the image of a name; None if no image or several images match."""
        try:
            return self._found(name)[0]
        except ValueError:
            return None

    def has_number(self, name: str) -> bool:
        """Return whether a name is a number that exactly one image name ends in."""
        return len(self._index.numbered(name)) == 1

    def find(self, name: str) -> Path:
        """Return the absolute path of an image; if no image is found, the path as written in the label file.

        Tried in this order: the path as written; images below the root by name, stem or equivalent name (on another
        file system), with the longest matching folder path; the number of an image (`0007` for `7.jpg`). Of a URL,
        only the path is used.

        Raises:
            AmbiguousNameError: Several images match equally well.
            ValueError: The name is no file name, or leads out of the folder although the source `is_confined`.
        """
        try:
            image, meant = self._found(name)
        except AmbiguousNameError:
            self.ambiguous += 1
            raise
        numbered = [] if image else self._index.numbered(os.path.basename(meant))  # noqa: PTH119
        if len(numbered) == 1:
            image = numbered[0]
            self.by_number += 1
        if image is None:
            return Path(meant)
        if str(image) != meant:
            self._guesses[name] = image
            folder = Path(_possible_paths(name)[-1]).parent.parts if "/" in name or "\\" in name else ()
            if image.parent.parts[-len(folder) :] != folder and folder:
                self._elsewhere.add(name)
        return image

    def _found(self, name: str) -> tuple[Path | None, str]:
        """Return the image of a name, if found, and the path as written."""
        paths = _possible_paths(name)
        meant = [os.path.normpath(os.path.join(self._base_text, path)) for path in paths]  # noqa: PTH118
        last = os.path.basename(meant[-1])  # noqa: PTH119
        leads_out = self._is_confined and not all(Path(path).is_relative_to(self.root) for path in meant)
        if not leads_out and (as_written := self._as_written(meant, last)):
            return as_written
        nearby = () if leads_out else (os.path.join(folder, paths[-1]) for folder in self._folders)  # noqa: PTH118
        candidates = [Path(path) for path in nearby if os.path.isfile(path)]  # noqa: PTH113
        best = self._best([*candidates, *self._index.named(last)], meant[-1])
        if best is None and leads_out:
            raise ValueError(Message("the file name leads out of the archive"))
        return best, meant[-1]

    def _as_written(self, meant: Sequence[str], last: str) -> tuple[Path, str] | None:
        """Return (image, path) for the first of the possible paths with a file; None without one.

        If the shared index has a single image called `last`, no disk access is needed.
        """
        named = self._index.named(last) if self._is_shared else []
        for path in meant:
            if len(named) == 1 and str(named[0]) == path:
                return named[0], path
            if os.path.isfile(path):  # noqa: PTH113
                return Path(path), path
        return None

    def _best(self, candidates: Sequence[Path], meant: str) -> Path | None:
        """Return the image with the longest end in common with a path, or None; raise if several tie."""
        if len(candidates) == 1 and not self._has_own_folder:
            return candidates[0]
        folder = Path(meant).parent
        match_lengths = {path: _common_end(path.parent, folder) for path in dict.fromkeys(candidates)}
        longest = max(match_lengths.values(), default=0)
        closest = [path for path, length in match_lengths.items() if length == longest]
        if not longest and self._has_own_folder:  # `train.csv` beside `train/` has no images of `test/`
            closest = [path for path in closest if self._split_of(folder_of(path)) in (None, self._split)]
        if len(closest) < 2:
            return next(iter(closest), None)
        raise AmbiguousNameError(Path(meant), closest)

    @cached_property
    def _has_own_folder(self) -> bool:
        """Whether images are in a folder of the split in the label file's name."""
        return self._split is not None and self._split in map(self._split_of, self._index.folders)

    def _split_of(self, folder: str) -> str | None:
        if folder not in self._splits:
            named = (part for part in self._inner(Path(folder)) if is_split_name(part))
            self._splits[folder] = split_of(next(named, ""))
        return self._splits[folder]

    def _inner(self, folder: Path) -> tuple[str, ...]:
        return folder.relative_to(self.root).parts if folder.is_relative_to(self.root) else (folder.name,)

    def correct_guesses(self, rows: Sequence[ImportRow]) -> tuple[list[ImportRow], int]:
        """Return the rows without wrong guesses (images with several names), and the number of relocated images."""
        if not self._guesses:
            return list(rows), 0
        first_names: dict[Path, str] = {}
        renamed = {row.path for row in rows if first_names.setdefault(row.path, row.name) != row.name}
        wrong = {name for name, path in self._guesses.items() if path in renamed} if renamed else set[str]()
        corrected = [replace(row, path=self._meant(row.name)) if row.name in wrong else row for row in rows]
        return corrected if wrong else list(rows), len(self._elsewhere - wrong)

    def _meant(self, name: str) -> Path:
        return Path(os.path.normpath(os.path.join(self._base_text, _possible_paths(name)[-1])))  # noqa: PTH118


def _possible_paths(name: str) -> list[str]:
    """Return the possible paths of a name, the most likely last; a ValueError if it is no file name."""
    if not name.strip() or "\0" in name:
        raise ValueError(Message("no file name"))
    if not is_unicode(name):
        raise ValueError(Message("the file name is not valid Unicode"))
    if "?d=" in name:  # Label Studio's URL of a file below its document root
        return [unquote(name.partition("?d=")[2])]
    if _URL.match(name):
        return [unquote(urlsplit(name.replace("\\", "/")).path).lstrip("/")]
    if "\\" in name and "/" not in name:
        return [name, PureWindowsPath(name).as_posix()]
    return [name]


def _common_end(first: Path, second: Path) -> int:
    """Return the number of equal parts at the end of two paths."""
    same = zip(reversed(first.parts), reversed(second.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], same))
