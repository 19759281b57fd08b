"""A cache of decoded images on disk, for all runs and processes.

An image is stored as raw pixels of `decode(..., near_side=N)`, bit for bit as decoded, under a name made of its
original's location (path, size, times), with the SHA-256 of the original: a replaced or touched original has another
name, and is decoded again.

A file is written beside and renamed, and read only where its checksums are right: truncated or corrupted files are
decoded again. Errors of the cache cost time and never an image.

Below the folder of the cache lies one folder for each size, in it 256 folders by the first byte of a name, in them one
file for each image. All may be deleted at any time, also while it is in use.
"""

import contextlib
import hashlib
import logging
import os
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

import numpy as np
import platformdirs
from PIL import __version__ as pillow_version

from visionft.core.errors import ImageError
from visionft.core.files import expand_home
from visionft.data.decode import DecodedImage, decode_open, open_image
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.limits import CACHE_LIMIT_VARIABLE, DEFAULT_CACHE_MB, image_limit

logger = logging.getLogger(__name__)

_KIND: Final = f"2 {pillow_version}"  # of the pixels: another decoder may round otherwise
_TOUCH_S: Final = 3600  # the time of use is renewed once an hour: rarely, and well within `IN_USE_S`
_PAUSE_S: Final = 60.0  # after a failure, before the next try to write
_SHARE: Final = 64  # no image may take more than this part of the limit
_ABOUT: Final = 572  # bytes of a file beside the pixels
_LOOKS: Final = 32  # the folder is looked through again when this part of the limit was written: of 20 GB, 625 MB


