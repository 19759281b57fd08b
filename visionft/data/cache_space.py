"""Where decoded pictures are kept on disk, and how much they may take. Knows no pictures: it loads at the start.

Below the folder lies one folder for each size, in it 256 folders by the first byte of a name, in them one file a
picture under two names (hard links, see `picture_cache`). All may be deleted at any time, also while it is in use.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import platformdirs

from visionft.files import from_home

FOLDER_VARIABLE: Final = "VISIONFT_CACHE"
LIMIT_VARIABLE: Final = "VISIONFT_CACHE_MB"
DEFAULT_LIMIT_MB: Final = 20_000
IN_USE_S: Final = 6 * 3600  # what was read this lately stays: a run reads all its pictures in every epoch
_LEFT_BEHIND_S: Final = 3600  # a file that is being written is older only where its writer was killed
_SIZE_FOLDER = re.compile(r"\d+")
_NAME = re.compile(r"[0-9a-f]{32}(\.\d+\.tmp)?")


@dataclass(frozen=True, slots=True)
class CacheUse:
    """What a cache takes on disk."""

    files: int
    bytes: int


@dataclass(slots=True)
class _Entry:
    """One file under all its names."""

    used: float
    bytes: int
    names: list[str] = field(default_factory=list)


def cache_folder() -> Path:
    """Return where decoded pictures are kept, a folder of their own; `VISIONFT_CACHE` moves it."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return from_home(chosen) / "visionft-pictures"
    return platformdirs.user_cache_path("visionft", appauthor=False) / "pictures"


def cache_limit() -> int:
    """Return the bytes that decoded pictures may take; 0 keeps none. `VISIONFT_CACHE_MB` (megabytes) says how many."""
    try:
        megabytes = float(os.environ.get(LIMIT_VARIABLE, ""))
    except ValueError:
        return int(DEFAULT_LIMIT_MB * 1e6)
    return int(megabytes * 1e6) if 0 <= megabytes < 1e9 else int(DEFAULT_LIMIT_MB * 1e6)


def cache_use(folder: Path) -> CacheUse:
    """Count the pictures that are kept."""
    return _sum(_survey(folder).values())


def clear_cache(folder: Path) -> CacheUse:
    """Delete all that is kept, and nothing else; return what is left, such as what may not be deleted."""
    for entry in _survey(folder).values():
        _delete(entry)
    for place in [*folder.glob("*/??"), *folder.glob("*"), folder]:
        with contextlib.suppress(OSError):  # whatever is not ours stays
            place.rmdir()
    return cache_use(folder)


def make_room(folder: Path, limit: int) -> int:
    """Delete the pictures unused for the longest until the rest fits; return the bytes that may still be written.

    The rest fits when it takes at most `limit` bytes and at most half of the room that the disk has for it. What was
    used in the last `IN_USE_S` seconds stays: a run that reads more than fits would otherwise throw out each picture
    just before it reads it again.
    """
    entries = sorted(_survey(folder).values(), key=lambda entry: entry.used)
    total = sum(entry.bytes for entry in entries)
    allowed = min(limit, (total + shutil.disk_usage(folder).free) // 2)
    oldest = time.time() - IN_USE_S
    for entry in entries:
        if total <= allowed - limit // 16 or entry.used > oldest:
            break
        _delete(entry)
        total -= entry.bytes
    return max(0, allowed - total)


def _sum(entries: Iterable[_Entry]) -> CacheUse:
    sizes = [entry.bytes for entry in entries]
    return CacheUse(len(sizes), sum(sizes))


def _delete(entry: _Entry) -> None:
    for name in entry.names:
        with contextlib.suppress(OSError):  # deleted by another, or open on Windows
            Path(name).unlink()


def _survey(folder: Path) -> dict[int, _Entry]:
    """Return the files that are kept, by inode; those that a killed writer left are deleted on the way."""
    entries: dict[int, _Entry] = {}
    for found in _files(folder):
        with contextlib.suppress(OSError):
            known = entries.get(found.inode())
            if known is None:
                status = found.stat(follow_symlinks=False)
                if found.name.endswith(".tmp") and status.st_mtime < time.time() - _LEFT_BEHIND_S:
                    Path(found.path).unlink()
                    continue
                known = entries[found.inode()] = _Entry(status.st_mtime, status.st_size)
            known.names.append(found.path)
    return entries


def _files(folder: Path) -> Iterator[os.DirEntry[str]]:
    for size in _listed(folder):
        if _SIZE_FOLDER.fullmatch(size.name):
            for part in _listed(size.path):
                yield from (found for found in _listed(part.path) if _NAME.fullmatch(found.name))


def _listed(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:  # not there, or deleted meanwhile
        return []
