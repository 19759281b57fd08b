"""Quality measures of one image: sharpness, brightness, information, colour, size, and damage.

One row of numbers per content, measured once; `quality` compares them with the other images.

Sharpness is measured at edges, by two operators, and compared with class and set: the second derivative over the first
where that is strongest (a Laplacian independent of contrast and texture), in the two of eight directions with the
lowest ratio (motion blurs one), and the share of power in the finest detail. At 1 % false alarms on trashnet (192 px) a
Gaussian of 1.0 / 1.5 px and a move of 7 / 11 px are found in .28 / .75 / .24 / .41 by the Laplacian's variance, .66 /
1.00 / .53 / .64 by an undirected ratio; both of ours together find .97 / .97 / .83 / .95 at .6 %. A z-score alone flags
the least sharp images of a uniform set (sign_digits: 200 false), so each must also be blurred by absolute value.
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

VERSION: Final = 4  # of the measures: rows of another version are measured again
LARGE, SMALL = 640, 96  # pixels of the shorter side at which sharpness is measured; never enlarged
_REASON_BYTES: Final = 120
_MAX_FILE_BYTES: Final = 10**8  # the bytes of larger files are not inspected

MEASURES: Final = (
    *("width", "height"),  # of the whole image, upright, in pixels
    *("black", "dark", "light", "white"),  # percentiles 1, 5, 95 and 99 of its luminance, 0 to 1
    "entropy",  # of its luminance in 256 steps, 0 to 8 bits
    "deviation",  # of its luminance, 0 to .5
    "clipped",  # share of pixels of which a channel is at its end, 0 to 1: lost highlights
    *("edges_large", "edges_small"),  # see `edge_sharpness`
    *("fine_large", "fine_small"),  # see `fine_share`
    *("first_plane", "few_levels"),  # 1 where decoding loses this information (see `data.decode.Header`), else 0
    "painted",  # share filled by the decoder, see `corruption.filled_share`
)
ROW: Final = np.dtype([*((name, "<f4") for name in MEASURES), ("damage", f"S{_REASON_BYTES}")])


_JPEG, _PNG = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"
_END: Final = b"\xff\xd9"
_EMPTY: Final = re.compile(rb"\x00{512,}")  # a lost sector; coded pixels of a non-uniform image never have this
_BLOCK: Final = 16  # pixels: a JPEG is written in rows of blocks of 8 or 16, and is truncated between two


def corruption_in(content: bytes) -> str:
    """Return the damage in the bytes of a whole file, as the end of a sentence; empty for none."""
    if content.startswith(_PNG):
        return _png_corruption(content)
    start = _scan_start(content) if content.startswith(_JPEG) else 0
    if not start:
        return ""  # the decoder reports an invalid header
    end = content.find(_END, start)
    if end < 0:
        return Message("the end of the file is missing")
    lost = sum(len(found.group()) for found in _EMPTY.finditer(content, start, end))
    # An image of one colour has almost no coded data: half of its bytes and more may be zeros.
    return Message("{size} of it are zeros", size=size_text(lost)) if 0 < lost < (end - start) / 2 else ""


def _scan_start(content: bytes) -> int:
    """Return the start of the coded pixels, 0 if the segments before them are invalid."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        kind = content[place + 1]
        if kind == 0xFF:  # padding
            place += 1
            continue
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        if kind == 0xDA:  # start of scan
            return place
    return 0


def _png_corruption(content: bytes) -> str:
    """Verify the checksums of the pixel chunks: Pillow skips those."""
    place = len(_PNG)
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > len(content):
            break
        if kind == b"IEND":
            return ""
        is_critical = kind[0] < 0x60  # a capital letter
        if is_critical and zlib.crc32(memoryview(content)[place + 4 : end]) != int.from_bytes(content[end : end + 4]):
            return Message("a checksum in it is wrong")
        place = end + 4
    return Message("the end of the file is missing")


def filled_share(content: bytes, pixels: np.ndarray) -> float:
    """Return the share of a JPEG, from its lower edge, filled with one colour by the decoder for want of data.

    Such a part is exactly uniform from one side to the other, unlike any photograph, and ends abruptly. White and black
    are excluded, because margins have them. `pixels` are uint8 (H, W, 3), in file orientation or turned.
    """
    if not content.startswith(_JPEG):
        return 0.0
    shares = [_even_share(np.moveaxis(pixels, axis, 0)[::step]) for axis in (0, 1) for step in (-1, 1)]
    found = [share for share in shares if share]
    return found[0] if len(found) == 1 else 0.0  # a frame around an image is uniform on more than one side


