"""What is measured of one picture for its quality: sharpness, light, information, colour, size, and what is broken.

One row of numbers a content, measured once; what they mean beside the other pictures is decided in `quality`.

Sharpness is measured at edges, by two operators, and judged beside class and set: the second derivative over the first
where that is strongest (a Laplacian freed of contrast and texture), in the two of eight directions where it is least
(motion blurs one), and the share of power in the finest detail. At 1 % false alarms on trashnet (192 px) a Gaussian of
1.0 / 1.5 px and a move of 7 / 11 px are found in .28 / .75 / .24 / .41 by the Laplacian's variance, .66 / 1.00 / .53 /
.64 by an undirected ratio; both of ours together find .97 / .97 / .83 / .95 at .6 %. A z alone flags the least sharp of
an even set (sign_digits: 200 false), so each must also be blurred by itself.
"""

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Final

import numpy as np

from visionft.curation.quality.damage import damage_in, painted_over
from visionft.data.decode import decode_open, open_picture
from visionft.errors import ImageError
from visionft.files import sha256_file

VERSION: Final = 1  # of what is measured: rows of another are measured anew
LARGE, SMALL = 640, 96  # pixels of the shorter side at which sharpness is measured; never enlarged
_REASON_BYTES: Final = 120
_MOST_BYTES: Final = 10**8  # of a file whose bytes are looked through

MEASURES: Final = (
    *("width", "height"),  # of the whole picture, upright, in pixels
    *("black", "dark", "middle", "light", "white"),  # percentiles 1, 5, 50, 95 and 99 of its luminance, 0 to 1
    "entropy",  # of its luminance in 256 steps, 0 to 8 bits
    "deviation",  # of its luminance, 0 to .5
    "chroma",  # percentile 99 of the difference between a pixel's greatest and least channel, 0 to 1
    *("edges_large", "edges_small"),  # see `edge_sharpness`
    *("fine_large", "fine_small"),  # see `fine_share`
    "painted",  # share of it that the decoder painted over, see `damage.painted_over`
)
ROW: Final = np.dtype([*((name, "<f4") for name in MEASURES), ("damage", f"S{_REASON_BYTES}")])


def measure(path: Path, sha256: str) -> np.ndarray:
    """Measure a picture.

    Args:
        path: Where it lies; it is only read.
        sha256: Its content, as the project knows it.

    Returns:
        A row of `ROW`, shape (). Of a picture that cannot be decoded all numbers are NaN and `damage` says why.

    Raises:
        ImageError: It cannot be looked at now: missing, not allowed, another content, too large for the memory.
    """
    row = np.full((), np.nan, ROW)
    row["damage"] = b""
    content = _content(path, sha256)
    try:
        with open_picture(path) as handle:
            decoded = decode_open(BytesIO(content) if content else handle, near_side=LARGE)
    except ImageError as error:
        if not _is_of_content(error):
            raise
        row["damage"] = _kept(error.message)
        return row
    row["height"], row["width"] = decoded.size
    row["damage"] = _kept(damage_in(content))
    row["painted"] = painted_over(content, decoded.pixels)
    _measure_pixels(decoded.pixels, row)
    return row


def _content(path: Path, sha256: str) -> bytes:
    """Return a file's bytes; empty for one that is too large to look through. It must be the content that is known."""
    with open_picture(path) as handle:
        content = handle.read() if path.stat().st_size <= _MOST_BYTES else b""
    if (hashlib.sha256(content).hexdigest() if content else sha256_file(path)) != sha256:
        raise ImageError("the file was edited since it was imported", "Import its folder again.")
    return content


def _is_of_content(error: ImageError) -> bool:
    """Tell whether a refusal will be the same the next time; memory may be freed, or more of it allowed."""
    return not error.message.startswith(("too large", "not enough memory", "cannot be read", "no permission"))


def _kept(reason: str) -> bytes:
    """Return a reason as a row keeps it: UTF-8 of limited length, cut between two signs."""
    return reason.encode()[:_REASON_BYTES].decode(errors="ignore").encode()


