"""Finding the picture that a label file means: names there are relative, shortened, addresses or without suffix."""

import os
import re
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.files import is_file, list_folder
from visionft.foreign_text import is_unicode
from visionft.project.formats.folders import CONTAINERS, walk
from visionft.project.formats.listing import is_split_name

_LABEL_FOLDERS = ("annotation", "annotations", "ann", "labels")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")  # what Label Studio puts before the name of a file that it was given
_LOCAL_FILE = "?d="  # Label Studio's address of a file below its document root


def data_folder(file: Path) -> Path:
    """Return the folder that a label file and its pictures lie below: of `annotations/train.json`, the one above."""
    above = file.parent.parent
    if file.parent.name.casefold() not in _LABEL_FOLDERS or not above.is_dir():
        return file.parent
    beside = [entry.name for entry in list_folder(above) if entry.is_dir()]
    return above if any(name.casefold() in CONTAINERS or is_split_name(name) for name in beside) else file.parent


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
        anywhere below the folder when only one file there has that name. Of an address only the last part counts.

        Raises:
            ValueError: The name is no file name, or leads out of the folder although it must not.
        """
        if not name.strip() or "\0" in name:
            raise ValueError("no file name")
        if not is_unicode(name):
            raise ValueError("the file name is not valid Unicode")
        name = _without_address(name)
        literal = Path(os.path.normpath(self._base / _native(name)))
        if self._is_confined and not literal.is_relative_to(self._root):
            raise ValueError("the file name leads out of the archive")
        for folder in (self._base, self._base / "images", *self._beside):
            found = self._in_folder(folder, _native(name))
            if found:
                return found
        by_name = self._named(literal.name) or self._named(_UPLOADED.sub("", literal.name, count=1))
        for folder in self._beside:
            inside = [path for path in by_name if path.is_relative_to(folder)]
            if len(inside) == 1:
                return inside[0]
        return by_name[0] if len(by_name) == 1 else literal

    def _named(self, name: str) -> list[Path]:
        return self._by_name.get(name) or self._by_stem.get(name) or []

    def _in_folder(self, folder: Path, name: Path) -> Path | None:
        """Return the picture of this name in a folder; without a suffix, the only one that has it besides."""
        literal = Path(os.path.normpath(folder / name))
        if is_file(literal):
            return literal
        if not literal.is_relative_to(folder) or not literal.parent.is_dir():
            return None
        named = self._stems_in(literal.parent).get(literal.name, [])
        return named[0] if len(named) == 1 else None

    def _stems_in(self, folder: Path) -> dict[str, list[Path]]:
        if folder not in self._stems:
            pictures = [path for path in list_folder(folder) if path.suffix.lower() in IMAGE_SUFFIXES]
            self._stems[folder] = _grouped(pictures, lambda path: path.stem)
        return self._stems[folder]

    @cached_property
    def _stems(self) -> dict[Path, dict[str, list[Path]]]:
        return {}

    @cached_property
    def _files(self) -> list[Path]:
        return list(walk(self._root, [], []))

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _grouped(self._files, lambda path: path.name)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        pictures = [path for path in self._files if path.suffix.lower() in IMAGE_SUFFIXES]
        return _grouped(pictures, lambda path: path.stem)


def _grouped(paths: list[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(key(path), []).append(path)
    return groups


def _without_address(name: str) -> str:
    if _LOCAL_FILE in name:
        return unquote(name.partition(_LOCAL_FILE)[2])
    return name.rpartition("/")[2] if "://" in name else name


def _native(name: str) -> Path:
    """Return a file name as a path of this system: backslashes from Windows become separators."""
    if os.sep == "/" and "\\" in name and "/" not in name:
        return Path(PureWindowsPath(name).as_posix())
    return Path(PurePosixPath(name))
