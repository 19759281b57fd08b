"""Quality measures of one image: sharpness, brightness, information, colour, size, and damage.

Each image content is measured once and gives one row of numbers; `quality` compares it with the other images.

Sharpness has two measures, which are compared with the class and the set. The first is the ratio of second to first
derivative at the strongest edges (a Laplacian independent of contrast and texture), in the two of eight directions with
the lowest ratio, because motion blurs one direction. The second is the share of power in the finest detail. At 1 %
false alarms on TrashNet (192 px), Gaussian blur of 1.0 / 1.5 px and motion of 7 / 11 px are found in 0.28 / 0.75 / 0.24
/ 0.41 of the images by the Laplacian's variance, and in 0.66 / 1.00 / 0.53 / 0.64 by an undirected ratio. Both measures
together find 0.97 / 0.97 / 0.83 / 0.95 at 0.6 % false alarms. A z-score alone flags the least sharp images of a uniform
set (200 false alarms on sign_digits), so an image must also be blurred by its absolute value.
"""

import hashlib
import re
import zlib
from pathlib import Path
from typing import Final

import numpy as np

from visionft.core.amounts import size_text
from visionft.core.errors import ImageError
from visionft.core.files import sha256_file
from visionft.core.messages import Message, store_message
from visionft.data.decode import decode_open, in_memory, open_image
from visionft.data.depth import FEW_LEVELS, FIRST_PLANE
from visionft.data.image_reading import AS_STORED, ImageReading

VERSION: Final = 4  # raise it when the measures change, so that images are measured again
LARGE, SMALL = 640, 96  # pixels of the shorter side for measuring sharpness; images are never enlarged
_REASON_BYTES: Final = 120
_MAX_FILE_BYTES: Final = 10**8  # the bytes of larger files are not inspected

MEASURES: Final = (
    *("width", "height"),  # pixels of the full-size image, upright
    *("black", "dark", "light", "white"),  # percentiles 1, 5, 95 and 99 of the luminance, 0 to 1
    "entropy",  # entropy of the luminance in 256 steps, 0 to 8 bits
    "deviation",  # standard deviation of the luminance, 0 to 0.5
    "clipped",  # share of pixels with a saturated channel, 0 to 1
    *("edges_large", "edges_small"),  # see `edge_sharpness`
    *("fine_large", "fine_small"),  # see `fine_share`
    *("first_plane", "few_levels"),  # 1 if decoding loses this information (see `data.decode.Header`), otherwise 0
    "painted",  # share filled by the decoder, see `corruption.filled_share`
)
ROW: Final = np.dtype([*((name, "<f4") for name in MEASURES), ("damage", f"S{_REASON_BYTES}")])


_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_END: Final = b"\xff\xd9"
_ZEROS: Final = re.compile(rb"\x00{512,}")  # a lost sector; coded pixels of a non-uniform image never contain this


def corruption_in(content: bytes) -> str:
    """Return the damage found in the bytes of a file, as the end of a sentence, or an empty string."""
    if content.startswith(_PNG):
        return _png_corruption(content)
    start = _scan_start(content) if content.startswith(_JPEG) else 0
    if not start:
        return ""  # the decoder reports an invalid header
    end = content.find(_END, start)
    if end < 0:
        return Message("the end of the file is missing")
    lost = sum(len(zeros.group()) for zeros in _ZEROS.finditer(content, start, end))
    # An image of a single colour has almost no coded data, so half of its bytes or more may be zeros.
    return Message("{size} of it are zeros", size=size_text(lost)) if 0 < lost < (end - start) / 2 else ""


def _scan_start(content: bytes) -> int:
    """Return the offset of the coded pixels of a JPEG, or 0 if the segments before them are invalid."""
    offset = 2
    while offset + 4 <= len(content) and content[offset] == 0xFF:
        marker = content[offset + 1]
        if marker == 0xFF:  # padding
            offset += 1
            continue
        offset += 2 + int.from_bytes(content[offset + 2 : offset + 4], "big")
        if marker == 0xDA:  # start of scan
            return offset
    return 0


