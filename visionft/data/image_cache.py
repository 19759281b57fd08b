"""A cache of decoded images on disk, for all runs and processes.

An image is stored as raw pixels of `decode(..., near_side=N)`, bit for bit as decoded. Its file has two names: one by
content (the original's SHA-256), and one by the original's location (path, size, times), found with one `stat`. A
replaced or touched original has no such name; it is hashed, and decoded only where its content is new. So a copied or
moved project finds its images again, and a changed one is noticed.

A file is written beside and renamed, and read only where its checksum is right: truncated or corrupted files are
decoded again. Errors of the cache cost time and never an image.
"""

import contextlib
import hashlib
import logging
import os
import struct
import threading
import time
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import numpy as np
from PIL import __version__ as pillow_version

from models.messages import Message
from visionft.amounts import size_text
from visionft.data.cache_space import cache_folder, cache_limit, make_room
from visionft.data.decode import DecodedImage, decode_open, open_image
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.limits import image_limit
from visionft.errors import ImageError

logger = logging.getLogger(__name__)

_KIND: Final = f"1 {pillow_version}"  # of the pixels: another decoder may round otherwise
# Mark, checksum of all that follows, height, width, height and width of the whole image, factor, bytes of the gate.
_HEADER: Final = struct.Struct("<4sIIIIIIQ")
_FACTS: Final = struct.Struct("<IIIIIQ")
_MARK: Final = b"VFP1"
SETTLED_NS: Final = 2_000_000_000  # a file changed later than this may change again without a new time
_TOUCH_S: Final = 3600  # the time of use is renewed once an hour: rarely, and well within `cache_space.IN_USE_S`
_PAUSE_S: Final = 60.0  # after a failure, before the next try to write
_SHARE: Final = 64  # no image may take more than this part of the limit: of 20 GB, 104 megapixels
_LOOKS: Final = 32  # the folder is looked through again when this part of the limit was written: of 20 GB, 625 MB


class ImageCache:
    """Decoded images on disk; picklable, so that loader processes can have a copy."""

    def __init__(self, folder: Path, *, limit: int) -> None:
        """Describe the cache in `folder`, of `limit` bytes (0 disables it); nothing is opened or made."""
        self._folder, self._limit = folder, limit
        self._room = self._until_look = 0
        self._paused_until = 0.0
        self.not_kept = ""  # reason against caching the newest image; empty without one

    @classmethod
    def usual(cls) -> Self:
        """Return the user's cache, as the environment and the settings say."""
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
            near_side: As `decode`.
            limit: As `decode`; None takes the user's.
            reading: How values become RGB.
            sha256: The content that the file must have, for what is stored by it; empty takes whatever it has.

        Raises:
            ImageError: It cannot be decoded, or has another content.
        """
        limit = image_limit() if limit is None else limit
        known = self._known(path, near_side, limit, reading, sha256) if self.keeps else None
        if known is not None:
            return known
        with open_image(path) as handle:
            if not self.keeps and not sha256:
                return decode_open(handle, near_side=near_side, limit=limit, reading=reading)
            status = os.fstat(handle.fileno())
            digest = hashlib.file_digest(handle, "sha256").digest()  # type: ignore[arg-type]
            if sha256 and digest.hex() != sha256:
                raise ImageError("it was changed after its import", "Import its folder again.")
            if not self.keeps:
                handle.seek(0)
                return decode_open(handle, near_side=near_side, limit=limit, reading=reading)
            content = self._place(near_side, reading, digest)
            decoded = _read(content, limit)
            if decoded is None:
                handle.seek(0)
                decoded = decode_open(handle, near_side=near_side, limit=limit, reading=reading)
                if not self._keep(content, decoded, handle, status):
                    return decoded
            if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > SETTLED_NS:
                original = self._place(near_side, reading, *_state(path, status))  # its second name
                try:
                    original.parent.mkdir(parents=True, exist_ok=True)
                    os.link(content, original)
                except OSError as error:  # where the disk knows no links, it is found by its content alone
                    logger.debug("no second name: %s", error)
            return decoded

    def holds(self, path: Path, near_side: int, reading: ImageReading = AS_STORED) -> bool:
        """Tell whether an image is kept; its content is not read."""
        try:
            return self.keeps and self._place(near_side, reading, *_state(path, path.stat())).exists()
        except OSError:
            return False

    def find(self, path: Path, least_side: int, reading: ImageReading = AS_STORED) -> np.ndarray | None:
        """Return an image cached in full size, or with a shorter side of at least `least_side` pixels; else None."""
        try:
            sizes = [int(name) for name in os.listdir(self._folder) if name.isdecimal()] if self.keeps else []  # noqa: PTH208
        except OSError:
            return None
        limit = image_limit()
        for near_side in sorted(sizes):
            if near_side * 4 // 5 >= least_side and (known := self._known(path, near_side, limit, reading)):
                return known.pixels
        return None

    def _place(self, near_side: int, reading: ImageReading, *parts: Any) -> Path:
        key = repr((_KIND, *parts, *filter(None, [reading.key]))).encode(errors="surrogatepass")
        name = hashlib.blake2b(key, digest_size=16).hexdigest()
        return self._folder / str(near_side) / name[:2] / name

    def _known(
        self, path: Path, near_side: int, limit: int, reading: ImageReading, sha256: str = ""
    ) -> DecodedImage | None:
        """Return the cached pixels of an unchanged original, or None; with `sha256` only those of this content."""
        try:
            place = self._place(near_side, reading, *_state(path, path.stat()))
            if sha256 and not place.samefile(self._place(near_side, reading, bytes.fromhex(sha256))):
                return None
        except (OSError, ValueError):
            return None  # decoding says why
        return _read(place, limit)

    def _keep(self, content: Path, decoded: DecodedImage, handle: BinaryIO, before: os.stat_result) -> bool:
        """Write an image under its content's name; False where it cannot be, or its original changed meanwhile."""
        size = _HEADER.size + decoded.pixels.nbytes
        limit = size_text(self._limit)
        if time.monotonic() < self._paused_until:
            return False
        if size > self._limit // _SHARE:
            template = Message("{size} are too large a part of the {limit} that all may take")
            self.not_kept = Message(template, size=size_text(size), limit=limit)
            return False
        if _state(content, os.fstat(handle.fileno())) != _state(content, before):
            return False
        reason: str | None = None
        try:
            content.parent.mkdir(parents=True, exist_ok=True)
            if self._until_look <= 0 or self._room < size:
                with contextlib.suppress(OSError):  # a disk without permissions
                    self._folder.chmod(0o700)  # others may not see here what they cannot where it lies
                self._room = make_room(self._folder, self._limit)
                self._until_look = self._limit // _LOOKS
            if self._room < size:
                reason = Message("they may take {limit}, or half of the free space, and do already", limit=limit)
            else:
                _write(content, decoded)
        except OSError as error:
            reason = error.strerror or str(error)
        self.not_kept = reason or ""
        if reason is not None:
            self._paused_until = time.monotonic() + _PAUSE_S
            logger.warning("decoded images are not kept: %s", reason)
            return False
        self._room -= size
        self._until_look -= size
        return True


