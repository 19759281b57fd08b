"""Planes and channels of an image, and how they become one RGB image by an `ImageReading`.

`plane_files` opens the files that have them; the modules of the formats read the planes.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Final

import numpy as np

from visionft.core.errors import ImageError
from visionft.core.messages import Message
from visionft.data.image_reading import FIRST, MAXIMUM, MIDDLE, ImageReading, IntensityWindow, windowed
from visionft.data.limits import check_size

# Of all planes of a projection: 1,000 planes of 2,000 x 2,000 pixels, each read once.
MAX_VALUES: Final = 4_000_000_000
MAX_PLANES: Final = 20_000  # ten minutes of film at 30 images per second have 18,000
_BANDS: Final = (
    (500.0, 2),
    (565.0, 1),
    (float("inf"), 0),
)  # up to which wavelength in nm a channel is blue, green, red
# Parts of the names of dyes, and their emission in nm; of several the longest counts.
_DYES: Final = {
    "dapi": 460, "hoechst": 460, "bfp": 450, "cfp": 475, "alexa405": 420, "blue": 460, "gfp": 510, "fitc": 520,
    "alexa488": 520, "af488": 520, "cy2": 510, "yfp": 530, "fluo4": 520, "green": 520, "rfp": 585, "tritc": 575,
    "cy3": 570, "mcherry": 610, "tdtomato": 580, "texasred": 615, "alexa546": 573, "alexa555": 565.5, "alexa568": 603,
    "alexa594": 617, "af568": 603, "af594": 617, "propidium": 617, "red": 600, "cy5": 670, "alexa647": 668,
    "af647": 668, "farred": 670, "cy7": 770,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel of a microscope's image; its emission in nm, 0 where it is not known."""

    name: str
    wavelength: float = 0.0


