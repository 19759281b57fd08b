"""Icons: SVG line drawings of `resources/icons`, tinted with the current colours."""

from functools import cache
from pathlib import Path

from PySide6.QtCore import QByteArray, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

import resources
from gui.kit.theme import colours

_ICON_DIR = Path(resources.__file__).parent / "icons"
_SCALES = (1.0, 2.0)


def icon(name: str, colour: str | None = None, *, size: int = 18, gap: int = 0) -> QIcon:
    """Return the icon `name` in `colour` (default: the text colour), with a greyed variant for disabled widgets.

    `gap` adds empty pixels at the right: Qt leaves hardly any space between a button's icon and its text.
    """
    palette = colours()
    return _icon(name, colour or palette.text, palette.outline, size, gap)


def pixmap(name: str, colour: str | None = None, *, size: int = 18, scale: float = 2.0) -> QPixmap:
    """Return a pixmap of the icon, `size` logical pixels wide."""
    return _render(name, colour or colours().text, size, scale)


def swatch(colour: str) -> QIcon:
    """Return a rounded square of a colour."""
    size = 14
    image = QPixmap(QSize(size, size) * _SCALES[-1])
    image.setDevicePixelRatio(_SCALES[-1])
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(colour))
    painter.drawRoundedRect(QRectF(1, 1, size - 2, size - 2), 3, 3)
    painter.end()
    icon = QIcon(image)
    icon.addPixmap(image, QIcon.Mode.Selected)  # else tinted
    return icon


def app_icon() -> QIcon:
    result = QIcon()
    for size in (16, 32, 64, 128, 256):
        result.addPixmap(_render("visionft", "#000000", size, 1.0))
    return result


@cache
def _icon(name: str, colour: str, disabled_colour: str, size: int, gap: int) -> QIcon:
    result = QIcon()
    for scale in _SCALES:
        result.addPixmap(_render(name, colour, size, scale, gap), QIcon.Mode.Normal)
        result.addPixmap(_render(name, disabled_colour, size, scale, gap), QIcon.Mode.Disabled)
    return result


@cache
def _render(name: str, colour: str, size: int, scale: float, gap: int = 0) -> QPixmap:
    svg = (_ICON_DIR / f"{name}.svg").read_text(encoding="utf-8").replace("currentColor", colour)
    image = QPixmap(QSize(size + gap, size) * scale)
    image.setDevicePixelRatio(scale)
    image.fill(Qt.GlobalColor.transparent)
    painter = QPainter(image)
    QSvgRenderer(QByteArray(svg.encode())).render(painter, QRectF(0, 0, size, size))
    painter.end()
    return image
