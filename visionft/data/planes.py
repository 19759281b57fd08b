"""Planes and channels of an image, and their conversion to an RGB image by an `ImageReading`.

`plane_files` opens files with planes; the modules of the formats read them.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import BinaryIO, ClassVar, Final

import numpy as np

from visionft.core.errors import ImageError
from visionft.core.messages import Message
from visionft.data.image_reading import FIRST, MAXIMUM, MIDDLE, ImageReading, IntensityWindow, windowed
from visionft.data.limits import check_size

# In all planes of a projection: 1,000 planes of 2,000 x 2,000 pixels, each read once.
MAX_VALUES: Final = 4_000_000_000
MAX_PLANES: Final = 20_000  # ten minutes of film at 30 images per second have 18,000
_COLOUR_BANDS: Final = ((500.0, 2), (565.0, 1), (float("inf"), 0))  # (upper wavelength in nm, RGB index)
# {part of a dye's name: emission in nm}; the longest matching part is used.
_DYES: Final = {
    "dapi": 460, "hoechst": 460, "bfp": 450, "cfp": 475, "alexa405": 420, "blue": 460, "gfp": 510, "fitc": 520,
    "alexa488": 520, "af488": 520, "cy2": 510, "yfp": 530, "fluo4": 520, "green": 520, "rfp": 585, "tritc": 575,
    "cy3": 570, "mcherry": 610, "tdtomato": 580, "texasred": 615, "alexa546": 573, "alexa555": 565.5, "alexa568": 603,
    "alexa594": 617, "af568": 603, "af594": 617, "propidium": 617, "red": 600, "cy5": 670, "alexa647": 668,
    "af647": 668, "farred": 670, "cy7": 770,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A channel of a microscope image."""

    name: str
    wavelength: float = 0.0  # emission in nm; 0 if unknown


class Planes(ABC):
    """An open file with planes (a stack) and channels, both counted from 0.

    Attributes:
        width, height: Size in pixels, as stored.
        file_window: The intensity window stored in the file.
        count: Number of planes.
        has_depth: Whether the planes are at different depths, as in a confocal stack.
        channels: The channels; empty if there is only one.
        is_deep: Whether values have more than 8 bits.
        orientation: EXIF orientation, 1 to 8.
        bytes_a_pixel: Bytes per pixel of a plane, for all samples.
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
        """Return the (H, W) values, or (H, W, 3) RGB values, of a plane."""

    def range_of(self, values: np.ndarray) -> IntensityWindow:
        """Return the values shown as black and as white if there is no intensity window."""
        return 0.0, 65535.0

    @property
    def needed(self) -> int:
        """Return the memory in bytes for an RGB image: two planes, their values as float, and the image."""
        return self.width * self.height * (2 * self.bytes_a_pixel + 4 + 6)

    def check(self, limit: int) -> None:
        """Raise an `ImageError` if an RGB image needs more than `limit` bytes of memory."""
        check_size((self.width, self.height), self.needed, limit)

    def rgb(self, reading: ImageReading) -> np.ndarray:
        """Return the reading's plane and channels as uint8 (H, W, 3)."""
        windows = reading.windows
        shown = self._shown(reading)
        rgb = np.zeros((self.height, self.width, 3), np.uint8)
        for index, channel in enumerate(shown):
            if channel < 0:
                continue
            values = self._projected(reading.plane, channel)
            ranges = windows or (self.range_of(values),)
            if len(shown) > 1:
                rgb[:, :, index] = self._grey(values, ranges[index % len(ranges)])
            elif values.ndim == 2:
                rgb[:] = self._grey(values, ranges[0])[:, :, None]
            else:
                for sample in range(3):
                    rgb[:, :, sample] = self._grey(values[:, :, sample], ranges[sample % len(ranges)])
        return rgb

    def values(self, reading: ImageReading) -> list[np.ndarray]:
        """Return the values for each window: of the grey channel, or of red, green and blue (which may be empty)."""
        shown = self._shown(reading)
        if len(shown) == 1:
            return [self._projected(reading.plane, shown[0])]
        empty = np.zeros((0, 0))
        return [self._projected(reading.plane, channel) if channel >= 0 else empty for channel in shown]

    def _grey(self, values: np.ndarray, window: IntensityWindow) -> np.ndarray:
        return windowed(values, window) if self.is_deep else values.astype(np.uint8)

    def _projected(self, plane: str, channel: int) -> np.ndarray:
        if plane != MAXIMUM or self.count == 1:
            return self.plane(self._number_of(plane), channel)
        if self.count > MAX_PLANES or self.count * self.width * self.height > MAX_VALUES:
            raise ImageError(Message("its {count} planes are too many for a projection", count=self.count))
        maximum = self.plane(0, channel)
        for number in range(1, self.count):
            maximum = np.maximum(maximum, self.plane(number, channel))
        return maximum

    def _number_of(self, plane: str) -> int:
        if plane in (FIRST, MAXIMUM):
            return 0
        number = self.count // 2 if plane == MIDDLE else int(plane) - 1
        if number >= self.count > 1:
            words = Message("it has {count} planes, and the project shows plane {plane}", count=self.count, plane=plane)
            raise ImageError(words, "Choose another plane for the project, or leave this image out.")
        return min(number, self.count - 1)

    def _shown(self, reading: ImageReading) -> list[int]:
        """Return the channels shown as red, green and blue (-1 for none), or the single grey channel."""
        names = reading.channel_names
        return [self._channel_of(name) for name in names] if names and self.channels else [0]

    def _channel_of(self, name: str) -> int:
        known = [channel.name for channel in self.channels]
        if not name or name in known:
            return known.index(name) if name else -1
        if name.isascii() and name.isdigit() and 0 < int(name[:9]) <= len(known):
            return int(name) - 1
        words = Message("it has no channel “{name}”; its channels: {known}", name=name, known=", ".join(known)[:200])
        raise ImageError(words, "Choose other channels for the project, or leave this image out.")


