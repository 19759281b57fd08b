"""Pictures decoded once: what a network sees of them is kept on disk, ready to read, for all runs and all processes.

A picture is kept as bare pixels of `decode(..., near_side=N)`, so that whoever reads it gets the very bits that
decoding gives. Its file has two names: one of its content (the original's SHA-256), and one of the original as it lies
there (path, size, times), which costs one `stat` to look up. An original that was replaced or touched has no such name;
it is hashed, and decoded only where that content is new. So a copied or moved project finds its pictures again, and a
changed one is seen.

A file is written beside and renamed, and read only where its checksum is right: what a crash left, or a disk garbled,
is decoded anew. Whatever goes wrong with the cache costs time and never a picture.
"""

import contextlib
import hashlib
import logging
import os
import struct
import threading
import time
import zlib
from io import FileIO
from pathlib import Path
from typing import Any, BinaryIO, Final, Self

import numpy as np
from PIL import __version__ as pillow_version

from visionft.amounts import size_text
from visionft.data.cache_space import cache_folder, cache_limit, make_room
from visionft.data.decode import Decoded, decode_open, open_picture
from visionft.data.limits import picture_limit

logger = logging.getLogger(__name__)

_KIND: Final = f"1 {pillow_version}"  # of the pixels: another decoder may round otherwise
# Mark, checksum of all that follows, height, width, height and width of the whole picture, factor, bytes of the gate.
_HEADER: Final = struct.Struct("<4sIIIIIIQ")
_FACTS: Final = struct.Struct("<IIIIIQ")
_MARK: Final = b"VFP1"
_SETTLED_NS: Final = 2_000_000_000  # a file changed later than this may change again without a new time
_TOUCH_S: Final = 3600
_PAUSE_S: Final = 60.0  # after a failure, before the next try to write
_SHARE: Final = 64  # no picture may take more than this part of the limit
_LOOKS: Final = 32  # the folder is looked through again when this part of the limit was written


class PictureCache:
    """Decoded pictures on disk; picklable, so that loader processes can have a copy.

    Attributes:
        not_kept: Why the newest picture could not be kept; empty while all goes well.
    """

    def __init__(self, folder: Path, *, limit: int) -> None:
        """Describe the cache; nothing is opened or made.

        Args:
            folder: Where pictures lie; made when the first is kept.
            limit: Bytes they may take; 0 keeps and reads none. Each process that writes may exceed it by a 32nd part.
        """
        self._folder, self._limit = folder, limit
        self._room = self._until_look = 0
        self._paused_until = 0.0
        self.not_kept = ""

    @classmethod
    def usual(cls) -> Self:
        """Return the user's cache, as the environment and the settings say."""
        return cls(cache_folder(), limit=cache_limit())

    @property
    def keeps(self) -> bool:
        """Tell whether pictures are kept at all."""
        return self._limit > 0

    def load(self, path: Path, near_side: int, *, limit: int | None = None) -> Decoded:
        """Return what `decode(path, near_side=near_side, limit=limit)` gives, from disk where it is kept.

        What is not is kept then, where it can be.

        Raises:
            ImageError: As `decode`.
        """
        limit = picture_limit() if limit is None else limit
        if not self.keeps:
            with open_picture(path) as handle:
                return decode_open(handle, near_side=near_side, limit=limit)
        return self._known(path, near_side, limit) or self._decode_once(path, near_side, limit)

    def holds(self, path: Path, near_side: int) -> bool:
        """Tell whether a picture is kept; its content is not read."""
        try:
            return self.keeps and self._place(near_side, *_state(path, path.stat())).exists()
        except OSError:
            return False

    def find(self, path: Path, least_side: int) -> np.ndarray | None:
        """Return a picture that is kept whole, or with a shorter side of at least `least_side` pixels; else None."""
        limit = picture_limit()
        for near_side in sorted(self._sizes()):
            if near_side * 4 // 5 >= least_side and (known := self._known(path, near_side, limit)):
                return known.pixels
        return None

    def _sizes(self) -> list[int]:
        try:
            return [int(name) for name in os.listdir(self._folder) if name.isdecimal()] if self.keeps else []  # noqa: PTH208
        except OSError:
            return []

    # Names ----------------------------------------------------------------------------------------------------------

    def _place(self, near_side: int, *parts: Any) -> Path:
        key = repr((_KIND, *parts)).encode(errors="surrogatepass")
        name = hashlib.blake2b(key, digest_size=16).hexdigest()
        return self._folder / str(near_side) / name[:2] / name

    # Reading --------------------------------------------------------------------------------------------------------

    def _known(self, path: Path, near_side: int, limit: int) -> Decoded | None:
        """Return what is kept of an original that lies there unchanged, or None."""
        try:
            status = path.stat()
        except OSError:
            return None  # decoding says why
        return _read(self._place(near_side, *_state(path, status)), limit)

    def _decode_once(self, path: Path, near_side: int, limit: int) -> Decoded:
        with open_picture(path) as handle:
            status = os.fstat(handle.fileno())
            digest = hashlib.file_digest(handle, "sha256").digest()  # type: ignore[arg-type]
            content = self._place(near_side, digest)
            decoded = _read(content, limit)
            if decoded is None:
                handle.seek(0)
                decoded = decode_open(handle, near_side=near_side, limit=limit)
                if not self._keep(content, decoded, handle, status):
                    return decoded
            if time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
                _link(content, self._place(near_side, *_state(path, status)))
            return decoded

    # Writing --------------------------------------------------------------------------------------------------------

    def _keep(self, content: Path, decoded: Decoded, handle: BinaryIO, before: os.stat_result) -> bool:
        """Write a picture under its content's name; False where it cannot be, or its original changed meanwhile."""
        size = _HEADER.size + decoded.pixels.nbytes
        if time.monotonic() < self._paused_until:
            return False
        if size > self._limit // _SHARE:
            self.not_kept = f"{size_text(size)} are too large a part of the {size_text(self._limit)} that all may take"
            return False
        if _state(content, os.fstat(handle.fileno())) != _state(content, before):
            return False
        try:
            content.parent.mkdir(parents=True, exist_ok=True)
            if not self._has_room(size):
                return self._pause(f"they may take {size_text(self._limit)}, or half of the free space, and do already")
            _write(content, decoded)
        except OSError as error:
            return self._pause(error.strerror or str(error))
        self.not_kept = ""
        self._room -= size
        self._until_look -= size
        return True

    def _has_room(self, size: int) -> bool:
        if self._until_look <= 0 or self._room < size:
            with contextlib.suppress(OSError):  # a disk without permissions
                self._folder.chmod(0o700)  # others may not see here what they cannot where it lies
            self._room = make_room(self._folder, self._limit)
            self._until_look = self._limit // _LOOKS
        return self._room >= size

    def _pause(self, reason: str) -> bool:
        self.not_kept = reason
        self._paused_until = time.monotonic() + _PAUSE_S
        logger.warning("decoded pictures are not kept: %s", reason)
        return False


