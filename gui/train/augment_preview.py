"""Augmented variants of the user's images: debounced, rendered off the main thread, the latest request wins."""

from collections.abc import Callable
from dataclasses import replace

from PySide6.QtCore import QObject, QRectF, QSize, Qt, QTimer, Slot
from PySide6.QtGui import QImage, QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.parts import ElidedLabel, IconButton, column, row, text
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from models.messages import Message
from visionft.data.augment_preview import PreviewProcess, PreviewRequest
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.training.config.train_config import TrainConfig

DEBOUNCE_MS = 250
VARIANTS, _COLUMNS = 7, 4


class AugmentStrip(QWidget):
    """The original first, then its variants."""

    def __init__(self) -> None:
        super().__init__()
        self._cells = [_Cell() for _ in range(VARIANTS + 1)]
        grid = QGridLayout()
        grid.setSpacing(theme.TIGHT)
        for index, cell in enumerate(self._cells):
            grid.addWidget(cell, index // _COLUMNS, index % _COLUMNS)
        self.words = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        self.others_button = IconButton("refresh", "Show other variants")
        self.next_button = IconButton("chevron-right", "Show another image")
        head = row(text("Augmented training images", "heading"), None, self.others_button, self.next_button, spacing=0)
        self.setLayout(column(head, self.words, grid))
        self.show_waiting()

    def show_waiting(self) -> None:
        """Show that the images are being rendered; the previous ones stay visible."""
        if not self.shown():
            self.words.setText(tr("Drawing variants of your images …"))

    def show_images(self, images: tuple[QImage, ...], caption: str) -> None:
        for index, cell in enumerate(self._cells):
            cell.show_image(images[index] if index < len(images) else None)
            cell.setVisible(index < len(images) or index < _COLUMNS)
            name = tr("Variant {number}", number=index) if index else tr("The image without changes")
            cell.setAccessibleName(name)
            cell.setToolTip(name)
        self.words.setText(caption)

    def show_words(self, words: str) -> None:
        for cell in self._cells:
            cell.show_image(None)
        self.words.setText(words)

    def shown(self) -> int:
        """Return the number of displayed images."""
        return sum(cell.image is not None for cell in self._cells)


class _Cell(QWidget):
    """One image with round corners, fitted in a square."""

    def __init__(self) -> None:
        super().__init__()
        self.image: QPixmap | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    def show_image(self, image: QImage | None) -> None:
        self.image = None if image is None else QPixmap.fromImage(image)
        self.update()

    def hasHeightForWidth(self) -> bool:
        return True

    def heightForWidth(self, width: int) -> int:
        return width

    def sizeHint(self) -> QSize:
        return QSize(1, 1) * theme.scaled(80)

    def paintEvent(self, _event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        size = QSize(1, 1) * min(self.width(), self.height())
        if self.image is not None:
            size = self.image.size().scaled(size, Qt.AspectRatioMode.KeepAspectRatio)
        place = QRectF((self.width() - size.width()) / 2, (self.height() - size.height()) / 2, *size.toTuple())
        path = QPainterPath()
        path.addRoundedRect(place, 5, 5)
        painter.setClipPath(path)
        if self.image is None:
            painter.fillRect(place, theme.colours().sunken)
        else:
            painter.drawPixmap(place.toRect(), self.image)


class AugmentPreview(QObject):
    """One image and its variants under the settings shown last, while the strip is visible."""

    def __init__(self, strip: AugmentStrip, snapshot: Callable[[], Snapshot | None], *, parent: QObject) -> None:
        super().__init__(parent)
        self._strip, self._snapshot = strip, snapshot
        self._config = TrainConfig()
        self._place = self._turn = 0  # of the image, of its variants
        self._request: PreviewRequest | None = None
        self._process = PreviewProcess()
        self._reader = BackgroundReader(self._render, self._on_rendered, parent=self)
        self._wait = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._wait.timeout.connect(self._send)
        self._idle = QTimer(self, singleShot=True, interval=60_000)
        self._idle.timeout.connect(self._process.rest)
        strip.others_button.clicked.connect(lambda _checked=False: self._show_others())
        strip.next_button.clicked.connect(lambda _checked=False: self._show_next())

    def show(self, config: TrainConfig) -> None:
        """Render the image's augmentations under these settings, if the strip is visible."""
        self._config = config
        snapshot = self._snapshot()
        chosen = [image for image in snapshot.images[:2000] if image.split == "train"] if snapshot else []
        if not chosen:
            self._strip.show_words(tr("Import and label images to preview their augmentation."))
        elif self._strip.isVisible():
            # A step coprime to most counts visits the classes in turn, and finally every image.
            image = chosen[self._place * 37 % len(chosen)]
            possible = replace(config, image_size=max(16, min(1024, config.input_size)))
            request = PreviewRequest(
                path=image.path,
                augmentation=config.augmentation,
                preprocessing=possible.preprocessing,
                near_side=config.near_side,
                seeds=self._seeds(),
            )
            if request != self._request:
                self._request = request
                self._wait.start()
                self._strip.show_waiting()

    def close(self) -> None:
        self._wait.stop()
        self._idle.stop()
        self._request = None
        self._process.stop()
        self._reader.close()
        self._process.close()

    def _seeds(self) -> tuple[int, ...]:
        return tuple(range(self._turn * VARIANTS, (self._turn + 1) * VARIANTS))

    def _show_others(self) -> None:
        self._turn += 1
        if self._request is not None:
            self._request = replace(self._request, seeds=self._seeds())
            self._send()

    def _show_next(self) -> None:
        self._place += 1
        self.show(self._config)

    @Slot()
    def _send(self) -> None:
        if self._request is not None:
            self._idle.stop()
            self._reader.ask_each([self._request])

    def _render(self, request: PreviewRequest) -> tuple[PreviewRequest, tuple[QImage, ...] | str]:
        """Render the original and the variants of a request, or return it with an error text; runs in a thread."""
        try:
            plain = self._process.render(replace(request, augmentation="none", seeds=(0,)))
            changed = [] if request.augmentation == "none" else self._process.render(request)
        except VisionFTError as error:
            return request, error.message
        shapes = [(pixels.tobytes(), *pixels.shape[:2]) for pixels in (*plain, *changed)]  # bytes, height, width
        rgb = QImage.Format.Format_RGB888
        images = tuple(QImage(content, width, height, 3 * width, rgb).copy() for content, height, width in shapes)
        return request, images

    def _on_rendered(self, rendered: tuple[PreviewRequest, tuple[QImage, ...] | str]) -> None:
        request, result = rendered
        self._idle.start()
        if request != self._request:
            return
        if isinstance(result, str):
            self._strip.show_words(tr(result))
        else:
            is_plain = self._config.augmentation == "none"
            words = Message("No augmentation: always the same.") if is_plain else Message("The image, then variants.")
            self._strip.show_images(result, tr(words))
