"""Images that Pillow does not read whole: stacks and channels of TIFF, 16-bit RGB, DICOM, raw photographs.

Files are hostile: sizes are checked before pixels are read; every error leaves `decode` as `ImageError`.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from PIL import Image

from visionft.core.errors import ImageError
from visionft.core.messages import Message
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.limits import TIFF_MARKS
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
        from visionft.data.dicom_planes import DicomPlanes

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
