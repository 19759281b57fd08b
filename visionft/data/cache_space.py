"""Where decoded images are kept on disk, and how much they may take. Knows no images: it loads at the start.

Below the folder lies one folder for each size, in it 256 folders by the first byte of a name, in them one file a
image under two names (hard links, see `image_cache`). All may be deleted at any time, also while it is in use.
"""

import contextlib
import os
import re
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import platformdirs

from visionft.files import from_home

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


@dataclass(slots=True)
class _Entry:
    used: float
    bytes: int
    names: list[str] = field(default_factory=list)


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
    sizes = [entry.bytes for entry in _survey(folder).values()]
    return CacheUse(len(sizes), sum(sizes))


def clear_cache(folder: Path) -> CacheUse:
    """Delete all cached images and nothing else; return the rest, such as undeletable files."""
    for entry in _survey(folder).values():
        _delete(entry)
    for place in [*folder.glob("*/??"), *folder.glob("*"), folder]:
        with contextlib.suppress(OSError):  # whatever is not ours stays
            place.rmdir()
    return cache_use(folder)


def make_room(folder: Path, limit: int) -> int:
    """Delete the images unused for the longest until the rest fits; return the bytes that may still be written.

    The rest fits in `limit` bytes and in half of the available disk space. Images used in the last `IN_USE_S` seconds
    stay: a run larger than the cache would otherwise delete each image just before its next use.
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


def _delete(entry: _Entry) -> None:
    for name in entry.names:
        with contextlib.suppress(OSError):  # deleted by another, or open on Windows
            Path(name).unlink()


def _survey(folder: Path) -> dict[int, _Entry]:
    """Return the cached files, by inode; leftovers of killed writers are deleted on the way."""
    entries: dict[int, _Entry] = {}
    parts = (part for size in _listed(folder) if re.fullmatch(r"\d+", size.name) for part in _listed(size.path))
    for found in (file for part in parts for file in _listed(part.path) if _NAME.fullmatch(file.name)):
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


def _listed(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:  # not there, or deleted meanwhile
        return []