def _even_share(lines: np.ndarray) -> float:
    """Return the share of leading lines of one colour; 0 where that is no damage."""
    colour = lines[0, 0].astype(int)
    if colour.max() < 8 or colour.min() > 247 or not (lines[0] == lines[0, 0]).all():
        return 0.0
    is_even = (lines == lines[0, 0]).all(axis=(1, 2))
    count = len(lines) if is_even.all() else int(is_even.argmin())
    return count / len(lines) if 8 <= count < len(lines) else 0.0  # decoded rows


def measure(path: Path, sha256: str, reading: ImageReading = AS_STORED) -> np.ndarray:
    """Return the row of `ROW`, shape (), of an image file with this content; the file is only read.

    For an undecodable image all numbers are NaN and `damage` has the reason.

    Raises:
        ImageError: It is not available now: missing, not allowed, another content, too large for the memory.
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
    """Return a reason as stored in a row, for `load_message`; a long one in English, cut between two characters."""
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
    row["clipped"] = (pixels.max(axis=2) >= 254).mean()  # of 255: also after JPEG
    for name, near_side in (("large", LARGE), ("small", SMALL)):
        scaled = _reduced(grey, near_side).astype(np.float32)
        row[f"edges_{name}"] = edge_sharpness(scaled)
        row[f"fine_{name}"] = fine_share(scaled)


def _reduced(pixels: np.ndarray, near_side: int) -> np.ndarray:
    """Return pixels (H, W, ...) reduced to a shorter side of at most `near_side`."""
    import cv2

    factor = near_side / min(pixels.shape[:2])
    if factor >= 1:
        return pixels
    size = tuple(max(1, round(side * factor)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


_DIRECTIONS: Final = tuple(np.arange(8) * np.pi / 8)


def edge_sharpness(grey: np.ndarray) -> float:
    """Measure the sharpness of the strongest edges, independent of contrast, in the least sharp directions.

    Along a direction the second derivative is divided by the first where the first is strongest: for an edge blurred by
    a Gaussian of s pixels the ratio is proportional to 1/s. Motion blurs an image in one direction only. The usual
    variance of the Laplacian is the numerator over all directions and the whole image, and separates smooth from
    textured objects rather than sharp from blurred ones.

    Returns:
        Half the logarithm of the ratio of the energies of float32 (H, W), 0 to 255, mean of the two least of eight
        directions; NaN where there is no edge.
    """
    import cv2

    if min(grey.shape) < 8:
        return np.nan
    half, smooth, second = (np.array(taps, np.float32) for taps in ([-0.5, 0, 0.5], [0.25, 0.5, 0.25], [1, -2, 1]))
    soft = cv2.GaussianBlur(grey, (0, 0), 0.7)  # pixels: single noisy ones are no edges
    x, y, xx, yy, xy = (
        cv2.sepFilter2D(soft, cv2.CV_32F, across, down)
        for across, down in ((half, smooth), (smooth, half), (second, smooth), (smooth, second), (half, half))
    )
    ratios: list[float] = []
    for angle in _DIRECTIONS:
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        slopes = np.square(c * x + s * y)
        least = np.percentile(slopes[::2, ::2], 99)  # percentile from which slopes count as edges
        is_edge = cv2.dilate((slopes >= least).view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
        steepness = float(slopes[is_edge].sum())
        if steepness < 1e-3:
            return np.nan
        bends = c * c * xx[is_edge] + np.float32(2) * c * s * xy[is_edge] + s * s * yy[is_edge]
        ratios.append(0.5 * float(np.log(np.square(bends).sum() / steepness + 1e-6)))
    return float(np.mean(sorted(ratios)[:2]))


def fine_share(grey: np.ndarray) -> float:
    """Return the share of an image's power, float32 (H, W), in its finest detail; NaN without contrast.

    It is the logarithm of mean power from .35 to .5 cycles a pixel over that from .12 to .25, in a Hann window.
    """
    height, width = grey.shape
    if min(grey.shape) < 16:
        return np.nan
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft2((grey - grey.mean()) * window)))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    fine, middle = (float(power[(radius >= low) & (radius < high)].mean()) for low, high in ((0.35, 0.5), (0.12, 0.25)))
    return float(np.log(fine / middle)) if fine > 1e-9 and middle > 1e-9 else np.nan
