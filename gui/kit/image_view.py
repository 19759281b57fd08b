"""One picture, large: fit or real pixels, zoom at the pointer, drag to pan. Knows Qt and plain data only."""

from pathlib import Path

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QMouseEvent, QPainter, QPaintEvent, QPixmap, QResizeEvent, QWheelEvent
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.thumbnails import ThumbnailStore, Unreadable, load_picture
from gui.kit.workers import WorkerPool

MAX_ZOOM = 16.0
KEPT_PICTURES = 5
KEPT_MB = 320  # a picture of 6000 x 4500 pixels takes 103


class ImageView(QWidget):
    """Shows the picture at `path`; its thumbnail stands in until it is decoded."""

    zoom_changed = Signal(float)

    def __init__(self, thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._pool = WorkerPool(load_picture, threads=1, parent=self)
        self._pool.done.connect(self._on_done)
        self._kept: dict[Path, QPixmap | Unreadable] = {}
        self._path: Path | None = None
        self._wanted: list[Path] = []
        self._zoom = 0.0  # 0 fits the window
        self._centre = QPointF(0.5, 0.5)  # the point of the picture in the middle of the window, in shares
        self._drag: QPointF | None = None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMinimumSize(200, 150)
        self.setAccessibleName(tr("Picture"))
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def show_picture(self, path: Path | None, *, neighbours: list[Path]) -> None:
        """Show a picture, fitted; decode those the user may look at next as well."""
        if path != self._path:
            self._zoom, self._centre = 0.0, QPointF(0.5, 0.5)
        self._path = path
        self._wanted = [each for each in ([path] if path else []) + neighbours if each not in self._kept]
        self._pool.request(self._wanted)
        self.update()
        self.zoom_changed.emit(self.scale())

    def fit(self) -> None:
        """Fit the picture into the window."""
        self._set_zoom(0.0)

    def show_real_pixels(self) -> None:
        """Show one pixel of the picture as one pixel of the screen."""
        self._set_zoom(1.0 / self.devicePixelRatioF())

    def toggle_zoom(self) -> None:
        """Change between fitted and real pixels."""
        self.fit() if self._zoom else self.show_real_pixels()

    def zoom_by(self, factor: float) -> None:
        """Zoom about the middle."""
        self._set_zoom(min(MAX_ZOOM, max(self._fit_scale(), self.scale() * factor)))

    def scale(self) -> float:
        """Return screen pixels per picture pixel."""
        return self._zoom or self._fit_scale()

    def is_sharp(self) -> bool:
        """Return whether the picture itself is shown, not its thumbnail."""
        return self._path is not None and isinstance(self._kept.get(self._path), QPixmap)

    def close_pool(self) -> None:
        """Stop decoding and wait for what has begun."""
        self._pool.close()

    # -- geometry -----------------------------------------------------------------------------------------------

    def _picture(self) -> QPixmap | Unreadable | None:
        if self._path is None:
            return None
        return self._kept.get(self._path) or self._thumbnails.get(self._path)

    def _fit_scale(self) -> float:
        picture = self._picture()
        if not isinstance(picture, QPixmap) or picture.width() == 0:
            return 1.0
        fitted = min(self.width() / picture.width(), self.height() / picture.height())
        return min(fitted, 4.0)

    def _target(self, picture: QPixmap) -> QRectF:
        scale = self.scale() if self.is_sharp() else self._fit_scale()
        width, height = picture.width() * scale, picture.height() * scale
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
        picture = self._picture()
        if not isinstance(picture, QPixmap):
            return
        scale = self.scale()
        shares = (self.width() / max(1.0, picture.width() * scale), self.height() / max(1.0, picture.height() * scale))
        x, y = (
            0.5 if share >= 1 else min(1 - share / 2, max(share / 2, value))
            for share, value in zip(shares, (self._centre.x(), self._centre.y()), strict=True)
        )
        self._centre = QPointF(x, y)

    # -- events -------------------------------------------------------------------------------------------------

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom at the pointer."""
        picture = self._picture()
        if not isinstance(picture, QPixmap):
            return
        before = self._target(picture)
        at = event.position()
        share = QPointF((at.x() - before.left()) / before.width(), (at.y() - before.top()) / before.height())
        self.zoom_by(1.2 ** (event.angleDelta().y() / 120))
        if self._zoom:
            after = self._target(picture)
            moved = QPointF(after.left() + share.x() * after.width(), after.top() + share.y() * after.height()) - at
            self._centre += QPointF(moved.x() / after.width(), moved.y() / after.height())
            self._keep_inside()
        self.update()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to pan."""
        self._drag = event.position()
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Pan."""
        picture = self._picture()
        if self._drag is None or not isinstance(picture, QPixmap):
            return
        moved, self._drag = event.position() - self._drag, event.position()
        target = self._target(picture)
        self._centre -= QPointF(moved.x() / target.width(), moved.y() / target.height())
        self._keep_inside()
        self.update()

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:
        """End panning."""
        self._drag = None
        self.setCursor(Qt.CursorShape.OpenHandCursor)

    def mouseDoubleClickEvent(self, _event: QMouseEvent) -> None:
        """Change between fitted and real pixels."""
        self.toggle_zoom()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the picture inside."""
        self._keep_inside()
        self.zoom_changed.emit(self.scale())
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        if event.type() == QEvent.Type.PaletteChange:
            self.update()
        super().changeEvent(event)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the picture, or why there is none."""
        palette = theme.colours()
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(palette.sunken))
        picture = self._picture()
        if isinstance(picture, QPixmap):
            is_magnified = self.scale() >= 2
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, not is_magnified)
            painter.drawPixmap(self._target(picture), picture, QRectF(picture.rect()))
            return
        painter.setPen(QColor(palette.muted))
        words = f"This picture cannot be shown:\n{picture.reason}" if isinstance(picture, Unreadable) else ""
        painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), words)

    @Slot(object, object)
    def _on_done(self, path: Path, result: QImage | Unreadable) -> None:
        kept = QPixmap.fromImage(result) if isinstance(result, QImage) else result
        while len(self._kept) >= KEPT_PICTURES or sum(map(_megabytes, (*self._kept.values(), kept))) > KEPT_MB:
            victim = next((each for each in self._kept if each != self._path), None)
            if victim is None:
                break
            del self._kept[victim]
        self._kept[path] = kept
        if path == self._path:
            self.update()
            self.zoom_changed.emit(self.scale())


def _megabytes(kept: QPixmap | Unreadable) -> float:
    return kept.width() * kept.height() * 4 / 2**20 if isinstance(kept, QPixmap) else 0.0
