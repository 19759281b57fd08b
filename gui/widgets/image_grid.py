"""A grid of any number of pictures: only what is in view is asked for, drawn and kept. Knows Qt and plain data only."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QRect, QRectF, Qt, Signal, Slot
from PySide6.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QPen, QPixmap, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea

from gui import theme
from gui.thumbnails import ThumbnailStore, Unreadable

GAP = theme.SMALL
CAPTION_PX = 24
PREFETCH_ROWS = 2
MAX_CELLS = 4000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What the grid shows of one picture. `labels` pairs a class name with its place in the class list."""

    image_id: int
    path: Path
    labels: tuple[tuple[str, int], ...]
    split: str = ""
    note: str = ""


class ImageGrid(QAbstractScrollArea):
    """Pictures with captions; one is current, any number are selected."""

    current_changed = Signal(int)  # image id, 0 for none
    selection_changed = Signal()
    activated = Signal(int)

    def __init__(self, load_cells: Callable[[Sequence[int]], Iterable[Cell]], thumbnails: ThumbnailStore) -> None:
        super().__init__()
        self._load_cells = load_cells
        self._thumbnails = thumbnails
        thumbnails.loaded.connect(self._on_thumbnail_loaded)
        self._ids: tuple[int, ...] = ()
        self._places: dict[int, int] = {}
        self._cells: dict[int, Cell] = {}
        self._selected: set[int] = set()
        self._current = -1
        self._anchor = 0
        self._side = 152
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Pictures")
        self.viewport().setBackgroundRole(QPalette.ColorRole.Window)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        self._take_side()

    # -- content ------------------------------------------------------------------------------------------------

    def set_ids(self, ids: tuple[int, ...]) -> None:
        """Show these pictures; the current one stays current where it is still among them."""
        kept = self.current_id()
        self._ids = ids
        self._places = {image_id: place for place, image_id in enumerate(ids)}
        self._selected &= self._places.keys()
        self._cells.clear()
        self._set_extent()
        place = self._places.get(kept, min(max(self._current, 0), len(ids) - 1))
        self._current = -1
        self.set_current(place)
        self.viewport().update()

    def invalidate(self, image_ids: Iterable[int] | None = None) -> None:
        """Ask again for what is shown of these pictures (None: of all)."""
        if image_ids is None:
            self._cells.clear()
        else:
            for image_id in image_ids:
                self._cells.pop(image_id, None)
        self.viewport().update()

    def count(self) -> int:
        """Return the number of pictures."""
        return len(self._ids)

    def cell(self, image_id: int) -> Cell | None:
        """Return what is shown of a picture."""
        if image_id not in self._cells and image_id in self._places:
            self._fetch((image_id,))
        return self._cells.get(image_id)

    def set_side(self, pixels: int) -> None:
        """Set the side of a thumbnail in logical pixels; the current picture stays in view."""
        self._side = pixels
        self._take_side()
        self._set_extent()
        self._show_place(self._current)
        self.viewport().update()

    # -- current and selection ----------------------------------------------------------------------------------

    def current_id(self) -> int:
        """Return the current picture's id, 0 when there is none."""
        return self._ids[self._current] if 0 <= self._current < len(self._ids) else 0

    def id_at(self, place: int) -> int:
        """Return the id of the picture at `place`, 0 when there is none."""
        return self._ids[place] if 0 <= place < len(self._ids) else 0

    def current_place(self) -> int:
        """Return the current picture's place in the grid, from 0; -1 when there is none."""
        return self._current

    def selected_ids(self) -> tuple[int, ...]:
        """Return the selected pictures in grid order; the current one when nothing is selected."""
        chosen = sorted(self._selected, key=lambda image_id: self._places[image_id])
        return tuple(chosen) or ((self.current_id(),) if self.current_id() else ())

    def set_current(self, place: int, *, extend: bool = False, toggle: bool = False) -> None:
        """Make the picture at `place` current and select it, from the anchor on (`extend`) or beside others."""
        if not 0 <= place < len(self._ids):
            if not self._ids:
                self._current = -1
                self.current_changed.emit(0)
            return
        image_id = self._ids[place]
        if extend:
            first, last = sorted((self._anchor, place))
            self._selected = set(self._ids[first : last + 1])
        elif toggle:
            self._selected ^= {image_id}
            self._anchor = place
        else:
            self._selected = {image_id}
            self._anchor = place
        is_new = place != self._current
        self._current = place
        self._show_place(place)
        self.viewport().update()
        self.selection_changed.emit()
        if is_new:
            self.current_changed.emit(image_id)

    def select_all(self) -> None:
        """Select every picture of the grid."""
        self._selected = set(self._ids)
        self.viewport().update()
        self.selection_changed.emit()

    def find_place(self, start: int, step: int, wanted: Callable[[Cell], bool]) -> int:
        """Return the first place after `start` (step 1) or before it (step -1) whose cell is wanted, else -1."""
        place = start + step
        while 0 <= place < len(self._ids):
            span = self._ids[place : place + 200] if step > 0 else self._ids[max(0, place - 199) : place + 1]
            self._fetch([image_id for image_id in span if image_id not in self._cells])
            for image_id in span if step > 0 else reversed(span):
                if (cell := self._cells.get(image_id)) is not None and wanted(cell):
                    return self._places[image_id]
            place += step * len(span)
        return -1

    # -- geometry -----------------------------------------------------------------------------------------------

    def columns(self) -> int:
        """Return how many pictures stand side by side."""
        return max(1, (self.viewport().width() - GAP) // (self._side + GAP))

    def _row_height(self) -> int:
        return self._side + theme.scaled(CAPTION_PX) + GAP

    def rect_of(self, place: int) -> QRect:
        """Return where the picture at `place` stands, in the viewport."""
        columns = self.columns()
        left = GAP + (place % columns) * (self._cell_width() + GAP)
        top = GAP + (place // columns) * self._row_height() - self.verticalScrollBar().value()
        return QRect(left, top, self._cell_width(), self._row_height() - GAP)

    def _cell_width(self) -> int:
        columns = self.columns()
        return (self.viewport().width() - GAP * (columns + 1)) // columns

    def _place_at(self, point: QPoint) -> int:
        columns = self.columns()
        column = min(columns - 1, max(0, (point.x() - GAP // 2) // (self._cell_width() + GAP)))
        line = max(0, (point.y() + self.verticalScrollBar().value() - GAP // 2) // self._row_height())
        place = line * columns + column
        return place if place < len(self._ids) else -1

    def _set_extent(self) -> None:
        lines = -(-len(self._ids) // self.columns())
        bar = self.verticalScrollBar()
        bar.setSingleStep(self._row_height() // 3)
        bar.setPageStep(self.viewport().height())
        bar.setRange(0, max(0, lines * self._row_height() + GAP - self.viewport().height()))

    def _show_place(self, place: int) -> None:
        if place < 0:
            return
        box, bar = self.rect_of(place), self.verticalScrollBar()
        if box.top() < GAP:
            bar.setValue(bar.value() + box.top() - GAP)
        elif box.bottom() > self.viewport().height() - GAP:
            bar.setValue(bar.value() + box.bottom() - self.viewport().height() + GAP)

    def visible_places(self, *, margin_rows: int = 0) -> range:
        """Return the places that can be seen."""
        columns, height, top = self.columns(), self._row_height(), self.verticalScrollBar().value()
        first = max(0, (top // height - margin_rows) * columns)
        last = ((top + self.viewport().height()) // height + 1 + margin_rows) * columns
        return range(first, min(len(self._ids), last))

    # -- events -------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Arrange anew; the current picture stays in view."""
        self._set_extent()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        if event.type() == QEvent.Type.PaletteChange:
            self.viewport().update()
        super().changeEvent(event)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose a picture; Shift extends, Ctrl adds or takes away."""
        place = self._place_at(event.position().toPoint())
        keys = event.modifiers()
        if place >= 0 and event.button() == Qt.MouseButton.LeftButton:
            self.set_current(
                place,
                extend=bool(keys & Qt.KeyboardModifier.ShiftModifier),
                toggle=bool(keys & Qt.KeyboardModifier.ControlModifier),
            )

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open a picture."""
        place = self._place_at(event.position().toPoint())
        if place >= 0:
            self.activated.emit(self._ids[place])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrows, Home, End and the page keys; Shift extends the selection."""
        columns = self.columns()
        page = max(1, self.viewport().height() // self._row_height()) * columns
        last = len(self._ids) - 1
        moves = {
            Qt.Key.Key_Left: self._current - 1,
            Qt.Key.Key_Right: self._current + 1,
            Qt.Key.Key_Up: self._current - columns,
            Qt.Key.Key_Down: self._current + columns,
            Qt.Key.Key_PageUp: max(0, self._current - page),
            Qt.Key.Key_PageDown: min(last, self._current + page),
            Qt.Key.Key_Home: 0,
            Qt.Key.Key_End: last,
        }
        place = moves.get(Qt.Key(event.key()))
        if place is None:
            super().keyPressEvent(event)
            return
        self.set_current(place, extend=bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier))

    @Slot()
    def _on_scrolled(self) -> None:
        self.viewport().update()

    @Slot(Path)
    def _on_thumbnail_loaded(self, path: Path) -> None:
        for place in self.visible_places():
            cell = self._cells.get(self._ids[place])
            if cell is not None and cell.path == path:
                self.viewport().update(self.rect_of(place))

    # -- drawing ------------------------------------------------------------------------------------------------

    def _take_side(self) -> None:
        self._thumbnails.set_side(round(self._side * self.devicePixelRatioF()))

    def _fetch(self, image_ids: Sequence[int]) -> None:
        if len(self._cells) > MAX_CELLS:
            self._cells.clear()
        for cell in self._load_cells(image_ids):
            self._cells[cell.image_id] = cell

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pictures in view; ask for what is missing of them and of the rows around."""
        places = self.visible_places()
        missing = [self._ids[place] for place in places if self._ids[place] not in self._cells]
        if missing:
            self._fetch(missing)
        painter = QPainter(self.viewport())
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        wanted: list[Path] = []
        for place in places:
            box, cell = self.rect_of(place), self._cells.get(self._ids[place])
            if cell is None:
                continue
            kept = self._thumbnails.get(cell.path)
            if kept is None:
                wanted.append(cell.path)
            if box.intersects(event.rect()):
                self._draw(painter, box, cell, kept, is_current=place == self._current)
        painter.end()
        near = [self._ids[place] for place in self.visible_places(margin_rows=PREFETCH_ROWS) if place not in places]
        paths = [self._cells[image_id].path for image_id in near if image_id in self._cells]
        wanted += [path for path in paths if self._thumbnails.get(path) is None]
        self._thumbnails.want(wanted)

    def _draw(
        self, painter: QPainter, box: QRect, cell: Cell, kept: QPixmap | Unreadable | None, *, is_current: bool
    ) -> None:
        palette = theme.colours()
        is_selected = cell.image_id in self._selected
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(QColor(palette.accent_soft if is_selected else palette.surface))
        painter.drawRoundedRect(QRectF(box), 7, 7)
        caption = theme.scaled(CAPTION_PX)
        frame = box.adjusted(4, 4, -4, -caption)
        if isinstance(kept, QPixmap):
            self._draw_picture(painter, frame, kept)
        else:
            painter.setPen(QColor(palette.muted))
            words = f"Cannot be shown:\n{kept.reason}" if isinstance(kept, Unreadable) else ""
            flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
            painter.drawText(frame, int(flags), words)
        self._draw_caption(painter, QRect(box.left() + 8, box.bottom() - caption + 1, box.width() - 16, caption), cell)
        if is_selected or is_current:
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.setPen(QPen(QColor(palette.accent), 2.5 if is_current else 1.5))
            painter.drawRoundedRect(QRectF(box).adjusted(1, 1, -1, -1), 7, 7)

    def _draw_picture(self, painter: QPainter, frame: QRect, picture: QPixmap) -> None:
        ratio = self.devicePixelRatioF()
        width, height = picture.width() / ratio, picture.height() / ratio
        scale = min(1.0, frame.width() / width, frame.height() / height)
        target = QRectF(0, 0, width * scale, height * scale)
        target.moveCenter(QRectF(frame).center())
        painter.drawPixmap(target, picture, QRectF(picture.rect()))

    def _draw_caption(self, painter: QPainter, box: QRect, cell: Cell) -> None:
        palette = theme.colours()
        metrics = painter.fontMetrics()
        split_width = 0
        if cell.split:
            painter.setPen(QColor(palette.muted))
            split_width = metrics.horizontalAdvance(cell.split) + theme.SMALL
            painter.drawText(box, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter), cell.split)
        left = box.left()
        for _, index in cell.labels[:4]:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.class_colour(index))
            painter.drawRoundedRect(QRectF(left, box.center().y() - 4, 9, 9), 2.5, 2.5)
            left += 13
        words = ", ".join(name for name, _ in cell.labels) or "no label"
        painter.setPen(QColor(palette.text if cell.labels else palette.muted))
        room = box.right() - left - split_width
        elided = metrics.elidedText(words, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRect(left, box.top(), room, box.height()), int(Qt.AlignmentFlag.AlignVCenter), elided)
