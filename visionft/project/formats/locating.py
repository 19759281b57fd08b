"""Finding the picture that a label file means: names there are relative, shortened, addresses or without suffix."""

import os
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import takewhile
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote, urlsplit

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.files import is_file, list_folder
from visionft.foreign_text import is_unicode
from visionft.project.formats.folders import CONTAINERS, walk
from visionft.project.formats.listing import SourceFile, is_split_name
from visionft.project.names import name_key

_LABEL_FOLDERS = ("annotation", "annotations", "ann", "labels")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of a file that it was given
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_LOCAL_FILE = "?d="  # Label Studio's address of a file below its document root


def data_folder(file: Path) -> Path:
    """Return the folder that a label file and its pictures lie below: of `annotations/train.json`, the one above."""
    above = file.parent.parent
    if file.parent.name.casefold() not in _LABEL_FOLDERS or not above.is_dir():
        return file.parent
    beside = [entry.name for entry in list_folder(above) if entry.is_dir()]
    return above if any(name.casefold() in CONTAINERS or is_split_name(name) for name in beside) else file.parent


@dataclass(frozen=True, slots=True)
class _Guess:
    """A picture that was found by its name: where, where its name says, and the folder that stands in the name."""

    path: Path
    meant: Path
    folder: Path

    @property
    def is_elsewhere(self) -> bool:
        """Whether it lies in another folder than its name says."""
        return _common_end(self.path.parent, self.folder) < len(self.folder.parts)


