"""A caption over a row of thumbnails: the images most similar to an image, nearest first."""

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit import theme
from gui.kit.image_grid import ImageGrid
from gui.kit.image_model import Tile
from gui.kit.parts import ElidedLabel, column
from gui.kit.thumbnails import ThumbnailStore


class NearImages(QWidget):
    """A caption and a row of small images."""

    def __init__(self, *, side_px: int = 76) -> None:
        super().__init__()
        self._thumbnails = ThumbnailStore(self)  # not shared: a store loads only the last request
        self._words = ElidedLabel("", "small", mode=Qt.TextElideMode.ElideRight)
        side = theme.scaled(side_px)
        self.grid = ImageGrid(
            self._thumbnails,
            name="Most similar labelled images",
            side_px=side,
            lines=0,
            overlaid=True,
            single_row=True,
            selectable=False,
        )
        self.grid.setFixedHeight(side + theme.TIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self.grid.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.grid.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setLayout(column(self._words, self.grid, spacing=theme.TIGHT))

    def show_images(self, words: str, tiles: Sequence[Tile]) -> None:
        self._words.setText(words)
        self.grid.show_tiles(tiles)

    def words(self) -> str:
        return self._words.text()

    def close_workers(self) -> None:
        """Wait for the images being decoded."""
        self._thumbnails.close()
