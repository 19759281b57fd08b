"""The one decoder (design rule 4): every picture the program shows, trains on or predicts for comes from here.

Owns what may be opened and how each kind of picture becomes upright 8-bit RGB; how large it may be is in `limits`.
Files are hostile until decoded: whatever is wrong with one, only `ImageError` with a short reason leaves this module.
"""

import logging
import stat
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, Final

import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from visionft.data.limits import check_file_size, check_picture_size, picture_limit
from visionft.data.png_metadata import read_late_metadata
from visionft.errors import ImageError

logger = logging.getLogger(__name__)

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")
IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".avif"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)

_BAND_PIXELS = 4_000_000  # converted at a time, so that a large picture is in memory twice at most
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_WITH_ALPHA = frozenset({"RGBA", "RGBa", "LA", "La", "PA"})
_KNOWN = "JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF or PPM"
_HINT = "Open it in a picture editor and save it again as JPEG or PNG, or leave it out."

# Pillow reports odd metadata through the process-wide warnings filter, which is not thread-safe to change; under
# `-W error` the same file would decode in one process and fail in another.
for _plugin in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin):
    _plugin.warnings = SimpleNamespace(warn=lambda message, *_args, **_kwargs: logger.debug("Pillow: %s", message))  # type: ignore[attr-defined]
Image.MAX_IMAGE_PIXELS = None  # the gate in `limits` asks for memory, before a pixel is decoded


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's header says: its upright size in pixels and its format (one of `FORMATS`)."""

    width: int
    height: int
    format: str


def read_header(path: Path) -> Header:
    """Read size and format without decoding pixels; the size is that of the upright picture.

    Raises:
        ImageError: The file cannot be read, is not a picture of a known format, or is too large.
    """
    with open_picture(path) as handle, _looked_at(handle) as (image, orientation, _):
        width, height = image.size
        if orientation >= 5:
            width, height = height, width
        return Header(width, height, _format(image))


def decode(
    path: Path, *, max_side: int | None = None, near_side: int | None = None, limit: int | None = None
) -> np.ndarray:
    """Decode the first frame of a picture to upright RGB on white.

    Integers of 16 bits are scaled to 8, not clipped. JPEGs much larger than wanted are decoded at a fraction of their
    size, which is several times faster.

    Args:
        path: The picture; it is only read.
        max_side: Shrink so that the longest side is at most this many pixels; never enlarges.
        near_side: Shrink by a whole factor, the largest that leaves the shorter side at least four fifths of this many
            pixels; it is below eight fifths then. No pixel is interpolated. For what a network will see.
        limit: The bytes of memory it may take (`picture_limit()` when None).

    Returns:
        A writable, contiguous uint8 array of shape (height, width, 3).

    Raises:
        ImageError: As `read_header`, and where the pixels are truncated or damaged.
    """
    with open_picture(path) as handle:
        return decode_open(handle, max_side=max_side, near_side=near_side, limit=limit).pixels


@dataclass(frozen=True, slots=True)
class Decoded:
    """What `decode` returns, and where it comes from.

    Attributes:
        pixels: Upright uint8 (h, w, 3).
        size: Height and width of the whole picture, upright.
        factor: Of whose pixels each stands for a block of `factor` x `factor`, where `near_side` was given.
        needed: Bytes that the gate counted.
    """

    pixels: np.ndarray
    size: tuple[int, int]
    factor: int
    needed: int


def decode_open(
    handle: BinaryIO, *, max_side: int | None = None, near_side: int | None = None, limit: int | None = None
) -> Decoded:
    """Decode a file that `open_picture` opened, at its start; see `decode`."""
    with _looked_at(handle, limit) as (image, orientation, needed):
        whole = image.size
        if image.format in ("JPEG", "MPO"):
            image.draft(None, _draft_size(whole, max_side, near_side))
        image.load()
        drafted = round(max(whole) / max(image.size))  # libjpeg's fraction
        factors, target = _reduction(image.size, near_side) if near_side else _shrinking(image.size, max_side)
        pixels = _upright_pixels(image, factors, target, orientation)
        width, height = whole[::-1] if orientation >= 5 else whole
        return Decoded(pixels, (height, width), drafted * factors[0], needed)


