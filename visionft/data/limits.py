"""How large a picture may be: the one limit on the memory it takes, asked before any of its pixels is decoded.

The limit counts what a picture takes at most on its way from the file to the network's input, and holds wherever
pictures are decoded: imports, thumbnails, training, evaluation, export, prediction.
"""

import os
from typing import TYPE_CHECKING, BinaryIO, Final

from visionft.amounts import size_text
from visionft.data.tiff_chunks import largest_chunk
from visionft.errors import ImageError

if TYPE_CHECKING:
    from PIL import Image

LIMIT_VARIABLE: Final = "VISIONFT_PICTURE_MB"
DEFAULT_LIMIT_MB: Final = 2000
MAX_SIDE: Final = 1_000_000
MAX_FILE_BYTES: Final = 10**9

# Bytes a pixel, measured (peak resident memory, 36 megapixels, Pillow 13, torch 2.13, ONNX Runtime 1.28).
_RGB: Final = 3
_SQUARE: Final = 17  # of the centre square: cut out, as float32, turned to planes (ONNX Runtime; torch takes 14)
_IN_MODE: Final = {"1": 1, "L": 1, "P": 1}  # and 2 of 16-bit grey; every other mode has four
_OF_DECODER: Final = {"WEBP": 12, "AVIF": 10}  # beside the picture: canvases, planes, copies
_ORIENTATION: Final = 0x0112
_OF_COEFFICIENTS: Final = 2  # of each component of a progressive JPEG


def picture_limit() -> int:
    """Return the bytes that one picture may take; the environment's `VISIONFT_PICTURE_MB` (megabytes) moves it."""
    try:
        megabytes = float(os.environ.get(LIMIT_VARIABLE, ""))
    except ValueError:
        megabytes = 0.0
    return int((megabytes if 0 < megabytes < 1e9 else DEFAULT_LIMIT_MB) * 1e6)


def check_file_size(size: int) -> None:
    """Refuse a file of `size` bytes that no picture needs.

    Raises:
        ImageError: It is empty or too large.
    """
    if size == 0:
        raise ImageError("the file is empty", "Copy it again from where it came from.")
    if size > MAX_FILE_BYTES:
        reason = f"too large: {size_text(size)} (at most {size_text(MAX_FILE_BYTES)})"
        raise ImageError(reason, _smaller("or leave it out"))


def check_picture_size(image: "Image.Image", handle: BinaryIO, *, limit: int) -> int:
    """Refuse an opened picture, its pixels not yet decoded, that would take more than `limit` bytes; else return them.

    Raises:
        ImageError: It is too large, too long, or has no size at all.
    """
    width, height = image.size
    if width <= 0 or height <= 0:
        raise ImageError(f"damaged: its size is {width} x {height}", "Replace it, or leave it out.")
    if max(width, height) > MAX_SIDE:
        raise ImageError(
            f"too large: {width} x {height} (at most {MAX_SIDE:,} pixels a side)", _smaller("or leave it out")
        )
    needed = memory_needed(image, handle)
    if needed > limit:
        raise ImageError(
            f"too large: {width} x {height} takes {size_text(needed)} of memory (at most {size_text(limit)})",
            _smaller(f"or allow more memory for one picture (a setting; {LIMIT_VARIABLE} for commands)"),
        )
    return needed


def _smaller(otherwise: str) -> str:
    return f"Make it smaller in a picture editor, {otherwise}."


def memory_needed(image: "Image.Image", handle: BinaryIO) -> int:
    """Return the most bytes that decoding an opened picture and making the network's input of it take."""
    pixels = image.width * image.height
    in_mode = 2 if image.mode.startswith("I;16") else _IN_MODE.get(image.mode, 4)
    load = pixels * in_mode + _decoder_bytes(image, handle)
    convert = pixels * (in_mode + _RGB)
    network = pixels * _RGB + min(image.size) ** 2 * _SQUARE
    return max(load, convert, network)


def _decoder_bytes(image: "Image.Image", handle: BinaryIO) -> int:
    """Return what the format's decoder takes beside the picture."""
    pixels = image.width * image.height
    if image.format == "TIFF":
        turned = pixels * 4 if image.getexif().get(_ORIENTATION, 1) != 1 else 0  # Pillow turns a copy
        return 2 * largest_chunk(handle) + turned
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        return pixels * _OF_COEFFICIENTS * len(image.getbands())
    return pixels * _OF_DECODER.get(image.format or "", 0)
