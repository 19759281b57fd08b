"""Draws the tiles of the picture grid. What many tiles share (card, caption) is drawn once and copied from then on."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPixmap

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.picture_model import Section, Tile
from gui.kit.thumbnails import Unreadable

INSET = 4  # between a tile's edge and its picture
HEADING_PX, LINE_PX, SECOND_LINE_PX = 22, 24, 17
MAX_STAMPS = 600  # captions of 300 x 24 pixels take 30 kB each
_SHOWN_SWATCHES = 4
_RADIUS = 7
_SIDEWAYS = Qt.AlignmentFlag.AlignVCenter
_Draw = Callable[[QPainter, QRect], None]


def caption_px(lines: int) -> int:
    """Return how high the caption of a tile is."""
    return theme.scaled((0, LINE_PX, LINE_PX + SECOND_LINE_PX)[lines])


class TilePainter:
    """Draws tiles with `lines` of words; without any, pictures are cut to squares and stand bare."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._stamps: OrderedDict[Hashable, QPixmap] = OrderedDict()

    def forget(self) -> None:
        """Draw everything anew: the theme or the font changed."""
        self._stamps.clear()

    def draw(
        self,
        painter: QPainter,
        box: QRect,
        tile: Tile,
        kept: QPixmap | Unreadable | None,
        *,
        is_selected: bool,
        is_current: bool,
    ) -> None:
        """Draw one tile into `box`; `kept` is its thumbnail, or why there is none, or None while it is loaded."""
        ratio = painter.device().devicePixelRatio()
        caption = caption_px(self._lines)
        frame = box.adjusted(INSET, INSET, -INSET, -caption) if self._lines else box
        if self._lines:
            painter.drawPixmap(box.topLeft(), self._card(box.size(), ratio, is_selected, is_current))
        elif not isinstance(kept, QPixmap):
            painter.fillRect(box, QColor(theme.colours().sunken))
        if isinstance(kept, QPixmap):
            _draw_picture(painter, frame, kept, ratio) if self._lines else _draw_middle(painter, frame, kept)
        elif isinstance(kept, Unreadable):
            painter.setPen(QColor(theme.colours().muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(frame, int(flags), tr("Cannot be shown:\n{reason}", reason=kept.reason))
        if tile.mark:
            _draw_mark(painter, frame, tile.mark)
        if self._lines:
            size = QSize(box.width() - 16, caption)
            place = QPoint(box.left() + 8, box.bottom() - caption + 1)
            painter.drawPixmap(place, self._caption(size, ratio, tile, painter.font()))
        elif is_current:
            _draw_ring(painter, box, 2.5)

    def _stamp(self, key: Hashable, size: QSize, ratio: float, draw: _Draw, font: QFont | None = None) -> QPixmap:
        """Return a transparent pixmap that `draw(painter, rectangle)` has filled, from memory where it is there."""
        key = (key, size.width(), size.height(), ratio)
        found = self._stamps.get(key)
        if found is not None:
            self._stamps.move_to_end(key)
            return found
        found = QPixmap(size * ratio)
        found.setDevicePixelRatio(ratio)
        found.fill(Qt.GlobalColor.transparent)
        painter = QPainter(found)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if font is not None:
            painter.setFont(font)
        draw(painter, QRect(QPoint(0, 0), size))
        painter.end()
        self._stamps[key] = found
        if len(self._stamps) > MAX_STAMPS:
            self._stamps.popitem(last=False)
        return found

    def _card(self, size: QSize, ratio: float, is_selected: bool, is_current: bool) -> QPixmap:
        def draw(painter: QPainter, box: QRect) -> None:
            palette = theme.colours()
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent_soft if is_selected else palette.surface))
            painter.drawRoundedRect(QRectF(box), _RADIUS, _RADIUS)
            if is_selected or is_current:
                _draw_ring(painter, box, 2.5 if is_current else 1.5)

        return self._stamp((is_selected, is_current), size, ratio, draw)

    def _caption(self, size: QSize, ratio: float, tile: Tile, font: QFont) -> QPixmap:
        key = (tile.title, tile.tone, tile.swatches, tile.is_proposed, tile.aside, tile.detail)

        def draw(painter: QPainter, box: QRect) -> None:
            first = QRect(box.left(), box.top(), box.width(), theme.scaled(LINE_PX))
            if self._lines > 1:
                below = QRect(box.left(), first.bottom() - 2, box.width(), theme.scaled(SECOND_LINE_PX))
                _draw_words(painter, below, tile.detail, theme.colours().muted)
                font.setWeight(QFont.Weight.DemiBold)
                painter.setFont(font)
            _draw_title(painter, first, tile)

        return self._stamp(key, size, ratio, draw, font)


