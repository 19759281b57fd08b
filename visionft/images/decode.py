"""The one decoder (design rule 4): every picture the program shows, trains on or predicts for comes from here.

Owns what may be opened, how large it may be, and how each kind of picture becomes upright 8-bit RGB. Files are
hostile until decoded: whatever is wrong with one, only `ImageError` with a short reason leaves this module.
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

from visionft.errors import ImageError
from visionft.images.png_metadata import read_late_metadata

logger = logging.getLogger(__name__)

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")
IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".avif"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
)
MAX_PIXELS: Final = 200_000_000
MAX_BYTES: Final = 1 << 30

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
_TOO_MANY_PIXELS = f"more than {MAX_PIXELS // 1_000_000} megapixels"
_HINT = "Open it in a picture editor and save it again as JPEG or PNG, or leave it out."

# Pillow reports odd metadata through the process-wide warnings filter, which is not thread-safe to change; under
# `-W error` the same file would decode in one process and fail in another. Its bomb warnings repeat what the gate says.
for _plugin in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin):
    _plugin.warnings = SimpleNamespace(warn=lambda message, *_args, **_kwargs: logger.debug("Pillow: %s", message))  # type: ignore[attr-defined]
Image.MAX_IMAGE_PIXELS = MAX_PIXELS


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
    with _opened(path) as (image, orientation):
        width, height = image.size
        if orientation >= 5:
            width, height = height, width
        return Header(width, height, _format(image))


def decode(path: Path, *, max_side: int | None = None) -> np.ndarray:
    """Decode the first frame of a picture to upright RGB on white.

    Integers of 16 bits are scaled to 8, not clipped. JPEGs much larger than `max_side` are decoded at a fraction of
    their size, which is many times faster.

    Args:
        path: The picture; it is only read.
        max_side: Shrink so that the longest side is at most this many pixels; never enlarges.

    Returns:
        A writable, contiguous uint8 array of shape (height, width, 3).

    Raises:
        ImageError: As `read_header`, and where the pixels are truncated or damaged.
    """
    with _opened(path) as (image, orientation):
        target = _fit(image.size, max_side)
        if image.format in ("JPEG", "MPO"):
            image.draft(None, target)
        image.load()
        rgb = _to_rgb(image)
        if rgb.size != target:
            rgb = rgb.resize(target, Image.Resampling.BICUBIC, reducing_gap=2.0)
        if orientation in _UPRIGHT:
            rgb = rgb.transpose(_UPRIGHT[orientation])
        return np.array(rgb)


@contextmanager
def _opened(path: Path) -> Generator[tuple[Image.Image, int]]:
    """Yield an image that passed the gate, pixels not yet decoded, and its orientation (1 to 8)."""
    try:
        _check_file(path)
        with path.open("rb") as handle, Image.open(handle, formats=FORMATS) as image:
            _check_size(image)
            yield image, _orientation(image, handle)
    except ImageError:
        raise
    except Exception as error:  # hostile bytes raise anything in Pillow: struct.error, ZeroDivisionError, KeyError ...
        logger.debug("cannot decode %s", path, exc_info=True)
        raise ImageError(_reason(error), _HINT) from error


def _check_file(path: Path) -> None:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise ImageError("a folder, not a picture")
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
        raise ImageError("not a regular file")
    if status.st_size == 0:
        raise ImageError("the file is empty", "Copy it again from where it came from.")
    if status.st_size > MAX_BYTES:
        raise ImageError(f"too large: {status.st_size / 2**30:.1f} GiB (at most {MAX_BYTES / 2**30:.0f} GiB)", _HINT)


def _check_size(image: Image.Image) -> None:
    width, height = image.size
    if width <= 0 or height <= 0:
        raise ImageError(f"damaged: its size is {width} x {height}", _HINT)
    if width * height > MAX_PIXELS:
        megapixels = width * height / 1e6
        raise ImageError(
            f"too large: {width} x {height} is {megapixels:.0f} MP (at most {MAX_PIXELS / 1e6:.0f})", _HINT
        )


def _reason(error: Exception) -> str:
    text = str(error)
    match error:
        case FileNotFoundError():
            return "the file is missing"
        case PermissionError():
            return "no permission to read the file"
        case UnidentifiedImageError():
            return f"not a readable {_KNOWN} picture"
        case Image.DecompressionBombError():
            return f"too large: {_TOO_MANY_PIXELS}"
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


def _to_rgb(image: Image.Image) -> Image.Image:
    """Convert a loaded image of any mode to RGB, transparent parts on white."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(_to_8_bits(image)).convert("RGB")
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


def _to_8_bits(image: Image.Image) -> np.ndarray:
    """Scale one channel of 16- or 32-bit integers or floats to uint8 (H, W)."""
    values = np.asarray(image)
    finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = _value_range(image, finite)
    scaled = np.clip((finite - low) * (255.0 / (high - low)), 0, 255)
    grey = (scaled + 0.5).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey[values == transparent] = 255
    return grey


def _value_range(image: Image.Image, values: np.ndarray) -> tuple[float, float]:
    """Return the values that become black and white.

    Integers keep the range of their type, so that a dark picture stays dark. Floats (and 32-bit integers, whose full
    range no camera fills) are taken as 0..1, 0..255 or 0..65535 where they fit, else stretched from least to greatest.
    """
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    least, greatest = float(values.min()), float(values.max())
    tops = (1.0, 255.0, 65535.0) if image.mode == "F" else (65535.0,) if image.format == "PPM" else (255.0, 65535.0)
    for top in tops:
        if least >= 0.0 and greatest <= top:
            return 0.0, top
    return least, greatest if greatest > least else least + 1.0
