"""The camera's picture, as large as there is room. Knows Qt only."""

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.i18n import tr


class LiveView(QWidget):
    """Shows the latest picture, or words while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._image = QImage()
        self._words = ""
        self.setMinimumSize(200, 150)
        self.setAccessibleName(tr("Picture of the camera"))

    def show_image(self, image: QImage) -> None:
        """Show a picture."""
        self._image = image
        self.update()

    def show_words(self, words: str) -> None:
        """Show words in place of a picture."""
        self._image, self._words = QImage(), words
        self.update()

    def image(self) -> QImage:
        """Return the picture that is shown; a null one when there is none."""
        return self._image

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the picture whole, in the middle."""
        palette, painter = theme.colours(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.fillRect(self.rect(), QColor(palette.sunken))
        if self._image.isNull():
            painter.setPen(QColor(palette.muted))
            painter.drawText(self.rect(), int(Qt.AlignmentFlag.AlignCenter), self._words)
            return
        scale = min(self.width() / self._image.width(), self.height() / self._image.height())
        width, height = self._image.width() * scale, self._image.height() * scale
        painter.drawImage(QRectF((self.width() - width) / 2, (self.height() - height) / 2, width, height), self._image)
