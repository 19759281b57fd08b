"""How the values of an image become 8-bit RGB: the window, plane and channels of a project. Loads at the start.

A window is that of DICOM's linear function: its low value becomes black, its high value white, the values between them
grey levels of equal steps. It applies to values of more than 8 bits; other images stay as they are.
"""

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    import numpy as np

IntensityWindow = tuple[float, float]  # the values that become black and white
FIRST, MIDDLE, MAXIMUM = "first", "middle", "max"
_VALUES_AT_ONCE = 4_000_000  # converted at a time: 16 MB as float32, instead of a copy of the whole image
# Farther from 0 than this many widths, float32 no longer divides a window into 1,024 steps: at 4 billion (32-bit
# integers) neighbouring numbers are 256 apart.
_MAX_WIDTHS_FROM_ZERO = 2.0**13
_MIN_WIDTH = 1e-35  # width: 255 divided by it is a number of float32
_MAX_END = 1e37  # of an end: differences of larger numbers overflow float32


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageReading:
    """The reading of a project's images, as text for settings, records and commands.

    Attributes:
        window: `LOW,HIGH` for all channels, or three of them for red, green and blue with semicolons; empty for the
            range of the values' type.
        plane: Of a stack: `first`, `middle`, `max` (maximum projection), or its number from 1.
        channels: Those shown in red, green and blue, by name or number from 1, with commas; an empty one stays black.
            One alone is grey; empty takes the first.
    """

    window: str = ""
    plane: str = FIRST
    channels: str = ""

    @property
    def windows(self) -> tuple[IntensityWindow, ...]:
        """Return no window, one, or one for each of red, green and blue (ValueError: it is no window)."""
        return parsed_windows(self.window)

    @property
    def channel_names(self) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.channels.split(",")) if self.channels else ()

    @property
    def is_valid(self) -> bool:
        """Tell whether every part can be understood; a reading from a file may be anything."""
        try:
            counts = len(self.windows) in (0, 1, 3) and len(self.channel_names) in (0, 1, 3)
        except ValueError:
            return False
        is_number = self.plane.isascii() and self.plane.isdigit() and 0 < int(self.plane[:9]) < 10**8
        return counts and (self.plane in (FIRST, MIDDLE, MAXIMUM) or is_number)

    @property
    def key(self) -> str:
        """Return it as text, to recognise what was computed with it; empty for images as they are stored."""
        return "" if self == AS_STORED else repr((self.window, self.plane, self.channels))

    def content_key(self, sha256: str) -> str:
        """Return a content as read like this, to find what was measured on its pixels."""
        return f"{sha256}{self.key}"

    def to_dict(self) -> dict[str, str]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, str]) -> Self:
        """Return the reading of `to_dict` (TypeError, ValueError: invalid values)."""
        found = cls(**values)
        if not all(isinstance(each, str) for each in (found.window, found.plane, found.channels)) or not found.is_valid:
            raise ValueError(values)
        return found


AS_STORED: Final = ImageReading()


def parsed_windows(text: str) -> tuple[IntensityWindow, ...]:
    """Return the windows of a text such as `400,1300` (ValueError: not a number, or low is not below high)."""
    found = list[IntensityWindow]()
    for part in text.split(";") if text else ():
        low, high = (float(value) for value in part.split(","))
        if not is_window((low, high)):
            raise ValueError(text)
        found.append((low, high))
    return tuple(found)


def is_window(window: IntensityWindow) -> bool:
    """Tell whether both ends are numbers, the low one below the high one, apart enough to divide grey levels by."""
    low, high = window
    return high - low > _MIN_WIDTH and math.isfinite(high - low)


def above(value: float) -> float:
    """Return a higher value, apart from it also where it is large: 1e17 + 1.0 is 1e17."""
    return value + max(1.0, abs(value) * 1e-6)


def window_text(windows: "tuple[IntensityWindow, ...] | list[IntensityWindow]") -> str:
    """Return windows as the text that `parsed_windows` reads, with as few digits as tell both ends well.

    Six do for most. A window that is narrow for its offset needs more: of 4000000.2 to 4000001.7 six digits would make
    both ends `4e+06`.
    """
    return ";".join(map(_ends_text, windows))


def _ends_text(window: IntensityWindow) -> str:
    """Return the ends of a window, each rounded by at most a thousandth of its width."""
    low, high = window
    most = (high - low) / 1000
    for digits in range(6, 17):
        ends = [f"{end:.{digits}g}" for end in window]
        if all(abs(float(text) - end) <= most for text, end in zip(ends, window, strict=True)):
            return ",".join(ends)
    return f"{low!r},{high!r}"


def windowed(values: "np.ndarray", window: IntensityWindow) -> "np.ndarray":
    """Map values (H, W) of any type to uint8 grey levels; NaN and infinite ones count as 0."""
    import numpy as np

    grey = np.empty(values.shape, np.uint8)
    low, high = window
    farthest = max(abs(low), abs(high))
    is_narrow = farthest > _MAX_WIDTHS_FROM_ZERO * (high - low) or farthest > _MAX_END
    rows = max(1, _VALUES_AT_ONCE // max(1, values.shape[1]))
    with np.errstate(over="ignore"):
        for top in range(0, len(values), rows):
            part = values[top : top + rows].astype(np.float64 if is_narrow else np.float32)
            part = np.nan_to_num(part, nan=0.0, posinf=0.0, neginf=0.0)
            grey[top : top + rows] = np.clip((part - low) * (255.0 / (high - low)), 0, 255) + 0.5
    return grey
