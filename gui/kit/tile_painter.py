"""Draws the tiles of the picture grid. What many tiles share (card, caption) is drawn once and copied from then on."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QPoint, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QFont, QPainter, QPen, QPixmap

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.theme import ClassColour
from gui.kit.thumbnails import Unreadable

CAPTION_PX = 24
INSET = 4  # between a tile's edge and its picture
MAX_STAMPS = 600  # captions of 300 x 24 pixels take 30 kB each
_SHOWN_LABELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestionBadge:
    """What a run suggests for a picture: classes with their colours, the first one's probability, the best few."""

    names: tuple[tuple[str, ClassColour], ...]
    confidence: float
    ranked: tuple[tuple[str, float], ...] = ()

    def text(self) -> str:
        """Return the suggestion in a few letters; the question mark tells it from a label."""
        return f"{', '.join(name for name, _ in self.names)}? {self.confidence:.0%}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateBadge:
    """A class that a file gives a picture which others give another one."""

    name: str
    colour: ClassColour
    origin: str

    def file(self) -> str:
        """Return the file that says so, short: with its folder, which may be what names the class."""
        return "/".join(Path(self.origin).parts[-2:])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What the grid shows of one picture. `labels` pairs a class name with its colour."""

    image_id: int
    path: Path
    labels: tuple[tuple[str, ClassColour], ...]
    split: str = ""
    note: str = ""
    badge: SuggestionBadge | None = None
    candidates: tuple[CandidateBadge, ...] = ()
    is_put_off: bool = False
    tags: tuple[str, ...] = ()

    def caption(self) -> str:
        """Return the words under the picture."""
        if self.labels:
            return ", ".join(name for name, _ in self.labels)
        said = [self.badge.text()] if self.badge is not None else []
        if self.candidates:
            *others, last = (each.name for each in self.candidates)
            said.insert(0, tr("{first} or {last}?", first=", ".join(others), last=last))
        words = "  ".join(said) or tr("no label")
        return f"{words}, {tr('put off')}" if self.is_put_off else words


class TilePainter:
    """Draws tiles of one size; `forget` after the theme or the font changed."""

    def __init__(self) -> None:
        self._stamps: OrderedDict[Hashable, QPixmap] = OrderedDict()

    def forget(self) -> None:
        """Draw everything anew."""
        self._stamps.clear()

    def draw(
        self,
        painter: QPainter,
        box: QRect,
        cell: Cell,
        kept: QPixmap | Unreadable | None,
        *,
        is_selected: bool,
        is_current: bool,
    ) -> None:
        """Draw one tile into `box`; `kept` is its thumbnail, or why there is none, or None while it is loaded."""
        ratio = painter.device().devicePixelRatio()
        painter.drawPixmap(box.topLeft(), self._card(box.size(), ratio, is_selected, is_current))
        caption = theme.scaled(CAPTION_PX)
        frame = box.adjusted(INSET, INSET, -INSET, -caption)
        if isinstance(kept, QPixmap):
            _draw_picture(painter, frame, kept, ratio)
        elif isinstance(kept, Unreadable):
            painter.setPen(QColor(theme.colours().muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(frame, int(flags), tr("Cannot be shown:\n{reason}", reason=kept.reason))
        size = QSize(box.width() - 16, caption)
        place = QPoint(box.left() + 8, box.bottom() - caption + 1)
        painter.drawPixmap(place, self._caption(size, ratio, cell, painter.font()))

    def _stamp(self, key: Hashable, size: QSize, ratio: float, draw, font: QFont | None = None) -> QPixmap:
        """Return a transparent pixmap that `draw(painter, rectangle)` has filled, from memory where it is there."""
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
            painter.drawRoundedRect(QRectF(box), 7, 7)
            if is_selected or is_current:
                painter.setBrush(Qt.BrushStyle.NoBrush)
                painter.setPen(QPen(QColor(palette.accent), 2.5 if is_current else 1.5))
                painter.drawRoundedRect(QRectF(box).adjusted(1, 1, -1, -1), 7, 7)

        return self._stamp((size.width(), size.height(), ratio, is_selected, is_current), size, ratio, draw)

    def _caption(self, size: QSize, ratio: float, cell: Cell, font: QFont) -> QPixmap:
        words = cell.caption()
        key = (size.width(), size.height(), ratio, words, cell.labels, cell.candidates, cell.split)
        return self._stamp(key, size, ratio, lambda painter, box: _draw_caption(painter, box, cell, words), font)


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
        painter.drawPixmap(QRectF(left, top, width * scale, height * scale), picture, QRectF(picture.rect()))


def _draw_caption(painter: QPainter, box: QRect, cell: Cell, words: str) -> None:
    palette, metrics = theme.colours(), painter.fontMetrics()
    split_width = 0
    if cell.split:
        painter.setPen(QColor(palette.muted))
        split_width = metrics.horizontalAdvance(cell.split) + theme.SMALL
        painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), cell.split)
    left = box.left()
    offered = tuple((each.name, each.colour) for each in cell.candidates)
    shown = cell.labels or offered or (cell.badge.names if cell.badge is not None else ())
    for _, colour in shown[:_SHOWN_LABELS]:
        swatch = QRectF(left + 0.5, box.center().y() - 3.5, 9, 9)
        painter.setPen(Qt.PenStyle.NoPen if cell.labels else QPen(theme.class_colour(colour), 1.5))
        painter.setBrush(theme.class_colour(colour) if cell.labels else Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(swatch, 2.5, 2.5)
        left += 13
    is_said = bool(cell.labels) or cell.badge is not None
    painter.setPen(QColor(palette.warn if cell.candidates else palette.text if is_said else palette.muted))
    room = box.right() - left - split_width
    elided = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room)
    painter.drawText(QRect(left, box.top(), room, box.height()), int(Qt.AlignmentFlag.AlignVCenter), elided)
