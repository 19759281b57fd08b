"""Planes and channels of TIFF, OME-TIFF and ImageJ files: their layout by tifffile, compressed pixels by libtiff.

tifffile would decompress without a limit; Pillow and OpenCV stop at the checked size.
"""

import logging
import math
from dataclasses import replace
from io import UnsupportedOperation
from typing import Any, BinaryIO
from xml.etree import ElementTree

import numpy as np
import tifffile
from PIL import Image

from visionft.core.errors import ImageError
from visionft.core.messages import Message
from visionft.data.image_reading import FIRST, ImageReading, IntensityWindow, above, is_window
from visionft.data.limits import check_directories, image_limit, largest_chunk
from visionft.data.planes import MAX_PLANES, Channel, Planes, deep_rgb

logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # its exceptions are enough
_PILLOW_DTYPES = ("uint8", "bool", "uint16", "int16", "int32", "float32")  # for one sample per pixel
_GREY_MODES = ("L", "I;16", "I;16B", "I", "F")
# OME-XML is parsed as a whole; 20,000 planes of 70 characters (`<TiffData FirstZ=...`) take 1.4 million.
_MAX_XML_CHARS = 20_000_000
_MAX_CHANNELS = 64  # imaging mass cytometry has about 40
_MAX_LIST_ITEMS = 50 * MAX_PLANES  # in the lists that tifffile builds from OME-XML
_FLOAT_MAXIMA = (1.0, 255.0, 65535.0)  # common ranges of float images: 0 to 1, 8 bits and 16 bits


def open_tiff(handle: BinaryIO, *, reading: ImageReading | None) -> Planes | None:
    """Return the planes of a TIFF, or None if Pillow can read the first plane as `reading` requires."""
    planes = TiffPlanes(handle)
    if reading is None:
        return planes
    if planes.is_part and (reading.channels or reading.plane != FIRST):
        raise ImageError(
            "one of the files of an OME-TIFF, whose other planes or channels are in other files",
            "Save them as one file, with Fiji (Bio-Formats) for example.",
        )
    has_choice = planes.count > 1 and reading.plane != FIRST
    is_composed = bool(planes.channels and reading.channels)
    is_unsupported = planes.samples == 1 and planes.dtype.name not in _PILLOW_DTYPES
    is_deep_rgb = planes.samples > 1 and planes.is_deep
    return planes if has_choice or is_composed or is_unsupported or is_deep_rgb else None


class _NamelessFile:
    """An open file without a path, so that tifffile cannot open other files that this one names, by any path.

    These are parts of an OME-TIFF, and the sidecar files of Micro-Manager (MMStack, NDTiff).
    """

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)

    def fileno(self) -> int:
        raise UnsupportedOperation("fileno")


