"""A line of words over a row of small pictures: what is like a picture, the nearest first. Knows Qt and plain data."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.parts import ElidedLabel, column
from gui.kit.picture_grid import PictureGrid
from gui.kit.picture_model import Tile
from gui.kit.thumbnails import ThumbnailStore

SIDE_PX = 76


class NearPictures(QWidget):
    """A line of words and a row of small pictures."""

    def __init__(self, *, side_px: int = SIDE_PX) -> None:
        super().__init__()
        self._thumbnails = ThumbnailStore(self)  # its own: a store loads what was asked for last, and nothing else
        self._words = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        side = theme.scaled(side_px)
        self.grid = PictureGrid(
            self._thumbnails, name="The most similar pictures with a label", side_px=side, lines=0, overlaid=True,
            single_row=True, selectable=False,
        )  # fmt: skip
        self.grid.setFixedHeight(side + theme.TIGHT)
        self.grid.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.grid.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setLayout(column(self._words, self.grid, spacing=theme.TIGHT))

    def show_pictures(self, words: str, tiles: Sequence[Tile]) -> None:
        """Show pictures, the nearest first, under words."""
        self._words.setText(words)
        self.grid.show_tiles(tiles)

    def words(self) -> str:
        """Return the words above the pictures."""
        return self._words.text()

    def close_workers(self) -> None:
        """Wait for pictures that are being decoded."""
        self._thumbnails.close()