def not_kept_text(reason: str) -> str:
    return Message("Decoded images are not cached ({reason}); they are decoded again each time.", reason=reason)


def _state(path: Path, status: os.stat_result) -> tuple[str, int, int, int]:
    """Return the identity of an original: path, size and times."""
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(place: Path, limit: int) -> DecodedImage | None:
    """Return the pixels of a file; None where it is missing, corrupt or too large."""
    decoded = None
    try:
        with place.open("rb", buffering=0) as handle:
            status = os.fstat(handle.fileno())
            head = handle.read(_HEADER.size)
            if len(head) == _HEADER.size:
                mark, checksum, height, width, *size, factor, needed = _HEADER.unpack(head)
                if mark == _MARK and status.st_size == _HEADER.size + 3 * height * width:
                    pixels = np.empty((height, width, 3), np.uint8)
                    handle.readinto(pixels.data)
                    decoded = DecodedImage(pixels, (size[0], size[1]), factor, needed)
                    decoded = decoded if _checksum(decoded) == checksum else None
        is_old = status.st_mtime < time.time() - _TOUCH_S
    except FileNotFoundError:
        return None
    except OSError:
        decoded, is_old = None, False
    if decoded is None:
        logger.warning("a decoded image is damaged and is decoded anew: %s", place.name)
        with contextlib.suppress(OSError):
            place.unlink()
        return None
    if is_old:
        with contextlib.suppress(OSError):
            os.utime(place)  # what `make_room` goes by
    return decoded if decoded.needed <= limit else None  # decoding refuses it then, with the reason


def _facts(decoded: DecodedImage) -> tuple[int, ...]:
    return (*decoded.pixels.shape[:2], *decoded.size, decoded.factor, decoded.needed)


def _checksum(decoded: DecodedImage) -> int:
    return zlib.crc32(decoded.pixels.data, zlib.crc32(_FACTS.pack(*_facts(decoded))))


def _write(place: Path, decoded: DecodedImage) -> None:
    header = _HEADER.pack(_MARK, _checksum(decoded), *_facts(decoded))
    temporary = place.with_name(f"{place.name}.{os.getpid()}{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as handle:
            handle.write(header)
            handle.write(decoded.pixels.data)
        temporary.replace(place)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
