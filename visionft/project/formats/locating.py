"""Locate the images of a label file: names may be relative, shortened, URLs or without suffix."""

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

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


class AmbiguousNameError(ValueError):
    """A name of several images, `found`, without a sign which of them is meant. `meant` is the path that it says."""

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

    Images without an exact match are searched below `root`, the common folder of all images (by default `base`). Of
    several images of a name, the one counts whose folders the name gives; else the name is ambiguous.
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
        self._guesses: dict[str, Path] = {}  # {name: image that does not lie where the name says}
        self._elsewhere: set[str] = set()  # names whose folder differs from the image's
        self._splits: dict[str, str | None] = {}  # {folder: split in its name}
        self.ambiguous = 0  # names so far
        self.by_number = 0  # names found by their number alone

    @classmethod
    def of(cls, file: Path, options: ReadOptions) -> "ImageFinder":
        """Return a finder for a label file with images in folders beside its own."""
        root = options.index.root if options.index else data_folder(file)
        return cls(file.parent, options, root=root, file=file)

    def has(self, name: str) -> bool:
        """Return whether a name is that of one or several existing images."""
        try:
            return self._found(name)[0] is not None
        except AmbiguousNameError:
            return True
        except ValueError:
            return False

    def lookup(self, name: str) -> Path | None:
        """Return the image of a name; None for none, and for several."""
        try:
            return self._found(name)[0]
        except ValueError:
            return None

    def has_number(self, name: str) -> bool:
        """Return whether a name is only the number of one existing image."""
        return len(self._index.numbered(name)) == 1

    def find(self, name: str) -> Path:
        """Return the image's absolute path; if nothing is found, the path according to the name.

        Tried in this order: as written; anywhere below the folder, by the longest matching end of the path, also by
        stem, and by a name equivalent on another file system; by the number of an image (`0007` for `7.jpg`). Only the
        path of a URL counts.

        Raises:
            AmbiguousNameError: Several images are called so.
            ValueError: The name is no file name, or leads out of the folder despite `is_confined`.
        """
        try:
            found, meant = self._found(name)
        except AmbiguousNameError:
            self.ambiguous += 1
            raise
        numbered = [] if found else self._index.numbered(os.path.basename(meant))  # noqa: PTH119
        if len(numbered) == 1:
            found = numbered[0]
            self.by_number += 1
        if found is None:
            return Path(meant)
        if str(found) != meant:
            self._guesses[name] = found
            folder = Path(_readings(name)[-1]).parent.parts if "/" in name or "\\" in name else ()
            if found.parent.parts[-len(folder) :] != folder and folder:
                self._elsewhere.add(name)
        return found

    def _found(self, name: str) -> tuple[Path | None, str]:
        """Return the image of a name, and the path according to the name."""
        readings = _readings(name)
        meant = [os.path.normpath(os.path.join(self._base_text, each)) for each in readings]  # noqa: PTH118
        last = os.path.basename(meant[-1])  # noqa: PTH119
        leads_out = self._is_confined and not all(Path(path).is_relative_to(self.root) for path in meant)
        if not leads_out and (as_written := self._as_written(meant, last)):
            return as_written
        near = () if leads_out else (os.path.join(folder, readings[-1]) for folder in self._folders)  # noqa: PTH118
        beside = [Path(path) for path in near if os.path.isfile(path)]  # noqa: PTH113
        best = self._best([*beside, *self._index.named(last)], meant[-1])
        if best is None and leads_out:
            raise ValueError(Message("the file name leads out of the archive"))
        return best, meant[-1]

    def _as_written(self, meant: Sequence[str], last: str) -> tuple[Path, str] | None:
        """Return the image at one of the paths that a name says, and that path; None for no file there.

        The index answers without the disk if a single image's name is `last`, the end of the name.
        """
        named = self._index.named(last) if self._is_shared else []
        for path in meant:
            if len(named) == 1 and str(named[0]) == path:
                return named[0], path
            if os.path.isfile(path):  # noqa: PTH113
                return Path(path), path
        return None

    def _best(self, named: Sequence[Path], meant: str) -> Path | None:
        """Return the image that a path means, or None."""
        if len(named) == 1 and not self._has_own_folder:
            return named[0]
        folder = Path(meant).parent
        agreeing = {path: _common_end(path.parent, folder) for path in dict.fromkeys(named)}
        most = max(agreeing.values(), default=0)
        closest = [path for path, common in agreeing.items() if common == most]
        if not most and self._has_own_folder:  # `train.csv` beside `train/` says nothing of images in `test/`
            closest = [path for path in closest if self._split_of(folder_of(path)) in (None, self._split)]
        if len(closest) < 2:
            return next(iter(closest), None)
        raise AmbiguousNameError(Path(meant), closest)

    @cached_property
    def _has_own_folder(self) -> bool:
        """Return whether there are images in a folder of the split that the label file is called after."""
        return self._split is not None and self._split in map(self._split_of, self._index.folders)

    def _split_of(self, folder: str) -> str | None:
        if folder not in self._splits:
            named = (part for part in self._inner(Path(folder)) if is_split_name(part))
            self._splits[folder] = split_of(next(named, ""))
        return self._splits[folder]

    def _inner(self, folder: Path) -> tuple[str, ...]:
        return folder.relative_to(self.root).parts if folder.is_relative_to(self.root) else (folder.name,)

    def settled(self, files: Sequence[ImportRow]) -> tuple[list[ImportRow], int]:
        """Return the entries without wrong guesses (images also named otherwise), and how many were relocated."""
        if not self._guesses:
            return list(files), 0
        first: dict[Path, str] = {}
        several = {file.path for file in files if first.setdefault(file.path, file.name) != file.name}
        wrong = {name for name, path in self._guesses.items() if path in several} if several else set[str]()
        settled = [replace(file, path=self._meant(file.name)) if file.name in wrong else file for file in files]
        return settled if wrong else list(files), len(self._elsewhere - wrong)

    def _meant(self, name: str) -> Path:
        return Path(os.path.normpath(os.path.join(self._base_text, _readings(name)[-1])))  # noqa: PTH118


def _readings(name: str) -> list[str]:
    """Return the possible paths of a name; a ValueError for no file name."""
    if not name.strip() or "\0" in name:
        raise ValueError(Message("no file name"))
    if not is_unicode(name):
        raise ValueError(Message("the file name is not valid Unicode"))
    if "?d=" in name:  # Label Studio's URL of a file below its document root
        return [unquote(name.partition("?d=")[2])]
    if _ADDRESS.match(name):
        return [unquote(urlsplit(name.replace("\\", "/")).path).lstrip("/")]
    if "\\" in name and "/" not in name:
        return [name, PureWindowsPath(name).as_posix()]
    return [name]


def _common_end(first: Path, second: Path) -> int:
    """Return the number of equal parts at the end of two paths."""
    same = zip(reversed(first.parts), reversed(second.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], same))