def not_kept_text(reason: str) -> str:
    """Say what `PictureCache.not_kept` means for whoever waits."""
    return f"Decoded pictures are not kept ({reason}); each time they are looked at they are decoded again."


def _state(path: Path, status: os.stat_result) -> tuple[str, int, int, int]:
    """Return what tells an original from any other, and from what it was before."""
    return str(path), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(place: Path, limit: int) -> Decoded | None:
    """Return what a file holds; None where there is none, or none that may be believed or is allowed."""
    try:
        with place.open("rb", buffering=0) as handle:
            decoded, last_use = _content(handle), os.fstat(handle.fileno()).st_mtime
    except FileNotFoundError:
        return None
    except OSError:
        decoded, last_use = None, time.time()
    if decoded is None:
        logger.warning("a decoded picture is damaged and is decoded anew: %s", place.name)
        with contextlib.suppress(OSError):
            place.unlink()
        return None
    if last_use < time.time() - _TOUCH_S:
        with contextlib.suppress(OSError):
            os.utime(place)  # what `make_room` goes by
    return decoded if decoded.needed <= limit else None  # decoding refuses it then, with the reason


def _content(handle: FileIO) -> Decoded | None:
    """Return what an open file holds, or None where its size or checksum is wrong."""
    head = handle.read(_HEADER.size)
    if len(head) < _HEADER.size:
        return None
    mark, checksum, height, width, *size, factor, needed = _HEADER.unpack(head)
    if mark != _MARK or os.fstat(handle.fileno()).st_size != _HEADER.size + 3 * height * width:
        return None
    decoded = Decoded(np.empty((height, width, 3), np.uint8), (size[0], size[1]), factor, needed)
    handle.readinto(decoded.pixels.data)
    return decoded if _checksum(decoded) == checksum else None


def _facts(decoded: Decoded) -> tuple[int, ...]:
    return (*decoded.pixels.shape[:2], *decoded.size, decoded.factor, decoded.needed)


def _checksum(decoded: Decoded) -> int:
    return zlib.crc32(decoded.pixels.data, zlib.crc32(_FACTS.pack(*_facts(decoded))))


def _write(place: Path, decoded: Decoded) -> None:
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


def _link(content: Path, original: Path) -> None:
    """Give a file its second name; where the disk knows no links, it is found by its content alone."""
    try:
        original.parent.mkdir(parents=True, exist_ok=True)
        os.link(content, original)
    except OSError as error:
        logger.debug("no second name: %s", error)
