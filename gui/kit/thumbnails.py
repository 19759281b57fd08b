"""Pictures for the screen: decoded off the main thread by the one decoder, thumbnails kept on disk and in memory."""

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PySide6.QtCore import QByteArray, QObject, QSize, Qt, Signal, Slot
from PySide6.QtGui import QImage, QImageReader, QImageWriter, QPixmap

from gui.kit.thumbnail_cache import file_of, note_written
from gui.kit.workers import WorkerPool
from visionft.data.decode import decode, shrink
from visionft.data.picture_cache import PictureCache
from visionft.errors import ImageError

THUMBNAIL_PX = 256
MEMORY_MB = 96
VIEW_PX = 6000
SHOWN_SHARE = 0.75  # of a picture's longer side is seen at least, where it is cut to fill a square
_JPEG = QByteArray(b"jpg")  # named, so that Qt does not guess the format from the content
QImageWriter("", _JPEG)  # first in this thread: two workers that were the first to make one have crashed (PySide 6.11)


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands in for a picture that cannot be shown."""

    reason: str


def load_thumbnail(path: Path) -> QImage | Unreadable:
    """Return a picture's thumbnail, from disk when it is there; safe in any thread."""
    try:
        kept = file_of(path)
        if kept.exists() and not (image := QImageReader(str(kept), _JPEG).read()).isNull():
            os.utime(kept)  # the time of its last use: what `trim_cache` goes by
            return image
        image = _thumbnail(path)
    except OSError as error:
        return Unreadable(error.strerror or str(error))
    except ImageError as error:
        return Unreadable(error.message)
    _keep(image, kept)
    return image


def _load_scaled(key: tuple[Path, int]) -> QImage | Unreadable:
    """Return a picture as large as fills a square of `side`, whole, in the format that the screen copies fastest.

    Of a large one that takes more pixels than a thumbnail has, the original is decoded; a small one is enlarged.
    """
    path, side = key
    image = load_thumbnail(path)
    if isinstance(image, Unreadable):
        return image
    wanted = filling(image.size(), side)
    longest, known = max(wanted.width(), wanted.height()), max(image.width(), image.height())
    if longest > known == THUMBNAIL_PX:
        original = load_picture(path, max_side=longest)
        image = original if isinstance(original, QImage) else image
    if image.size() != wanted:
        mode = Qt.TransformationMode.SmoothTransformation
        image = image.scaled(wanted, Qt.AspectRatioMode.IgnoreAspectRatio, mode)
    return image.convertToFormat(QImage.Format.Format_RGB32)


def filling(picture: QSize, side: int) -> QSize:
    """Return the size at which a picture fills a square of `side` with at least `SHOWN_SHARE` of its longer side.

    Up to 4:3 nothing of the square stays empty; what is longer leaves room at two sides rather than be unrecognisable.
    """
    long, short = max(picture.width(), picture.height(), 1), max(1, min(picture.width(), picture.height()))
    scale = side * min(long / short, 1 / SHOWN_SHARE) / long
    return QSize(max(1, round(picture.width() * scale)), max(1, round(picture.height() * scale)))


def load_picture(path: Path, *, max_side: int = VIEW_PX) -> QImage | Unreadable:
    """Return a picture at full size (at most `max_side` on its longest side); safe in any thread."""
    try:
        return _to_image(decode(path, max_side=max_side))
    except ImageError as error:
        return Unreadable(error.message)


def _thumbnail(path: Path) -> QImage:
    """Make a thumbnail, from what training has decoded where it has."""
    known = PictureCache.usual().find(path, THUMBNAIL_PX)
    return _to_image(decode(path, max_side=THUMBNAIL_PX) if known is None else shrink(known, THUMBNAIL_PX))


def _to_image(pixels: np.ndarray) -> QImage:
    height, width, _ = pixels.shape
    return QImage(pixels.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


def _keep(image: QImage, target: Path) -> None:
    """Write the thumbnail beside and rename; a full disk costs only the next start's speed."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_suffix(".tmp")
        writer = QImageWriter(str(temporary), _JPEG)
        writer.setQuality(85)
        if writer.write(image):
            temporary.replace(target)
            note_written()
    except OSError:
        return


class ThumbnailStore(QObject):
    """Thumbnails by path as pixmaps that fill squares of one size; what is missing is loaded in the background.

    After the size has changed, those of another one serve until they are replaced.
    """

    loaded = Signal(Path)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = WorkerPool(_load_scaled, parent=self)
        self._pool.done.connect(self._on_done)
        self._kept: OrderedDict[Path, tuple[int, QPixmap | Unreadable]] = OrderedDict()
        self._bytes = 0
        self._side = THUMBNAIL_PX

    def set_side(self, pixels: int) -> None:
        """Set the side of the square that pixmaps fill, in device pixels."""
        self._side = pixels

    def get(self, path: Path) -> QPixmap | Unreadable | None:
        """Return what is in memory, or None."""
        kept = self._kept.get(path)
        if kept is None:
            return None
        self._kept.move_to_end(path)
        return kept[1]

    def prefetch(self, paths: Sequence[Path]) -> None:
        """Load those of these that are not here in the size wanted, the first one soonest, and nothing else."""
        self._pool.request([(path, self._side) for path in paths if self._side_of(path) != self._side])

    def _side_of(self, path: Path) -> int:
        kept = self._kept.get(path)
        return kept[0] if kept is not None else 0

    @property
    def bytes_kept(self) -> int:
        """Return the memory the pixmaps take."""
        return self._bytes

    def close(self) -> None:
        """Stop loading and wait for what has begun."""
        self._pool.close()

    @Slot(object, object)
    def _on_done(self, key: tuple[Path, int], result: QImage | Unreadable) -> None:
        path, side = key
        if side == self._side or path not in self._kept:  # else the size was changed meanwhile: who wants it asks again
            kept = QPixmap.fromImage(result) if isinstance(result, QImage) else result
            self._bytes += _size(kept) - (_size(self._kept.pop(path)[1]) if path in self._kept else 0)
            self._kept[path] = (side, kept)
        while self._bytes > MEMORY_MB << 20 and len(self._kept) > 1:
            self._bytes -= _size(self._kept.popitem(last=False)[1][1])
        self.loaded.emit(path)


def _size(kept: QPixmap | Unreadable) -> int:
    return kept.width() * kept.height() * 4 if isinstance(kept, QPixmap) else 0