class PictureFinder:
    """Resolve the file names of one label file.

    Args:
        base: The folder of the label file, which names are relative to.
        is_confined: Refuse names that lead out of `root`: the file came out of an archive.
        beside: Further folders to look in first, such as `train/` for `train.csv`.
        root: The folder that all pictures lie below; that of the label file where none is given.
    """

    def __init__(
        self, base: Path, *, is_confined: bool = False, beside: Sequence[Path] = (), root: Path | None = None
    ) -> None:
        """Look below `root` only when a name does not say where."""
        self._base, self._root = base, root or base
        self._is_confined = is_confined
        self._beside = tuple(beside)
        self._guesses: dict[str, _Guess] = {}

    @classmethod
    def of(cls, file: Path, *, is_confined: bool = False, beside: Sequence[Path] = ()) -> "PictureFinder":
        """Return a finder for a label file whose pictures may lie in folders beside that of the file."""
        root = data_folder(file)
        containers = [entry for entry in list_folder(root) if entry.name.casefold() in CONTAINERS and entry.is_dir()]
        return cls(file.parent, is_confined=is_confined, beside=(*beside, root, *containers), root=root)

    def has(self, name: str) -> bool:
        """Say whether a name leads to a picture that is there."""
        try:
            return is_file(self.find(name))
        except ValueError:
            return False

    def find(self, name: str) -> Path:
        """Return the picture's absolute path; where nothing is found, the path that the name means.

        Tried in this order: as written, below `images/` and the folders beside, each also with a picture's suffix; then
        anywhere below the folder, by the end of the path that agrees best, where no other file there agrees as well;
        last of all, by a name that another system takes for the same. Of an address only the path counts.

        Raises:
            ValueError: The name is no file name, or leads out of the folder although it must not.
        """
        if not name.strip() or "\0" in name:
            raise ValueError("no file name")
        if not is_unicode(name):
            raise ValueError("the file name is not valid Unicode")
        readings = _readings(name)
        meant = [Path(os.path.normpath(os.path.join(self._base, path))) for path in readings]  # noqa: PTH118
        leads_out = self._is_confined and not all(path.is_relative_to(self._root) for path in meant)
        for path in () if leads_out else readings:
            for folder in self._folders:
                found = self._in_folder(folder, path)
                if found:
                    return found
        guess = self._below(meant[-1])
        if guess is None and leads_out:
            raise ValueError("the file name leads out of the archive")
        if guess is not None:
            self._guesses[name] = _Guess(guess, meant[-1], Path(readings[-1]).parent)
        return guess or meant[-1]

    def settled(self, files: Sequence[SourceFile]) -> tuple[list[SourceFile], int]:
        """Return the entries of the label file without wrong guesses, and how many pictures lie elsewhere than it says.

        A picture that was guessed for one name, and that another name means, too, is not the one that is missing.
        """
        names: defaultdict[Path, set[str]] = defaultdict(set)
        for file in files:
            names[file.path].add(file.name)
        wrong = {name for name, guess in self._guesses.items() if len(names[guess.path]) > 1}
        settled = [replace(file, path=self._guesses[file.name].meant) if file.name in wrong else file for file in files]
        return settled, sum(guess.is_elsewhere for name, guess in self._guesses.items() if name not in wrong)

    def _below(self, meant: Path) -> Path | None:
        """Return the one file anywhere below the root that a path is likeliest to mean."""
        named = self._named(meant.name) or self._uploaded(meant.name)
        if not named:
            return None
        agreeing = {path: _common_end(path.parent, meant.parent) for path in named}
        closest = [path for path in named if agreeing[path] == max(agreeing.values())]
        for folder in self._beside:
            inside = [path for path in closest if path.is_relative_to(folder)]
            if len(inside) == 1:
                return inside[0]
        return closest[0] if len(closest) == 1 else None

    def _uploaded(self, name: str) -> list[Path]:
        """Return what Label Studio was given when it calls a file so: it puts signs before the name, `_` for blanks."""
        if not _UPLOADED.match(name):
            return []
        bare = _UPLOADED.sub("", name, count=1)
        return self._named(bare) or self._by_cleaned_name.get(bare, [])

    def _named(self, name: str) -> list[Path]:
        return self._by_name.get(name) or self._by_stem.get(name) or self._by_alike_name.get(_alike(name), [])

    @cached_property
    def _folders(self) -> tuple[str, ...]:
        return tuple(map(str, (self._base, self._base / "images", *self._beside)))

    def _in_folder(self, folder: str, name: str) -> Path | None:
        """Return the picture of this name in a folder; without a suffix, the only one that has it besides.

        Text, not `Path`s: asked for each row of a table in each folder, they are most of the time it takes.
        """
        literal = os.path.normpath(os.path.join(folder, name))  # noqa: PTH118
        if os.path.isfile(literal):  # noqa: PTH113
            return Path(literal)
        if not literal.startswith(os.path.join(folder, "")):  # noqa: PTH118
            return None
        parent, last = os.path.split(literal)
        named = self._stems_in(parent).get(last, [])
        return named[0] if len(named) == 1 else None

    def _stems_in(self, folder: str) -> dict[str, list[Path]]:
        if folder not in self._stems:
            listed = list_folder(Path(folder)) if os.path.isdir(folder) else []  # noqa: PTH112
            pictures = [path for path in listed if path.suffix.lower() in IMAGE_SUFFIXES]
            self._stems[folder] = _grouped(pictures, lambda path: path.stem)
        return self._stems[folder]

    @cached_property
    def _stems(self) -> dict[str, dict[str, list[Path]]]:
        return {}

    @cached_property
    def _files(self) -> list[Path]:
        return list(walk(self._root, [], []))

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _grouped(self._files, lambda path: path.name)

    @cached_property
    def _by_cleaned_name(self) -> dict[str, list[Path]]:
        return _grouped(self._files, lambda path: path.name.replace(" ", "_"))

    @cached_property
    def _by_alike_name(self) -> dict[str, list[Path]]:
        return _grouped(self._files, lambda path: _alike(path.name))

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        pictures = [path for path in self._files if path.suffix.lower() in IMAGE_SUFFIXES]
        return _grouped(pictures, lambda path: path.stem)


def _grouped(paths: list[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _alike(name: str) -> str:
    """Return what names have in common that another system takes for the same.

    Windows and macOS pass over upper and lower case, macOS takes letters with accents apart, a table has blanks at the
    edges of its cells.
    """
    return name_key(name).casefold().strip()


def _common_end(first: Path, second: Path) -> int:
    """Return how many of the last parts of two paths are the same."""
    same = zip(reversed(first.parts), reversed(second.parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], same))


def _readings(name: str) -> list[str]:
    """Return the paths that a name may be: an address, as it is, and with the backslashes of Windows as separators."""
    if _LOCAL_FILE in name:
        return [unquote(name.partition(_LOCAL_FILE)[2])]
    if _ADDRESS.match(name):
        return [unquote(urlsplit(name.replace("\\", "/")).path).lstrip("/")]
    has_backslashes = "\\" in name and "/" not in name
    return [name, PureWindowsPath(name).as_posix()] if has_backslashes else [name]