def _png_corruption(content: bytes) -> str:
    """Verify the checksums of critical chunks, which include the pixels; Pillow does not check these."""
    offset = len(_PNG)
    while offset + 12 <= len(content):
        length = int.from_bytes(content[offset : offset + 4], "big")
        kind = content[offset + 4 : offset + 8]
        end = offset + 8 + length
        if end + 4 > len(content):
            break
        if kind == b"IEND":
            return ""
        is_critical = kind[0] < 0x60  # a capital letter
        if is_critical and zlib.crc32(memoryview(content)[offset + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return Message("a checksum in it is wrong")
        offset = end + 4
    return Message("the end of the file is missing")


def filled_share(content: bytes, pixels: np.ndarray) -> float:
    """Return the share of a truncated JPEG that the decoder filled with one colour, from the lower edge.

    Such a part is exactly uniform across the image, unlike in photographs, and ends abruptly. White and black are
    excluded, because they are common in margins. `pixels` are uint8 (H, W, 3), in file orientation or upright.
    """
    if not content.startswith(_JPEG):
        return 0.0
    shares = [_uniform_share(np.moveaxis(pixels, axis, 0)[::step]) for axis in (0, 1) for step in (-1, 1)]
    uniform = [share for share in shares if share]
    return uniform[0] if len(uniform) == 1 else 0.0  # a frame is uniform on more than one side


def _uniform_share(lines: np.ndarray) -> float:
    """Return the share of leading lines that have one colour, or 0 if they are no damage."""
    colour = lines[0, 0].astype(int)
    if colour.max() < 8 or colour.min() > 247 or not (lines[0] == lines[0, 0]).all():
        return 0.0
    is_uniform = (lines == lines[0, 0]).all(axis=(1, 2))
    count = len(lines) if is_uniform.all() else int(is_uniform.argmin())
    return count / len(lines) if 8 <= count < len(lines) else 0.0  # 8 rows: the height of a JPEG block


def measure(path: Path, sha256: str, reading: ImageReading = AS_STORED) -> np.ndarray:
    """Measure an image file with this SHA-256, and return a `ROW` of shape ().

    If the image cannot be decoded, all numbers are NaN and `damage` has the reason.

    Raises:
        ImageError: The file is missing, not readable, changed since its import, or too large for the memory.
    """
    row = np.full((), np.nan, ROW)
    row["damage"] = b""
    with open_image(path) as handle:  # the bytes of a very large file are not inspected
        content = handle.read() if path.stat().st_size <= _MAX_FILE_BYTES else b""
    if (hashlib.sha256(content).hexdigest() if content else sha256_file(path)) != sha256:
        raise ImageError("the file was edited since it was imported", "Import its folder again.")
    try:
        with open_image(path) as handle:
            decoded = decode_open(in_memory(content, path) if content else handle, near_side=LARGE, reading=reading)
    except ImageError as error:
        if error.message.startswith(("too large", "not enough memory", "cannot be read", "no permission")):
            raise  # may succeed later: memory may be freed, or permission granted
        row["damage"] = _stored(error.message)
        return row
    row["height"], row["width"] = decoded.size
    row["first_plane"], row["few_levels"] = (loss in decoded.losses for loss in (FIRST_PLANE, FEW_LEVELS))
    row["damage"] = _stored(corruption_in(content))
    row["painted"] = filled_share(content, decoded.pixels)
    _measure_pixels(decoded.pixels, row)
    return row


def _stored(reason: str) -> bytes:
    """Return a reason as bytes for `load_message`; a long one is stored in English and truncated."""
    stored = store_message(reason).encode()
    return stored if len(stored) <= _REASON_BYTES else reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()


def _measure_pixels(pixels: np.ndarray, row: np.ndarray) -> None:
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    counts = np.bincount(grey.ravel(), minlength=256) / grey.size
    percentiles = np.searchsorted(np.cumsum(counts), np.array([0.01, 0.05, 0.95, 0.99]) - 1e-9) / 255
    row["black"], row["dark"], row["light"], row["white"] = percentiles
    row["entropy"] = -np.sum(counts * np.log2(np.maximum(counts, 1e-12)))
    row["deviation"] = grey.std() / 255
    row["clipped"] = (pixels.max(axis=2) >= 254).mean()  # 254, because JPEG may change 255
    for name, near_side in (("large", LARGE), ("small", SMALL)):
        scaled = _reduced(grey, near_side).astype(np.float32)
        row[f"edges_{name}"] = edge_sharpness(scaled)
        row[f"fine_{name}"] = fine_share(scaled)


def _reduced(pixels: np.ndarray, near_side: int) -> np.ndarray:
    """Reduce pixels (H, W, ...) to a shorter side of at most `near_side`."""
    import cv2

    factor = near_side / min(pixels.shape[:2])
    if factor >= 1:
        return pixels
    size = tuple(max(1, round(side * factor)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


_DIRECTIONS: Final = tuple(np.arange(8) * np.pi / 8)


def edge_sharpness(grey: np.ndarray) -> float:
    """Measure the sharpness of the strongest edges in the two blurriest directions, independent of contrast.

    For each direction, the energy of the second derivative is divided by the energy of the first, around the steepest
    slopes. For an edge blurred by a Gaussian of s pixels the root of this ratio is proportional to 1/s. Only the
    blurriest directions are used, because motion blurs a single direction. The common variance of the Laplacian is like
    the numerator over the whole image: it distinguishes smooth from textured objects rather than sharp from blurred
    images.

    Args:
        grey: float32 (H, W), 0 to 255.

    Returns:
        Half the logarithm of the energy ratio, averaged over the two lowest of eight directions; NaN if the image is
        too small or a direction has no edge.
    """
    import cv2

    if min(grey.shape) < 8:
        return np.nan
    first, smooth, second = (np.array(taps, np.float32) for taps in ([-0.5, 0, 0.5], [0.25, 0.5, 0.25], [1, -2, 1]))
    blurred = cv2.GaussianBlur(grey, (0, 0), 0.7)  # keeps single noisy pixels from counting as edges
    x, y, xx, yy, xy = (
        cv2.sepFilter2D(blurred, cv2.CV_32F, across, down)
        for across, down in ((first, smooth), (smooth, first), (second, smooth), (smooth, second), (first, first))
    )
    ratios: list[float] = []
    for angle in _DIRECTIONS:
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        slopes = np.square(c * x + s * y)
        edge_threshold = np.percentile(slopes[::2, ::2], 99)
        is_edge = cv2.dilate((slopes >= edge_threshold).view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
        slope_energy = float(slopes[is_edge].sum())
        if slope_energy < 1e-3:
            return np.nan
        curvature = c * c * xx[is_edge] + np.float32(2) * c * s * xy[is_edge] + s * s * yy[is_edge]
        ratios.append(0.5 * float(np.log(np.square(curvature).sum() / slope_energy + 1e-6)))
    return float(np.mean(sorted(ratios)[:2]))


def fine_share(grey: np.ndarray) -> float:
    """Return how much of the power of a float32 (H, W) image is in its finest detail; NaN without contrast.

    This is the logarithm of the mean power at 0.35 to 0.5 cycles per pixel, divided by the mean power at 0.12 to 0.25
    cycles per pixel, in a Hann window.
    """
    height, width = grey.shape
    if min(grey.shape) < 16:
        return np.nan
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft2((grey - grey.mean()) * window)))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    fine, middle = (float(power[(radius >= low) & (radius < high)].mean()) for low, high in ((0.35, 0.5), (0.12, 0.25)))
    return float(np.log(fine / middle)) if fine > 1e-9 and middle > 1e-9 else np.nan