class TiffPlanes(Planes):
    """The first series of a TIFF: images of one size along named axes.

    Attributes:
        is_part: Whether its OME-XML refers to planes in other files, which are not read; then it counts as one plane.
    """

    format = "TIFF"

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        images, smallest = check_directories(handle, MAX_PLANES)
        nameless: Any = _NamelessFile(handle)
        self._file = tifffile.TiffFile(nameless)
        self.is_part = False
        if text := self._file.ome_metadata:
            _check_ome(text, images, smallest)
            self.is_part = _is_part(text, self._file.filename)
        if self.is_part:
            handle.seek(0)
            self._file = tifffile.TiffFile(nameless, is_ome=False)
        series: Any = self._file.series[0]
        self._pages, self._axes, self._shape = series, series.axes, series.shape
        sizes = dict(zip(series.axes, series.shape, strict=True))
        self.width = sizes["X"]
        self.height = sizes["Y"]
        self.samples = sizes.get("S", 1)
        self.dtype: np.dtype = np.dtype(series.dtype)
        self._outer = [axis for axis in series.axes if axis not in "YXS"]
        self.count = 1 if self.is_part else math.prod(sizes[axis] for axis in self._outer if axis != "C")
        if self.count > MAX_PLANES:
            raise _too_many()
        self.has_depth = sizes.get("Z", 1) > 1 and not self.is_part
        self.is_deep = self.dtype.itemsize > 1
        self.bytes_a_pixel = self.samples * max(1, self.dtype.itemsize)
        if sizes.get("C", 1) > 1 and "C" in self._outer and not self.is_part:
            self.channels = self._read_channels(sizes["C"])
        tag = series.keyframe.tags.get(274)
        self.orientation = int(tag.value) if tag is not None and tag.value in range(1, 9) else 1
        if self._is_compressed:  # Pillow applies the orientation
            self.width, self.height = (self.height, self.width) if self.orientation >= 5 else (self.width, self.height)
            self.orientation = 1

    @property
    def _is_compressed(self) -> bool:
        return int(self._pages.keyframe.compression) != 1

    def range_of(self, values: np.ndarray) -> IntensityWindow:
        """Return the full range of 8-bit and 16-bit unsigned integers; the range of other types as in `decode`."""
        if self.dtype.kind == "u" and self.dtype.itemsize <= 2:
            return 0.0, float(np.iinfo(self.dtype).max)
        finite = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        low, high = float(finite.min()), float(finite.max())
        fitting = [maximum for maximum in _FLOAT_MAXIMA if low >= 0 and high <= maximum]
        if fitting:
            return 0.0, fitting[0]
        return (low, high) if is_window((low, high)) else (low, above(low))

    def plane(self, number: int, channel: int) -> np.ndarray:
        sizes = dict(zip(self._axes, self._shape, strict=True))
        others = [axis for axis in self._outer if axis != "C"]
        coordinates = np.unravel_index(number, [sizes[axis] for axis in others] or [1])
        positions = {**dict(zip(others, map(int, coordinates), strict=False)), "C": channel}
        index = 0
        for axis in self._outer:
            index = index * sizes[axis] + positions[axis]
        values = self._page(index)
        if self.samples > 1:
            values = np.moveaxis(values, 0, -1) if values.shape[0] == self.samples != values.shape[-1] else values
            values = values[:, :, :3] if values.shape[-1] > 2 else values[:, :, 0]
        if values.shape[:2] != (self.height, self.width):
            raise ImageError("damaged: its planes differ in size", "Save it again, or leave it out.")
        return values

    def _page(self, index: int) -> np.ndarray:
        """Return the values of a page, decompressed by libtiff."""
        pages, keyframe = self._pages.pages, self._pages.keyframe
        if len(pages) <= index:  # ImageJ writes a single directory for large stacks
            size = self.width * self.height * self.bytes_a_pixel
            self._handle.seek(self._pages.dataoffset + index * size)
            dtype = self.dtype.newbyteorder(self._file.byteorder)
            values = np.frombuffer(self._handle.read(size), dtype).astype(self.dtype)
            return values.reshape(keyframe.shape)
        page = pages[index]
        if page is None:
            return np.zeros((self.height, self.width), self.dtype)
        if not self._is_compressed:
            values = page.asarray(maxworkers=1)
            return values if self.is_deep or int(keyframe.photometric) else 255 - values  # 0 is white
        if largest_chunk(self._handle, page.offset) > image_limit():
            raise ImageError("damaged: its strips are larger than the image")
        if self.samples > 1 and self.is_deep:
            if index:
                raise ImageError("a compressed stack of 16-bit RGB", "Save it without compression.")
            return deep_rgb(self._handle, (self.width, self.height))
        self._handle.seek(0)
        with Image.open(self._handle, formats=["TIFF"]) as image:
            image.seek(page.index)
            if sorted(image.size) != sorted((self.width, self.height)):
                raise ImageError("damaged: its planes differ in size", "Save it again, or leave it out.")
            values = np.array(image if image.mode in _GREY_MODES else image.convert("RGB"))
            # Pillow reads 32-bit integers as signed.
            return values.view(np.uint32) if self.dtype == np.uint32 and values.dtype == np.int32 else values

    def _read_channels(self, count: int) -> tuple[Channel, ...]:
        """Return the channels of the OME-XML; a channel without a unique name is named by its number, from 1."""
        if count > _MAX_CHANNELS:
            raise ImageError(Message("it has {count} channels (at most {most})", count=count, most=_MAX_CHANNELS))
        channels = list[Channel]()
        text = self._file.ome_metadata or ""
        # Without entities, which could expand to any size.
        if text and len(text) <= _MAX_XML_CHARS and "<!DOCTYPE" not in text and "<!ENTITY" not in text:
            pixels = ElementTree.fromstring(text).find(".//{*}Pixels")
            channels = [_channel(element) for element in pixels.iterfind("{*}Channel")] if pixels is not None else []
        if len(channels) != count:
            channels = [Channel(name="")] * count
        names = [channel.name for channel in channels]
        return tuple(
            channel if names.count(channel.name) == 1 and channel.name else replace(channel, name=str(number))
            for number, channel in enumerate(channels, start=1)
        )


