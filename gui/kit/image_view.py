"""A large image view: fit or real pixels, zoom at the pointer, drag to pan."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.thumbnail_cache import shown_reading
from gui.kit.thumbnails import ThumbnailStore, Unreadable, load_image
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from visionft.data.image_reading import ImageReading

MAX_ZOOM = 16.0
KEPT_IMAGES = 5
KEPT_MB = 320  # an image of 6000 x 4500 pixels takes 103
_Request = tuple[Path, ImageReading]


class ImageView(QWidget):
    """Shows the image at `path`; its thumbnail is shown until it is decoded."""

    zoom_changed = Signal(float)

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._reader = BackgroundReader(_load, self._on_loaded, parent=self)
        self._kept: dict[Path, QPixmap | Unreadable] = {}
        self._reading = shown_reading()
        self._path: Path | None = None
        self._wanted: list[Path] = []
        self._zoom = 0.0  # 0 fits the window
        self._centre = QPointF(0.5, 0.5)  # the point of the image in the middle of the window, as fractions
        self._drag: QPointF | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(200, 150)
        self.setAccessibleName(tr("Image"))
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def show_image(self, path: Path | None, *, neighbours: Sequence[Path] = ()) -> None:
        """Show an image, fitted; decode its likely successors as well."""
        self._forget_other_reading()
        if path != self._path:
            self._zoom = 0.0
            self._centre = QPointF(0.5, 0.5)
        self._path = path
        self._wanted = [each for each in (*([path] if path else ()), *neighbours) if each not in self._kept]
        self._reader.ask_each([(each, self._reading) for each in self._wanted])
        self.update()
        self.zoom_changed.emit(self.scale())

    def fit(self) -> None:
        self._set_zoom(0.0)

    def show_real_pixels(self) -> None:
        """Show one image pixel as one screen pixel."""
        self._set_zoom(1.0 / self.devicePixelRatioF())

    def toggle_zoom(self) -> None:
        self.fit() if self._zoom else self.show_real_pixels()

    def zoom_by(self, factor: float) -> None:
        self._set_zoom(min(MAX_ZOOM, max(self._fit_scale(), self.scale() * factor)))

    def scale(self) -> float:
        """Return screen pixels per image pixel."""
        return self._zoom or self._fit_scale()

    def is_sharp(self) -> bool:
        """Return whether the image itself is shown, not its thumbnail."""
        return self._path is not None and isinstance(self._kept.get(self._path), QPixmap)

    def close_reader(self) -> None:
        """Stop decoding and wait for the images in progress."""
        self._reader.close()

    def image(self) -> QPixmap | Unreadable | None:
        """Return the image or its thumbnail, or the reason for a missing one; None while neither is there."""
        if self._path is None:
            return None
        return self._kept.get(self._path) or self._thumbnails.get(self._path)

    def _fit_scale(self) -> float:
        image = self.image()
        if not isinstance(image, QPixmap) or image.width() == 0:
            return 1.0
        return min(self.width() / image.width(), self.height() / image.height(), 4.0)

    def image_rect(self) -> QRectF:
        """Return the rectangle of the image on the widget; empty without one."""
        image = self.image()
        if not isinstance(image, QPixmap):
            return QRectF()
        scale = self.scale() if self.is_sharp() else self._fit_scale()
        width, height = image.width() * scale, image.height() * scale
        left = self.width() / 2 - self._centre.x() * width
        top = self.height() / 2 - self._centre.y() * height
        return QRectF(left, top, width, height)

    def _set_zoom(self, zoom: float) -> None:
        self._zoom = 0.0 if zoom <= self._fit_scale() and zoom != 0 and zoom < 1 / self.devicePixelRatioF() else zoom
        if not self._zoom:
            self._centre = QPointF(0.5, 0.5)
        self._keep_inside()
        self.update()
        self.zoom_changed.emit(self.scale())

    def _keep_inside(self) -> None:
        image = self.image()
        if isinstance(image, QPixmap):
            width, height = image.width() * self.scale(), image.height() * self.scale()
            x = _kept_inside(self._centre.x(), self.width() / max(1.0, width))
            self._centre = QPointF(x, _kept_inside(self._centre.y(), self.height() / max(1.0, height)))

    def wheelEvent(self, event: QWheelEvent) -> None:
        before, at = self.image_rect(), event.position()
        if before.isEmpty():
            return
        share = QPointF((at.x() - before.left()) / before.width(), (at.y() - before.top()) / before.height())
        self.zoom_by(1.2 ** (event.angleDelta().y() / 120))
        if self._zoom:
            after = self.image_rect()
            moved = QPointF(after.left() + share.x() * after.width(), after.top() + share.y() * after.height()) - at
            self._centre += QPointF(moved.x() / after.width(), moved.y() / after.height())
            self._keep_inside()
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self._drag = event.position()
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        target = self.image_rect()
        if self._drag is None or target.isEmpty():
            return
        moved = event.position() - self._drag
        self._drag = event.position()
        self._centre -= QPointF(moved.x() / target.width(), moved.y() / target.height())
        self._keep_inside()
        self.update()

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        self._drag = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        self.toggle_zoom()

    def resizeEvent(self, event: QResizeEvent) -> None:
        self._keep_inside()
        self.zoom_changed.emit(self.scale())
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
        super().changeEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        palette = theme.colours()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(palette.sunken))
        image = self.image()
        if isinstance(image, QPixmap):
            is_magnified = self.scale() >= 2
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not is_magnified)
            painter.drawPixmap(self.image_rect(), image, QRectF(image.rect()))
            return
        painter.setPen(QColor(palette.muted))
        words = image.words() if isinstance(image, Unreadable) else ""
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(self.rect().adjusted(12, 12, -12, -12), int(flags), words)

    def _forget_other_reading(self) -> None:
        if self._reading != shown_reading():
            self._kept.clear()
            self._reading = shown_reading()

    def _on_loaded(self, loaded: tuple[_Request, QImage | Unreadable]) -> None:
        (path, reading), result = loaded
        if reading != shown_reading():  # it was requested before the user changed how images are read
            return
        self._forget_other_reading()
        kept = QPixmap.fromImage(result) if isinstance(result, QImage) else result
        while len(self._kept) >= KEPT_IMAGES or sum(map(_megabytes, (*self._kept.values(), kept))) > KEPT_MB:
            victim = next((each for each in self._kept if each != self._path), None)
            if victim is None:
                break
            del self._kept[victim]
        self._kept[path] = kept
        if path == self._path:
            self.update()
            self.zoom_changed.emit(self.scale())


def _load(request: _Request) -> tuple[_Request, QImage | Unreadable]:
    path, reading = request
    return request, load_image(path, reading=reading)


def _kept_inside(centre: float, visible: float) -> float:
    """Return the centre (a share of a side) nearest to the given one without a margin, for the visible share."""
    return 0.5 if visible >= 1 else min(1 - visible / 2, max(visible / 2, centre))


def _megabytes(kept: QPixmap | Unreadable) -> float:
    return kept.width() * kept.height() * 4 / 2**20 if isinstance(kept, QPixmap) else 0.0
