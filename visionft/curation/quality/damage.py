"""What is broken in a picture's file although it decodes: libjpeg paints over what is lost and Pillow does not tell.

Looks at the bytes of JPEG and PNG, the two formats whose decoders repair in silence, and at the pixels that they gave.
"""

import re
import zlib
from typing import Final

import numpy as np

from visionft.amounts import size_text

_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN: Final = 0xDA
_END: Final = b"\xff\xd9"
_EMPTY: Final = re.compile(rb"\x00{512,}")  # a lost sector; coded pixels never look like that, but in an even picture
_BLOCK: Final = 16  # pixels: a JPEG is written in rows of blocks of 8 or 16, and breaks off between two
_EVEN_ROWS: Final = 8  # decoded rows


def damage_in(content: bytes) -> str:
    """Return what is wrong with a file's bytes, as the end of a sentence; empty where nothing is seen.

    Args:
        content: The whole file.
    """
    if content.startswith(_JPEG):
        return _jpeg_damage(content)
    return _png_damage(content) if content.startswith(_PNG) else ""


def _jpeg_damage(content: bytes) -> str:
    start = _scan_start(content)
    if not start:
        return ""  # the decoder has its own words for that
    end = content.find(_END, start)
    if end < 0:
        return "the end of the file is missing"
    lost = sum(len(found.group()) for found in _EMPTY.finditer(content, start, end))
    # A picture of one colour is coded as next to nothing: half of its bytes and more may be zeros.
    return f"{size_text(lost)} in it are empty" if 0 < lost < (end - start) / 2 else ""


def _scan_start(content: bytes) -> int:
    """Return where the coded pixels begin, 0 where the segments before them make no sense."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == 0xFF:  # padding
            place += 1
            continue
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if kind == _START_OF_SCAN:
            return place
    return 0


def _png_damage(content: bytes) -> str:
    """Compare the checksums of the chunks that hold the pixels: Pillow skips those."""
    place = len(_PNG)
    while place + 12 <= len(content):
        length, kind = int.from_bytes(content[place : place + 4], "big"), content[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > len(content):
            break
        if kind == b"IEND":
            return ""
        wanted = int.from_bytes(content[end : end + 4], "big")
        if (
            kind[0] < 0x60 and zlib.crc32(memoryview(content)[place + 4 : end]) != wanted
        ):  # a capital: a chunk that counts
            return "a checksum in it is wrong"
        place = end + 4
    return "the end of the file is missing"


def painted_over(content: bytes, pixels: np.ndarray) -> float:
    """Return the share of a JPEG, from its lower edge, that its decoder painted in one colour for want of data.

    Such a part is even to the last bit from one side to the other, which no photograph is, and ends abruptly. White and
    black are left out: margins have them.

    Args:
        content: The file.
        pixels: What was decoded of it, as it lies in the file or turned; uint8 (H, W, 3).
    """
    if not content.startswith(_JPEG):
        return 0.0
    shares = [_even_share(np.moveaxis(pixels, axis, 0)[::step]) for axis in (0, 1) for step in (-1, 1)]
    found = [share for share in shares if share]
    return found[0] if len(found) == 1 else 0.0  # a frame around a picture is even on more than one side


def _even_share(lines: np.ndarray) -> float:
    """Return the share of lines, from the first on, that are of one colour; 0 where that is no damage."""
    colour = lines[0, 0].astype(int)
    if colour.max() < 8 or colour.min() > 247 or not (lines[0] == lines[0, 0]).all():
        return 0.0
    is_even = (lines == lines[0, 0]).all(axis=(1, 2))
    count = len(lines) if is_even.all() else int(is_even.argmin())
    return count / len(lines) if _EVEN_ROWS <= count < len(lines) else 0.0