def default_channels(channels: tuple[Channel, ...]) -> str:
    """Return the names of the channels to show as red, green and blue, by their wavelengths if any is known."""
    if not channels:
        return ""
    names = [channel.name if "," not in channel.name else str(number) for number, channel in enumerate(channels, 1)]
    wavelengths = [channel.wavelength or _wavelength_of(channel.name) for channel in channels]
    known = [index for index, wavelength in enumerate(wavelengths) if wavelength][:3]
    if not known:
        return ",".join([*names[:3], "", ""][:3])
    slots = ["", "", ""]
    for index in sorted(known, key=lambda index: wavelengths[index]):
        preferred = next(slot for upper, slot in _COLOUR_BANDS if wavelengths[index] < upper)
        free = [slot for slot in (2, 1, 0) if not slots[slot]]
        slots[preferred if preferred in free else free[0]] = names[index]
    return ",".join(slots)


def _wavelength_of(name: str) -> float:
    """Return the emission in nm of the dye in a channel's name, or 0."""
    plain = "".join(character for character in name.lower() if character.isalnum())
    dyes = [dye for dye in _DYES if dye in plain]
    return float(_DYES[max(dyes, key=len)]) if dyes else 0.0


def deep_rgb(handle: BinaryIO, size: tuple[int, int]) -> np.ndarray:
    """Read the (H, W, 3) values of the first image of a 16-bit RGB PNG or TIFF with OpenCV."""
    import cv2

    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the exception is enough
    handle.seek(0)
    bgr = cv2.imdecode(np.frombuffer(handle.read(), np.uint8), cv2.IMREAD_UNCHANGED)
    if bgr is None or bgr.shape[:2] != size[::-1] or bgr.ndim != 3 or bgr.shape[2] < 3:
        raise ImageError("damaged, or of a kind that is not read", "Save it again without compression.")
    return bgr[:, :, 2::-1]
