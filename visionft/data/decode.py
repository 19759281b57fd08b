"""The one decoder (design rule 4): every image the program shows, trains on or predicts for comes from here.

Owns what may be opened and how each kind of image becomes upright 8-bit RGB; how large it may be is in `limits`.
Files are hostile until decoded: whatever is wrong with one, only `ImageError` with a short reason leaves this module.

HEIF images (HEIC) are decoded by pi-heif: its library is loaded with the first such file, after a check of the boxes.
The check is for pi-heif 1.4, which crashes on names of items that are no text; libheif itself limits size and memory.
"""

import ctypes
import logging
import stat
import struct
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader, BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image, ImageCms, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, UnidentifiedImageError

from visionft.core.errors import ImageError
from visionft.core.messages import Message
from visionft.data.depth import BAND_PIXELS, is_deep, losses_of, value_range_of
from visionft.data.image_reading import AS_STORED, ImageReading, windowed
from visionft.data.limits import check_file_size, check_image_size, check_values, image_limit
from visionft.data.plane_files import DICOM_SUFFIXES, RAW_SUFFIXES, open_planes
from visionft.data.planes import Planes

logger = logging.getLogger(__name__)

FORMATS: Final = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "PPM")  # and HEIF, by a library of its own
IMAGE_SUFFIXES: Final = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".bmp", ".dib", ".tif", ".tiff", ".gif", ".avif"}
    | {".ppm", ".pgm", ".pbm", ".pnm", ".heic", ".heif", ".hif"}
    | DICOM_SUFFIXES
    | RAW_SUFFIXES
)

_ORIENTATION_TAG = 0x0112  # of EXIF: 1 is upright
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
_HINT = "Open it in an image editor and save it again as JPEG or PNG, or leave it out."

# Pillow reports odd metadata through the process-wide warnings filter, which is not thread-safe to change; under
# `-W error` the same file would decode in one process and fail in another.
for _plugin in (Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin):
    _plugin.warnings = SimpleNamespace(warn=lambda message, *_args, **_kwargs: logger.debug("Pillow: %s", message))  # type: ignore[attr-defined]

# Keep libtiff from writing to stderr: the exception already states the error. The handlers are the
# library's, so this is done before any thread decodes; where its functions are hidden (Windows) nothing changes.
with suppress(AttributeError, OSError):
    _library = ctypes.CDLL(Image.core.__file__)
    for _set_handler in (_library.TIFFSetErrorHandler, _library.TIFFSetWarningHandler):
        _set_handler.restype = ctypes.c_void_p
        _set_handler(None)

Image.MAX_IMAGE_PIXELS = None  # the gate in `limits` asks for memory, before a pixel is decoded


@dataclass(frozen=True, slots=True)
class Header:
    width: int  # of the upright image, in pixels, as is `height`
    height: int
    format: str  # one of `FORMATS`, HEIF, DICOM or RAW
    losses: tuple[str, ...] = ()  # information lost in decoding; see `depth`


def read_header(path: Path, reading: ImageReading = AS_STORED) -> Header:
    """Read size and format; pixels are only decoded of more than 8 bits. An `ImageError` unless it can be read."""
    with open_image(path) as handle:
        return read_header_open(handle, reading)


def read_header_open(handle: BinaryIO, reading: ImageReading = AS_STORED) -> Header:
    """Read the header of a file that `open_image` opened, at its start; see `read_header`."""
    if (planes := open_planes(handle, reading)) is not None:
        planes.check(image_limit())
        width, height = planes.width, planes.height
        width, height = (height, width) if planes.orientation >= 5 else (width, height)
        return Header(width, height, planes.format)
    with _looked_at(handle) as (image, orientation, _):
        width, height = image.size[::-1] if orientation >= 5 else image.size
        # A JPEG with a second image behind it (stereo, phone cameras) is MPO there; its first frame is a plain JPEG.
        kind = "JPEG" if image.format == "MPO" else str(image.format)
        return Header(width, height, kind, losses_of(image, reading))


def decode(
    path: Path,
    *,
    max_side: int | None = None,
    near_side: int | None = None,
    limit: int | None = None,
    reading: ImageReading = AS_STORED,
) -> np.ndarray:
    """Return the first frame of an image as upright RGB on white: a writable, contiguous uint8 (H, W, 3) array.

    Integers of 16 bits are scaled to 8, not clipped. JPEGs much larger than wanted are decoded at a fraction of their
    size, which is several times faster. An `ImageError` tells what is wrong with the file.

    Args:
        max_side: Shrink so that the longest side is at most this many pixels; never enlarges.
        near_side: Shrink by a whole factor, the largest that leaves the shorter side at least four fifths of this many
            pixels; it is below eight fifths then. No pixel is interpolated. For what a network will see.
        limit: The bytes of memory it may take (`image_limit()` when None).
        reading: Window, plane and channels of the project or the model.
    """
    with open_image(path) as handle:
        return decode_open(handle, max_side=max_side, near_side=near_side, limit=limit, reading=reading).pixels


