"""The thumbnail folder on disk and its size limit. Imports no image library: loaded at the start.

A thumbnail's file is named after path, size and time of the original, so that an edited image gets a new one.
"""

import contextlib
import hashlib
from pathlib import Path

import platformdirs

from visionft.data.image_reading import AS_STORED, ImageReading

LIMIT_MB = 2000
_TRIM_EVERY = 1000  # thumbnails written; scanning 100,000 of them takes a worker about a second


class _Cache:
    """The reading of images, and the number of thumbnails written."""

    reading: ImageReading = AS_STORED
    written: int = 0


def set_image_reading(reading: ImageReading) -> None:
    """Set the open project's image reading for the screen."""
    _Cache.reading = reading


def shown_reading() -> ImageReading:
    return _Cache.reading


def cache_folder() -> Path:
    """Return the thumbnail folder: a separate one, so that clearing it deletes nothing else."""
    return platformdirs.user_cache_path("visionft", appauthor=False) / "thumbnails"


def trim_cache(limit_mb: int = LIMIT_MB) -> int:
    """Delete the least recently used thumbnails until the rest fits; return its bytes. Thread-safe."""
    limit = limit_mb * 1_000_000
    entries: list[tuple[int, int, Path]] = []  # last use in ns, bytes, file
    for path in cache_folder().glob("??/*.jpg"):
        with contextlib.suppress(OSError):  # another window cleared it
            facts = path.stat()
            entries.append((facts.st_mtime_ns, facts.st_size, path))
    total = 0
    for _used, size, path in sorted(entries, reverse=True):
        if total + size <= limit:
            total += size
        else:
            path.unlink(missing_ok=True)
            limit = -1  # older ones go too, however small
    return total


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
