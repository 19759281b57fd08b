"""Why a class is suggested: the nearest pictures that have a label, small. Knows Qt and plain data only."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.parts import column, text
from gui.kit.picture_grid import PictureGrid
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore

SIDE_PX = 84


class EvidenceStrip(QWidget):
    """One line of pictures; hidden while there are none. `chosen` tells which one was clicked."""

    chosen = Signal(int)  # image id

    def __init__(self) -> None:
        super().__init__()
        self.thumbnails = ThumbnailStore(self)  # its own: the viewer beside it shows pictures, too
        side = theme.scaled(SIDE_PX)
        self.grid = PictureGrid(
            self.thumbnails, name="The most similar pictures with a label", side_px=side, lines=0, overlaid=True,
            single_row=True, selectable=False,
        )  # fmt: skip
        self.grid.setFixedHeight(side + theme.TIGHT)
        self.grid.setMinimumWidth(side)
        self.grid.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.grid.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.grid.opened.connect(self.chosen)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.setLayout(column(text("Most like these, which have a label:", "small"), self.grid, spacing=theme.TIGHT))
        self.hide()

    def show_tiles(self, tiles: Sequence[Tile]) -> None:
        """Show these pictures, the most similar first."""
        self.setVisible(bool(tiles))
        self.grid.show_tiles(tiles)

    def close_workers(self) -> None:
        """Wait for pictures that are being decoded."""
        self.thumbnails.close()
