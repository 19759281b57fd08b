"""The memory limit of an image, checked before its pixels are decoded.

The limit applies to the peak memory from the file to the network's input, wherever images are decoded: imports,
thumbnails, training, evaluation, export, prediction.
"""

import os
import struct
from typing import TYPE_CHECKING, BinaryIO, Final

from visionft.core.amounts import size_text
from visionft.core.errors import ImageError
from visionft.core.messages import Message, sentences

if TYPE_CHECKING:
    from PIL import Image

LIMIT_VARIABLE: Final = "VISIONFT_IMAGE_MB"
DEFAULT_LIMIT_MB: Final = 2000  # a square photograph of 100 megapixels, at 20 bytes a pixel, or one of 4:3 of 127
CACHE_LIMIT_VARIABLE: Final = "VISIONFT_CACHE_MB"  # of decoded images on disk (`visionft.data.image_cache`)
DEFAULT_CACHE_MB: Final = 20_000  # 36,000 photographs of 12 megapixels at 224 px, of which 2,500 take 1.4 GB
MAX_SIDE: Final = 1_000_000  # a JPEG has at most 65,535 and a WebP 16,383; a PNG or TIFF that states more is damaged
MAX_FILE_BYTES: Final = 10**9  # the pixels of 100 megapixels take 300 MB uncompressed, and 600 MB with 16 bits

_SMALLER_HINT: Final = Message("Make it smaller in an image editor, or leave it out.")

# Bytes a pixel, measured (peak resident memory, 36 megapixels, Pillow 13, torch 2.13, ONNX Runtime 1.28).
_RGB: Final = 3
_SQUARE: Final = 17  # of the centre square: cut out, as float32, turned to planes (ONNX Runtime; torch takes 14)
_IN_MODE: Final = {"1": 1, "L": 1, "P": 1}  # and 2 of 16-bit grey; every other mode has four
_OF_DECODER: Final = {"WEBP": 12, "AVIF": 10, "HEIF": 12}  # beside the image: canvases, planes, copies
_ORIENTATION: Final = 0x0112  # the tag of EXIF and TIFF
_OF_COEFFICIENTS: Final = 2  # of each component of a progressive JPEG


def image_limit() -> int:
    """Return the limit in bytes for one image, from `VISIONFT_IMAGE_MB` (megabytes) if set."""
    try:
        megabytes = float(os.environ.get(LIMIT_VARIABLE, ""))
    except ValueError:
        megabytes = 0.0
    return int((megabytes if 0 < megabytes < 1e9 else DEFAULT_LIMIT_MB) * 1e6)


def check_file_size(size: int) -> None:
    """Raise an `ImageError` for an empty file and for one that is too large, by its size in bytes."""
    if size == 0:
        raise ImageError("the file is empty", "Copy it again from where it came from.")
    if size > MAX_FILE_BYTES:
        raise ImageError(
            Message("too large: {size} (at most {limit})", size=size_text(size), limit=size_text(MAX_FILE_BYTES)),
            _SMALLER_HINT,
        )


def check_image_size(image: "Image.Image", handle: BinaryIO, *, limit: int) -> int:
    """Return the bytes that an opened, undecoded image needs; an `ImageError` above `limit` and for odd sizes."""
    needed = memory_needed(image, handle)
    check_size(image.size, needed, limit)
    return needed


def check_size(sides: tuple[int, int], needed: int, limit: int) -> None:
    """Raise an `ImageError` for odd (width, height) in pixels, and where it needs more than `limit` bytes."""
    width, height = sides
    size = {"width": width, "height": height}
    if width <= 0 or height <= 0:
        raise ImageError(Message("damaged: its size is {width} x {height}", **size), "Replace it, or leave it out.")
    if max(width, height) > MAX_SIDE:
        template = Message("too large: {width} x {height} (at most {MAX_SIDE} pixels a side)", **size)
        raise ImageError(Message(template, MAX_SIDE=f"{MAX_SIDE:,}"), _SMALLER_HINT)
    if needed > limit:
        template = Message("too large: {width} x {height} takes {needed} of memory (at most {limit})", **size)
        more = Message("Or allow more memory for one image (a setting; {variable} for commands).")
        hint = sentences(_SMALLER_HINT, Message(more, variable=LIMIT_VARIABLE))
        raise ImageError(Message(template, needed=size_text(needed), limit=size_text(limit)), hint)


def memory_needed(image: "Image.Image", handle: BinaryIO) -> int:
    """Return the peak bytes of decoding and preprocessing an opened image."""
    pixels = image.width * image.height
    decoder = pixels * _OF_DECODER.get(image.format or "", 0)  # beside the image
    if image.format == "TIFF":
        turned = pixels * 4 if image.getexif().get(_ORIENTATION, 1) != 1 else 0  # Pillow turns a copy
        decoder = 2 * largest_chunk(handle) + turned
    elif image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        decoder = pixels * _OF_COEFFICIENTS * len(image.getbands())
    in_mode = 2 if image.mode.startswith("I;16") else _IN_MODE.get(image.mode, 4)
    convert = pixels * (in_mode + _RGB)
    network = pixels * _RGB + min(image.size) ** 2 * _SQUARE
    return max(pixels * in_mode + decoder, convert, network)


TIFF_MARKS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_ENTRIES = 4096  # of a TIFF's directory that are read: usual ones have 20, and BigTIFF could state 2^64
_MAX_VALUES = 64  # of one entry that are read: `BitsPerSample` has one for each sample
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
# Tags of TIFF 6.0: ImageWidth, ImageLength, BitsPerSample, SamplesPerPixel, RowsPerStrip, TileWidth, TileLength,
# SampleFormat.
_WIDTH, _LENGTH, _BITS, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 258, 277, 278, 322, 323
_SAMPLE_FORMAT = 339
_FLOATS = 3  # a value of SampleFormat


