"""The one way in which several pictures are shown: a grid over a `PictureModel`. Only what is in view is read.

Pages differ by their model and a few options. Moving, selecting, tooltips, what a screen reader says, and loading
thumbnails are here and nowhere else. Knows Qt and plain data only.
"""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import (
    QEvent,
    QItemSelection,
    QItemSelectionModel,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QRect,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QRegion, QShowEvent
from PySide6.QtWidgets import QAbstractItemView

from gui.kit import theme
from gui.kit.grid_geometry import GAP, GridGeometry, TileSize
from gui.kit.i18n import tr
from gui.kit.picture_model import PictureModel, Section, Tile
from gui.kit.pulling import PullView
from gui.kit.selection import ImageSelection
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.tile_painter import HEADING_PX, INSET, TilePainter, caption_px, draw_heading

PREFETCH_ROWS = 2
GROWN_PX = (140, 258)  # the sides between which tiles that fill the room grow, at the normal text size
SCROLL_BAR_PX = 18  # room is left for it even while it is hidden: else tiles that grow would make it come and go
_Index = QModelIndex | QPersistentModelIndex
_Flag = QItemSelectionModel.SelectionFlag
_Move = QAbstractItemView.CursorAction


class PictureGrid(PullView):
    """Pictures with words in as many columns as fit; one is current, any number are selected.

    To Qt it is a list, which is what a screen reader needs to hear of; where things stand is decided here, because a
    list's own arrangement looks at each picture.
    """

    current_changed = Signal(int)  # image id, 0 for none
    selection_changed = Signal()
    opened = Signal(int)  # image id: a double click; where nothing can be selected, a click
    key_pressed = Signal(str)  # a letter or digit, lower case
    menu_wanted = Signal(QPoint)  # on the screen, for what is selected

    def __init__(
        self,
        thumbnails: ThumbnailStore,
        pictures: PictureModel | None = None,
        selection: ImageSelection | None = None,
        *,
        name: str = "Pictures",
        side_px: int = 0,
        lines: int = 1,
        overlaid: bool = False,
        single_row: bool = False,
        selectable: bool = True,
        draggable: bool = False,
    ) -> None:
        """Make a grid.

        Args:
            thumbnails: Where thumbnails come from; two grids that are seen at once cannot share one.
            pictures: What is shown; without one the grid has its own, filled by `show_tiles`.
            selection: The selection of `pictures`, where others follow it too.
            name: What a screen reader calls the grid, in English.
            side_px: About the side of a picture's tile in logical pixels; 0 lets tiles grow to fill the room.
            lines: Lines of words below each picture, 0 to 2; without any, pictures stand bare.
            overlaid: Words stand over the picture; `lines` is 0.
            single_row: Each section takes one line, and shows as many pictures as find room in it.
            selectable: Whether pictures can be selected; else a click opens one.
            draggable: Whether what is selected can be pulled to another widget, (`gui.kit.pulling`).
        """
        super().__init__(draggable=draggable)
        self.selection = selection or ImageSelection(pictures or PictureModel(parent=self), self)
        self.pictures = self.selection.pictures
        self._thumbnails, self._side, self._lines, self._is_single_row = thumbnails, side_px, lines, single_row
        self._is_overlaid, self._is_selectable = overlaid, selectable
        self._painter = TilePainter(lines, is_overlaid=overlaid)
        self._geometry_read: GridGeometry | None = None
        self._wished: tuple[object, ...] = ()
        self._set_up(selectable)
        self.setAccessibleName(tr(name))
        self._connect()

    def _set_up(self, selectable: bool) -> None:
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.ExtendedSelection if selectable else mode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setFrameShape(QAbstractItemView.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        on_canvas = self._lines or self._is_overlaid  # cards are seen on another ground only
        self.setProperty("role", "cards" if on_canvas else "")
        side = min(self._side, theme.scaled(GROWN_PX[0])) or theme.scaled(GROWN_PX[0])
        self.setMinimumSize(side + 2 * GAP + SCROLL_BAR_PX, side + (0 if self._lines else theme.scaled(HEADING_PX)))

    def _connect(self) -> None:
        self.pictures.modelAboutToBeReset.connect(self._forget_geometry)
        self.pictures.invalidated.connect(self._on_invalidated)
        self.setModel(self.pictures)
        self.setSelectionModel(self.selection)
        self.selection.current_changed.connect(self.current_changed)
        self.selection.selection_changed.connect(self.selection_changed)
        self.selection.moved_to.connect(self._show_place)
        if self.selectionMode() == QAbstractItemView.SelectionMode.NoSelection:
            self.clicked.connect(self._open)
        self._thumbnails.loaded.connect(self._on_thumbnail_loaded)

    # -- content ------------------------------------------------------------------------------------------------

    def show_tiles(self, tiles: Sequence[Tile], sections: tuple[Section, ...] = ()) -> None:
        """Show these pictures, and no others."""
        self.pictures.show(tiles, sections)

    def count(self) -> int:
        """Return the number of pictures."""
        return len(self.pictures.ids)

    def tile(self, image_id: int) -> Tile | None:
        """Return what is shown of a picture."""
        return next(iter(self.pictures.tiles((image_id,))), None)

    def tiles(self) -> list[Tile]:
        """Return what is shown, in order."""
        return self.pictures.tiles(self.pictures.ids)

    def chosen(self) -> list[Tile]:
        """Return the selected pictures, in order."""
        return self.pictures.tiles(self.selection.selected_ids())

    def set_side(self, pixels: int) -> None:
        """Set the side of a tile in logical pixels; the current picture stays in view."""
        self._side = pixels
        self.updateGeometries()
        self._show_place(self.selection.place)
        self.viewport().update()

    # -- geometry -----------------------------------------------------------------------------------------------

    @property
    def layout_now(self) -> GridGeometry:
        """Where everything stands, from the top of the content on."""
        if self._geometry_read is None:
            counts = [section.count for section in self.pictures.sections] or [self.count()]
            least, most = (self._side, self._side) if self._side else map(theme.scaled, GROWN_PX)
            heading = theme.scaled(HEADING_PX) if self.pictures.sections else 0
            is_bare = not self._lines and not self._is_overlaid
            gap = theme.TIGHT if self._is_overlaid else GAP
            size = TileSize(
                least=least, most=most, caption=caption_px(self._lines), heading=heading, is_bare=is_bare, gap=gap
            )
            room = self.size() - QSize(SCROLL_BAR_PX, 0)
            self._geometry_read = GridGeometry(counts, size, room, single_row=self._is_single_row)
        return self._geometry_read

    @Slot()
    def _forget_geometry(self) -> None:
        self._geometry_read, self._wished = None, ()

    def updateGeometries(self) -> None:
        """Arrange anew."""
        self._forget_geometry()
        bar, layout, height = self.verticalScrollBar(), self.layout_now, self.viewport().height()
        bar.setSingleStep(layout.row_height // 3)
        bar.setPageStep(height)
        bar.setRange(0, max(0, layout.height - height))
        QAbstractItemView.updateGeometries(self)

    def doItemsLayout(self) -> None:
        """Arrange anew, as Qt asks after it was shown or resized."""
        self.updateGeometries()
        self.viewport().update()

    def dataChanged(self, first: _Index, last: _Index, roles: Sequence[int] = ()) -> None:
        """Draw anew; nothing moves, so that a list's arranging anew would only draw once more."""
        QAbstractItemView.dataChanged(self, first, last, roles)

    def reset(self) -> None:
        """Show other pictures. Qt's own would forget the selection, which has its own mind about that."""
        self.updateGeometries()
        self._show_place(self.selection.place)
        self.viewport().update()

    def rect_of(self, place: int) -> QRect:
        """Return where the picture at `place` stands, in the viewport."""
        return self.layout_now.rect(place).translated(0, -self.verticalOffset())

    def visualRect(self, index: _Index) -> QRect:
        """Return where a picture stands, in the viewport."""
        return self.rect_of(index.row()) if index.isValid() else QRect()

    def indexAt(self, point: QPoint) -> QModelIndex:
        """Return the picture at a point of the viewport."""
        place = self.layout_now.place_at(point + QPoint(0, self.verticalOffset()))
        return self.pictures.index(place) if place >= 0 else QModelIndex()

    def scrollTo(self, index: _Index, hint=QAbstractItemView.ScrollHint.EnsureVisible) -> None:
        """Bring a picture into view, wherever in it."""
        self._show_place(index.row())

    @Slot(int)
    def _show_place(self, place: int) -> None:
        box, bar = self.rect_of(place) if place >= 0 else QRect(), self.verticalScrollBar()
        if box.isNull():
            return
        top = box.top() - self.layout_now.heading_above(place)
        if top < GAP:
            bar.setValue(bar.value() + top - GAP)
        elif box.bottom() > self.viewport().height() - GAP:
            bar.setValue(bar.value() + box.bottom() - self.viewport().height() + GAP)

    def visible_places(self, *, margin_rows: int = 0) -> list[int]:
        """Return the places that can be seen."""
        top, margin = self.verticalOffset(), margin_rows * self.layout_now.row_height
        return self.layout_now.places(top - margin, top + self.viewport().height() + margin)

    def horizontalOffset(self) -> int:
        """Return 0: nothing lies beside."""
        return 0

    def verticalOffset(self) -> int:
        """Return how far it is scrolled."""
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: _Index) -> bool:
        """Return whether a picture finds no room in its single row."""
        return self.layout_now.rect(index.row()).isNull()

    # -- moving and selecting -----------------------------------------------------------------------------------

    def moveCursor(self, action: _Move, _modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Return the picture to which a key leads; at the end it stays."""
        place, last, layout = self.selection.place, self.count() - 1, self.layout_now
        page = max(1, self.viewport().height() // layout.row_height) * layout.columns
        if action in (_Move.MoveUp, _Move.MoveDown):
            to = layout.beside(place, -1 if action == _Move.MoveUp else 1)
        else:
            to = {
                _Move.MoveLeft: place - 1,
                _Move.MoveRight: place + 1,
                _Move.MovePageUp: max(0, place - page),
                _Move.MovePageDown: min(last, place + page),
                _Move.MoveHome: 0,
                _Move.MoveEnd: last,
            }.get(action, place)
        step = 1 if to > place else -1
        while 0 <= to <= last and layout.rect(to).isNull():
            to += step
        return self.pictures.index(to) if 0 <= to <= last else self.currentIndex()

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Select as Qt decided after a click, a key or a pull: what is meant is where `rect` ends."""
        if command == _Flag.NoUpdate:
            return
        if self.state() == QAbstractItemView.State.DragSelectingState:
            area = rect.translated(0, self.verticalOffset())
            places = self.layout_now.places(area.top(), area.bottom())
            inside = [place for place in places if self.layout_now.rect(place).intersects(area)]
            self.selection.select_places(inside, beside=not command & _Flag.Clear)
            return
        place = self.indexAt(rect.bottomRight()).row()
        extends = bool(command & _Flag.Current)  # Shift is held
        self.selection.set_current(place, extend=extends, toggle=not extends and not command & _Flag.Clear)

    def visualRegionForSelection(self, selection: QItemSelection) -> QRegion:
        """Return what is to be drawn anew of pictures: of several, all that is in view, rather than ask of each."""
        marked = [selection.at(place) for place in range(min(2, selection.count()))]
        if len(marked) == 1 and marked[0].height() == 1:
            return QRegion(self.rect_of(marked[0].top()))
        return QRegion(self.viewport().rect()) if marked else QRegion()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Open the picture."""
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid():
            self._open(index)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for the menu of what is selected, at the pointer or, by key, at the current picture."""
        is_by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        place = self.rect_of(self.selection.place).center() if is_by_key else event.pos()
        if self.selection.current_id():
            self.menu_wanted.emit(self.viewport().mapToGlobal(place))

    def keyboardSearch(self, _typed: str) -> None:
        """Do nothing: letters are keys of classes and commands."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Hand letters and digits on; all else moves or selects as in any list."""
        held = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
        if event.text().isalnum() and not held:
            self.key_pressed.emit(event.text().casefold())
            return
        super().keyPressEvent(event)

    @Slot(QModelIndex)
    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(self.selection.id_at(index.row()))

    # -- drawing ------------------------------------------------------------------------------------------------

    def changeEvent(self, event: QEvent) -> None:
        """Follow the theme and the size of the text."""
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._painter.forget()
            self.updateGeometries()
            self.viewport().update()
        super().changeEvent(event)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Move what is on the screen already; only what comes into view is drawn."""
        if abs(dy) < self.viewport().height():
            self.viewport().scroll(dx, dy)
        else:
            self.viewport().update()

    @Slot(object)
    def _on_invalidated(self, image_ids: frozenset[int]) -> None:
        for place in self.visible_places():
            if self.pictures.ids[place] in image_ids:
                index = self.pictures.index(place)
                self.dataChanged(index, index)

    @Slot(Path)
    def _on_thumbnail_loaded(self, path: Path) -> None:
        self._wished = ()
        if not self.isVisible():
            return
        for place in self.visible_places():
            tile = self.pictures.known_tile(self.pictures.ids[place])
            if tile is not None and tile.path == path:
                self.viewport().update(self.rect_of(place))

    def _take_side(self) -> None:
        """Have thumbnails of the size in which they are drawn."""
        side = self.layout_now.tile.width() - (2 * INSET if self._lines else 0)
        self._thumbnails.set_side(round(side * self.devicePixelRatioF()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the pictures that are to be drawn anew; ask for what is missing of those in view and around."""
        area, top = event.region(), self.verticalOffset()
        drawn = self.layout_now.places(top + area.boundingRect().top(), top + area.boundingRect().bottom())
        self.pictures.tiles([self.pictures.ids[place] for place in drawn])
        painter = QPainter(self.viewport())
        self._draw_headings(painter)
        for place in drawn:
            self._draw_tile(painter, area, place)
        self.draw_band(painter)
        painter.end()
        self._wish()

    def _wish(self) -> None:
        """Have the thumbnails in view and around loaded, unless that was asked for already."""
        self._take_side()
        places = self.visible_places()
        around = self.visible_places(margin_rows=PREFETCH_ROWS)
        wished = (self.pictures.ids, tuple(around[:1]), tuple(around[-1:]))
        if wished == self._wished:
            return
        self._wished = wished
        ids = [self.pictures.ids[place] for place in (*places, *sorted(set(around).difference(places)))]
        self._thumbnails.prefetch([tile.path for tile in self.pictures.tiles(ids)])

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for thumbnails anew: another grid may have wished for its own meanwhile."""
        self._wished = ()
        super().showEvent(event)

    def _draw_tile(self, painter: QPainter, area: QRegion, place: int) -> None:
        """Draw a picture, if it lies in `area`."""
        tile, box = self.pictures.known_tile(self.pictures.ids[place]), self.rect_of(place)
        if tile is None or not area.intersects(box):
            return
        marks_current = self._lines > 0 or (self._is_overlaid and self._is_selectable) or self.hasFocus()
        is_current = place == self.selection.place and marks_current
        is_selected = self._is_selectable and self.selection.isSelected(self.pictures.index(place))
        kept = self._thumbnails.get(tile.path)
        self._painter.draw(painter, box, tile, kept, is_selected=is_selected, is_current=is_current)

    def _draw_headings(self, painter: QPainter) -> None:
        top = self.verticalOffset()
        for place, above, height in self.layout_now.headings(top, top + self.viewport().height()):
            if place < len(self.pictures.sections):
                line = QRect(0, above - top, self.viewport().width(), theme.scaled(HEADING_PX))
                draw_heading(painter, line, self.pictures.sections[place], height)
