"""Finding the picture that a row of a label file means: file names there are relative, shortened or without suffix."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

from visionft.data.decode import IMAGE_SUFFIXES
from visionft.files import is_file
from visionft.foreign_text import is_unicode
from visionft.project.importing.scanning import walk


class PictureFinder:
    """Resolve the file names of one label file.

    Args:
        base: The folder of the label file.
        is_confined: Refuse names that lead out of `base`: the file came out of an archive.
    """

    def __init__(self, base: Path, *, is_confined: bool = False) -> None:
        """Look below `base` only when a name does not say where."""
        self._base = base
        self._is_confined = is_confined

    def find(self, name: str) -> Path:
        """Return the picture's absolute path; where nothing is found, the path that the name means.

        Tried in this order: as written, below `images/`, with a picture's suffix, and anywhere below the folder when
        only one file there has that name.

        Raises:
            ValueError: The name is no file name, or leads out of the folder although it must not.
        """
        if not name.strip() or "\0" in name:
            raise ValueError("no file name")
        if not is_unicode(name):
            raise ValueError("the file name is not valid Unicode")
        literal = Path(os.path.normpath(self._base / _native(name)))
        if self._is_confined and not literal.is_relative_to(self._base):
            raise ValueError("the file name leads out of the archive")
        for candidate in (literal, self._base / "images" / _native(name)):
            if is_file(candidate):
                return candidate
        by_name = self._by_name.get(literal.name) or self._by_stem.get(literal.name) or []
        return by_name[0] if len(by_name) == 1 else literal

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
