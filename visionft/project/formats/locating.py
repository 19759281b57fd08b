"""Finding the picture that a row of a label file means: file names there are relative, shortened or without suffix."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.files import is_file, list_folder
from visionft.foreign_text import is_unicode
from visionft.project.formats.folders import walk


class PictureFinder:
    """Resolve the file names of one label file.

    Args:
        base: The folder of the label file.
        is_confined: Refuse names that lead out of `base`: the file came out of an archive.
        beside: Further folders to look in first, such as `train/` for `train.csv`.
    """

    def __init__(self, base: Path, *, is_confined: bool = False, beside: Sequence[Path] = ()) -> None:
        """Look below `base` only when a name does not say where."""
        self._base = base
        self._is_confined = is_confined
        self._beside = tuple(beside)

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
        name = name.rpartition("/")[2] if "://" in name else name
        literal = Path(os.path.normpath(self._base / _native(name)))
        if self._is_confined and not literal.is_relative_to(self._base):
            raise ValueError("the file name leads out of the archive")
        for folder in (self._base, self._base / "images", *self._beside):
            found = self._in_folder(folder, _native(name))
            if found:
                return found
        by_name = self._by_name.get(literal.name) or self._by_stem.get(literal.name) or []
        for folder in self._beside:
            inside = [path for path in by_name if path.is_relative_to(folder)]
            if len(inside) == 1:
                return inside[0]
        return by_name[0] if len(by_name) == 1 else literal

    def _in_folder(self, folder: Path, name: Path) -> Path | None:
        """Return the picture of this name in a folder; without a suffix, the only one that has it besides."""
        literal = Path(os.path.normpath(folder / name))
        if is_file(literal):
            return literal
        if not folder.is_dir() or literal.parent != folder:
            return None
        named = self._stems_in(folder).get(literal.name, [])
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
        return list(walk(self._base, [], []))

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


def _native(name: str) -> Path:
    """Return a file name as a path of this system: backslashes from Windows become separators."""
    if os.sep == "/" and "\\" in name and "/" not in name:
        return Path(PureWindowsPath(name).as_posix())
    return Path(PurePosixPath(name))
