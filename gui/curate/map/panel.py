"""The map with what belongs to it: tools above it, the legend and how to use it below. Knows Qt and plain data only."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QButtonGroup, QWidget

from gui.curate.map.canvas import MarkLook
from gui.curate.map.input import MapWidget
from gui.curate.map.legend import MapLegend
from gui.curate.map.reading import QUIET, MapRead
from gui.kit import theme
from gui.kit.chips import ChoiceChip
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, IconButton, column, row, text
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore
from visionft.curation.map.picture_map import Method


class MapControls(QWidget):
    """By what the map is drawn and coloured, and what pulling the mouse does."""

    method_chosen = Signal(str)
    way_chosen = Signal(str)
    tool_chosen = Signal(str)

    def __init__(self, *, on_again: Callable[[], object], on_place: Callable[[], object]) -> None:
        super().__init__()
        self.way_chip = ChoiceChip(tr("Colour"), (tr("Class"),), names_all=True)
        self.way_chip.changed.connect(self._on_way_changed)
        self._ways: tuple[str, ...] = ()
        self.methods = self._segment((("tsne", "t-SNE"), ("pca", "PCA")), self.method_chosen)
        self.tools = self._segment((("lasso", "Lasso"), ("move", "Move")), self.tool_chosen)
        self.methods["tsne"].setToolTip(tr("Neighbours on the map look alike; distances between groups mean little"))
        self.methods["pca"].setToolTip(tr("The two directions in which the pictures differ most"))
        self.tools["lasso"].setToolTip(tr("Draw around pictures to see them at the right"))
        self.tools["move"].setToolTip(tr("Pull the map; the right button always does"))
        self.again_button = IconButton("refresh", "Draw the map anew", on_click=on_again)
        self.place_button = Button("", "pin", on_click=on_place)
        self.place_button.hide()
        colour = text("Colour", "small")
        self.setLayout(
            row(
                colour,
                self.way_chip,
                theme.SMALL,
                _joined(self.methods),
                theme.SMALL,
                _joined(self.tools),
                None,
                self.place_button,
                self.again_button,
            )
        )

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
        """Offer what the map may be coloured by: {name: words}."""
        self._ways = tuple(ways)
        self.way_chip.offer(tuple(ways.values()))

    def show_without(self, count: int) -> None:
        """Say how many pictures have no place yet."""
        self.place_button.setText(tr("Place {count} new pictures", count=f"{count:,}"))
        self.place_button.setVisible(count > 0)

    def _on_way_changed(self) -> None:
        if self.way_chip.place < len(self._ways):
            self.way_chosen.emit(self._ways[self.way_chip.place])


def _joined(buttons: Mapping[str, Button]) -> QWidget:
    box = QWidget()
    box.setLayout(row(*buttons.values(), spacing=0))
    return box


class MapPanel(QWidget):
    """The map, its zoom buttons and its legend."""

    def __init__(self, load: Callable[[Sequence[int]], Iterable[Tile]]) -> None:
        super().__init__()
        self.thumbnails = ThumbnailStore(self)
        self.canvas = MapWidget(self.thumbnails, load)
        self.legend = MapLegend()
        self.legend.hidden_changed.connect(self._show_groups)
        self._read: MapRead | None = None
        self.hint = ElidedLabel(role="small", mode=Qt.TextElideMode.ElideRight)
        self.hint.setText(tr("Wheel: zoom. Right button: move. Shift: rectangle. Ctrl: add."))
        zoom = row(
            self.hint,
            IconButton("minus", "Zoom out", on_click=lambda: self.canvas.zoom_by(1 / 1.5)),
            IconButton("plus", "Zoom in", on_click=lambda: self.canvas.zoom_by(1.5)),
            IconButton("fit", "Show all", on_click=self.canvas.fit),
            spacing=theme.TIGHT,
        )
        zoom.setStretch(0, 1)
        layout = column(self.canvas, zoom, self.legend, spacing=theme.SMALL)
        layout.setStretch(0, 1)
        self.setLayout(layout)

    def show_map(self, read: MapRead) -> None:
        """Show a map; one of the same pictures glides there."""
        assert read.map is not None
        before = self._read.map if self._read is not None else None
        is_same = before is not None and (before.method, before.fitted) == (read.map.method, read.map.fitted)
        is_other = self._read is None or self._read.ask.by != read.ask.by
        self._read = read
        self.canvas.set_points(read.map.image_ids, read.map.points, keeps_view=is_same)
        self.legend.show_groups(read.entries, is_other=is_other)
        self.canvas.pictures.forget()
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
        """Give grey marks the grey of a new theme."""
        if event.type() == event.Type.PaletteChange:
            self._show_groups()
        super().changeEvent(event)


def method_of(name: str) -> Method:
    """Return a method by its name."""
    return "pca" if name == "pca" else "tsne"
