"""Draws the tiles of the image grid. Shared parts (card, caption) are drawn once and then copied."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Literal

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter, QPen, QPixmap

from gui.kit import theme
from gui.kit.image_model import Section, Tile
from gui.kit.thumbnails import Unreadable, filling
from gui.kit.translation import tr

INSET = 4  # between a card's edge and its image
HEADING_PX, LINE_PX, SECOND_LINE_PX, BAND_PX = 22, 24, 17, 20
MAX_CACHED_PIXMAPS = 600  # a caption of 300 x 24 pixels takes 30 kB
_SHOWN_SWATCHES, _SWATCH_PX, _RADIUS = 4, 13, 7
_VERTICAL = Qt.AlignmentFlag.AlignVCenter
_Draw = Callable[[QPainter, QRect], None]


def caption_px(lines: int) -> int:
    """Return the height of a tile's caption."""
    return theme.scaled((0, LINE_PX, LINE_PX + SECOND_LINE_PX)[lines])


class TilePainter:
    """Draws tiles: cards with `lines` of text below the image, or plain images, optionally with text over them."""

    def __init__(self, lines: int, *, is_overlaid: bool) -> None:
        self._lines, self._is_overlaid = lines, is_overlaid
        self._pixmaps: OrderedDict[Hashable, QPixmap] = OrderedDict()

    def forget(self) -> None:
        """Clear the cache after a change of the theme or the font."""
        self._pixmaps.clear()

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
        """Draw a tile into `box`; `kept` is its thumbnail, the reason why it is missing, or None while it loads."""
        ratio = painter.device().devicePixelRatio()
        caption = caption_px(self._lines)
        frame = box.adjusted(INSET, INSET, -INSET, -caption) if self._lines else box
        if self._lines:
            painter.drawPixmap(box.topLeft(), self._card(box.size(), ratio, is_selected, is_current))
        else:
            painter.fillRect(box, QColor(theme.colours().sunken))
        if isinstance(kept, QPixmap):
            draw_image(painter, frame, kept, ratio)
        elif isinstance(kept, Unreadable):
            painter.setPen(QColor(theme.colours().muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(frame, int(flags), tr("Cannot be shown:\n{reason}", reason=kept.reason))
        if tile.is_out:
            painter.drawPixmap(frame.topLeft(), self._veil(frame.size(), ratio))
        if self._is_overlaid:
            self._draw_over(painter, box, tile, is_selected=is_selected, is_current=is_current)
            return
        if tile.mark:
            _draw_mark(painter, frame, tile.mark, tone="bad" if tile.tone == "bad" else "good")
        if self._lines:
            size = QSize(box.width() - 16, caption)
            place = QPoint(box.left() + 8, box.bottom() - caption + 1)
            painter.drawPixmap(place, self._caption(size, ratio, tile, painter.font()))
        elif is_current:
            _draw_ring(painter, box, 2.5)

    def _draw_over(self, painter: QPainter, box: QRect, tile: Tile, *, is_selected: bool, is_current: bool) -> None:
        """Draw over an image: label and split at the bottom, tags at the top, and the selection."""
        ratio = painter.device().devicePixelRatio()
        line = QSize(box.width(), theme.scaled(BAND_PX))
        if tile.title and not tile.is_blank:
            foot = self._over(line, ratio, tile, painter.font())
            painter.drawPixmap(box.left(), box.bottom() - line.height() + 1, foot)
        if tile.mark:
            painter.drawPixmap(box.topLeft(), self._tag(line, ratio, tile.mark, painter.font()))
        if is_selected or is_current:
            painter.drawPixmap(box.topLeft(), self._frame(box.size(), ratio, is_selected, is_current))

    def _cached(self, key: Hashable, size: QSize, ratio: float, draw: _Draw, font: QFont | None = None) -> QPixmap:
        """Return a transparent pixmap drawn by `draw(painter, rectangle)`, from the cache if possible."""
        key = (key, size.width(), size.height(), ratio)
        pixmap = self._pixmaps.get(key)
        if pixmap is not None:
            self._pixmaps.move_to_end(key)
            return pixmap
        pixmap = QPixmap(size * ratio)
        pixmap.setDevicePixelRatio(ratio)
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if font is not None:
            painter.setFont(font)
        draw(painter, QRect(QPoint(0, 0), size))
        painter.end()
        self._pixmaps[key] = pixmap
        if len(self._pixmaps) > MAX_CACHED_PIXMAPS:
            self._pixmaps.popitem(last=False)
        return pixmap

    def _card(self, size: QSize, ratio: float, is_selected: bool, is_current: bool) -> QPixmap:
        def draw(painter: QPainter, box: QRect) -> None:
            palette = theme.colours()
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.accent_soft if is_selected else palette.surface))
            painter.drawRoundedRect(QRectF(box), _RADIUS, _RADIUS)
            if is_selected or is_current:
                _draw_ring(painter, box, 2.5 if is_current else 1.5)

        return self._cached((is_selected, is_current), size, ratio, draw)

    def _frame(self, size: QSize, ratio: float, is_selected: bool, is_current: bool) -> QPixmap:
        def draw(painter: QPainter, box: QRect) -> None:
            accent = QColor(theme.colours().accent)
            if not is_current:  # the current section keeps its colours
                tint = QColor(accent)
                tint.setAlphaF(0.25)
                painter.fillRect(box, tint)
            width = 3 if is_current else 2
            for colour, inset, pen in (("accent", width / 2, width), ("surface", width + 0.5, 1)):
                painter.setPen(QPen(QColor(getattr(theme.colours(), colour)), pen))
                painter.drawRect(QRectF(box).adjusted(inset, inset, -inset, -inset))

        return self._cached(("frame", is_selected, is_current), size, ratio, draw)

    def _veil(self, size: QSize, ratio: float) -> QPixmap:
        """Return the overlay of an excluded image: a pale tint with a cross in the middle."""

        def draw(painter: QPainter, box: QRect) -> None:
            palette = theme.colours()
            radius = min(theme.scaled(15), box.width() / 3)
            veil = QColor(palette.canvas)
            middle = QRectF(box).center()
            veil.setAlphaF(0.66)
            painter.fillRect(box, veil)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(palette.bad))
            painter.drawEllipse(middle, radius, radius)
            pen = QPen(QColor(palette.surface), radius / 4)
            pen.setCapStyle(Qt.PenCapStyle.RoundCap)
            painter.setPen(pen)
            arm = radius * 0.38
            for turn in (1, -1):
                end = QPointF(arm, turn * arm)
                painter.drawLine(middle - end, middle + end)

        return self._cached("veil", size, ratio, draw)

    def _over(self, size: QSize, ratio: float, tile: Tile, font: QFont) -> QPixmap:
        def draw(painter: QPainter, box: QRect) -> None:
            painter.fillRect(box, QColor(theme.OVER_IMAGE))
            words = painter.fontMetrics().horizontalAdvance(tile.title + tile.aside)
            room = box.width() - 12 - theme.TIGHT - _SWATCH_PX * len(tile.swatches[:_SHOWN_SWATCHES])
            aside = tile.aside if words <= room else ""  # the label takes precedence
            _draw_title(painter, box.adjusted(6, 0, -6, 0), tile, aside=aside, palette=theme.DARK)

        key = ("over", tile.title, tile.tone, tile.swatches, tile.is_proposed, tile.aside)
        return self._cached(key, size, ratio, draw, _smaller(font))

    def _tag(self, size: QSize, ratio: float, words: str, font: QFont) -> QPixmap:
        def draw(painter: QPainter, box: QRect) -> None:
            shown = painter.fontMetrics().elidedText(words, Qt.TextElideMode.ElideRight, box.width() - 12)
            ground = QRect(box.topLeft(), QSize(painter.fontMetrics().horizontalAdvance(shown) + 12, box.height()))
            painter.fillRect(ground, QColor(theme.OVER_IMAGE))
            _draw_text(painter, ground.adjusted(6, 0, -5, 0), shown, theme.DARK.text)

        return self._cached(("tag", words), size, ratio, draw, _smaller(font))

    def _caption(self, size: QSize, ratio: float, tile: Tile, font: QFont) -> QPixmap:
        key = (tile.title, tile.tone, tile.swatches, tile.is_proposed, tile.aside, tile.detail)

        def draw(painter: QPainter, box: QRect) -> None:
            title_box = QRect(box.left(), box.top(), box.width(), theme.scaled(LINE_PX))
            if self._lines > 1:
                detail_box = QRect(box.left(), title_box.bottom() - 2, box.width(), theme.scaled(SECOND_LINE_PX))
                _draw_text(painter, detail_box, tile.detail, theme.colours().muted, mode=Qt.TextElideMode.ElideRight)
                font.setWeight(QFont.Weight.DemiBold)
                painter.setFont(font)
            _draw_title(painter, title_box, tile, aside=tile.aside, palette=theme.colours())

        return self._cached(key, size, ratio, draw, font)