@dataclass(frozen=True, slots=True)
class DecodedImage:
    pixels: np.ndarray  # upright uint8 (h, w, 3)
    size: tuple[int, int]  # height and width of the whole image, upright
    factor: int  # of whose pixels each stands for a block of `factor` x `factor`, where `near_side` was given
    needed: int  # bytes that the gate counted
    losses: tuple[str, ...] = ()


def decode_open(
    handle: BinaryIO,
    *,
    max_side: int | None = None,
    near_side: int | None = None,
    limit: int | None = None,
    reading: ImageReading = AS_STORED,
) -> DecodedImage:
    """Decode a file that `open_image` opened, at its start; see `decode`."""
    with _composed(handle, limit, reading) as (image, orientation, needed):
        whole = image.size
        losses = losses_of(image, reading)
        if image.format in ("JPEG", "MPO"):  # libjpeg takes the next fraction (1, 1/2, 1/4, 1/8) above this size
            least = _fit(whole, max_side)
            if near_side:
                factor = _factor(whole, near_side)
                least = max(1, whole[0] // factor), max(1, whole[1] // factor)
            image.draft(None, least)
        image.load()
        drafted = round(max(whole) / max(image.size))  # libjpeg's fraction
        factors, target = _shrinking(image.size, max_side)
        if near_side:
            factor = _factor(image.size, near_side)
            factors, target = (factor, factor), (-(-image.width // factor), -(-image.height // factor))
        pixels = _upright_pixels(image, factors, target, orientation, reading)
        width, height = whole[::-1] if orientation >= 5 else whole
        return DecodedImage(pixels, (height, width), drafted * factors[0], needed, losses)


def decode_pillow(image: Image.Image, reading: ImageReading = AS_STORED) -> np.ndarray:
    """Return an image of Pillow as `decode` returns the file with its values and EXIF orientation; uint8 (H, W, 3)."""
    try:
        image.load()
        orientation: Any = image.getexif().get(_ORIENTATION_TAG, 1)
        return _upright_pixels(image, (1, 1), image.size, orientation, reading)
    except Exception as error:
        raise ImageError(_reason(error), "Open the image again, or give the path of its file.") from error


def in_memory(content: bytes, path: Path) -> BytesIO:
    """Return the content of a file to decode; its name tells kinds apart."""
    handle = BytesIO(content)
    handle.name = str(path)
    return handle


@contextmanager
def open_image(path: Path) -> Generator[BufferedReader]:
    """Yield a file that may be an image, open for reading; whatever is wrong with it leaves as an `ImageError`."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError("a folder, not an image")
        if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for ever
            raise ImageError("not a regular file")
        check_file_size(status.st_size)
        with path.open("rb") as handle:
            yield handle
    except ImageError:
        raise
    except Exception as error:  # hostile bytes raise anything in Pillow: struct.error, ZeroDivisionError, KeyError ...
        logger.debug("cannot decode %s", path, exc_info=True)
        raise ImageError(_reason(error), _HINT) from error


def look_at_planes(path: Path) -> tuple[Planes | None, bool]:
    """Return the planes of a file that may have several, and whether windows map its values; no pixel is decoded."""
    with open_image(path) as handle:
        if (planes := open_planes(handle, None)) is not None:
            return planes, planes.is_deep
        with _looked_at(handle) as (image, _, _):
            return None, is_deep(image)


def read_values(path: Path, reading: ImageReading) -> list[np.ndarray]:
    """Return the values of an image that windows map, as (H, W) or (H, W, 3); none of 8 bits.

    There is one array for all channels, or one each for red, green and blue.
    """
    with open_image(path) as handle:
        if (planes := open_planes(handle, None)) is not None:
            planes.check(image_limit())
            return planes.values(reading) if planes.is_deep else []
        with _looked_at(handle) as (image, _, _):
            return [np.array(image)] if is_deep(image) else []


@contextmanager
def _composed(handle: BinaryIO, limit: int | None, reading: ImageReading) -> Generator[tuple[Image.Image, int, int]]:
    """Yield an image as `_looked_at`; RGB, composed of its planes, where it is more than Pillow reads."""
    planes = open_planes(handle, reading)
    if planes is None:
        with _looked_at(handle, limit) as found:
            yield found
        return
    planes.check(image_limit() if limit is None else limit)
    yield Image.fromarray(planes.rgb(reading)), planes.orientation, planes.needed


@contextmanager
def _looked_at(handle: BinaryIO, limit: int | None = None) -> Generator[tuple[Image.Image, int, int]]:
    """Yield an image that passed the gate, undecoded, its orientation still to be applied (1 to 8), and its bytes."""
    try:
        opened = Image.open(handle, formats=_formats(handle))
    except UnidentifiedImageError:
        check_values(handle)
        raise
    with opened as image:
        needed = check_image_size(image, handle, limit=image_limit() if limit is None else limit)
        value: Any = 1
        try:
            if image.format not in ("TIFF", "HEIF"):  # their readers turn the image themselves
                value = Image.Image.getexif(image).get(
                    _ORIENTATION_TAG, 1
                )  # the PNG plugin's own would decode the pixels
        except Exception:  # broken metadata must not cost the user the image
            logger.debug("unreadable EXIF", exc_info=True)
        yield image, value if isinstance(value, int) and 1 <= value <= 8 else 1, needed


def _formats(handle: BinaryIO) -> tuple[str, ...]:
    """Return the formats that a file may have."""
    if not is_heif(handle):
        return FORMATS
    prepare(handle)
    return ("AVIF", "HEIF")


def _reason(error: Exception) -> str:
    text = str(error)
    match error:
        case FileNotFoundError():
            return Message("the file is missing")
        case PermissionError():
            return Message("no permission to read the file")
        case UnidentifiedImageError():
            return Message("not a readable {kinds} image", kinds="JPEG, PNG, WebP, BMP, TIFF, GIF, HEIC, AVIF, PPM")
        case MemoryError():
            return Message("not enough memory to decode it")
        case OSError() if error.errno is not None:
            return Message("cannot be read: {reason}", reason=error.strerror)
        case _ if "truncated" in text.lower():
            return Message("truncated: the end of the file is missing")
    return Message("damaged or of an unsupported kind ({error})", error=text[:80] or type(error).__name__)


def _fit(size: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    width, height = size
    longest = max(size)
    if max_side is None or longest <= max_side:
        return size
    return max(1, round(width * max_side / longest)), max(1, round(height * max_side / longest))


def _factor(size: tuple[int, int], near_side: int) -> int:
    """Return the largest whole factor that leaves the shorter side four fifths of `near_side` pixels."""
    return max(1, min(size) // max(1, -(-near_side * 4 // 5)))


def _shrinking(size: tuple[int, int], max_side: int | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return whole factors that leave at least twice the size that is wanted, and that size."""
    target = _fit(size, max_side)
    across, down = (max(1, int(have / want / 2)) for have, want in zip(size, target, strict=True))
    return (across, down), target


def _upright_pixels(
    image: Image.Image,
    factors: tuple[int, int],
    target: tuple[int, int],
    orientation: int,
    reading: ImageReading = AS_STORED,
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
    value_range = value_range_of(image, reading)
    rows = max(1, BAND_PIXELS // (width * down)) * down
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
    """Convert a loaded image of any mode to RGB, transparent parts on white; `value_range` as `value_range_of` says."""
    if value_range is not None:  # one channel of 16- or 32-bit integers or floats
        values = np.asarray(image)
        grey = windowed(values, value_range)
        transparent = image.info.get("transparency")
        if isinstance(transparent, int):
            grey[values == transparent] = 255
        return Image.fromarray(grey).convert("RGB")
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        image = image.convert("RGBA")
        canvas = Image.new("RGB", image.size, "white")
        canvas.paste(image, mask=image.getchannel("A"))
        return canvas
    if image.mode == "LAB":
        srgb = ImageCms.createProfile("sRGB")
        return ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), srgb, outputMode="RGB") or image
    return image if image.mode == "RGB" else image.convert("RGB")


BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")


_MAX_META_BYTES = 16 * 2**20  # phones write some kilobytes
# A file has a handful of boxes (`ftyp`, `meta`, `mdat`), but a damaged one may have millions of empty ones of 8 bytes.
_MAX_BOXES = 1000


def is_heif(handle: BinaryIO) -> bool:
    """Return whether an open file, at its start, is HEIF (or AVIF with a HEIF brand); the file position is restored."""
    head = handle.read(12)
    handle.seek(0)
    return head[4:8] == b"ftyp" and head[8:12] in BRANDS


def prepare(handle: BinaryIO) -> None:
    """Register the HEIF reader with Pillow and check a file; raises `ImageError` if it is damaged or unsupported."""
    try:
        import pi_heif
    except ImportError as error:  # there is no package for this processor
        raise ImageError("a HEIF image (HEIC), which cannot be read on this computer", _HINT) from error
    pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False)
    for meta in _meta_boxes(handle):
        offset = meta.find(b"infe")
        while offset >= 4:
            (size,) = struct.unpack_from(">I", meta, offset - 4)
            extra = 2 if meta[offset + 4 : offset + 5] == b"\3" else 0  # version 3 has item ids of 4 bytes, not 2
            end = offset - 4 + size if size > 1 else len(meta)  # 0: up to the end of the file; 1: 64-bit size
            if not _is_text(meta[offset + 12 + extra : end]):
                raise ImageError("damaged: an item has no readable name", _HINT)
            offset = meta.find(b"infe", offset + 4)
    handle.seek(0)


def _meta_boxes(handle: BinaryIO) -> Iterator[bytes]:
    """Yield each top-level `meta` box of a HEIF file, including its header."""
    offset = 0
    for _ in range(_MAX_BOXES):
        handle.seek(offset)
        head = handle.read(16)
        if len(head) < 8:
            return
        size, kind = struct.unpack_from(">I4s", head)
        if size == 1 and len(head) == 16:
            (size,) = struct.unpack_from(">Q", head, 8)
        if kind == b"meta":
            if size > _MAX_META_BYTES:
                raise ImageError("damaged: its description is too long", _HINT)
            handle.seek(offset)
            yield handle.read(size or _MAX_META_BYTES)
        if size < 8:  # 0: the box extends to the end of the file; otherwise invalid
            return
        offset += size


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
