"""Images that Pillow does not read whole: stacks and channels of TIFF, 16-bit RGB, DICOM, raw photographs.

Files are hostile: sizes are checked before pixels are read; every error leaves `decode` as `ImageError`.

Frames of DICOM files are read by pydicom: rescaled to their unit (such as Hounsfield), with the window that they name.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from visionft.core.errors import ImageError
from visionft.core.messages import Message
from visionft.data.image_reading import AS_STORED, ImageReading, IntensityWindow, above, is_window
from visionft.data.limits import TIFF_MARKS, check_size, image_limit
from visionft.data.planes import Planes, deep_rgb

DICOM_SUFFIXES: Final = frozenset({".dcm", ".dicom"})
RAW_SUFFIXES: Final = frozenset(
    {".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"}
)
# Formats of microscopes that are not read.
_UNREAD_SUFFIXES: Final = frozenset(
    {".czi", ".lif", ".nd2", ".svs", ".vsi", ".ndpi", ".mrxs", ".scn", ".oib", ".oif", ".lsm", ".ims", ".zvi", ".dv"}
)
_DICOM_MARK = b"DICM"
_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_PNG_RGB16 = b"\x10\x02"  # 16 bits, colour type 2


def open_planes(handle: BinaryIO, reading: ImageReading | None = AS_STORED) -> Planes | None:
    """Open a file at its start that Pillow does not read as wanted; None for one that it does.

    Without a reading, every file that may have planes, channels or more than 8 bits is opened.
    """
    head = handle.read(132)
    suffix = Path(str(getattr(handle, "name", ""))).suffix.lower()
    opener: Callable[[BinaryIO], Planes | None] | None = None
    if head[128:] == _DICOM_MARK or suffix in DICOM_SUFFIXES:
        opener = DicomPlanes
    elif suffix in RAW_SUFFIXES:
        opener = RawPhotograph
    elif reading != AS_STORED and head[:4] in TIFF_MARKS:
        from visionft.data.tiff_planes import open_tiff

        opener = partial(open_tiff, reading=reading)
    elif reading != AS_STORED and head[:8] == _PNG_MARK and head[24:26] == _PNG_RGB16:
        opener = DeepPng if reading is None or reading.windows else None
    handle.seek(0)
    if opener is None:
        return None
    found = opener(handle)
    handle.seek(0)
    return found


def why_no_image(path: Path) -> str:
    """Return the reason why a file that no decoder opens is left out."""
    if path.suffix.lower() in _UNREAD_SUFFIXES:
        return Message("a microscope's format that is not read: save it as OME-TIFF, with Fiji for example")
    return Message("not an image")


class DeepPng(Planes):
    """A PNG of 16-bit RGB, of which Pillow keeps 8 bits."""

    format = "PNG"
    bytes_a_pixel = 6

    def __init__(self, handle: BinaryIO) -> None:
        head = handle.read(24)
        self.width, self.height = int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")
        self._handle = handle

    def plane(self, number: int, channel: int) -> np.ndarray:
        self._handle.seek(0)
        with Image.open(self._handle, formats=["PNG"]) as image:
            image.load()  # names what is damaged; libpng would print it
        return deep_rgb(self._handle, (self.width, self.height))


class RawPhotograph(Planes):
    """The raw file of a camera, developed with the camera's white balance and without automatic brightness."""

    format = "RAW"
    is_deep = False
    bytes_a_pixel = 12  # LibRaw's four values of 16 bits, and the image

    def __init__(self, handle: BinaryIO) -> None:
        try:
            import rawpy
        except ImportError as error:
            raise ImageError("a raw photograph: install the package rawpy, or develop it to JPEG or TIFF") from error
        self._raw = rawpy.imread(handle)
        sizes = self._raw.sizes
        is_turned = sizes.flip in (5, 6)
        self.width, self.height = (sizes.height, sizes.width) if is_turned else (sizes.width, sizes.height)

    def plane(self, number: int, channel: int) -> np.ndarray:
        with self._raw as raw:
            return raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=8)


_DEFLATED_SYNTAX = b"1.2.840.10008.1.2.1.99"  # the transfer syntax Deflated Explicit VR Little Endian
_LOOK_BYTES = 1 << 20  # the transfer syntax stands in the file meta information, right after the preamble of 128 bytes