def _too_many() -> ImageError:
    return ImageError(Message("it has more than {most} planes, or is damaged", most=MAX_PLANES))


def _is_part(text: str, file_name: str) -> bool:
    """Return whether OME-XML refers to planes or metadata in other files, by the rules of tifffile."""
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError:
        return False
    uuid = root.get("UUID")
    for element in root.iter():
        if element.tag.endswith("BinaryOnly"):
            return True
        if element.tag.endswith("UUID"):
            if uuid is None and element.get("FileName", "").lower() == file_name.lower():
                uuid = element.text
            elif element.text != uuid:
                return True
    return False


def _check_ome(text: str, images: int, smallest: int) -> None:
    """Raise an `ImageError` for OME-XML from which tifffile would build too long a list of planes.

    OME-XML that is too long, or whose dimension order does not begin with XY, is refused too. Text that cannot be
    parsed passes.

    Args:
        text: The OME-XML.
        images: Number of images in the file; an element without a count refers to all of them.
        smallest: Pixels of the smallest image, by which tifffile divides the number of pixels stated in the text.
    """
    if len(text) > _MAX_XML_CHARS:
        raise _too_many()
    list_items = 0.0
    try:
        for element in ElementTree.fromstring(text).iter():
            tag = element.tag.rpartition("}")[2]
            values = {name: value for name, value in element.items() if value.strip()}
            if tag.endswith("Pixels"):
                if not values.get("DimensionOrder", "XY").startswith("XY"):
                    raise _too_many()
                sizes = [abs(int(value)) for name, value in values.items() if name.startswith("Size")]
                list_items += max(sizes, default=0) + math.prod(sizes) / max(1, smallest)
            elif tag.endswith("TiffData"):
                counts = [int(values[name]) for name in ("PlaneCount", "NumPlanes", "IFD") if name in values]
                starts = [int(value) for name, value in values.items() if name.startswith("First")]
                list_items += max(map(abs, (1, *starts, *(counts or [images]))))
            elif tag[:-1].endswith("Along") and "Start" in values:  # `ModuloAlongZ`
                steps = float(values.get("End", 0)) - float(values["Start"])
                list_items += abs(steps / (float(values.get("Step", 1)) or 1e-9))
            if not list_items <= _MAX_LIST_ITEMS:
                raise _too_many()
    except (ElementTree.ParseError, ValueError, OverflowError):
        return  # tifffile ignores the OME-XML or reports the error


def _channel(element: ElementTree.Element) -> Channel:
    """Return a channel of OME-XML; its wavelength in nm is its emission wavelength or else derived from its colour."""
    try:
        wavelength = float(element.get("EmissionWavelength", 0))
    except ValueError:
        wavelength = 0.0
    name = " ".join((element.get("Name") or element.get("Fluor") or "").split())[:60]
    return Channel(name=name, wavelength=wavelength if 300 < wavelength < 2000 else _wavelength_of_colour(element))


def _wavelength_of_colour(element: ElementTree.Element) -> float:
    """Return a wavelength in nm for the colour of a channel (signed 32-bit RGBA), or 0 if it is grey or missing."""
    try:
        packed = int(element.get("Color", -1)) & 0xFFFFFFFF
    except ValueError:
        return 0.0
    red, green, blue = packed >> 24, packed >> 16 & 255, packed >> 8 & 255
    brightest = max(red, green, blue)
    if sorted((red, green, blue))[1] > brightest // 2:  # white, or a mixture of two
        return 0.0
    return {red: 620.0, green: 520.0, blue: 460.0}[brightest]
