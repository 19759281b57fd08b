"""A picture with a heat map over the square that a network saw of it. Knows Qt and plain data only."""

from pathlib import Path

import numpy as np
from PySide6.QtCore import QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.thumbnails import Unreadable, load_picture
from gui.kit.workers import WorkerPool
from visionft.evaluation.explanation import Explanation, heat_pixels

HEAT_PX = 224
KEPT_PICTURES = 8


class HeatView(QWidget):
    """Shows the picture at `path`, and the explanation of it where there is one."""

    shown = Signal()  # the picture has been decoded

    def __init__(self) -> None:
        super().__init__()
        self._pool = WorkerPool(load_picture, threads=1, parent=self)
        self._pool.done.connect(self._on_done)
        self._kept: dict[Path, QPixmap | Unreadable] = {}
        self._path: Path | None = None
        self._explanation: Explanation | None = None
        self._heat: QImage | None = None
        self._opacity = 1.0
        self.setMinimumSize(theme.scaled(220), theme.scaled(160))
        self.setAccessibleName(tr("Picture with heat map"))

    def show_picture(self, path: Path | None, explanation: Explanation | None = None) -> None:
        """Show a picture; without an explanation it is shown as it is."""
        self._path, self._explanation, self._heat = path, explanation, None
        if explanation is not None and not explanation.error:
            pixels = np.ascontiguousarray(heat_pixels(explanation.heat, HEAT_PX))
            self._heat = QImage(pixels.data, HEAT_PX, HEAT_PX, 4 * HEAT_PX, QImage.Format.Format_RGBA8888).copy()
        if path is not None and path not in self._kept:
            self._pool.request([path])
        self.update()

    def set_opacity(self, opacity: float) -> None:
        """Set how strongly the heat covers the picture, between 0 and 1."""
        self._opacity = opacity
        self.update()

    def picture(self) -> QPixmap | Unreadable | None:
        """Return the picture, or why there is none; None while it is being decoded."""
        return self._kept.get(self._path) if self._path is not None else None

    def picture_rect(self) -> QRectF:
        """Return where the whole picture is drawn."""
        picture = self.picture()
        if not isinstance(picture, QPixmap) or picture.isNull():
            return QRectF()
        scale = min(self.width() / picture.width(), self.height() / picture.height())
        box = QRectF(0, 0, picture.width() * scale, picture.height() * scale)
        box.moveCenter(QRectF(self.rect()).center())
        return box

    def heat_rect(self) -> QRectF:
        """Return where the heat is drawn: over the square that the network saw."""
        box, explanation = self.picture_rect(), self._explanation
        if explanation is None or box.isEmpty():
            return QRectF()
        (height, width), (top, left, side) = explanation.size, explanation.box
        across, down = box.width() / width, box.height() / height
        return QRectF(box.left() + left * across, box.top() + top * down, side * across, side * down)

    def close_pool(self) -> None:
        """Stop decoding and wait for what has begun."""
        self._pool.close()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the picture, the heat over it and a frame around what the network saw."""
        palette = theme.colours()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), QColor(palette.sunken))
        picture = self.picture()
        if isinstance(picture, Unreadable):
            painter.setPen(QColor(palette.muted))
            words = f"This picture cannot be shown:\n{picture.reason}"
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(self.rect().adjusted(12, 12, -12, -12), int(flags), words)
            return
        if picture is None:
            return
        painter.drawPixmap(self.picture_rect(), picture, QRectF(picture.rect()))
        if self._heat is None:
            return
        box = self.heat_rect()
        painter.setOpacity(self._opacity)
        painter.drawImage(box, self._heat, QRectF(self._heat.rect()))
        painter.setOpacity(1.0)
        for colour, width in (("#000000", 3.0), ("#FFFFFF", 1.0)):  # seen on light and on dark pictures
            painter.setPen(QPen(QColor(colour), width))
            painter.drawRect(box.adjusted(1, 1, -1, -1))

    @Slot(object, object)
    def _on_done(self, path: Path, result: QImage | Unreadable) -> None:
        while len(self._kept) >= KEPT_PICTURES:
            self._kept.pop(next(iter(self._kept)))
        self._kept[path] = QPixmap.fromImage(result) if isinstance(result, QImage) else result
        if path == self._path:
            self.update()
            self.shown.emit()
