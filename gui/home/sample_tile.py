"""The tile that opens a sample project, with some of the sample's pictures on it. Knows Qt only."""

from typing import LiteralString

from PySide6.QtCore import QRect, QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPainterPath, QPaintEvent, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.tiles import ActionTile
from resources.photographs import strip


class SampleTile(ActionTile):
    """Press it to try the sample."""

    def __init__(self, sample: str, title: LiteralString, words: LiteralString) -> None:
        super().__init__(title, words, "sample")
        self._content.setSpacing(theme.MEDIUM)
        self._content.addWidget(PictureStrip(sample))


class PictureStrip(QWidget):
    """Square pictures side by side, as many as there is room for; read when they are first shown."""

    def __init__(self, sample: str) -> None:
        super().__init__()
        self._file, self._pictures = strip(sample), QPixmap()
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def sizeHint(self) -> QSize:
        """Return the size of two pictures: it takes whatever width there is."""
        return QSize(2, 1) * theme.scaled(50)

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Draw the pictures that fit, with round corners."""
        if self._pictures.isNull():
            self._pictures = QPixmap(str(self._file))
        painter, side, cut = QPainter(self), self.height(), self._pictures.height()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        step, corner = side + theme.SMALL, theme.scaled(6)
        fitting = min((self.width() + theme.SMALL) // step, self._pictures.width() // max(1, cut))
        for place in range(fitting):
            outline = QPainterPath()
            outline.addRoundedRect(QRectF(place * step, 0, side, side), corner, corner)
            painter.setClipPath(outline)
            painter.drawPixmap(QRect(place * step, 0, side, side), self._pictures, QRect(place * cut, 0, cut, cut))
