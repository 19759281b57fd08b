"""An image with the part that the network sees, and the dialog that draws this region. Knows Qt, decoder and settings.

Regions are in thousandths of the sides of an image.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QKeyEvent, QMouseEvent, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, ElidedLabel, IconButton, row, text
from gui.kit.thumbnail_cache import shown_reading
from gui.kit.thumbnails import THUMBNAIL_PX, Unreadable, load_image, load_thumbnail
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from visionft.core.errors import ImageError
from visionft.core.messages import Message
from visionft.data.decode import read_header
from visionft.data.preprocess import MIN_REGION_PX, Box, PreprocessConfig, Region, region_text
from visionft.features.feature_spec import MAX_ASPECT, MIN_ASPECT
from visionft.training.config.train_config import TrainConfig

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


KEY_STEP = 5  # thousandths of a side
_FIRST: Region = (250, 250, 750, 750)  # of an arrow key where nothing is drawn
_ARROWS = {Qt.Key.Key_Left: (-1, 0), Qt.Key.Key_Right: (1, 0), Qt.Key.Key_Up: (0, -1), Qt.Key.Key_Down: (0, 1)}


class RegionCanvas(SeenPart):
    """Edits one region: a drag draws a new one, arrow keys move it, with Shift they resize it."""

    changed = Signal()

    def __init__(self, region: Region | None) -> None:
        super().__init__(width=640, height=320)
        self.region: Region | None = None
        self._drag: tuple[tuple[int, int], Region | None] | None = None  # start of the drag, previous region
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setAccessibleName(tr("Region"))
        self.setAccessibleDescription(tr("Arrow keys move the region, with Shift they resize it."))
        self._set(region)

    def _set(self, region: Region | None) -> None:
        self.region = region
        left, top, right, bottom = (side / 1000 for side in region or (0, 0, 0, 0))
        self.show_part(QRectF(left, top, right - left, bottom - top) if region else None)
        self.changed.emit()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        if event.button() == Qt.MouseButton.LeftButton and not self.target().isEmpty():
            self._drag = self._place(event.position()), self.region

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None:
            (x, y), (other_x, other_y) = self._drag[0], self._place(event.position())
            is_empty = x == other_x or y == other_y
            self._set(None if is_empty else (min(x, other_x), min(y, other_y), max(x, other_x), max(y, other_y)))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        if self._drag is not None and event.button() == Qt.MouseButton.LeftButton:
            if self.region is None:  # a click
                self._set(self._drag[1])
            self._drag = None

    def keyPressEvent(self, event: QKeyEvent) -> None:
        key = Qt.Key(event.key())
        if key == Qt.Key.Key_Escape and self._drag is not None:
            before, self._drag = self._drag[1], None
            self._set(before)
        elif key in _ARROWS and self._drag is None:
            self._step(*_ARROWS[key], resizes=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))
        else:
            super().keyPressEvent(event)

    def _step(self, across: int, down: int, *, resizes: bool) -> None:
        """Move the region by a step inside the image, or its right and lower sides; draw the first one."""
        if self.region is None:
            self._set(_FIRST)
            return
        left, top, right, bottom = self.region
        by_x = min(1000 - right, max(left + KEY_STEP - right if resizes else -left, KEY_STEP * across))
        by_y = min(1000 - bottom, max(top + KEY_STEP - bottom if resizes else -top, KEY_STEP * down))
        start = (left, top) if resizes else (left + by_x, top + by_y)
        self._set((*start, right + by_x, bottom + by_y))

    def _place(self, at: QPointF) -> tuple[int, int]:
        """Return a point of the widget in thousandths of the image's sides, inside it."""
        target = self.target()
        across, down = (at.x() - target.left()) / target.width(), (at.y() - target.top()) / target.height()
        return min(1000, max(0, round(1000 * across))), min(1000, max(0, round(1000 * down)))


_SHOWN_PX = 1600