class DicomPlanes(Planes):
    """The frames of a DICOM image; MONOCHROME1, whose low values are bright, is inverted."""

    format = "DICOM"

    def __init__(self, handle: BinaryIO) -> None:
        try:
            import pydicom
            from pydicom import config
            from pydicom.errors import InvalidDicomError
        except ImportError as error:
            raise ImageError("a DICOM image: install the package pydicom, or convert it to PNG of 16 bits") from error
        config.settings.reading_validation_mode = config.IGNORE  # or it warns on stderr
        if _DEFLATED_SYNTAX in handle.read(_LOOK_BYTES):  # pydicom would inflate it without a limit
            raise ImageError("a DICOM file that is compressed as a whole: save it without compression")
        handle.seek(0)
        self._handle = handle
        try:
            self._data: Any = pydicom.dcmread(handle, stop_before_pixels=True)
        except InvalidDicomError as error:
            raise ImageError("not a DICOM file, despite its name") from error
        data = self._data
        if "Rows" not in data or "Columns" not in data:
            raise ImageError("a DICOM file without an image")
        self.width = int(data.Columns)
        self.height = int(data.Rows)
        self.count = int(data.get("NumberOfFrames") or 1)
        self.samples = int(data.get("SamplesPerPixel", 1))
        bits = int(data.BitsAllocated)
        bits_stored = int(data.get("BitsStored", data.BitsAllocated))
        self.is_deep, self.has_depth = self.samples == 1 and bits_stored > 8, self.count > 1
        self.bytes_a_pixel = self.samples * max(1, bits // 8) + 4
        self._slope, self._intercept = float(data.get("RescaleSlope", 1)), float(data.get("RescaleIntercept", 0))
        least = -(1 << bits_stored - 1) if int(data.get("PixelRepresentation", 0)) else 0
        stored = (least, least + (1 << bits_stored) - 1)
        self._flip = sum(stored) if data.get("PhotometricInterpretation") == "MONOCHROME1" else None
        ends = sorted(value * self._slope + self._intercept for value in stored)
        self.file_window = self._named_window()
        self._range = self.file_window or (ends[0], max(ends[1], above(ends[0])))
        if not is_window(self._range):
            raise ImageError("damaged: its values have no scale", "Save it again, or leave it out.")

    def range_of(self, values: np.ndarray) -> IntensityWindow:
        return self._range

    def _named_window(self) -> IntensityWindow | None:
        """Return the first window that the file names, in its values as they are here."""
        centre, width = (_first(self._data.get(name)) for name in ("WindowCenter", "WindowWidth"))
        if centre is None or width is None or not width > 1:
            return None
        low, high = centre - 0.5 - (width - 1) / 2, centre - 0.5 + (width - 1) / 2
        if self._flip is not None:  # the file's window is of the values before they are inverted
            about = self._flip * self._slope + 2 * self._intercept
            low, high = about - high, about - low
        return (low, high) if is_window((low, high)) else None

    def plane(self, number: int, channel: int) -> np.ndarray:
        import pydicom
        from pydicom.pixels.utils import pixel_array

        self._handle.seek(0)
        try:
            data = pydicom.dcmread(self._handle)
            self._check_frame(data, number)
            frame = pixel_array(data, index=number)  # of colours RGB
        except (RuntimeError, NotImplementedError, AttributeError) as error:
            words = Message(
                "compressed in a way that is not read: install pylibjpeg-openjpeg or pyjpegls, or convert it ({error})",
                error=str(error)[:200],
            )
            raise ImageError(words) from error
        values = frame if self._flip is None else (self._flip - frame.astype(np.int64)).astype(frame.dtype)
        if not self.is_deep or (self._slope, self._intercept) == (1.0, 0.0):
            return values
        return values.astype(np.float32) * np.float32(self._slope) + np.float32(self._intercept)

    def _check_frame(self, data: Any, number: int) -> None:
        """Raise an `ImageError` where a JPEG in the file has another size than the file says."""
        from pydicom.encaps import get_frame

        if data.file_meta.TransferSyntaxUID.is_compressed:
            frame = get_frame(data.PixelData, number, number_of_frames=self.count)
            kinds = ("JPEG", "JPEG2000")  # as pydicom's; other readers may start programs
            with suppress(UnidentifiedImageError), Image.open(BytesIO(frame), formats=kinds) as image:
                check_size(image.size, image.width * image.height * self.bytes_a_pixel, image_limit())
                if image.size != (self.width, self.height):
                    raise ImageError("damaged: its planes differ in size", "Save it again, or leave it out.")


def _first(value: Any) -> float | None:
    """Return the first number of a DICOM element that may have several, or None."""
    found = value[0] if isinstance(value, (list, tuple)) or hasattr(value, "__getitem__") else value
    return None if found is None else float(found)