class Planes(ABC):
    """An open file of planes (a stack) and channels; numbers count from 0.

    Attributes:
        width, height: In pixels, as stored.
        file_window: The window that the file proposes.
        count: Planes of the stack.
        has_depth: Whether the planes lie above each other, as in a confocal stack.
        channels: More than one, or none.
        is_deep: Whether values have more than 8 bits.
        orientation: Of EXIF, 1 to 8.
        bytes_a_pixel: Of a plane, all its samples.
    """

    format: ClassVar[str]
    width: int
    height: int
    file_window: IntensityWindow | None = None
    count: int = 1
    has_depth: bool = False
    channels: tuple[Channel, ...] = ()
    is_deep: bool = True
    orientation: int = 1
    bytes_a_pixel: int = 2

    @abstractmethod
    def plane(self, number: int, channel: int) -> np.ndarray:
        """Return the values (H, W), or (H, W, 3) RGB, of a plane."""

    def range_of(self, values: np.ndarray) -> IntensityWindow:
        """Return the values that are black and white without a window."""
        return 0.0, 65535.0

    @property
    def needed(self) -> int:
        """Return the bytes that an RGB image of it takes: two planes, their values as float, and the image."""
        return self.width * self.height * (2 * self.bytes_a_pixel + 4 + 6)

    def check(self, limit: int) -> None:
        """Raise an `ImageError` where it takes more than `limit` bytes of memory."""
        check_size((self.width, self.height), self.needed, limit)

    def rgb(self, reading: ImageReading) -> np.ndarray:
        """Return uint8 (H, W, 3) of the reading's plane and channels."""
        windows = reading.windows
        shown = self._shown(reading)
        rgb = np.zeros((self.height, self.width, 3), np.uint8)
        for place, channel in enumerate(shown):
            if channel < 0:
                continue
            values = self._projected(reading.plane, channel)
            ranges = windows or (self.range_of(values),)
            if len(shown) > 1:
                rgb[:, :, place] = self._grey(values, ranges[place % len(ranges)])
            elif values.ndim == 2:
                rgb[:] = self._grey(values, ranges[0])[:, :, None]
            else:
                for sample in range(3):
                    rgb[:, :, sample] = self._grey(values[:, :, sample], ranges[sample % len(ranges)])
        return rgb

    def values(self, reading: ImageReading) -> list[np.ndarray]:
        """Return the values that one window maps: of all shown, or of red, green and blue (empty ones included)."""
        shown = self._shown(reading)
        if len(shown) == 1:
            return [self._projected(reading.plane, shown[0])]
        none = np.zeros((0, 0))
        return [self._projected(reading.plane, each) if each >= 0 else none for each in shown]

    def _grey(self, values: np.ndarray, window: IntensityWindow) -> np.ndarray:
        return windowed(values, window) if self.is_deep else values.astype(np.uint8)

    def _projected(self, plane: str, channel: int) -> np.ndarray:
        if plane != MAXIMUM or self.count == 1:
            return self.plane(self._number_of(plane), channel)
        if self.count > MAX_PLANES or self.count * self.width * self.height > MAX_VALUES:
            raise ImageError(Message("its {count} planes are too many for a projection", count=self.count))
        most = self.plane(0, channel)
        for number in range(1, self.count):
            most = np.maximum(most, self.plane(number, channel))
        return most

    def _number_of(self, plane: str) -> int:
        if plane in (FIRST, MAXIMUM):
            return 0
        number = self.count // 2 if plane == MIDDLE else int(plane) - 1
        if number >= self.count > 1:
            words = Message("it has {count} planes, and the project shows plane {plane}", count=self.count, plane=plane)
            raise ImageError(words, "Choose another plane for the project, or leave this image out.")
        return min(number, self.count - 1)

    def _shown(self, reading: ImageReading) -> list[int]:
        """Return the channels shown in red, green and blue (-1: empty), or the single grey channel."""
        names = reading.channel_names
        return [self._channel_of(name) for name in names] if names and self.channels else [0]

    def _channel_of(self, name: str) -> int:
        known = [each.name for each in self.channels]
        if not name or name in known:
            return known.index(name) if name else -1
        if name.isascii() and name.isdigit() and 0 < int(name[:9]) <= len(known):
            return int(name) - 1
        words = Message("it has no channel “{name}”; its channels: {known}", name=name, known=", ".join(known)[:200])
        raise ImageError(words, "Choose other channels for the project, or leave this image out.")


def default_channels(channels: tuple[Channel, ...]) -> str:
    """Return the channels to show: by wavelength in red, green and blue, the first three otherwise, one as grey."""
    if not channels:
        return ""
    names = [each.name if "," not in each.name else str(place + 1) for place, each in enumerate(channels)]
    waves = [each.wavelength or _wavelength_of(each.name) for each in channels]
    known = [place for place, wave in enumerate(waves) if wave][:3]
    if not known:
        return ",".join([*names[:3], "", ""][:3])
    slots = ["", "", ""]
    for place in sorted(known, key=lambda each: waves[each]):
        wanted = next(slot for most, slot in _BANDS if waves[place] < most)
        free = [slot for slot in (2, 1, 0) if not slots[slot]]
        slots[wanted if wanted in free else free[0]] = names[place]
    return ",".join(slots)


def _wavelength_of(name: str) -> float:
    plain = "".join(sign for sign in name.lower() if sign.isalnum())
    found = [dye for dye in _DYES if dye in plain]
    return float(_DYES[max(found, key=len)]) if found else 0.0


def deep_rgb(handle: BinaryIO, size: tuple[int, int]) -> np.ndarray:
    """Return the values (H, W, 3) of the first image of a PNG or TIFF of 16-bit RGB, by OpenCV."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the exception states the error
    handle.seek(0)
    found = cv2.imdecode(np.frombuffer(handle.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if found is None or found.shape[:2] != size[::-1] or found.ndim != 3 or found.shape[2] < 3:
        raise ImageError("damaged, or of a kind that is not read", "Save it again without compression.")
    return found[:, :, 2::-1]
