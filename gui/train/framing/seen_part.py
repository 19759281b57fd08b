"""An image with the part that the network sees: outlined, the rest dimmed. Knows Qt, the decoder and preprocessing."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.thumbnail_cache import shown_reading
from gui.kit.thumbnails import THUMBNAIL_PX, Unreadable, load_image, load_thumbnail
from gui.kit.translation import tr
from visionft.core.errors import ImageError
from visionft.core.messages import Message
from visionft.data.decode import read_header
from visionft.data.preprocess import Box, PreprocessConfig

TILE_PX = 32  # of the input: the networks' coarsest stage has one position for a square of this side
_DIM_ALPHA = 165  # of 255


@dataclass(frozen=True, slots=True)
class ReadImage:
    """A picture for the screen, and the size of the whole image in pixels."""

    picture: QImage
    height: int
    width: int

    def shares(self, box: Box) -> QRectF:
        """Return a box of the whole image as shares of its sides."""
        return QRectF(box.left / self.width, box.top / self.height, box.width / self.width, box.height / self.height)


def read_image(path: Path, side: int) -> ReadImage | Unreadable:
    """Read an image at the given longest side or its thumbnail's; thread-safe."""
    reading = shown_reading()
    try:
        header = read_header(path, reading)
    except ImageError as error:
        return Unreadable(error.message)
    is_small = side <= THUMBNAIL_PX
    picture = load_thumbnail(path, reading) if is_small else load_image(path, max_side=side, reading=reading)
    return picture if isinstance(picture, Unreadable) else ReadImage(picture, header.height, header.width)


def detail_text(preprocessing: PreprocessConfig, image: ReadImage) -> Message:
    """Return how much of an image's detail is left in the network's input."""
    box = preprocessing.crop_box(image.height, image.width)
    covered = max(box.height / preprocessing.height, box.width / preprocessing.width)
    if covered < 1.05:
        return Message("No detail is lost: this part of the image has no more pixels than the input.")
    seen = float(f"{TILE_PX * covered:.2g}")
    return Message(
        "1 pixel of the input covers {covered} x {covered} pixels of the image: details smaller than about {seen} "
        "pixels are seen badly.",
        covered=f"{covered:.1f}",
        seen=f"{seen:.0f}",
    )


class SeenPart(QWidget):
    """Shows an image, fitted."""

    def __init__(self, *, width: int, height: int) -> None:
        """Args: the largest preferred size in pixels at the normal text size."""
        super().__init__()
        self._size = QSize(width, height)
        self._picture: QPixmap | None = None
        self.part: QRectF | None = None  # the outlined part, as shares of the sides

    def sizeHint(self) -> QSize:
        most = QSize(theme.scaled(self._size.width()), theme.scaled(self._size.height()))
        if self._picture is None:
            return most
        return self._picture.size().scaled(most, Qt.AspectRatioMode.KeepAspectRatio).expandedTo(QSize(1, 1))

    def show_picture(self, picture: QImage | None) -> None:
        self._picture = QPixmap.fromImage(picture) if picture is not None else None
        self.update()

    def show_part(self, part: QRectF | None) -> None:
        self.part = part
        self.update()

    def target(self) -> QRectF:
        """Return the rectangle of the picture on the widget; empty without a picture."""
        if self._picture is None:
            return QRectF()
        size = self._picture.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
        left, top = (self.width() - size.width()) / 2, (self.height() - size.height()) / 2
        return QRectF(left, top, max(1, size.width()), max(1, size.height()))

    def part_on_screen(self) -> QRectF:
        target = self.target()
        part = self.part or QRectF(0, 0, 1, 1)
        return QRectF(
            target.left() + part.left() * target.width(),
            target.top() + part.top() * target.height(),
            part.width() * target.width(),
            part.height() * target.height(),
        )

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if self._picture is None:
            painter.fillRect(self.rect(), QColor(theme.colours().sunken))
            return
        painter.drawPixmap(self.target(), self._picture, QRectF(self._picture.rect()))
        if self.part is not None:
            self.paint_part(painter)

    def paint_part(self, painter: QPainter) -> None:
        """Dim the rest of the image and draw the outline, light on dark: visible on every image."""
        seen = self.part_on_screen()
        shade = QColor(theme.OVER_IMAGE)
        shade.setAlpha(_DIM_ALPHA)
        rest = QPainterPath()
        rest.addRect(self.target())
        inner = QPainterPath()
        inner.addRect(seen)
        painter.fillPath(rest.subtracted(inner), shade)
        for colour, width in ((theme.OVER_IMAGE, 3.5), (theme.DARK.text, 1.5)):
            pen = painter.pen()
            pen.setColor(QColor(colour))
            pen.setWidthF(width)
            painter.setPen(pen)
            painter.drawRect(seen.adjusted(1, 1, -1, -1))


def shown_size(height: int, width: int) -> str:
    """Return a size as people write it: width x height."""
    return tr("{width} x {height} pixels", width=f"{width:,}", height=f"{height:,}")