def _measure_pixels(pixels: np.ndarray, row: np.ndarray) -> None:
    """Measure decoded pixels, uint8 (H, W, 3)."""
    import cv2

    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    counts = np.bincount(grey.ravel(), minlength=256) / grey.size
    percentiles = np.searchsorted(np.cumsum(counts), np.array([0.01, 0.05, 0.5, 0.95, 0.99]) - 1e-9) / 255
    for name, value in zip(("black", "dark", "middle", "light", "white"), percentiles, strict=True):
        row[name] = value
    row["entropy"] = -np.sum(counts * np.log2(np.maximum(counts, 1e-12)))
    row["deviation"] = grey.std() / 255
    row["chroma"] = np.percentile(np.ptp(_reduced(pixels, SMALL), axis=2), 99) / 255
    for name, near_side in (("large", LARGE), ("small", SMALL)):
        scaled = _reduced(grey, near_side).astype(np.float32)
        row[f"edges_{name}"] = edge_sharpness(scaled)
        row[f"fine_{name}"] = fine_share(scaled)


def _reduced(pixels: np.ndarray, near_side: int) -> np.ndarray:
    """Return pixels (H, W, ...) reduced so that the shorter side is at most `near_side`."""
    import cv2

    factor = near_side / min(pixels.shape[:2])
    if factor >= 1:
        return pixels
    size = tuple(max(1, round(side * factor)) for side in pixels.shape[1::-1])
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)


_STRONGEST: Final = 99  # percentile of the slopes from which they count as edges
_DIRECTIONS: Final = tuple(np.arange(8) * np.pi / 8)
_SMOOTHED: Final = 0.7  # pixels: single noisy ones are no edges


def edge_sharpness(grey: np.ndarray) -> float:
    """Measure how sharp the strongest edges are, whatever their contrast, in the directions in which they are least.

    Along a direction the second derivative is compared with the first where the first is strongest: of an edge blurred
    by a Gaussian of s pixels the ratio goes with 1/s. A picture blurred by motion is blurred in one direction alone.
    The Laplacian's variance, which is usual, is the numerator over all directions and the whole picture, and tells a
    smooth object from a textured one rather than sharp from blurred.

    Args:
        grey: float32 (H, W), 0 to 255.

    Returns:
        Half the logarithm of the ratio of the energies, mean of the two least of eight directions; NaN where there is
        no edge.
    """
    import cv2

    if min(grey.shape) < 8:
        return np.nan
    half, smooth, second = (np.array(taps, np.float32) for taps in ([-0.5, 0, 0.5], [0.25, 0.5, 0.25], [1, -2, 1]))
    soft = cv2.GaussianBlur(grey, (0, 0), _SMOOTHED)
    x, y, xx, yy, xy = (
        cv2.sepFilter2D(soft, cv2.CV_32F, across, down)
        for across, down in ((half, smooth), (smooth, half), (second, smooth), (smooth, second), (half, half))
    )
    ratios: list[float] = []
    for angle in _DIRECTIONS:
        c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
        slopes = np.square(c * x + s * y)
        least = np.percentile(slopes[::2, ::2], _STRONGEST)
        is_edge = cv2.dilate((slopes >= least).view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
        steepness = float(slopes[is_edge].sum())
        if steepness < 1e-3:
            return np.nan
        bends = c * c * xx[is_edge] + np.float32(2) * c * s * xy[is_edge] + s * s * yy[is_edge]
        ratios.append(0.5 * float(np.log(np.square(bends).sum() / steepness + 1e-6)))
    return float(np.mean(sorted(ratios)[:2]))


def fine_share(grey: np.ndarray) -> float:
    """Measure how much of a picture's power lies in its finest detail.

    Args:
        grey: float32 (H, W).

    Returns:
        Logarithm of mean power from .35 to .5 cycles a pixel over that from .12 to .25, in a Hann window; NaN where
        there is nothing to see.
    """
    height, width = grey.shape
    if min(grey.shape) < 16:
        return np.nan
    window = np.outer(np.hanning(height), np.hanning(width)).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft2((grey - grey.mean()) * window)))
    radius = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    fine, middle = (float(power[(radius >= low) & (radius < high)].mean()) for low, high in ((0.35, 0.5), (0.12, 0.25)))
    return float(np.log(fine / middle)) if fine > 1e-9 and middle > 1e-9 else np.nan
