"""PNG metadata that stands behind the pixels, found without decoding them.

EXIF and XMP chunks may follow the image data; Pillow sees those only after a full decode, which a header gate must
not do.
"""

import struct
import zlib
from typing import Any, BinaryIO

_SIGNATURE_BYTES = 8
_MAX_CHUNK_BYTES = 1 << 20
_XMP = b"XML:com.adobe.xmp\0"


def read_late_metadata(handle: BinaryIO, info: dict[Any, Any]) -> None:
    """Add `exif` and `XML:com.adobe.xmp` to `info` where a PNG has them anywhere; keep the position of `handle`."""
    position = handle.tell()
    try:
        handle.seek(_SIGNATURE_BYTES)
        while len(head := handle.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (b"eXIf", b"iTXt") and length <= _MAX_CHUNK_BYTES:
                _note(kind, handle.read(length), info)
                handle.seek(4, 1)
            elif kind == b"IEND":
                return
            else:
                handle.seek(length + 4, 1)  # the CRC
    finally:
        handle.seek(position)


def _note(kind: bytes, data: bytes, info: dict[Any, Any]) -> None:
    if kind == b"eXIf":
        info.setdefault("exif", b"Exif\0\0" + data)
    elif data.startswith(_XMP):
        compressed = data[len(_XMP) : len(_XMP) + 1] == b"\1"
        text = data[len(_XMP) + 2 :].split(b"\0", 2)[-1]  # behind language and translated keyword
        text = zlib.decompressobj().decompress(text, _MAX_CHUNK_BYTES) if compressed else text
        info.setdefault("XML:com.adobe.xmp", text.decode("utf-8", "replace"))