class RegionDialog(Dialog):
    """Draws one region on several images, one after another."""

    def __init__(
        self, parent: QWidget | None, paths: Sequence[Path], *, config: TrainConfig, region: Region | None = None
    ) -> None:
        """Args: `paths` are images of the project, at least one; `config` has the image size and the backbone."""
        about = Message("Drag a rectangle around the part that matters: in every image the network sees only that.")
        super().__init__(parent, Message("Region"), about, width=720, height=500)
        self._paths, self._place, self._config = list(paths), 0, config
        self._shown: ReadImage | Unreadable | None = None
        self.canvas = RegionCanvas(region)
        self.canvas.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.previous_button = IconButton("chevron-left", "Show the previous image", on_click=lambda: self._turn(-1))
        self.next_button = IconButton("chevron-right", "Show the next image", on_click=lambda: self._turn(1))
        self.image_words, self.values = ElidedLabel("", "muted"), text()
        self.words = text(role="muted", wrap=True)
        self.words.setMinimumHeight(2 * self.words.fontMetrics().lineSpacing())
        self.use_button = Button("Use region", role="primary")
        for button in (self.previous_button, self.next_button):
            button.setEnabled(len(self._paths) > 1)
        head = row(self.previous_button, self.next_button, self.image_words, self.values, grows=2)
        self.lay_out(head, self.canvas, self.words, accept=self.use_button)
        self._reader = BackgroundReader(lambda path: (path, read_image(path, _SHOWN_PX)), self._on_read, parent=self)
        self.finished.connect(lambda _result: self._reader.close())
        self.canvas.changed.connect(self._show_values)
        self.canvas.setFocus()
        self._turn(0)

    def region(self) -> str:
        """Return the region as the setting of that name; empty where none is drawn."""
        return region_text(self.canvas.region) if self.canvas.region is not None else ""

    def _turn(self, step: int) -> None:
        self._place = (self._place + step) % len(self._paths)
        path, number, count = self._paths[self._place], self._place + 1, len(self._paths)
        self.image_words.setText(tr("{number} of {count}: {name}", number=number, count=count, name=path.name))
        self._shown = None
        self._show_values()
        self._reader.ask_each([path])

    def _on_read(self, read: tuple[Path, ReadImage | Unreadable]) -> None:
        path, found = read
        if path == self._paths[self._place]:
            self._shown = found
            self.canvas.show_picture(found.picture if isinstance(found, ReadImage) else None)
            self._show_values()

    @Slot()
    def _show_values(self) -> None:
        """Show the region in pixels of this image and what is lost of it; or the reason why it is of no use."""
        region, image = self.canvas.region, self._shown
        is_usable = False
        words, values = "", ""
        if isinstance(image, Unreadable):
            words = image.words()
        elif image is not None and region is None:
            words = tr("Arrow keys move the region, with Shift they resize it.")
        elif image is not None and region is not None:
            preprocessing = self._preprocessing(region, image)
            box = preprocessing.region_box(image.height, image.width)
            values = tr("{size} at {left}, {top}", size=shown_size(box.height, box.width), left=box.left, top=box.top)
            is_usable = preprocessing.is_region_usable(image.height, image.width)
            least = shown_size(MIN_REGION_PX, MIN_REGION_PX)
            small = Message("Too small: a region has at least {size}.", size=least)
            words = tr(detail_text(preprocessing, image) if is_usable else small)
        self.values.setText(values)
        self.words.setText(words)
        self.use_button.setEnabled(is_usable)

    def _preprocessing(self, region: Region, image: ReadImage) -> PreprocessConfig:
        """Return the preprocessing of a run with this region, if all images were as this one."""
        left, top, right, bottom = region
        aspect = (right - left) * image.width / ((bottom - top) * image.height)
        aspect = min(MAX_ASPECT, max(MIN_ASPECT, aspect))
        text = region_text(region)
        return dataclasses.replace(self._config, framing="region", region=text, aspect=aspect).preprocessing
