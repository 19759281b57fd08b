"""Images for the screen: decoded off the main thread by the shared decoder; thumbnails cached on disk and in memory."""

import contextlib
import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QByteArray, QObject, QSize, Qt, Signal
from PySide6.QtGui import QImage, QImageReader, QImageWriter, QPixmap

from gui.kit.thumbnail_cache import file_of, note_written, shown_reading
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from visionft.core.errors import ImageError
from visionft.data.decode import decode
from visionft.data.image_reading import ImageReading

THUMBNAIL_PX = 256
MEMORY_MB = 96
VIEW_PX = 6000
SHOWN_SHARE = 0.75  # of an image's longer side is visible at least, where it is cropped to fill a square
_JPEG = QByteArray(b"jpg")  # explicit, so that Qt does not guess the format from the content
QImageWriter("", _JPEG)  # first in this thread: two workers both creating the first one have crashed (PySide 6.11)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Placeholder for an unreadable image."""

    reason: str

    def words(self) -> str:
        return tr("This image cannot be shown: {reason}.", reason=tr(self.reason))


def load_thumbnail(path: Path, reading: ImageReading | None = None) -> QImage | Unreadable:
    """Return an image's thumbnail, from disk if it is there; thread-safe.

    The default `reading` is the open project's.
    """
    reading = reading or shown_reading()  # once: the user may change it meanwhile
    try:
        target = file_of(path, reading)
        if target.exists() and not (image := QImageReader(str(target), _JPEG).read()).isNull():
            os.utime(target)  # the time of its last use, for `trim_cache`
            return image
        image = _to_image(decode(path, max_side=THUMBNAIL_PX, reading=reading))
    except OSError as error:
        return Unreadable(error.strerror or str(error))
    except ImageError as error:
        return Unreadable(error.message)
    with contextlib.suppress(OSError):  # a full disk only slows the next start
        target.parent.mkdir(parents=True, exist_ok=True)
        writer = QImageWriter(str(target.with_suffix(".tmp")), _JPEG)
        writer.setQuality(85)
        if writer.write(image):
            target.with_suffix(".tmp").replace(target)
            note_written()
    return image


def _load_scaled(path: Path, reading: ImageReading, side: int) -> QImage | Unreadable:
    """Return an image scaled for a square of `side`, uncropped, in the pixel format of the fastest screen copy.

    If the thumbnail has too few pixels, the original of a large image is decoded; a small image is enlarged.
    """
    image = load_thumbnail(path, reading)
    if isinstance(image, Unreadable):
        return image
    wanted = filling(image.size(), side)
    longest, known = max(wanted.width(), wanted.height()), max(image.width(), image.height())
    if longest > known == THUMBNAIL_PX:
        original = load_image(path, max_side=longest, reading=reading)
        image = original if isinstance(original, QImage) else image
    if image.size() != wanted:
        mode = Qt.TransformationMode.SmoothTransformation
        image = image.scaled(wanted, Qt.AspectRatioMode.IgnoreAspectRatio, mode)
    return image.convertToFormat(QImage.Format.Format_RGB32)


def filling(image: QSize, side: int) -> QSize:
    """Return the size at which an image fills a square of `side` with at least `SHOWN_SHARE` of its longer side.

    Up to 4:3 the square is filled; a longer image leaves two sides empty, to stay recognisable.
    """
    long = max(image.width(), image.height(), 1)
    short = max(1, min(image.width(), image.height()))
    scale = side * min(long / short, 1 / SHOWN_SHARE) / long
    return QSize(max(1, round(image.width() * scale)), max(1, round(image.height() * scale)))


def load_image(path: Path, *, max_side: int = VIEW_PX, reading: ImageReading | None = None) -> QImage | Unreadable:
    """Return an image at full size (at most `max_side` on its longest side); thread-safe.

    The default `reading` is the open project's.
    """
    try:
        return _to_image(decode(path, max_side=max_side, reading=reading or shown_reading()))
    except ImageError as error:
        return Unreadable(error.message)


def _to_image(pixels: np.ndarray) -> QImage:
    height, width, _ = pixels.shape
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


class ThumbnailStore(QObject):
    """Thumbnails by path, as pixmaps that fill squares of one size; missing ones are loaded in the background.

    After a change of size, thumbnails of the previous size are returned until they are replaced.
    """

    loaded = Signal(Path)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._reader = BackgroundReader(lambda key: (key, _load_scaled(*key)), self._on_loaded, threads=2, parent=self)
        self._kept: OrderedDict[Path, tuple[int, QPixmap | Unreadable]] = OrderedDict()
        self.bytes_kept = 0
        self._side = THUMBNAIL_PX
        self._reading = shown_reading()

    def set_side(self, pixels: int) -> None:
        """Set the side of the square, in device pixels."""
        self._side = pixels

    def get(self, path: Path) -> QPixmap | Unreadable | None:
        """Return the pixmap in memory, or None."""
        self._forget_other_reading()
        if path not in self._kept:
            return None
        self._kept.move_to_end(path)
        return self._kept[path][1]

    def prefetch(self, paths: Sequence[Path]) -> None:
        """Load the thumbnails of these paths missing in the current size, in order, and cancel other requests."""
        self._forget_other_reading()
        present = {path for path, (side, _) in self._kept.items() if side == self._side}
        self._reader.ask_each([(path, self._reading, self._side) for path in paths if path not in present])

    def _forget_other_reading(self) -> None:
        if self._reading != shown_reading():
            self._kept.clear()
            self.bytes_kept = 0
            self._reading = shown_reading()

    def close(self) -> None:
        """Stop loading and wait for the images in progress."""
        self._reader.close()

    def _on_loaded(self, loaded: tuple[tuple[Path, ImageReading, int], QImage | Unreadable]) -> None:
        (path, reading, side), result = loaded
        if reading != shown_reading():  # it was requested before the user changed how images are read
            return
        self._forget_other_reading()
        if side == self._side or path not in self._kept:  # otherwise the size has changed meanwhile
            kept = QPixmap.fromImage(result) if isinstance(result, QImage) else result
            self.bytes_kept += _size(kept) - (_size(self._kept.pop(path)[1]) if path in self._kept else 0)
            self._kept[path] = (side, kept)
        while self.bytes_kept > MEMORY_MB << 20 and len(self._kept) > 1:
            self.bytes_kept -= _size(self._kept.popitem(last=False)[1][1])
        self.loaded.emit(path)


def _size(kept: QPixmap | Unreadable) -> int:
    return kept.width() * kept.height() * 4 if isinstance(kept, QPixmap) else 0
