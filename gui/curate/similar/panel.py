"""The line of examples over what is like them: what is meant, and what is not. Knows Qt and plain data only."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.curate.similar.reading import Examples, Picked
from gui.kit import theme
from gui.kit.grid_geometry import GAP
from gui.kit.i18n import tr
from gui.kit.parts import column, row, text
from gui.kit.picture_grid import PictureGrid
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore

_SIDE_PX = 76


class ExampleStrip(QWidget):
    """Two rows of small pictures side by side; a click takes one out."""

    removed = Signal(object)  # what was picked: an image id, or a path

    def __init__(self) -> None:
        super().__init__()
        self.thumbnails = ThumbnailStore(self)
        self._other_thumbnails = ThumbnailStore(self)
        self.like = self._grid(self.thumbnails, "Examples")
        self.unlike = self._grid(self._other_thumbnails, "Counter-examples")
        self._picked: dict[int, Picked] = {}
        self._no_unlike = text("Press - on a picture below that is not meant.", "small", wrap=True)
        left = column(text("Like these (+)", "strong"), self.like, spacing=theme.TIGHT)
        right = column(text("Not like these (-)", "strong"), self._no_unlike, self.unlike, None, spacing=theme.TIGHT)
        layout = row(left, right, spacing=theme.LARGE)
        layout.setStretch(0, 1)
        layout.setStretch(1, 1)
        self.setLayout(layout)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def _grid(self, thumbnails: ThumbnailStore, name: str) -> PictureGrid:
        grid = PictureGrid(thumbnails, name=name, lines=0, side_px=_SIDE_PX, selectable=False)
        grid.setProperty("role", "cards")  # on the ground of the page, not on a sheet of their own
        grid.setFixedHeight(theme.scaled(_SIDE_PX) + 2 * GAP)
        grid.setToolTip(tr("A click takes it out"))
        grid.opened.connect(lambda tile_id: self.removed.emit(self._picked[tile_id]))
        return grid

    def show_examples(self, examples: Examples, tiles: Mapping[int, Tile]) -> None:
        """Show examples; `tiles` are those of the project's pictures."""
        self._picked.clear()
        for grid, side in ((self.like, examples.like), (self.unlike, examples.unlike)):
            grid.show_tiles([self._tile(each, tiles) for each in side if not isinstance(each, int) or each in tiles])
        self._no_unlike.setVisible(not examples.unlike)
        self.unlike.setVisible(bool(examples.unlike))

    def _tile(self, picked: Picked, tiles: Mapping[int, Tile]) -> Tile:
        tile_id = picked if isinstance(picked, int) else -1 - len(self._picked)
        self._picked[tile_id] = picked
        if isinstance(picked, Path):
            return Tile(image_id=tile_id, path=picked, title=picked.name)
        return replace(tiles[picked], mark="")

    def close_workers(self) -> None:
        """Wait for pictures that are being decoded."""
        self.thumbnails.close()
        self._other_thumbnails.close()