class ImageCache:
    """Decoded images on disk; picklable, so that loader processes can have a copy."""

    def __init__(self, folder: Path, *, limit: int) -> None:
        """Create a cache of `limit` bytes in `folder` (0 disables it), without touching the file system."""
        self._folder, self._limit = folder, limit
        self._room = self._until_look = 0
        self._paused_until = 0.0

    @classmethod
    def default(cls) -> Self:
        """Return the user's cache, as configured by the environment and the settings."""
        return cls(cache_folder(), limit=cache_limit())

    @property
    def keeps(self) -> bool:
        return self._limit > 0

    def load(
        self,
        path: Path,
        near_side: int,
        *,
        limit: int | None = None,
        reading: ImageReading = AS_STORED,
        sha256: str = "",
    ) -> DecodedImage:
        """Return `decode(path, near_side=..., limit=...)`, from the cache and for the cache if possible.

        Args:
            path: The file.
            near_side: As in `decode`.
            limit: As in `decode`; None takes the user's limit.
            reading: How values become RGB.
            sha256: The expected SHA-256 of the file; empty accepts any content.

        Raises:
            ImageError: The file cannot be decoded, or has other content than expected.
        """
        limit = image_limit() if limit is None else limit
        if not self.keeps and not sha256:
            with open_image(path) as handle:
                return decode_open(handle, near_side=near_side, limit=limit, reading=reading)
        known = self._known(path, near_side, limit, reading, sha256) if self.keeps else None
        if known is not None:
            return known
        with open_image(path) as handle:
            status = os.fstat(handle.fileno())
            digest = hashlib.file_digest(handle, "sha256").hexdigest()  # type: ignore[arg-type]
            if sha256 and digest != sha256:
                raise ImageError("it was changed after its import", "Import its folder again.")
            handle.seek(0)
            decoded = decode_open(handle, near_side=near_side, limit=limit, reading=reading)
            place = self._place(path, status, near_side, reading)
            if self.keeps and place == self._place(path, os.fstat(handle.fileno()), near_side, reading):
                self._keep(place, decoded, digest)
        return decoded

    def holds(self, path: Path, near_side: int, reading: ImageReading = AS_STORED) -> bool:
        """Tell whether an image is kept; its content is not read."""
        try:
            return self.keeps and self._place(path, path.stat(), near_side, reading).exists()
        except OSError:
            return False

    def _place(self, path: Path, status: os.stat_result, near_side: int, reading: ImageReading) -> Path:
        """Return the cached file of an original: by path, size and times."""
        state = (str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        key = repr((_KIND, *state, reading.key)).encode(errors="surrogatepass")
        name = hashlib.blake2b(key, digest_size=16).hexdigest()
        return self._folder / str(near_side) / name[:2] / name

    def _known(
        self, path: Path, near_side: int, limit: int, reading: ImageReading, sha256: str = ""
    ) -> DecodedImage | None:
        """Return the cached pixels of an unchanged original, or None; with `sha256` only if the content matches."""
        try:
            place = self._place(path, path.stat(), near_side, reading)
        except (OSError, ValueError):
            return None  # decoding says why
        decoded, digest = _read(place)
        # Decoding refuses one that is too large for the memory that is allowed now, with the reason.
        return decoded if decoded is not None and sha256 in ("", digest) and decoded.needed <= limit else None

    def _keep(self, place: Path, decoded: DecodedImage, digest: str) -> None:
        """Write an image, where there is room."""
        size = decoded.pixels.nbytes + _ABOUT
        # None may take a large part of all: of the limit of 20 GB, 104 megapixels do.
        if time.monotonic() < self._paused_until or size > self._limit // _SHARE:
            return
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if self._until_look <= 0 or self._room < size:
                with contextlib.suppress(OSError):  # a disk without permissions
                    self._folder.chmod(0o700)  # the original may be unreadable for others
                self._room = make_room(cached_files(self._folder), self._folder, self._limit, Path.unlink)
                self._until_look = self._limit // _LOOKS
            if self._room < size:
                raise OSError("the cache is full of images in use")
            _write(place, decoded, digest)
        except OSError as error:
            self._paused_until = time.monotonic() + _PAUSE_S
            logger.warning("decoded images are not kept: %s", error)
        else:
            self._room -= size
            self._until_look -= size


def _read(place: Path) -> tuple[DecodedImage | None, str]:
    """Return the image of a file, None where it is missing or damaged, and the SHA-256 of its original."""
    try:
        with place.open("rb") as handle, np.load(handle, allow_pickle=False) as arrays:
            pixels, facts = arrays["pixels"], arrays["facts"]
            height, width, factor, needed = facts[:4].tolist()
            found = DecodedImage(pixels, (height, width), factor, needed), facts[4:].tobytes().hex()
            is_old = os.fstat(handle.fileno()).st_mtime < time.time() - _TOUCH_S
    except FileNotFoundError:
        return None, ""
    except (OSError, ValueError, KeyError, EOFError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        logger.warning("a decoded image is damaged and is decoded anew: %s", place.name)
        with contextlib.suppress(OSError):
            place.unlink()
        return None, ""
    if is_old:
        with contextlib.suppress(OSError):
            os.utime(place)  # `make_room` removes the least recently used
    return found


def _write(place: Path, decoded: DecodedImage, digest: str) -> None:
    """Write a file of NumPy, whose parts have checksums."""
    facts = np.array([*decoded.size, decoded.factor, decoded.needed, *np.frombuffer(bytes.fromhex(digest), np.int64)])
    temporary = place.with_name(f"{place.name}.{os.getpid()}{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as handle:
            np.savez(handle, pixels=decoded.pixels, facts=facts)
        temporary.replace(place)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


FOLDER_VARIABLE: Final = "VISIONFT_CACHE"
IN_USE_S: Final = 6 * 3600  # files read this recently stay: a run reads all its images in every epoch
_LEFT_BEHIND_S: Final = 3600  # a file that is being written is older only where its writer was killed
_NAME = re.compile(r"[0-9a-f]{32}(\.\d+\.tmp)?")


@dataclass(frozen=True, slots=True)
class CacheUse:
    files: int  # or kinds of features
    bytes: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or folder that may be deleted to make room, and the time of its last use."""

    path: Path
    used: float
    bytes: int


def cache_folder() -> Path:
    """Return the folder of the decoded images, which `VISIONFT_CACHE` can move."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    if chosen:
        return expand_home(chosen) / "visionft-images"
    return platformdirs.user_cache_path("visionft", appauthor=False) / "images"


def cache_limit() -> int:
    """Return the limit in bytes for decoded images, from `VISIONFT_CACHE_MB` (megabytes); 0 disables the cache."""
    try:
        megabytes = float(os.environ.get(CACHE_LIMIT_VARIABLE, ""))
    except ValueError:
        megabytes = -1.0
    return int((megabytes if 0 <= megabytes < 1e9 else DEFAULT_CACHE_MB) * 1e6)


def cache_use(folder: Path) -> CacheUse:
    sizes = [entry.bytes for entry in cached_files(folder)]
    return CacheUse(len(sizes), sum(sizes))


def clear_cache(folder: Path) -> CacheUse:
    """Delete all cached images and nothing else; return the use of the rest, such as locked files."""
    for entry in cached_files(folder):
        with contextlib.suppress(OSError):
            entry.path.unlink()
    for subfolder in [*folder.glob("*/??"), *folder.glob("*"), folder]:
        with contextlib.suppress(OSError):  # folders with other files are kept
            subfolder.rmdir()
    return cache_use(folder)


def make_room(entries: Iterable[Entry], folder: Path, limit: int, delete: Callable[[Path], object]) -> int:
    """Delete the least recently used entries until the rest fits; return the bytes that may still be written.

    The rest fits if it is within `limit` bytes and half of the available space of the folder's disk. Entries used in
    the last `IN_USE_S` seconds are kept; otherwise a run larger than the cache would delete each image just before its
    next use.
    """
    by_age = sorted(entries, key=lambda entry: entry.used)
    total = sum(entry.bytes for entry in by_age)
    allowed = min(limit, (total + shutil.disk_usage(folder).free) // 2)
    oldest = time.time() - IN_USE_S
    for entry in by_age:
        if total <= allowed - limit // 16 or entry.used > oldest:
            break
        with contextlib.suppress(OSError):  # deleted by another process, or open on Windows
            delete(entry.path)
        total -= entry.bytes
    return max(0, allowed - total)


def cached_files(folder: Path) -> list[Entry]:
    """Return the cached files, including those being written, after deleting leftovers of killed writers."""
    entries: list[Entry] = []
    for path in folder.glob("*/??/*"):
        with contextlib.suppress(OSError):
            if path.parts[-3].isdecimal() and _NAME.fullmatch(path.name):
                status = path.lstat()
                if path.suffix == ".tmp" and status.st_mtime < time.time() - _LEFT_BEHIND_S:
                    path.unlink()
                else:
                    entries.append(Entry(path, status.st_mtime, status.st_size))
    return entries
