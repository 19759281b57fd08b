"""The thumbnail folder on disk and its size limit. Imports no image library: loaded at the start.

A thumbnail's file is named after path, size and time of the original, so that an edited image gets a new one.
"""

import contextlib
import hashlib
from pathlib import Path

import platformdirs

from visionft.data.cache_space import CacheUse
from visionft.data.image_reading import AS_STORED, ImageReading

_TRIM_EVERY = 1000  # thumbnails written; scanning 100,000 of them takes a worker about a second


class _Cache:
    """The thumbnail folder, its size limit, the number of thumbnails written since the last trim, and the reading."""

    reading: ImageReading = AS_STORED
    folder: Path | None = None
    limit_mb: int = 0
    written: int = 0


def keep_thumbnails(folder: Path | None, *, limit_mb: int) -> None:
    """Set the thumbnail folder (None: the system's cache folder) and its limit of `limit_mb` (0: no limit)."""
    _Cache.folder = folder / "visionft thumbnails" if folder is not None else None
    _Cache.limit_mb = limit_mb


def show_images_as(reading: ImageReading) -> None:
    """Set how images are read for the screen: that of the open project."""
    _Cache.reading = reading


def shown_reading() -> ImageReading:
    return _Cache.reading


def cache_folder() -> Path:
    """Return the thumbnail folder: a separate one, so that clearing it deletes nothing else."""
    return _Cache.folder or platformdirs.user_cache_path("visionft", appauthor=False) / "thumbnails"


def trim_cache(limit_mb: float | None = None) -> CacheUse:
    """Delete the least recently used thumbnails until the rest fits; thread-safe.

    Args:
        limit_mb: None for the current limit; 0 deletes all.
    """
    limit = (_Cache.limit_mb or float("inf")) if limit_mb is None else limit_mb
    entries: list[tuple[int, int, Path]] = []  # last use in ns, bytes, file
    for path in cache_folder().glob("??/*.jpg"):
        with contextlib.suppress(OSError):  # another window cleared it
            facts = path.stat()
            entries.append((facts.st_mtime_ns, facts.st_size, path))
    kept = total = 0
    for _used, size, path in sorted(entries, reverse=True):
        if total + size <= limit * 1_000_000:
            kept, total = kept + 1, total + size
        else:
            path.unlink(missing_ok=True)
            limit = -1  # older ones go too, however small
    return CacheUse(kept, total)


def file_of(image: Path, reading: ImageReading) -> Path:
    """Return the file of an image's thumbnail, read so (OSError: the image is missing)."""
    facts = image.stat()
    key = f"{image}\0{facts.st_size}\0{facts.st_mtime_ns}{reading.key}"
    name = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return cache_folder() / name[:2] / f"{name}.jpg"


def note_written() -> None:
    """Count a written thumbnail; at intervals the cache is trimmed to its limit."""
    _Cache.written += 1
    if _Cache.written % _TRIM_EVERY == 0:
        trim_cache()
