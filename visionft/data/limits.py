"""The memory limit of an image, checked before its pixels are decoded.

The limit applies to the peak memory between the file and the network's input, wherever images are decoded: imports,
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
DEFAULT_LIMIT_MB: Final = 2000  # at 20 bytes per pixel: 100 megapixels if square, or 127 with an aspect ratio of 4:3
CACHE_LIMIT_VARIABLE: Final = "VISIONFT_CACHE_MB"  # for decoded images on disk (`visionft.data.image_cache`)
DEFAULT_CACHE_MB: Final = 20_000  # 36,000 photographs of 12 megapixels decoded for 224 px; 2,500 of them take 1.4 GB
MAX_SIDE: Final = 1_000_000  # a JPEG has at most 65,535 and a WebP 16,383; a PNG or TIFF that states more is damaged
MAX_FILE_BYTES: Final = 10**9  # 100 megapixels take 300 MB uncompressed, and 600 MB with 16 bits

_SMALLER_HINT: Final = Message("Make it smaller in an image editor, or leave it out.")

# Bytes per pixel, measured as peak resident memory (36 megapixels, Pillow 13, torch 2.13, ONNX Runtime 1.28).
_RGB_BYTES: Final = 3
_SQUARE_BYTES: Final = 17  # of the centre square: cropped, as float32, and as planes (ONNX Runtime; torch takes 14)
_MODE_BYTES: Final = {"1": 1, "L": 1, "P": 1}  # 16-bit grey takes 2, every other mode 4
_DECODER_BYTES: Final = {"WEBP": 12, "AVIF": 10, "HEIF": 12}  # canvases, planes and copies in addition to the image
_COEFFICIENT_BYTES: Final = 2  # per component of a progressive JPEG
_ORIENTATION: Final = 0x0112  # tag of EXIF and TIFF


def image_limit() -> int:
    """Return the memory limit per image in bytes, from `VISIONFT_IMAGE_MB` (megabytes) if set."""
    try:
        megabytes = float(os.environ.get(LIMIT_VARIABLE, ""))
    except ValueError:
        megabytes = 0.0
    return int((megabytes if 0 < megabytes < 1e9 else DEFAULT_LIMIT_MB) * 1e6)


def check_file_size(size: int) -> None:
    """Raise an `ImageError` if a file size in bytes is 0 or above `MAX_FILE_BYTES`."""
    if size == 0:
        raise ImageError("the file is empty", "Copy it again from where it came from.")
    if size > MAX_FILE_BYTES:
        raise ImageError(
            Message("too large: {size} (at most {limit})", size=size_text(size), limit=size_text(MAX_FILE_BYTES)),
            _SMALLER_HINT,
        )


def check_image_size(image: "Image.Image", handle: BinaryIO, *, limit: int) -> int:
    """Return the bytes needed to decode an opened image; raises `ImageError` as `check_size`."""
    needed_bytes = memory_needed(image, handle)
    check_size(image.size, needed_bytes, limit)
    return needed_bytes


def check_size(size: tuple[int, int], needed_bytes: int, limit: int) -> None:
    """Raise an `ImageError` if (width, height) in pixels is invalid, or if decoding needs more than `limit` bytes."""
    width, height = size
    values = {"width": width, "height": height}
    if width <= 0 or height <= 0:
        raise ImageError(Message("damaged: its size is {width} x {height}", **values), "Replace it, or leave it out.")
    if max(width, height) > MAX_SIDE:
        template = Message("too large: {width} x {height} (at most {MAX_SIDE} pixels a side)", **values)
        raise ImageError(Message(template, MAX_SIDE=f"{MAX_SIDE:,}"), _SMALLER_HINT)
    if needed_bytes > limit:
        template = Message("too large: {width} x {height} takes {needed} of memory (at most {limit})", **values)
        limit_hint = Message("Or allow more memory for one image (a setting; {variable} for commands).")
        hint = sentences(_SMALLER_HINT, Message(limit_hint, variable=LIMIT_VARIABLE))
        raise ImageError(Message(template, needed=size_text(needed_bytes), limit=size_text(limit)), hint)


def memory_needed(image: "Image.Image", handle: BinaryIO) -> int:
    """Return the peak memory in bytes of decoding and preprocessing an opened image."""
    pixels = image.width * image.height
    decoder = pixels * _DECODER_BYTES.get(image.format or "", 0)
    if image.format == "TIFF":
        rotated = pixels * 4 if image.getexif().get(_ORIENTATION, 1) != 1 else 0  # Pillow rotates a copy
        decoder = 2 * largest_chunk(handle) + rotated
    elif image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        decoder = pixels * _COEFFICIENT_BYTES * len(image.getbands())
    mode_bytes = 2 if image.mode.startswith("I;16") else _MODE_BYTES.get(image.mode, 4)
    convert = pixels * (mode_bytes + _RGB_BYTES)
    network = pixels * _RGB_BYTES + min(image.size) ** 2 * _SQUARE_BYTES
    return max(pixels * mode_bytes + decoder, convert, network)


TIFF_MARKS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_MAX_ENTRIES = 4096  # read from a TIFF directory: most have 20, but BigTIFF could state 2^64
_MAX_VALUES = 64  # read from an entry: `BitsPerSample` has one value per sample
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
# Tags of TIFF 6.0: ImageWidth, ImageLength, BitsPerSample, SamplesPerPixel, RowsPerStrip, TileWidth, TileLength,
# SampleFormat.
_WIDTH, _LENGTH, _BITS, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH = 256, 257, 258, 277, 278, 322, 323
_SAMPLE_FORMAT = 339
_FLOAT_FORMAT = 3  # value of SampleFormat


def largest_chunk(handle: BinaryIO, directory: int = 0) -> int:
    """Return the bytes of libtiff's buffer for the largest strip or tile of an image; the file position is restored.

    `directory` is the offset of the image's directory in the file, or 0 for the first one.

    Pillow and libtiff each read the directory and disagree on duplicate entries and entries with several values. Pillow
    checks the image's size, but not the strips and tiles that libtiff allocates. So the largest value of each entry is
    used here. Unreadable entries count as 0, because Pillow rejects such a file.
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
    """Raise an `ImageError` for a TIFF with floats or more than 16 bits per value, which Pillow cannot open."""
    handle.seek(0)
    if handle.read(4) not in TIFF_MARKS:
        return
    try:
        tags = _largest_values(handle, 0)
    except (struct.error, OverflowError):
        return
    values = {"bits": tags.get(_BITS, 1), "channels": tags.get(_SAMPLES, 1)}
    hint = Message("Convert it to integers of 8 or 16 bits and save it again, with Fiji for example.")
    if tags.get(_SAMPLE_FORMAT) == _FLOAT_FORMAT:
        message = Message(
            "a TIFF of {bits}-bit floating-point values (channels: {channels}), which is not read", **values
        )
        raise ImageError(message, hint)
    if values["bits"] > 16:
        message = Message("a TIFF of {bits}-bit integers (channels: {channels}), which is not read", **values)
        raise ImageError(message, hint)


