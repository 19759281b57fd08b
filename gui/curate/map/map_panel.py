"""The map with its controls: tools above it, the legend and a hint below. Knows Qt and plain data only."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QWidget

from gui.curate.map.canvas import MarkLook
from gui.curate.map.input import MapWidget
from gui.curate.map.legend import MapLegend
from gui.curate.map.map_reader import QUIET, MapData
from gui.kit import theme
from gui.kit.chips import ChoiceChip
from gui.kit.image_model import Tile
from gui.kit.parts import Button, ElidedLabel, IconButton, column, row, text
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from models.messages import Message


class MapControls(QWidget):
    """The projection method, the colouring, and the mouse tool of the map."""

    method_chosen = Signal(str)
    way_chosen = Signal(str)
    tool_chosen = Signal(str)

    def __init__(self, *, on_again: Callable[[], object], on_place: Callable[[], object]) -> None:
        super().__init__()
        self.way_chip = ChoiceChip(tr("Colour"), (tr("Class"),), names_all=True)
        self.way_chip.changed.connect(self._on_way_changed)
        self._ways: tuple[str, ...] = ()
        self.methods = self._segment((("tsne", Message("t-SNE")), ("pca", Message("PCA"))), self.method_chosen)
        self.tools = self._segment((("lasso", Message("Lasso")), ("move", Message("Move"))), self.tool_chosen)
        self.methods["tsne"].setToolTip(tr("Neighbours are similar; distances between groups mean little"))
        self.methods["pca"].setToolTip(tr("The two directions in which the images differ most"))
        self.tools["lasso"].setToolTip(tr("Draw around images to show them in the grid"))
        self.tools["move"].setToolTip(tr("Move the map; so does the right button"))
        self.again_button = IconButton("refresh", "Draw the map again", on_click=on_again)
        self.place_button = Button("", "pin", on_click=on_place)
        self.place_button.hide()
        methods, tools = (row(*buttons.values(), spacing=0) for buttons in (self.methods, self.tools))
        left = text("Colour", "small"), self.way_chip, theme.SMALL, methods, theme.SMALL, tools
        self.setLayout(row(*left, None, self.place_button, self.again_button))

    def _segment(self, choices: Sequence[tuple[str, str]], chosen) -> dict[str, Button]:
        group, buttons = QButtonGroup(self), {}
        for name, title in choices:
            button = Button("", role="segment", on_click=lambda name=name: chosen.emit(name))
            button.setText(tr(title))
            button.setCheckable(True)
            button.setChecked(not buttons)
            group.addButton(button)
            buttons[name] = button
        return buttons

    def show_ways(self, ways: Mapping[str, str]) -> None:
        self._ways = tuple(ways)
        self.way_chip.offer(tuple(ways.values()))

    def show_without(self, count: int) -> None:
        self.place_button.setText(tr("Place {count} new image", "Place {count} new images", count=count))
        self.place_button.setVisible(count > 0)

    def _on_way_changed(self) -> None:
        if self.way_chip.place < len(self._ways):
            self.way_chosen.emit(self._ways[self.way_chip.place])


class MapPanel(QWidget):
    """The map, its zoom buttons and its legend."""

    def __init__(self, load: Callable[[Sequence[int]], Iterable[Tile]]) -> None:
        super().__init__()
        self.thumbnails = ThumbnailStore(self)
        self.canvas = MapWidget(self.thumbnails, load)
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
        """Show a map; a map of the same images is reached by an animation."""
        assert read.map is not None
        before = self._read.map if self._read is not None else None
        is_same = before is not None and (before.method, before.fitted) == (read.map.method, read.map.fitted)
        is_other = self._read is None or self._read.by != read.by
        self._read = read
        self.canvas.set_points(read.map.image_ids, read.map.points, keeps_view=is_same)
        self.legend.show_groups(read.entries, is_other=is_other)
        self.canvas.images.forget()
        self._show_groups()

    def _show_groups(self) -> None:
        if self._read is None:
            return
        grey = theme.colours().grey_line
        looks = [
            MarkLook(each.colour or grey, each.shape, is_quiet=each.colour == QUIET) for each in self._read.entries
        ]
        self.canvas.set_groups(self._read.groups, looks, self.legend.hidden)
        self.canvas.view_changed.emit()

    def changeEvent(self, event) -> None:
        if event.type() == event.Type.PaletteChange:
            self._show_groups()
        super().changeEvent(event)
