"""The image grid over an `ImageModel`, used wherever several images are shown. Only visible images are read.

Pages differ by their model and a few options. Navigation, selection, tooltips, screen-reader texts and thumbnail
loading are implemented here and nowhere else.
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
)
from PySide6.QtGui import QContextMenuEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QRegion, QShowEvent
from PySide6.QtWidgets import QAbstractItemView

from gui.kit import theme
from gui.kit.grid_geometry import GAP, GridGeometry, TileSize
from gui.kit.image_model import ImageModel, ImageSelection, Section, Tile
from gui.kit.pulling import PullView
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.tile_painter import HEADING_PX, INSET, TilePainter, caption_px, draw_heading
from gui.kit.translation import tr
from visionft.core.messages import Message

PREFETCH_ROWS = 2
GROWN_PX = (140, 258)  # range of the side of growing tiles, at the normal text size
SCROLL_BAR_PX = 18  # always reserved: otherwise growing tiles would toggle the scroll bar
_Index = QModelIndex | QPersistentModelIndex
_Flag = QItemSelectionModel.SelectionFlag
_Move = QAbstractItemView.CursorAction


class ImageGrid(PullView):
    """Images with captions, in columns that fill the width; one is current, any number are selected.

    For Qt it is a list view, as screen readers require; the layout is computed here, because a list view's own layout
    visits every image.
    """

    current_changed = Signal(int)  # image id, 0 for none
    selection_changed = Signal()
    opened = Signal(int)  # image id: a double click, or a click if nothing can be selected
    key_pressed = Signal(str)  # a letter or digit, lower case
    menu_wanted = Signal(QPoint)  # the screen position; for the selection

    def __init__(
        self,
        thumbnails: ThumbnailStore,
        images: ImageModel | None = None,
        selection: ImageSelection | None = None,
        *,
        name: str = Message("Images"),
        side_px: int = 0,
        lines: int = 1,
        overlaid: bool = False,
        single_row: bool = False,
        selectable: bool = True,
        draggable: bool = False,
    ) -> None:
        """Make a grid.

        Args:
            thumbnails: Source of thumbnails; two grids visible at once cannot share one.
            images: The model; without one the grid has its own, filled by `show_tiles`.
            selection: The selection of `images`, when shared with other widgets.
            name: The accessible name of the grid, in English.
            side_px: About the side of an image tile in logical pixels; 0 lets tiles grow to fill the available space.
            lines: Lines of text below each image, 0 to 2; without any, tiles have no card and no margin.
            overlaid: The text is drawn over the image; `lines` is 0.
            single_row: Each section takes one line, and shows the images that fit.
            selectable: Whether images can be selected; otherwise a click opens one.
            draggable: Whether the selection can be dragged to another widget (`gui.kit.pulling`).
        """
        super().__init__(draggable=draggable)
        self.selection = selection or ImageSelection(images or ImageModel(parent=self), self)
        self.images = self.selection.images
        self._thumbnails, self._side, self._lines, self._is_single_row = thumbnails, side_px, lines, single_row
        self._is_overlaid, self._is_selectable = overlaid, selectable
        self._painter = TilePainter(lines, is_overlaid=overlaid)
        self._geometry_read: GridGeometry | None = None
        self._wished: tuple[object, ...] = ()
        self._places_of: dict[Path, list[int]] = {}  # visible images by file
        mode = QAbstractItemView.SelectionMode
        self.setSelectionMode(mode.ExtendedSelection if selectable else mode.NoSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setFrameShape(QAbstractItemView.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setProperty("role", "cards" if lines or overlaid else "")  # cards need a different background
        side = min(side_px, theme.scaled(GROWN_PX[0])) or theme.scaled(GROWN_PX[0])
        self.setMinimumSize(side + 2 * GAP + SCROLL_BAR_PX, side + (0 if lines else theme.scaled(HEADING_PX)))
        self.setAccessibleName(tr(name))
        self.images.modelAboutToBeReset.connect(self._forget_geometry)
        self.images.invalidated.connect(self._on_invalidated)
        self.setModel(self.images)
        self.setSelectionModel(self.selection)
        self.selection.current_changed.connect(self.current_changed)
        self.selection.selection_changed.connect(self.selection_changed)
        self.selection.moved_to.connect(self._show_place)
        if not selectable:
            self.clicked.connect(self._open)
        thumbnails.loaded.connect(self._on_thumbnail_loaded)

    def show_tiles(self, tiles: Sequence[Tile], sections: tuple[Section, ...] = ()) -> None:
        self.images.show(tiles, sections)

    def count(self) -> int:
        return len(self.images.ids)

    def tile(self, image_id: int) -> Tile | None:
        return next(iter(self.images.tiles((image_id,))), None)

    def tiles(self) -> list[Tile]:
        return self.images.tiles(self.images.ids)

    def chosen(self) -> list[Tile]:
        return self.images.tiles(self.selection.selected_ids())

    def set_side(self, pixels: int) -> None:
        """Set the side of a tile in logical pixels; the current image stays in view."""
        self._side = pixels
        self.updateGeometries()
        self._show_place(self.selection.place)
        self.viewport().update()

    @property
    def layout_now(self) -> GridGeometry:
        """The current layout, in content coordinates."""
        if self._geometry_read is None:
            counts = [section.count for section in self.images.sections] or [self.count()]
            least, most = (self._side, self._side) if self._side else map(theme.scaled, GROWN_PX)
            heading = theme.scaled(HEADING_PX) if self.images.sections else 0
            is_bare = not self._lines and not self._is_overlaid
            gap = theme.TIGHT if self._is_overlaid else GAP
            size = TileSize(
                least=least, most=most, caption=caption_px(self._lines), heading=heading, is_bare=is_bare, gap=gap
            )
            room = self.size() - QSize(SCROLL_BAR_PX, 0)
            self._geometry_read = GridGeometry(counts, size, room, single_row=self._is_single_row)
        return self._geometry_read

    def _forget_geometry(self) -> None:
        self._geometry_read, self._wished = None, ()

    def updateGeometries(self) -> None:
        self._forget_geometry()
        bar = self.verticalScrollBar()
        layout = self.layout_now
        height = self.viewport().height()
        bar.setSingleStep(layout.row_height // 3)
        bar.setPageStep(height)
        bar.setRange(0, max(0, layout.height - height))
        QAbstractItemView.updateGeometries(self)

    def doItemsLayout(self) -> None:
        self.updateGeometries()
        self.viewport().update()

    def dataChanged(self, first: _Index, last: _Index, roles: Sequence[int] = ()) -> None:
        """Redraw without a new layout: nothing moves."""
        QAbstractItemView.dataChanged(self, first, last, roles)

    def reset(self) -> None:
        """Show other images. Qt's implementation would clear the selection; `ImageSelection` manages it here."""
        self.updateGeometries()
        self._show_place(self.selection.place)
        self.viewport().update()

    def rect_of(self, place: int) -> QRect:
        """Return the rectangle of the image at `place`, in the viewport."""
        return self.layout_now.rect(place).translated(0, -self.verticalOffset())

    def visualRect(self, index: _Index) -> QRect:
        return self.rect_of(index.row()) if index.isValid() else QRect()

    def indexAt(self, point: QPoint) -> QModelIndex:
        place = self.layout_now.place_at(point + QPoint(0, self.verticalOffset()))
        return self.images.index(place) if place >= 0 else QModelIndex()

    def scrollTo(self, index: _Index, hint=QAbstractItemView.ScrollHint.EnsureVisible) -> None:
        self._show_place(index.row())

    def _show_place(self, place: int) -> None:
        box = self.rect_of(place) if place >= 0 else QRect()
        bar = self.verticalScrollBar()
        if box.isNull():
            return
        top = box.top() - self.layout_now.heading_above(place)
        if top < GAP:
            bar.setValue(bar.value() + top - GAP)
        elif (below := box.bottom() - self.viewport().height() + GAP) > 0:
            bar.setValue(bar.value() + min(below, top - GAP))  # of a taller tile the top stays in view

    def visible_places(self, *, margin_rows: int = 0) -> list[int]:
        top = self.verticalOffset()
        margin = margin_rows * self.layout_now.row_height
        return self.layout_now.places(top - margin, top + self.viewport().height() + margin)

    def horizontalOffset(self) -> int:
        return 0

    def verticalOffset(self) -> int:
        return self.verticalScrollBar().value()

    def isIndexHidden(self, index: _Index) -> bool:
        return self.layout_now.rect(index.row()).isNull()

    def moveCursor(self, action: _Move, _modifiers: Qt.KeyboardModifier) -> QModelIndex:
        """Return the target image of a navigation key; at the end it stays."""
        place = self.selection.place
        last = self.count() - 1
        layout = self.layout_now
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
        return self.images.index(to) if 0 <= to <= last else self.currentIndex()

    def setSelection(self, rect: QRect, command: QItemSelectionModel.SelectionFlag) -> None:
        """Apply Qt's selection command after a click, a key or a drag; the target is at the end of `rect`."""
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
        """Return the region to redraw: one image's rectangle, else the whole viewport, to avoid a query per image."""
        marked = [selection.at(place) for place in range(min(2, selection.count()))]
        if len(marked) == 1 and marked[0].height() == 1:
            return QRegion(self.rect_of(marked[0].top()))
        return QRegion(self.viewport().rect()) if marked else QRegion()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        index = self.indexAt(event.position().toPoint())
        if event.button() == Qt.MouseButton.LeftButton and index.isValid():
            self._open(index)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        is_by_key = event.reason() == QContextMenuEvent.Reason.Keyboard
        place = self.rect_of(self.selection.place).center() if is_by_key else event.pos()
        if self.selection.current_id():
            self.menu_wanted.emit(self.viewport().mapToGlobal(place))

    def keyboardSearch(self, _typed: str) -> None:
        """Do nothing: letters are keys of classes and commands."""

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Forward letters and digits; other keys move or select as in any list."""
        held = event.modifiers() & (Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.AltModifier)
        if event.text().isalnum() and not held:
            self.key_pressed.emit(event.text().casefold())
            return
        super().keyPressEvent(event)

    def _open(self, index: QModelIndex) -> None:
        self.opened.emit(self.selection.id_at(index.row()))

    def changeEvent(self, event: QEvent) -> None:
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self._painter.forget()
            self.updateGeometries()
            self.viewport().update()
        super().changeEvent(event)

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Scroll the pixels already drawn; only newly visible rows are painted."""
        if abs(dy) < self.viewport().height():
            self.viewport().scroll(dx, dy)
        else:
            self.viewport().update()

    def _on_invalidated(self, image_ids: frozenset[int]) -> None:
        for place in self.visible_places():
            if self.images.ids[place] in image_ids:
                index = self.images.index(place)
                self.dataChanged(index, index)

    def _on_thumbnail_loaded(self, path: Path) -> None:
        self._wished = ()
        for place in self._places_of.get(path, ()) if self.isVisible() else ():
            self.viewport().update(self.rect_of(place))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the headings, the images of the exposed region, and the selection band; request missing thumbnails."""
        self._request_thumbnails()  # first, as it loads the tiles of visible and nearby images in one query
        area, top = event.region(), self.verticalOffset()
        drawn = self.layout_now.places(top + area.boundingRect().top(), top + area.boundingRect().bottom())
        self.images.tiles([self.images.ids[place] for place in drawn])  # loads what `known_tile` returns below
        painter = QPainter(self.viewport())
        sections = self.images.sections
        for section, above, height in self.layout_now.headings(top, top + self.viewport().height()):
            if section < len(sections):
                line = QRect(0, above - top, self.viewport().width(), theme.scaled(HEADING_PX))
                draw_heading(painter, line, sections[section], height)
        marks_current = self._lines > 0 or (self._is_overlaid and self._is_selectable) or self.hasFocus()
        for place in drawn:
            tile = self.images.known_tile(self.images.ids[place])
            box = self.rect_of(place)
            if tile is None or not area.intersects(box):
                continue
            is_selected = self._is_selectable and self.selection.isSelected(self.images.index(place))
            is_current = marks_current and place == self.selection.place
            pixmap = self._thumbnails.get(tile.path)
            self._painter.draw(painter, box, tile, pixmap, is_selected=is_selected, is_current=is_current)
        self.draw_band(painter)
        painter.end()

    def _request_thumbnails(self) -> None:
        """Request the thumbnails in and around the viewport at the drawn size, unless already requested."""
        side = self.layout_now.tile.width() - (2 * INSET if self._lines else 0)
        self._thumbnails.set_side(round(side * self.devicePixelRatioF()))
        places = self.visible_places()
        around = self.visible_places(margin_rows=PREFETCH_ROWS)
        wished = (self.images.ids, tuple(around[:1]), tuple(around[-1:]))
        if wished == self._wished:
            return
        self._wished = wished
        ids = [self.images.ids[place] for place in (*places, *sorted(set(around).difference(places)))]
        paths = {tile.image_id: tile.path for tile in self.images.tiles(ids)}
        self._thumbnails.prefetch(list(paths.values()))
        self._places_of.clear()
        for place in places:
            if path := paths.get(self.images.ids[place]):
                self._places_of.setdefault(path, []).append(place)

    def showEvent(self, event: QShowEvent) -> None:
        """Request thumbnails again: another grid may have replaced the requests meanwhile."""
        self._wished = ()
        super().showEvent(event)