def draw_heading(painter: QPainter, line: QRect, section: Section, height: int) -> None:
    """Draw the heading of a section with its class colour; the current section has a band of `height` pixels."""
    palette, font = theme.colours(), painter.font()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if section.is_current:
        painter.fillRect(QRect(line.topLeft(), QSize(line.width(), height)), QColor(palette.accent_soft))
        strong = QFont(font)
        strong.setWeight(QFont.Weight.DemiBold)
        painter.setFont(strong)
    if section.colour is not None:
        _draw_swatch(painter, line.left(), line, theme.class_colour(section.colour), is_hollow=False)
        line = line.adjusted(16, 0, 0, 0)
    _draw_text(painter, line, section.title, palette.accent if section.is_current else palette.muted)
    room = painter.fontMetrics().horizontalAdvance(section.title)
    painter.setFont(font)
    if section.aside:
        _draw_text(painter, line.adjusted(room + theme.MEDIUM, 0, 0, 0), section.aside, palette.muted)


def _draw_ring(painter: QPainter, box: QRect, width: float) -> None:
    painter.setBrush(Qt.BrushStyle.NoBrush)
    painter.setPen(QPen(QColor(theme.colours().accent), width))
    painter.drawRoundedRect(QRectF(box).adjusted(1, 1, -1, -1), _RADIUS, _RADIUS)


