"""HEIF images (HEIC), decoded by pi-heif: its library is loaded with the first such file, after a check of the boxes.

The check is for pi-heif 1.4, which crashes on names of items that are no text; libheif itself limits size and memory.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from visionft.core.errors import ImageError

BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
_HINT = "Open it in an image editor and save it again as JPEG or PNG, or leave it out."
_MAX_META = 16 * 2**20  # bytes; phones write some kilobytes
# Of a file: one has a handful (`ftyp`, `meta`, `mdat`), and empty ones of 8 bytes could go on forever.
_MOST_BOXES = 1000


def is_heif(handle: BinaryIO) -> bool:
    """Return whether an open file is HEIF (or AVIF under HEIF's common brand); it is at its start before and after."""
    head = handle.read(12)
    handle.seek(0)
    return head[4:8] == b"ftyp" and head[8:12] in BRANDS


def prepare(handle: BinaryIO) -> None:
    """Make Pillow read HEIF, and check a file; an `ImageError` for damage, and where HEIF cannot be read."""
    try:
        import pi_heif
    except ImportError as error:  # no such package for this processor
        raise ImageError("a HEIF image (HEIC), which cannot be read on this computer", _HINT) from error
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    for meta in _metas(handle):
        at = meta.find(b"infe")
        while at >= 4:
            (size,) = struct.unpack_from(">I", meta, at - 4)
            wide = 2 if meta[at + 4 : at + 5] == b"\3" else 0
            end = at - 4 + size if size > 1 else len(meta)  # 0 and 1 stand for another size
            if not _is_text(meta[at + 12 + wide : end]):
                raise ImageError("damaged: an item has no readable name", _HINT)
            at = meta.find(b"infe", at + 4)
    handle.seek(0)


def _metas(handle: BinaryIO) -> Iterator[bytes]:
    """Yield the content of the boxes that describe the images."""
    place = 0
    for _ in range(_MOST_BOXES):
        handle.seek(place)
        head = handle.read(16)
        if len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
        if kind == b"meta":
            if size > _MAX_META:
                raise ImageError("damaged: its description is too long", _HINT)
            handle.seek(place)
            yield handle.read(size or _MAX_META)
        if size < 8:  # 0: up to the end
            return
        place += size


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