def shrink(pixels: np.ndarray, max_side: int) -> np.ndarray:
    """Shrink decoded pixels (H, W, 3) so that the longest side is at most `max_side`; never enlarges."""
    image = Image.fromarray(pixels)
    return _upright_pixels(image, *_shrinking(image.size, max_side), orientation=1)


@contextmanager
def open_picture(path: Path) -> Generator[BinaryIO]:
    """Yield a file that may be a picture, open for reading; whatever is wrong with it leaves as an `ImageError`."""
    try:
        _check_file(path)
        with path.open("rb") as handle:
            yield handle
    except ImageError:
        raise
    except Exception as error:  # hostile bytes raise anything in Pillow: struct.error, ZeroDivisionError, KeyError ...
        logger.debug("cannot decode %s", path, exc_info=True)
        raise ImageError(_reason(error), _HINT) from error


@contextmanager
def _looked_at(handle: BinaryIO, limit: int | None = None) -> Generator[tuple[Image.Image, int, int]]:
    """Yield an image that passed the gate, pixels not yet decoded, its orientation (1 to 8) and the bytes it takes."""
    with Image.open(handle, formats=FORMATS) as image:
        needed = check_picture_size(image, handle, limit=picture_limit() if limit is None else limit)
        yield image, _orientation(image, handle), needed


def _check_file(path: Path) -> None:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("a folder, not a picture")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ImageError("not a regular file")
    check_file_size(status.st_size)


def _reason(error: Exception) -> str:
    text = str(error)
    match error:
        case FileNotFoundError():
            return "the file is missing"
        case PermissionError():
            return "no permission to read the file"
        case UnidentifiedImageError():
            return f"not a readable {_KNOWN} picture"
        case MemoryError():
            return "not enough memory to decode it"
        case OSError() if error.errno is not None:
            return f"cannot be read: {error.strerror}"
        case _ if "truncated" in text.lower():
            return "truncated: the end of the file is missing"
    return f"damaged or of an unsupported kind ({text[:80] or type(error).__name__})"


def _format(image: Image.Image) -> str:
    # A JPEG with a second picture behind it (stereo, phone cameras) comes back as MPO; its first frame is a plain JPEG.
    return "JPEG" if image.format == "MPO" else str(image.format)


