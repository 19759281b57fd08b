"""Where thumbnails lie on disk, and how much they may take. Knows no pictures: it loads at the start.

A thumbnail's file is named after path, size and time of the original, so that an edited picture gets a new one.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from visionft.data.cache_space import CacheUse

_MEGABYTE = 1_000_000
_TRIM_EVERY = 1000  # thumbnails written; looking through 100,000 of them takes a worker about a second


class _Cache:
    """Where thumbnails are kept, how much they may take, and how many were written since that was last looked at."""

    folder: Path | None = None
    limit_mb: int = 0
    written: int = 0


def keep_thumbnails(folder: Path | None, *, limit_mb: int) -> None:
    """Keep thumbnails in `folder` (None: the system's place for caches), `limit_mb` at most (0: without a limit)."""
    _Cache.folder = folder / "visionft thumbnails" if folder is not None else None
    _Cache.limit_mb = limit_mb


def cache_folder() -> Path:
    """Return where thumbnails are kept: a folder of their own, so that clearing it takes nothing else."""
    return _Cache.folder or platformdirs.user_cache_path("visionft", appauthor=False) / "thumbnails"


def trim_cache(limit_mb: float | None = None) -> CacheUse:
    """Delete the thumbnails unused for the longest until the rest fits; safe in any thread.

    Args:
        limit_mb: None takes the limit in force; 0 deletes all.
    """
    limit = (_Cache.limit_mb or float("inf")) if limit_mb is None else limit_mb
    entries = sorted(_cached_files(), reverse=True)  # the latest used first
    total = 0
    for index, (_used, size, _path) in enumerate(entries):
        if total + size > limit * _MEGABYTE:
            for _, _, unused in entries[index:]:
                unused.unlink(missing_ok=True)
            return CacheUse(index, total)
        total += size
    return CacheUse(len(entries), total)


def _cached_files() -> Iterator[tuple[int, int, Path]]:
    """Yield (last use in ns, bytes, file) of each thumbnail on disk."""
    for path in cache_folder().glob("??/*.jpg"):
        try:
            facts = path.stat()
        except OSError:  # another window cleared it
            continue
        yield facts.st_mtime_ns, facts.st_size, path


def file_of(picture: Path) -> Path:
    """Return where a picture's thumbnail is kept.

    Raises:
        OSError: The picture is not there.
    """
    facts = picture.stat()
    key = f"{picture}\0{facts.st_size}\0{facts.st_mtime_ns}"
    name = hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return cache_folder() / name[:2] / f"{name}.jpg"


def note_written() -> None:
    """Count a thumbnail that was written; now and then the limit is looked after."""
    _Cache.written += 1
    if _Cache.written % _TRIM_EVERY == 0:
        trim_cache()
