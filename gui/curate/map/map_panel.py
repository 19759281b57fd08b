"""The map with its controls: tools above it, the legend and a hint below. Knows Qt and plain data only."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import renderSymbol
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QColor, QIcon, QPixmap
from PySide6.QtWidgets import QScrollArea, QSizePolicy, QWidget

from gui.curate.map.canvas import SYMBOLS, MapCanvas, MarkLook
from gui.curate.map.map_reader import QUIET, MapData, MapGroup
from gui.kit import theme
from gui.kit.chips import Chip, ChoiceChip
from gui.kit.flow import Flow
from gui.kit.image_model import Tile
from gui.kit.parts import Button, ElidedLabel, IconButton, Segments, clear, column, row, text, widget_of
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr

_MARK_PX, _ROWS = 12, 3


class MapLegend(QScrollArea):
    """A chip for each group with images, three lines of them visible."""

    hidden_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.hidden: frozenset[int] = frozenset()
        self.chips: dict[int, Chip] = {}
        self._groups: tuple[MapGroup, ...] = ()
        self.setWidgetResizable(True)
        self.setFrameShape(QScrollArea.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._flow = Flow(spacing=theme.TIGHT)
        canvas = widget_of(self._flow)
        canvas.setObjectName("canvas")
        self.setWidget(canvas)

    def show_groups(self, groups: Sequence[MapGroup], *, is_other: bool) -> None:
        """Show these groups; with `is_other` they mean something else than before, and all are shown."""
        if is_other:
            self.hidden = frozenset()
        if tuple(groups) == self._groups and not is_other:
            return
        self._groups = tuple(groups)
        clear(self._flow)
        self.chips = {place: Chip() for place, group in enumerate(groups) if group.count}
        for place, chip in self.chips.items():
            chip.clicked.connect(lambda _checked=False, place=place: self.toggle(place))
            self._flow.addWidget(chip)
        self._show_chips()
        self._fit()

    def toggle(self, place: int) -> None:
        self.hidden ^= {place}
        self._show_chips()
        self.hidden_changed.emit()

    def _show_chips(self) -> None:
        for place, chip in self.chips.items():
            group, is_hidden = self._groups[place], place in self.hidden
            chip.show_words(f"{group.words} {group.count:,}")
            chip.setIcon(mark_icon(group.colour, group.shape, is_hollow=is_hidden))
            state = tr("hidden; click to show") if is_hidden else tr("click to hide")
            chip.setToolTip(f"{group.words}: {group.count:,} ({state})")
            chip.setAccessibleDescription(state)

    def resizeEvent(self, event) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event) -> None:
        if event.type() in (event.Type.PaletteChange, event.Type.FontChange):
            self._show_chips()
        super().changeEvent(event)

    def _fit(self) -> None:
        needed = self._flow.heightForWidth(self.viewport().width())
        row = next((chip.sizeHint().height() for chip in self.chips.values()), 0)
        self.setFixedHeight(max(1, min(needed, _ROWS * (row + theme.TIGHT))))


def mark_icon(colour: str, shape: int, *, is_hollow: bool = False) -> QIcon:
    ink = QColor(colour) if colour != QUIET else QColor(theme.colours().grey_line)
    brush = pg.mkBrush(None) if is_hollow else pg.mkBrush(ink)
    return QIcon(QPixmap.fromImage(renderSymbol(SYMBOLS[shape], theme.scaled(_MARK_PX), pg.mkPen(ink), brush, dpr=2)))


class MapControls(QWidget):
    """The projection method, the colouring, and the mouse tool of the map."""

    colouring_chosen = Signal(str)

    def __init__(self, *, on_again: Callable[[], object], on_place: Callable[[], object]) -> None:
        super().__init__()
        self.colouring_chip = ChoiceChip(tr("Colour"), (tr("Class"),), names_all=True)
        self.colouring_chip.changed.connect(self._on_colouring_changed)
        self._colourings: tuple[str, ...] = ()
        self.methods = Segments({"tsne": tr("t-SNE"), "pca": tr("PCA")}, tr("Map"))
        self.methods.buttons["tsne"].setToolTip(tr("Neighbours are similar; distances between groups mean little"))
        self.methods.buttons["pca"].setToolTip(tr("The two directions in which the images differ most"))
        self.tools = Segments({"lasso": tr("Lasso"), "move": tr("Move")}, tr("Map"))
        self.tools.buttons["lasso"].setToolTip(tr("Draw around images to show them in the grid"))
        self.tools.buttons["move"].setToolTip(tr("Move the map; so does the right button"))
        self.again_button = IconButton("refresh", "Draw the map again", on_click=on_again)
        self.place_button = Button("", "pin", on_click=on_place)
        self.place_button.hide()
        left = text("Colour", "small"), self.colouring_chip, theme.SMALL, self.methods, theme.SMALL, self.tools
        self.setLayout(row(*left, None, self.place_button, self.again_button))

    def show_colourings(self, colourings: Mapping[str, str]) -> None:
        self._colourings = tuple(colourings)
        self.colouring_chip.set_choices(tuple(colourings.values()))

    def show_without(self, count: int) -> None:
        self.place_button.setText(tr("Place {count} new image", "Place {count} new images", count=count))
        self.place_button.setVisible(count > 0)

    def _on_colouring_changed(self) -> None:
        if self.colouring_chip.place < len(self._colourings):
            self.colouring_chosen.emit(self._colourings[self.colouring_chip.place])


class MapPanel(QWidget):
    """The map, its zoom buttons and its legend."""

    def __init__(self, load: Callable[[Sequence[int]], Iterable[Tile]]) -> None:
        super().__init__()
        self.thumbnails = ThumbnailStore(self)
        self.canvas = MapCanvas(self.thumbnails, load)
        self.legend = MapLegend()
        self.legend.hidden_changed.connect(self._show_groups)
        self._read: MapData | None = None
        self.hint = ElidedLabel(role="small", mode=Qt.TextElideMode.ElideRight)
        self.hint.setText(tr("Wheel: zoom. Right button: move. Shift: rectangle. Ctrl: add."))
        zoom = row(
            self.hint,
            IconButton("minus", "Zoom out", on_click=lambda: self.canvas.zoom_by(1 / 1.5)),
            IconButton("plus", "Zoom in", on_click=lambda: self.canvas.zoom_by(1.5)),
            IconButton("fit", "Show all", on_click=self.canvas.fit),
            spacing=theme.TIGHT,
            grows=0,
        )
        self.setLayout(column(self.canvas, zoom, self.legend, grows=0))

    def show_map(self, read: MapData) -> None:
        assert read.map is not None
        before = self._read.map if self._read is not None else None
        is_same = before is not None and (before.method, before.fitted) == (read.map.method, read.map.fitted)
        is_other = self._read is None or self._read.by != read.by
        self._read = read
        self.canvas.set_points(read.map.image_ids[read.drawn], read.map.points[read.drawn], keeps_view=is_same)
        self.legend.show_groups(read.entries, is_other=is_other)
        self.canvas.forget_tiles()
        self._show_groups()

    def _show_groups(self) -> None:
        if self._read is None:
            return
        grey = theme.colours().grey_line
        looks = [
            MarkLook(each.colour or grey, each.shape, is_quiet=each.colour == QUIET) for each in self._read.entries
        ]
        self.canvas.set_groups(self._read.groups[self._read.drawn], looks, self.legend.hidden)
        self.canvas.view_changed.emit()

    def changeEvent(self, event) -> None:
        if event.type() == event.Type.PaletteChange:
            self._show_groups()
        super().changeEvent(event)
