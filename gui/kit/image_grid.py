"""A grid of any number of pictures: only what is in view is asked for, drawn and kept. Knows Qt and plain data only."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from PySide6.QtCore import QEvent, QPoint, QRect, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import QAbstractScrollArea

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.selection import ImageSelection
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.tile_painter import CAPTION_PX, INSET, Cell, SuggestionBadge, TilePainter

__all__ = ("Cell", "ImageGrid", "SuggestionBadge")
GAP = theme.SMALL
PREFETCH_ROWS = 2
MAX_CELLS = 4000


class ImageGrid(QAbstractScrollArea):
    """Pictures with captions; one is current, any number are selected."""

    current_changed = Signal(int)  # image id, 0 for none
    selection_changed = Signal()
    activated = Signal(int)

    def __init__(
        self,
        load_cells: Callable[[Sequence[int]], Iterable[Cell]],
        thumbnails: ThumbnailStore,
        selection: ImageSelection | None = None,
    ) -> None:
        """Args: `selection` says which pictures there are; without one the grid has its own."""
        super().__init__()
        self._load_cells = load_cells
        self._thumbnails = thumbnails
        thumbnails.loaded.connect(self._on_thumbnail_loaded)
        self.selection = selection = selection or ImageSelection(self)
        self._cells: dict[int, Cell] = {}
        self._side = 152
        self._painter = TilePainter()
        self._scrolled_to = 0
        self.setFrameShape(QAbstractScrollArea.Shape.NoFrame)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName(tr("Pictures"))
        self.viewport().setBackgroundRole(QPalette.ColorRole.Window)
        self.verticalScrollBar().valueChanged.connect(self._on_scrolled)
        selection.ids_changed.connect(self._on_ids_changed)
        selection.moved_to.connect(self._show_place)
        selection.selection_changed.connect(self._on_selection_changed)
        selection.current_changed.connect(self.current_changed)
        self._take_side()

    # -- content ------------------------------------------------------------------------------------------------

    def set_ids(self, ids: tuple[int, ...]) -> None:
        """Show these pictures; the current one stays current where it is still among them."""
        self.selection.set_ids(ids)

    @Slot()
    def _on_ids_changed(self) -> None:
        self._cells.clear()
        self._set_extent()
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
        return len(self.selection.ids)

    def cell(self, image_id: int) -> Cell | None:
        """Return what is shown of a picture."""
        if image_id not in self._cells:
            self._fetch((image_id,))
        return self._cells.get(image_id)

    def set_side(self, pixels: int) -> None:
        """Set the side of a thumbnail in logical pixels; the current picture stays in view."""
        self._side = pixels
        self._take_side()
        self._set_extent()
        self._show_place(self.selection.place)
        self.viewport().update()

    # -- current and selection ----------------------------------------------------------------------------------

    def current_id(self) -> int:
        """Return the current picture's id, 0 when there is none."""
        return self.selection.current_id()

    def id_at(self, place: int) -> int:
        """Return the id of the picture at `place`, 0 when there is none."""
        return self.selection.id_at(place)

    def current_place(self) -> int:
        """Return the current picture's place in the grid, from 0; -1 when there is none."""
        return self.selection.place

    def selected_ids(self) -> tuple[int, ...]:
        """Return the selected pictures in grid order; the current one when nothing is selected."""
        return self.selection.selected_ids()

    def set_current(self, place: int, *, extend: bool = False, toggle: bool = False) -> None:
        """Make the picture at `place` current and select it, from the anchor on (`extend`) or beside others."""
        self.selection.set_current(place, extend=extend, toggle=toggle)

    def select_all(self) -> None:
        """Select every picture of the grid."""
        self.selection.select_all()

    @Slot()
    def _on_selection_changed(self) -> None:
        self.viewport().update()
        self.selection_changed.emit()

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
        return place if place < len(self.selection.ids) else -1

    def _set_extent(self) -> None:
        lines = -(-len(self.selection.ids) // self.columns())
        bar = self.verticalScrollBar()
        bar.setSingleStep(self._row_height() // 3)
        bar.setPageStep(self.viewport().height())
        bar.setRange(0, max(0, lines * self._row_height() + GAP - self.viewport().height()))

    @Slot(int)
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
        return range(first, min(len(self.selection.ids), last))

    # -- events -------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Arrange anew; the current picture stays in view."""
        self._set_extent()
        super().resizeEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme."""
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._painter.forget()
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
            self.activated.emit(self.selection.ids[place])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrows, Home, End and the page keys; Shift extends the selection."""
        columns = self.columns()
        page = max(1, self.viewport().height() // self._row_height()) * columns
        last = len(self.selection.ids) - 1
        moves = {
            Qt.Key.Key_Left: self.selection.place - 1,
            Qt.Key.Key_Right: self.selection.place + 1,
            Qt.Key.Key_Up: self.selection.place - columns,
            Qt.Key.Key_Down: self.selection.place + columns,
            Qt.Key.Key_PageUp: max(0, self.selection.place - page),
            Qt.Key.Key_PageDown: min(last, self.selection.place + page),
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
        """Move what is on the screen already; only what comes into view is drawn."""
        moved, self._scrolled_to = (
            self._scrolled_to - self.verticalScrollBar().value(),
            self.verticalScrollBar().value(),
        )
        if abs(moved) < self.viewport().height():
            self.viewport().scroll(0, moved)
        else:
            self.viewport().update()

    @Slot(Path)
    def _on_thumbnail_loaded(self, path: Path) -> None:
        for place in self.visible_places():
            cell = self._cells.get(self.selection.ids[place])
            if cell is not None and cell.path == path:
                self.viewport().update(self.rect_of(place))

    # -- drawing ------------------------------------------------------------------------------------------------

    def _take_side(self) -> None:
        self._thumbnails.set_side(round((self._side - 2 * INSET) * self.devicePixelRatioF()))

    def _fetch(self, image_ids: Sequence[int]) -> None:
        if len(self._cells) > MAX_CELLS:
            self._cells.clear()
        for cell in self._load_cells(image_ids):
            self._cells[cell.image_id] = cell

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pictures in view; ask for what is missing of them and of the rows around."""
        places, ids = self.visible_places(), self.selection.ids
        missing = [ids[place] for place in places if ids[place] not in self._cells]
        if missing:
            self._fetch(missing)
        painter = QPainter(self.viewport())
        wanted: list[Path] = []
        for place in places:
            box, cell = self.rect_of(place), self._cells.get(ids[place])
            if cell is None:
                continue
            kept = self._thumbnails.get(cell.path)
            if kept is None:
                wanted.append(cell.path)
            if box.intersects(event.rect()):
                self._painter.draw(
                    painter,
                    box,
                    cell,
                    kept,
                    is_selected=self.selection.is_selected(cell.image_id),
                    is_current=place == self.selection.place,
                )
        painter.end()
        around = self.visible_places(margin_rows=PREFETCH_ROWS)
        near = [ids[place] for place in around if place not in places]
        paths = [self._cells[image_id].path for image_id in near if image_id in self._cells]
        wanted += [path for path in paths if self._thumbnails.get(path) is None]
        self._thumbnails.prefetch(wanted)
