"""The reading of a project's images (window, plane, channels), which the project keeps as a setting.

It is measured once, on at most 200 images of the first import, and never image by image: a dim image stays dim among
the others. Projects without it read images as they are stored. Loads no image library at the start.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from visionft.core.errors import ImageError, ProjectError
from visionft.core.events import Progress
from visionft.core.files import parse_json
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message, sentences
from visionft.core.names import count_of
from visionft.core.records import from_plain
from visionft.data.image_reading import (
    AS_STORED,
    FIRST,
    MAXIMUM,
    MIDDLE,
    ImageReading,
    IntensityWindow,
    above,
    is_window,
    window_text,
)

if TYPE_CHECKING:
    import numpy as np

    from visionft.data.planes import Planes

logger = logging.getLogger(__name__)

MAX_MEASURED_IMAGES: Final = 200
BINS: Final = 128
_DEEP_SUFFIXES: Final = frozenset({".tif", ".tiff", ".png", ".pgm", ".pnm", ".dcm", ".dicom", ""})
_MAX_VALUES: Final = 8_000  # sampled values per image
_MAX_VALUE: Final = 1e300  # value; the difference of two larger ones may be infinite
_SHARES: Final = (0.1, 99.9)  # percentiles that become black and white
_DEPTHS: Final = (1.0, *(float(2**bits - 1) for bits in (8, 10, 12, 14, 16)))  # of floats, and of sensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """The counts of the values of a channel in equal steps from `low` to `high`."""

    low: float
    high: float
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowChoice:
    """The reading of a project's images, with its evidence.

    Attributes:
        is_own: Whether the user chose it; an import never replaces it.
        images: That were measured.
        planes: Of the largest stack among them.
        channels: Names of the channels that the images have.
        histograms: One for all channels, or one each for red, green and blue; none of images of 8 bits.
    """

    reading: ImageReading
    is_own: bool = False
    images: int = 0
    planes: int = 1
    channels: tuple[str, ...] = ()
    histograms: tuple[Histogram, ...] = ()


@dataclass
class _Layout:
    """The planes and channels of a sample."""

    planes: int = 1
    has_depth: bool = False
    is_volume: bool = False  # of DICOM
    channels: Counter[tuple[Any, ...]] = field(default_factory=Counter[tuple[Any, ...]])
    windows: Counter[IntensityWindow] = field(default_factory=Counter[IntensityWindow])

    def note(self, found: "Planes") -> None:
        if found.count > 1 and (found.is_deep or found.channels or found.has_depth):
            self.planes = max(self.planes, found.count)
            self.has_depth |= found.has_depth
            self.is_volume |= found.format == "DICOM"
        if found.channels:
            self.channels[found.channels] += 1
        if found.file_window is not None and is_window(found.file_window):
            self.windows[found.file_window] += 1

    def reading(self) -> ImageReading:
        """Return the usual reading: a confocal stack as its maximum, others by their middle plane."""
        from visionft.data.planes import default_channels

        is_projected = self.has_depth and not self.is_volume
        plane = (MAXIMUM if is_projected else MIDDLE) if self.planes > 1 else FIRST
        usual = self.channels.most_common(1)
        return ImageReading(plane=plane, channels=default_channels(usual[0][0]) if usual else "")


def measure_window(
    paths: Iterable[Path], reading: ImageReading | None = None, *, job: JobContext = SILENT_JOB
) -> WindowChoice | None:
    """Measure the reading of images on a sample of them; None where all have 8 bits and one plane.

    The window spans the 0.1th to the 99.9th percentile of the values; or the range of the sensor (10, 12, 14 or 16
    bits) where they fill half of it; or that which most DICOM files name.

    Args:
        reading: Its plane and channels are kept; None chooses them as well.

    Raises JobCancelled: The user cancelled.
    """
    from visionft.data.decode import look_at_planes, read_values

    possible = [path for path in paths if path.suffix.lower() in _DEEP_SUFFIXES]
    sample, layout, deep = possible[:: max(1, -(-len(possible) // MAX_MEASURED_IMAGES))], _Layout(), list[Path]()
    for path in sample:
        with suppress(ImageError):
            planes, has_values = look_at_planes(path)
            deep += [path] * has_values
            if planes is not None:
                layout.note(planes)
    base = layout.reading() if reading is None else replace(reading, window="")
    values: list[list[np.ndarray]] = []
    for done, path in enumerate(deep, start=1):
        job.check_cancelled()
        with suppress(ImageError):
            if found := read_values(path, base):
                values.append([_thinned(each) for each in found])
        job.report(Progress(stage="Measuring the values of the images", done=done, total=len(deep)))
    if not values and base == AS_STORED and layout.planes == 1 and not layout.channels:
        return None
    merged, windows = _merged(values), list[IntensityWindow]()
    named, times = (layout.windows.most_common(1) or [((0.0, 0.0), 0)])[0]
    if times and 2 * layout.windows.total() >= len(values):
        windows = [named]
    elif merged:
        windows = [_window_of(each) for each in merged]
    names = layout.channels.most_common(1)
    return WindowChoice(
        reading=replace(base, window=window_text(windows)),
        is_own=reading is not None,
        images=len(values) or len(sample),
        planes=layout.planes,
        channels=tuple(each.name for each in names[0][0]) if names else (),
        histograms=tuple(map(_histogram, merged)),
    )


def _thinned(values: "np.ndarray") -> "np.ndarray":
    """Return about 8,000 values at most of an image, evenly spread, as (N,), without values beyond any measurement."""
    import numpy as np

    flat = values.reshape(-1)
    flat = flat[:: max(1, len(flat) // _MAX_VALUES)].astype(np.float64)
    return flat[np.abs(flat) <= _MAX_VALUE]  # neither are infinite ones and NaN


def _merged(values: "list[list[np.ndarray]]") -> "list[np.ndarray]":
    """Return the values of all images, for each window."""
    import numpy as np

    count = max(map(len, values), default=0)
    return [np.concatenate([each[place] for each in values if len(each) == count]) for place in range(count)]


def _window_of(values: "np.ndarray") -> IntensityWindow:
    import numpy as np

    if not len(values):
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, _SHARES))
    depth = next((top for top in _DEPTHS if values.max() <= top), 0.0)
    if values.min() >= 0 and high - low >= depth / 2 > 0:
        return 0.0, depth
    return (low, high) if is_window((low, high)) else (low, above(low))


def _histogram(values: "np.ndarray") -> Histogram:
    import numpy as np

    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    # A few steps of floats between two values are too narrow to be divided into bins.
    is_wide = high - low > max(abs(low), abs(high)) * 1e-12
    counts, _ = np.histogram(values, bins=BINS, range=(low, high if is_wide else above(high)))
    return Histogram(low=low, high=high, counts=tuple(counts.tolist()))


def stored_window(choice: WindowChoice) -> str:
    """Return a choice as the text that the project keeps."""
    return json.dumps(asdict(choice))


def read_window(stored: str | None) -> WindowChoice | None:
    """Return the choice of a stored text; None without one (ValueError: it is damaged)."""
    return parsed_window(parse_json(stored)) if stored is not None else None


def parsed_window(values: Any) -> WindowChoice:
    """Return the choice of JSON values, which may come from a stranger (ValueError: invalid)."""
    choice = from_plain(WindowChoice, values, is_finite=True)
    if not choice.reading.is_valid or len(choice.histograms) > 3 or not all(each.counts for each in choice.histograms):
        raise ValueError("it is no window of a project")
    return choice


def reading_text(reading: ImageReading) -> Message:
    """Return a reading in sentences: which values are black and white, which plane and channels are shown."""
    parts = list[Message]()
    windows = reading.windows
    if len(windows) == 1:
        parts.append(_window_words(windows[0]))
    elif windows:
        for name, window in zip((Message("Red"), Message("Green"), Message("Blue")), windows, strict=True):
            low, high = (f"{value:g}" for value in window)
            parts.append(Message("{channel}: values from {low} to {high}.", channel=name, low=low, high=high))
    planes = {MAXIMUM: Message("Stacks: maximum projection."), MIDDLE: Message("Stacks: middle plane.")}
    if reading.plane != FIRST:
        parts.append(planes.get(reading.plane, Message("Stacks: plane {number}.", number=reading.plane)))
    if names := reading.channel_names:
        shown = ", ".join(name or "-" for name in names)
        one, three = Message("Channel {names} in grey."), Message("Channels in red, green and blue: {names}.")
        parts.append(Message(one if len(names) == 1 else three, names=shown))
    return sentences(*parts) if parts else Message("Images are read as they are stored.")


def _window_words(window: IntensityWindow) -> Message:
    """Return a window with its centre and width, as DICOM names them."""
    low, high = window
    values = {"low": low, "high": high, "level": (low + high) / 2, "width": high - low}
    template = Message("Values from {low} to {high} become black to white (level {level}, window {width}).")
    return Message(template, **{name: f"{value:g}" for name, value in values.items()})


def choice_text(choice: WindowChoice) -> Message:
    """Return a choice with its evidence."""
    about = Message("Measured on {counted}.", counted=count_of(choice.images, "image"))
    return sentences(reading_text(choice.reading), Message("Chosen by you.") if choice.is_own else about)


def require_window(choice: WindowChoice | None) -> WindowChoice:
    """Return a measured choice (ProjectError: no image has anything to choose)."""
    if choice is None:
        message = "The images of this project have 8 bits, one plane and no channels of their own."
        raise ProjectError(message, "There is nothing to choose: they are shown as they are.")
    return choice