def largest_chunk(handle: BinaryIO, directory: int = 0) -> int:
    """Return the bytes of libtiff's buffer for the largest strip or tile of an image; keep the position.

    `directory` is the offset of its directory in the file; 0 for the first one.

    Pillow and libtiff each read the directory and disagree on duplicate entries and entries with several values; Pillow
    checks the image's size, but not the strips and tiles of libtiff's buffers. So every entry counts here with the
    largest of its values. Unreadable entries count as 0: Pillow refuses such a file.
    """
    position = handle.tell()
    try:
        tags = _largest_values(handle, directory)
    except (struct.error, OverflowError):
        return 0
    finally:
        handle.seek(position)
    rows = min(tags.get(_ROWS_PER_STRIP, tags.get(_LENGTH, 0)), tags.get(_LENGTH, 0))
    pixels = max(tags.get(_WIDTH, 0) * rows, tags.get(_TILE_WIDTH, 0) * tags.get(_TILE_LENGTH, 0))
    return pixels * tags.get(_SAMPLES, 1) * tags.get(_BITS, 1) // 8


def check_values(handle: BinaryIO) -> None:
    """Raise an `ImageError` for a TIFF that Pillow does not open because of its values: floats, or above 16 bits."""
    handle.seek(0)
    if handle.read(4) not in TIFF_MARKS:
        return
    try:
        tags = _largest_values(handle, 0)
    except (struct.error, OverflowError):
        return
    values = {"bits": tags.get(_BITS, 1), "channels": tags.get(_SAMPLES, 1)}
    hint = Message("Convert it to integers of 8 or 16 bits and save it again, with Fiji for example.")
    if tags.get(_SAMPLE_FORMAT) == _FLOATS:
        words = Message(
            "a TIFF of {bits}-bit floating-point values (channels: {channels}), which is not read", **values
        )
        raise ImageError(words, hint)
    if values["bits"] > 16:
        words = Message("a TIFF of {bits}-bit integers (channels: {channels}), which is not read", **values)
        raise ImageError(words, hint)


def check_directories(handle: BinaryIO, most: int) -> tuple[int, int]:
    """Raise an `ImageError` for a TIFF of more than `most` images, or whose directories form a circle.

    Returns:
        The number of its images, and the pixels of the smallest.
    """
    smallest = MAX_SIDE**2
    handle.seek(0)
    head = handle.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", head, 2)[0] == 43
    offset, count, size = (order + "Q", order + "Q", 20) if is_big else (order + "I", order + "H", 12)
    place = struct.unpack_from(offset, head, 8 if is_big else 4)[0]
    seen = set[int]()
    while place:
        if place in seen or len(seen) >= most:
            raise ImageError(Message("it has more than {most} planes, or is damaged", most=most), _SMALLER_HINT)
        seen.add(place)
        handle.seek(place)
        entries = struct.unpack(count, handle.read(struct.calcsize(count)))[0]
        smallest = min(smallest, _least_pixels(handle.read(size * min(entries, _MAX_ENTRIES)), order, size))
        handle.seek(place + struct.calcsize(count) + size * entries)
        after = handle.read(struct.calcsize(offset))
        place = struct.unpack(offset, after)[0] if len(after) == struct.calcsize(offset) else 0
    handle.seek(0)
    return len(seen), smallest


def _least_pixels(entries: bytes, order: str, size: int) -> int:
    """Return the pixels of an image by the entries of its directory; of several for a side the smallest counts."""
    sides = {_WIDTH: MAX_SIDE, _LENGTH: MAX_SIDE}
    for at in range(0, len(entries) - size + 1, size):
        tag, kind = struct.unpack_from(f"{order}HH", entries, at)
        if tag in sides and kind in _INTEGERS:
            value = struct.unpack_from(f"{order}{_INTEGERS[kind]}", entries, at + (12 if size == 20 else 8))[0]
            sides[tag] = min(sides[tag], max(1, abs(value)))
    return sides[_WIDTH] * sides[_LENGTH]


def _largest_values(handle: BinaryIO, directory: int) -> dict[int, int]:
    """Return the largest value of each integer tag in a directory, classic TIFF or BigTIFF."""
    handle.seek(0)
    head = handle.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", head, 2)[0] == 43
    offset = order + ("Q" if is_big else "I")
    handle.seek(directory or struct.unpack_from(offset, head, 8 if is_big else 4)[0])
    count = struct.unpack(order + ("Q" if is_big else "H"), handle.read(8 if is_big else 2))[0]
    size, layout = (20, "HHQ") if is_big else (12, "HHI")
    entries = handle.read(size * min(count, _MAX_ENTRIES))
    found: dict[int, int] = {}
    for at in range(0, len(entries) - size + 1, size):
        tag, kind, length = struct.unpack_from(order + layout, entries, at)
        if tag not in (_WIDTH, _LENGTH, _BITS, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH, _SAMPLE_FORMAT):
            continue
        if kind in _INTEGERS and length:
            data = entries[at + struct.calcsize(order + layout) : at + size]
            values = f"{order}{min(length, _MAX_VALUES)}{_INTEGERS[kind]}"
            needed = struct.calcsize(values)
            if needed > len(data) or length > _MAX_VALUES:  # else the values stand in the entry itself
                handle.seek(struct.unpack(offset, data)[0])
                data = handle.read(needed)
            largest = max(struct.unpack_from(values, data)) if len(data) >= needed else 0
            found[tag] = max(found.get(tag, 0), largest)
    return found