def draw_image(painter: QPainter, frame: QRect, image: QPixmap, ratio: float) -> None:
    """Draw an image cropped to the square in the middle of `frame`; an image of the right size is not scaled."""
    side = min(frame.width(), frame.height())
    whole = filling(image.size(), round(side * ratio))
    square = QSize(round(side * ratio), round(side * ratio))
    shown = whole.boundedTo(square)
    scale = image.width() / whole.width()
    left = frame.left() + round((frame.width() - shown.width() / ratio) / 2)
    top = frame.top() + round((frame.height() - shown.height() / ratio) / 2)
    cut = QPoint((whole.width() - shown.width()) // 2, (whole.height() - shown.height()) // 2)
    if whole == image.size():
        image.setDevicePixelRatio(ratio)
        painter.drawPixmap(QPoint(left, top), image, QRect(cut, shown))
    else:
        target = QRectF(left, top, shown.width() / ratio, shown.height() / ratio)
        source = QRectF(cut.x() * scale, cut.y() * scale, shown.width() * scale, shown.height() * scale)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        painter.drawPixmap(target, image, source)


def _smaller(font: QFont) -> QFont:
    """Return the font of text over images."""
    small = QFont(font)
    small.setPixelSize(round(font.pixelSize() * 0.88))
    small.setWeight(QFont.Weight.Medium)
    return small


def _draw_mark(painter: QPainter, frame: QRect, words: str, *, tone: Literal["good", "bad"]) -> None:
    palette, metrics = theme.colours(), painter.fontMetrics()
    shown = metrics.elidedText(words, Qt.TextElideMode.ElideRight, frame.width() - 24)
    box = QRectF(frame.left() + 5, frame.top() + 5, metrics.horizontalAdvance(shown) + 14, metrics.height() + 4)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(getattr(palette, f"{tone}_soft")))
    painter.drawRoundedRect(box, 6, 6)
    painter.setPen(QColor(getattr(palette, tone)))
    painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), shown)


def _draw_title(painter: QPainter, box: QRect, tile: Tile, *, aside: str, palette: theme.Colours) -> None:
    if aside:
        painter.setPen(QColor(palette.muted))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | _VERTICAL), aside)
        box = box.adjusted(0, 0, -painter.fontMetrics().horizontalAdvance(aside) - theme.TIGHT, 0)
    for colour in tile.swatches[:_SHOWN_SWATCHES]:
        _draw_swatch(painter, box.left(), box, theme.class_colour(colour), is_hollow=tile.is_proposed)
        box = box.adjusted(_SWATCH_PX, 0, 0, 0)
    _draw_text(painter, box, tile.title, getattr(palette, tile.tone or "text"))


def _draw_swatch(painter: QPainter, left: int, line: QRect, colour: QColor, *, is_hollow: bool) -> None:
    painter.setPen(QPen(colour, 1.5) if is_hollow else Qt.PenStyle.NoPen)
    painter.setBrush(Qt.BrushStyle.NoBrush if is_hollow else colour)
    painter.drawRoundedRect(QRectF(left + 0.5, line.center().y() - 3.5, 9, 9), 2.5, 2.5)


def _draw_text(
    painter: QPainter, box: QRect, words: str, colour: str, *, mode: Qt.TextElideMode = Qt.TextElideMode.ElideMiddle
) -> None:
    """Draw a line of text, by default elided in the middle, because the end of a title is informative (“a → b”)."""
    painter.setPen(QColor(colour))
    if mode is Qt.TextElideMode.ElideMiddle:
        shown = elided_title(painter.fontMetrics(), words, box.width())
    else:
        shown = painter.fontMetrics().elidedText(words, mode, box.width())
    painter.drawText(box, int(_VERTICAL), shown)


def elided_title(metrics: QFontMetrics, words: str, width: int) -> str:
    """Return a title elided in the middle, keeping a short last word: `go… 100%`, not `goo…00%`."""
    shown = metrics.elidedText(words, Qt.TextElideMode.ElideMiddle, width)
    start, _, last = words.rpartition(" ")
    end = f" {last}"
    room = width - metrics.horizontalAdvance(end)
    if not start or shown.endswith(end) or room < width / 3:
        return shown
    return metrics.elidedText(start, Qt.TextElideMode.ElideRight, room) + end