def draw_heading(painter: QPainter, line: QRect, section: Section) -> None:
    """Draw the heading of a section: the colour and the name of its class."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    _draw_swatch(painter, line.left(), line, theme.class_colour(section.colour), is_hollow=False)
    _draw_words(painter, line.adjusted(16, 0, 0, 0), section.title, theme.colours().muted)


def _draw_ring(painter: QPainter, box: QRect, width: float) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theme.colours().accent), width))
    painter.drawRoundedRect(QRectF(box).adjusted(1, 1, -1, -1), _RADIUS, _RADIUS)


def _draw_picture(painter: QPainter, frame: QRect, picture: QPixmap, ratio: float) -> None:
    """Draw a thumbnail in the middle of `frame`; one that fits is copied pixel by pixel, which is fast and sharp."""
    width, height = picture.width() / ratio, picture.height() / ratio
    scale = min(1.0, frame.width() / width, frame.height() / height)
    left = frame.left() + round((frame.width() - width * scale) / 2)
    top = frame.top() + round((frame.height() - height * scale) / 2)
    if scale == 1.0:
        picture.setDevicePixelRatio(ratio)
        painter.drawPixmap(left, top, picture)
    else:
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(QRectF(left, top, width * scale, height * scale), picture, QRectF(picture.rect()))


def _draw_middle(painter: QPainter, box: QRect, picture: QPixmap) -> None:
    """Fill `box` with the largest square in the middle of a thumbnail."""
    side = min(picture.width(), picture.height())
    middle = QRect((picture.width() - side) // 2, (picture.height() - side) // 2, side, side)
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
    painter.drawPixmap(box, picture, middle)


def _draw_mark(painter: QPainter, frame: QRect, words: str) -> None:
    palette, metrics = theme.colours(), painter.fontMetrics()
    shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, frame.width() - 24)
    box = QRectF(frame.left() + 5, frame.top() + 5, metrics.horizontalAdvance(shown) + 14, metrics.height() + 4)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(palette.good_soft))
    painter.drawRoundedRect(box, 6, 6)
    painter.setPen(QColor(palette.good))
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), shown)


def _draw_title(painter: QPainter, box: QRect, tile: Tile) -> None:
    palette = theme.colours()
    if tile.aside:
        painter.setPen(QColor(palette.muted))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | _SIDEWAYS), tile.aside)
        box = box.adjusted(0, 0, -painter.fontMetrics().horizontalAdvance(tile.aside) - theme.SMALL, 0)
    for colour in tile.swatches[:_SHOWN_SWATCHES]:
        _draw_swatch(painter, box.left(), box, theme.class_colour(colour), is_hollow=tile.is_proposed)
        box = box.adjusted(13, 0, 0, 0)
    _draw_words(painter, box, tile.title, getattr(palette, tile.tone or "text"))


def _draw_swatch(painter: QPainter, left: int, line: QRect, colour: QColor, *, is_hollow: bool) -> None:
    painter.setPen(QPen(colour, 1.5) if is_hollow else Qt.PenStyle.NoPen)
    painter.setBrush(Qt.BrushStyle.NoBrush if is_hollow else colour)
    painter.drawRoundedRect(QRectF(left + 0.5, line.center().y() - 3.5, 9, 9), 2.5, 2.5)


def _draw_words(painter: QPainter, box: QRect, words: str, colour: str) -> None:
    """Draw a line, shortened in the middle: its end tells as much as its beginning (“a → b”, “blue? 93%”)."""
    painter.setPen(QColor(colour))
    shown = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideMiddle, box.width())
    painter.drawText(box, int(_SIDEWAYS), shown)