def _orientation(image: Image.Image, handle: BinaryIO) -> int:
    """Return the EXIF (or XMP) orientation that is still to be applied; 1 where it is absent or broken."""
    if image.format == "TIFF":  # Pillow's TIFF reader turns the picture itself
        return 1
    try:
        if image.format == "PNG":
            read_late_metadata(handle, image.info)
        value = Image.Image.getexif(image).get(_ORIENTATION_TAG, 1)  # the PNG plugin's own would decode the pixels
    except Exception:  # broken metadata must not cost the user the picture
        logger.debug("unreadable EXIF", exc_info=True)
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _fit(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    width, height = size
    longest = max(size)
    if max_side is None or longest <= max_side:
        return size
    return max(1, round(width * max_side / longest)), max(1, round(height * max_side / longest))


def _draft_size(size: tuple[int, int], max_side: int | None, near_side: int | None) -> tuple[int, int]:
    """Return the least size that a JPEG may be decoded to: libjpeg takes the next fraction (1, 1/2, 1/4, 1/8) above."""
    if near_side is None:
        return _fit(size, max_side)
    factor = max(1, min(size) // _least(near_side))
    return max(1, size[0] // factor), max(1, size[1] // factor)


def _least(near_side: int) -> int:
    return max(1, -(-near_side * 4 // 5))


def _reduction(size: tuple[int, int], near_side: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the whole factors across and down, and the size that they leave."""
    factor = max(1, min(size) // _least(near_side))
    return (factor, factor), (-(-size[0] // factor), -(-size[1] // factor))


def _shrinking(size: tuple[int, int], max_side: int | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return whole factors that leave at least twice the size that is wanted, and that size."""
    target = _fit(size, max_side)
    across, down = (max(1, int(have / want / 2)) for have, want in zip(size, target, strict=True))
    return (across, down), target


def _upright_pixels(
    image: Image.Image, factors: tuple[int, int], target: tuple[int, int], orientation: int
) -> np.ndarray:
    """Return a loaded image as RGB of the size `target`, turned upright: uint8 (H, W, 3).

    It is converted band by band, each band shrunk by whole factors at once and written where it belongs when upright.
    """
    width, height = image.size
    across, down = factors
    small = (-(-width // across), -(-height // down))
    is_turned = orientation in _UPRIGHT and small == target
    upright = np.empty((*(small if is_turned and orientation >= 5 else small[::-1]), 3), np.uint8)
    stored = _as_stored(upright, orientation) if is_turned else upright
    value_range = _value_range(image)
    rows = max(1, _BAND_PIXELS // (width * down)) * down
    for top in range(0, height, rows):
        band = image if rows >= height else image.crop((0, top, width, min(height, top + rows)))
        rgb = _to_rgb(band, value_range)
        rgb = rgb if across == down == 1 else rgb.reduce((across, down))
        place = stored[top // down : top // down + rgb.height]
        if is_turned:  # Pillow turns faster than NumPy copies across
            place[:] = _as_stored(np.asarray(rgb.transpose(_UPRIGHT[orientation])), orientation)
        else:
            place[:] = np.asarray(rgb)
    if small == target:
        return upright
    resized = Image.fromarray(upright).resize(
        target, Image.Resampling.BICUBIC, box=(0, 0, width / across, height / down)
    )
    return np.array(resized.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else resized)


def _as_stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Return a view of upright pixels (H, W, 3) in which they lie as the file stores them."""
    turned = upright.transpose(1, 0, 2) if orientation >= 5 else upright
    mirrored_x = orientation in (2, 3, 7, 8)
    mirrored_y = orientation in (3, 4, 6, 7)
    return turned[:: -1 if mirrored_y else 1, :: -1 if mirrored_x else 1]


def _to_rgb(image: Image.Image, value_range: tuple[float, float] | None) -> Image.Image:
    """Convert a loaded image of any mode to RGB, transparent parts on white; `value_range` as `_value_range` says."""
    if value_range is not None:
        return Image.fromarray(_to_8_bits(image, value_range)).convert("RGB")
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        return _on_white(image.convert("RGBA"))
    if image.mode == "LAB":
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), srgb, outputMode="RGB") or image
    return image if image.mode == "RGB" else image.convert("RGB")


def _on_white(image: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def _to_8_bits(image: Image.Image, value_range: tuple[float, float]) -> np.ndarray:
    """Scale one channel of 16- or 32-bit integers or floats to uint8 (H, W)."""
    values = np.asarray(image)
    low, high = value_range
    scaled = np.clip((_finite(values) - low) * (255.0 / (high - low)), 0, 255)
    grey = (scaled + 0.5).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def _value_range(image: Image.Image) -> tuple[float, float] | None:
    """Return the values that become black and white; None where the mode has 8 bits.

    Integers keep the range of their type, so that a dark picture stays dark. Floats (and 32-bit integers, whose full
    range no camera fills) are taken as 0..1, 0..255 or 0..65535 where they fit, else stretched from least to greatest.
    """
    if not image.mode.startswith("I") and image.mode != "F":
        return None
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    rows = max(1, _BAND_PIXELS // image.width)
    bands = (image.crop((0, top, image.width, min(image.height, top + rows))) for top in range(0, image.height, rows))
    extremes = [(float(values.min()), float(values.max())) for values in map(_finite, map(np.asarray, bands))]
    least, greatest = min(low for low, _ in extremes), max(high for _, high in extremes)
    tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,) if image.format == "PPM" else (255.0, 65535.0)
    for top in tops:
        if least >= 0.0 and greatest <= top:
            return 0.0, top
    return least, greatest if greatest > least else least + 1.0