def check_directories(handle: BinaryIO, max_images: int) -> tuple[int, int]:
    """Raise an `ImageError` for a TIFF with more than `max_images` images, or whose directories form a cycle.

    Returns:
        The number of images, and the number of pixels of the smallest image.
    """
    smallest = MAX_SIDE**2
    handle.seek(0)
    head = handle.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", head, 2)[0] == 43
    offset_format, count_format, size = (order + "Q", order + "Q", 20) if is_big else (order + "I", order + "H", 12)
    offset_bytes, count_bytes = struct.calcsize(offset_format), struct.calcsize(count_format)
    directory = struct.unpack_from(offset_format, head, 8 if is_big else 4)[0]
    seen = set[int]()
    while directory:
        if directory in seen or len(seen) >= max_images:
            raise ImageError(Message("it has more than {most} planes, or is damaged", most=max_images), _SMALLER_HINT)
        seen.add(directory)
        handle.seek(directory)
        entries = struct.unpack(count_format, handle.read(count_bytes))[0]
        smallest = min(smallest, _min_pixels(handle.read(size * min(entries, _MAX_ENTRIES)), order, size))
        handle.seek(directory + count_bytes + size * entries)
        following = handle.read(offset_bytes)
        directory = struct.unpack(offset_format, following)[0] if len(following) == offset_bytes else 0
    handle.seek(0)
    return len(seen), smallest


def _min_pixels(entries: bytes, order: str, size: int) -> int:
    """Return the number of pixels of an image by its directory entries; the smallest of duplicate entries is used."""
    sides = {_WIDTH: MAX_SIDE, _LENGTH: MAX_SIDE}
    for start in range(0, len(entries) - size + 1, size):
        tag, kind = struct.unpack_from(f"{order}HH", entries, start)
        if tag in sides and kind in _INTEGERS:
            value = struct.unpack_from(f"{order}{_INTEGERS[kind]}", entries, start + (12 if size == 20 else 8))[0]
            sides[tag] = min(sides[tag], max(1, abs(value)))
    return sides[_WIDTH] * sides[_LENGTH]


def _largest_values(handle: BinaryIO, directory: int) -> dict[int, int]:
    """Return {tag: largest value} of the relevant integer tags in a directory of a classic TIFF or BigTIFF."""
    handle.seek(0)
    head = handle.read(16)
    order = "<" if head[:2] == b"II" else ">"
    is_big = struct.unpack_from(order + "H", head, 2)[0] == 43
    offset = order + ("Q" if is_big else "I")
    handle.seek(directory or struct.unpack_from(offset, head, 8 if is_big else 4)[0])
    count = struct.unpack(order + ("Q" if is_big else "H"), handle.read(8 if is_big else 2))[0]
    size, layout = (20, "HHQ") if is_big else (12, "HHI")
    entries = handle.read(size * min(count, _MAX_ENTRIES))
    largest_values: dict[int, int] = {}
    for start in range(0, len(entries) - size + 1, size):
        tag, kind, length = struct.unpack_from(order + layout, entries, start)
        if tag not in (_WIDTH, _LENGTH, _BITS, _SAMPLES, _ROWS_PER_STRIP, _TILE_WIDTH, _TILE_LENGTH, _SAMPLE_FORMAT):
            continue
        if kind in _INTEGERS and length:
            data = entries[start + struct.calcsize(order + layout) : start + size]
            values = f"{order}{min(length, _MAX_VALUES)}{_INTEGERS[kind]}"
            value_bytes = struct.calcsize(values)
            if value_bytes > len(data) or length > _MAX_VALUES:  # otherwise the entry itself holds the values
                handle.seek(struct.unpack(offset, data)[0])
                data = handle.read(value_bytes)
            largest = max(struct.unpack_from(values, data)) if len(data) >= value_bytes else 0
            largest_values[tag] = max(largest_values.get(tag, 0), largest)
    return largest_values
