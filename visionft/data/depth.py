"""Images of more than 8 bits that Pillow opened: which values become black and white, and what is lost.

Looks at their values band by band, so that a large image is in memory twice at most.
"""

import logging
from typing import Any, Final

import numpy as np
from PIL import Image

from visionft.core.messages import Message
from visionft.data.image_reading import ImageReading, IntensityWindow, above, is_window

logger = logging.getLogger(__name__)

BAND_PIXELS: Final = 4_000_000  # converted at a time: 16 MB as float32, instead of a copy of the whole image

# Information that decoding loses, shown for the images concerned.
FIRST_PLANE: Final = Message("it holds several planes, pages or frames, of which only the first is used")
FEW_LEVELS: Final = Message(
    "its values of more than 8 bits use so little of their range that fewer than 64 grey levels are left"
)


def is_deep(image: Image.Image) -> bool:
    """Tell whether an opened image has more than 8 bits in one channel."""
    return image.mode.startswith("I") or image.mode == "F"


def losses_of(image: Image.Image, reading: ImageReading) -> tuple[str, ...]:
    """Return what decoding an opened image loses; looks at its pixels only where they have more than 8 bits."""
    try:
        has_planes = image.format != "MPO" and getattr(image, "is_animated", False)
        has_depth = is_deep(image) or ";16" in str(getattr(image, "tile", ())[:1])
        levels = 256  # between the least and the greatest value of the image, once it has 8 bits
        if has_depth and (value_range := value_range_of(image, reading)) is not None:
            low, high = value_range
            least, greatest = _extremes(image)
            levels = round((min(greatest, high) - max(least, low)) * 255 / (high - low)) + 1
        elif has_depth:
            found: Any = image.getextrema()
            levels = max(high - low for low, high in ([found] if isinstance(found[0], int) else found)) + 1
    except Exception:  # a broken second frame must not cost the user the image; what is broken in the first is told
        logger.debug("cannot tell what is lost", exc_info=True)
        return ()
    losses = {FIRST_PLANE: has_planes, FEW_LEVELS: levels < 64}
    return tuple(loss for loss, is_there in losses.items() if is_there)


def _finite(values: np.ndarray) -> np.ndarray:
    return np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def value_range_of(image: Image.Image, reading: ImageReading) -> IntensityWindow | None:
    """Return the values that become black and white; None where the mode has 8 bits.

    They are the window of the reading. Without one, integers keep the range of their type, so that a dark image stays
    dark. Floats (and 32-bit integers, whose full range no camera fills) are taken as 0..1, 0..255 or 0..65535 where
    they fit, else stretched from least to greatest.
    """
    if not is_deep(image):
        return None
    if reading.windows:
        return reading.windows[0]
    if image.mode.startswith("I;16"):
        return 0.0, 65535.0
    least, greatest = _extremes(image)
    tops: tuple[float, ...] = (255.0, 65535.0)
    if image.mode == "F":
        tops = (1.0, *tops)
    elif image.format == "PPM":  # Pillow stretches its values to 16 bits
        tops = (65535.0,)
    for top in tops:
        if least >= 0.0 and greatest <= top:
            return 0.0, top
    return (least, greatest) if is_window((least, greatest)) else (least, above(least))


def _extremes(image: Image.Image) -> tuple[float, float]:
    """Return the least and the greatest value of an image of one channel, band by band."""
    rows = max(1, BAND_PIXELS // image.width)
    bands = (image.crop((0, top, image.width, min(image.height, top + rows))) for top in range(0, image.height, rows))
    extremes = [(float(values.min()), float(values.max())) for values in map(_finite, map(np.asarray, bands))]
    return min(low for low, _ in extremes), max(high for _, high in extremes)
