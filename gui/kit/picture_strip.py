"""Any number of pictures with two lines below each: what a run said of them, and what changed. Knows plain data only.

Only what is in view is drawn and decoded. Keys go out as `key_pressed`, so that a page can label with them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QRect,
    QRectF,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QColor, QFont, QKeyEvent, QPainter, QPaintEvent, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QListView, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Tone
from gui.kit.thumbnails import ThumbnailStore, Unreadable

_Index = QModelIndex | QPersistentModelIndex
ITEM_ROLE = Qt.ItemDataRole.UserRole
SIDE_PX, MAX_SIDE_PX = 132, 250
SCROLL_BAR_PX = 18  # room is left for it even while it is hidden: else it would come and go


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureItem:
    """A picture with a strong line, a quiet line below it, and a mark where something about it has changed."""

    image_id: int
    path: Path
    title: str
    detail: str = ""
    mark: str = ""
    tone: Tone = ""


class _Items(QAbstractListModel):
    def __init__(self) -> None:
        super().__init__()
        self.items: list[PictureItem] = []

    def set_items(self, items: Sequence[PictureItem]) -> None:
        self.beginResetModel()
        self.items = list(items)
        self.endResetModel()

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: B008
        return 0 if parent.isValid() else len(self.items)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        item = self.items[index.row()]
        if role == ITEM_ROLE:
            return item
        if role in (Qt.ItemDataRole.AccessibleTextRole, Qt.ItemDataRole.ToolTipRole):
            lines = (item.title, item.detail, item.mark, item.path.name)
            return "\n".join(line for line in lines if line)
        return None


class PictureStrip(QListView):
    """Pictures that wrap into as many columns as fit; any number can be chosen."""

    chosen_changed = Signal()
    key_pressed = Signal(str)  # a letter or digit, lower case

    def __init__(self, thumbnails: ThumbnailStore, *, name: str, side_px: int = SIDE_PX) -> None:
        super().__init__()
        self._thumbnails = thumbnails
        self._side_px, self._side = side_px, theme.scaled(side_px)
        self._wanted: list[Path] = []
        self._items = _Items()
        self.setModel(self._items)
        self.setItemDelegate(_Delegate(self))
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSpacing(theme.TIGHT)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionRectVisible(False)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setMouseTracking(False)
        self.setAccessibleName(tr(name))
        self.setMinimumSize(theme.scaled(side_px + 32), theme.scaled(side_px))
        self.selectionModel().selectionChanged.connect(lambda *_: self.chosen_changed.emit())
        thumbnails.loaded.connect(self._on_loaded)

    def show_items(self, items: Sequence[PictureItem]) -> None:
        """Show these pictures; what was chosen stays chosen where it is still there, else the first one is."""
        if list(items) == self._items.items:
            return
        chosen, current = {item.image_id for item in self.chosen()}, self.currentIndex().row()
        place = self.verticalScrollBar().value()
        self._items.set_items(items)
        self._fit_side()
        kept = [line for line, item in enumerate(items) if item.image_id in chosen]
        self.choose(kept or [min(max(current, 0), len(items) - 1)] if items else [])
        if kept:
            self.verticalScrollBar().setValue(place)

    def items(self) -> list[PictureItem]:
        """Return what is shown, in order."""
        return list(self._items.items)

    def chosen(self) -> list[PictureItem]:
        """Return the chosen pictures, in order."""
        lines = sorted(index.row() for index in self.selectionModel().selectedIndexes())
        return [self._items.items[line] for line in lines if line < len(self._items.items)]

    def choose(self, lines: Sequence[int]) -> None:
        """Choose the pictures at these places; the first one becomes current."""
        model, flag = self.selectionModel(), QItemSelectionModel.SelectionFlag
        model.clearSelection()
        for line in lines:
            model.select(self._items.index(line, 0), flag.Select)
        if lines:
            model.setCurrentIndex(self._items.index(lines[0], 0), flag.NoUpdate)
            self.scrollTo(self._items.index(lines[0], 0))

    def step(self) -> None:
        """Choose the picture after the current one."""
        if self.currentIndex().row() + 1 < len(self._items.items):
            self.choose([self.currentIndex().row() + 1])

    # -- drawing ------------------------------------------------------------------------------------------------

    def side(self) -> int:
        """Return the side of a picture's frame, in logical pixels."""
        return self._side

    def _fit_side(self) -> None:
        """Fill the width with columns; as few of them as show all pictures at once, if that can be."""
        gap, room = self.spacing(), self.width() - self.spacing() - SCROLL_BAR_PX
        least, most = theme.scaled(self._side_px), theme.scaled(MAX_SIDE_PX)
        fitting, side = max(1, room // (least + 2 * theme.SMALL + gap)), least
        for columns in range(1, fitting + 1):
            side = max(least, min(most, room // columns - 2 * theme.SMALL - gap))
            lines = (self.viewport().height() - gap) // (self.item_size(side).height() + gap)
            if columns * lines >= len(self._items.items):
                break
        if side != self._side:
            self._side = side
            self.scheduleDelayedItemsLayout()

    def item_size(self, side: int) -> QSize:
        """Return the size of a picture with its frame and lines."""
        return QSize(side + 2 * theme.SMALL, side + 2 * self.fontMetrics().height() + theme.LARGE)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Fit the pictures into the new size."""
        super().resizeEvent(event)
        self._fit_side()

    def picture(self, path: Path) -> QPixmap | Unreadable | None:
        """Return a thumbnail; one that is not here yet is asked for."""
        if (kept := self._thumbnails.get(path)) is None:
            self._wanted.append(path)
        return kept

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw what is in view, then ask for the pictures that are missing."""
        self._wanted = []
        self._thumbnails.set_side(round(theme.scaled(MAX_SIDE_PX) * self.devicePixelRatioF()))  # one for all strips
        super().paintEvent(event)
        if self._wanted:
            self._thumbnails.prefetch(self._wanted)

    @Slot(Path)
    def _on_loaded(self, _path: Path) -> None:
        if self.isVisible():
            self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hand letters and digits on; arrows and the like move as in any list."""
        held = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
        if event.text().isalnum() and not held:
            self.key_pressed.emit(event.text().casefold())
            return
        super().keyPressEvent(event)


class _Delegate(QStyledItemDelegate):
    """A picture in its frame, two lines and a mark."""

    def __init__(self, strip: PictureStrip) -> None:
        super().__init__(strip)
        self._strip = strip

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:
        """Return the size of a picture with its lines."""
        return self._strip.item_size(self._strip.side())

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Draw one picture."""
        item: PictureItem = index.data(ITEM_ROLE)
        palette = theme.colours()
        box = option.rect.adjusted(1, 1, -1, -1)
        painter.save()
        painter.setRenderHints(QPainter.RenderHint.Antialiasing | QPainter.RenderHint.SmoothPixmapTransform)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.setPen(QPen(QColor(palette.accent), 2))
            painter.setBrush(QColor(palette.accent_soft))
            painter.drawRoundedRect(QRectF(box), 7, 7)
        frame = QRect(box.left() + theme.SMALL - 1, box.top() + theme.SMALL - 1, self._strip.side(), self._strip.side())
        self._draw_picture(painter, frame, item)
        if item.mark:
            self._draw_mark(painter, frame, item)
        self._draw_lines(
            painter, QRect(frame.left(), frame.bottom() + 3, frame.width(), box.bottom() - frame.bottom()), item
        )
        painter.restore()

    def _draw_picture(self, painter: QPainter, frame: QRect, item: PictureItem) -> None:
        palette, kept = theme.colours(), self._strip.picture(item.path)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.sunken))
        painter.drawRoundedRect(QRectF(frame), 5, 5)
        if isinstance(kept, QPixmap) and not kept.isNull():
            ratio = self._strip.devicePixelRatioF()
            width, height = kept.width() / ratio, kept.height() / ratio
            scale = min(frame.width() / width, frame.height() / height)
            target = QRectF(0, 0, width * scale, height * scale)
            target.moveCenter(QRectF(frame).center())
            painter.drawPixmap(target, kept, QRectF(kept.rect()))
        elif isinstance(kept, Unreadable):
            painter.setPen(QColor(palette.muted))
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(frame.adjusted(6, 6, -6, -6), int(flags), f"Cannot be shown:\n{kept.reason}")

    def _draw_mark(self, painter: QPainter, frame: QRect, item: PictureItem) -> None:
        palette = theme.colours()
        metrics = painter.fontMetrics()
        words = metrics.elidedText(item.mark, Qt.TextElideMode.ElideRight, frame.width() - 24)
        box = QRectF(frame.left() + 5, frame.top() + 5, metrics.horizontalAdvance(words) + 14, metrics.height() + 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.good_soft))
        painter.drawRoundedRect(box, 6, 6)
        painter.setPen(QColor(palette.good))
        painter.drawText(box, int(Qt.AlignmentFlag.AlignCenter), words)

    def _draw_lines(self, painter: QPainter, box: QRect, item: PictureItem) -> None:
        palette, metrics = theme.colours(), painter.fontMetrics()
        tones = {"good": palette.good, "bad": palette.bad, "warn": palette.warn}
        font = painter.font()
        for place, (line, colour) in enumerate(
            ((item.title, tones.get(item.tone, palette.text)), (item.detail, palette.muted))
        ):
            font.setWeight(QFont.Weight.DemiBold if place == 0 else QFont.Weight.Normal)
            painter.setFont(font)
            painter.setPen(QColor(colour))
            at = QRect(box.left(), box.top() + place * metrics.height(), box.width(), metrics.height())
            shown = painter.fontMetrics().elidedText(line, Qt.TextElideMode.ElideMiddle, at.width())
            painter.drawText(at, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), shown)
