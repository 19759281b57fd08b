"""Where decoded images are kept on disk, and how much they may take. Knows no images: it loads at the start.

Below the folder lies one folder for each size, in it 256 folders by the first byte of a name, in them one file for each
image. All may be deleted at any time, also while it is in use.
"""

import contextlib
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

from visionft.core.files import from_home

FOLDER_VARIABLE: Final = "VISIONFT_CACHE"
LIMIT_VARIABLE: Final = "VISIONFT_CACHE_MB"
DEFAULT_LIMIT_MB: Final = 20_000  # 36,000 photographs of 12 megapixels at 224 px, of which 2,500 take 1.4 GB
IN_USE_S: Final = 6 * 3600  # what was read this lately stays: a run reads all its images in every epoch
_LEFT_BEHIND_S: Final = 3600  # a file that is being written is older only where its writer was killed
_NAME = re.compile(r"[0-9a-f]{32}(\.\d+\.tmp)?")


@dataclass(frozen=True, slots=True)
class CacheUse:
    files: int  # or kinds of features
    bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """What may be deleted to make room, and when it was used last."""

    path: Path
    used: float
    bytes: int


def cache_folder() -> Path:
    """Return where decoded images are kept, a folder of their own; `VISIONFT_CACHE` moves it."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return from_home(chosen) / "visionft-images"
    return platformdirs.user_cache_path("visionft", appauthor=False) / "images"


def cache_limit() -> int:
    """Return the limit in bytes for decoded images, from `VISIONFT_CACHE_MB` (megabytes); 0 disables the cache."""
    try:
        megabytes = float(os.environ.get(LIMIT_VARIABLE, ""))
    except ValueError:
        megabytes = -1.0
    return int((megabytes if 0 <= megabytes < 1e9 else DEFAULT_LIMIT_MB) * 1e6)


def cache_use(folder: Path) -> CacheUse:
    sizes = [entry.bytes for entry in cached_files(folder)]
    return CacheUse(len(sizes), sum(sizes))


def clear_cache(folder: Path) -> CacheUse:
    """Delete all cached images and nothing else; return the rest, such as undeletable files."""
    for entry in cached_files(folder):
        with contextlib.suppress(OSError):
            entry.path.unlink()
    for place in [*folder.glob("*/??"), *folder.glob("*"), folder]:
        with contextlib.suppress(OSError):  # whatever is not ours stays
            place.rmdir()
    return cache_use(folder)


def make_room(entries: Iterable[Entry], folder: Path, limit: int, delete: Callable[[Path], object]) -> int:
    """Delete the entries unused for the longest until the rest fits; return the bytes that may still be written.

    The rest fits in `limit` bytes and in half of the available space of the folder's disk. Entries used in the last
    `IN_USE_S` seconds stay: a run larger than the cache would otherwise delete each image just before its next use.
    """
    found = sorted(entries, key=lambda entry: entry.used)
    total = sum(entry.bytes for entry in found)
    allowed = min(limit, (total + shutil.disk_usage(folder).free) // 2)
    oldest = time.time() - IN_USE_S
    for entry in found:
        if total <= allowed - limit // 16 or entry.used > oldest:
            break
        with contextlib.suppress(OSError):  # deleted by another, or open on Windows
            delete(entry.path)
        total -= entry.bytes
    return max(0, allowed - total)


def cached_files(folder: Path) -> list[Entry]:
    """Return the cached files; leftovers of killed writers are deleted on the way."""
    found: list[Entry] = []
    for path in folder.glob("*/??/*"):
        with contextlib.suppress(OSError):
            if path.parts[-3].isdecimal() and _NAME.fullmatch(path.name):
                status = path.lstat()
                if path.suffix == ".tmp" and status.st_mtime < time.time() - _LEFT_BEHIND_S:
                    path.unlink()
                else:
                    found.append(Entry(path, status.st_mtime, status.st_size))
    return found
