"""Pictures whose label can be mended where they stand: by box, by key, or all of them on the Label page."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.label_box import LabelBox
from gui.kit.parts import Button, column, row
from gui.kit.picture_grid import PictureGrid
from gui.kit.thumbnails import ThumbnailStore


class FixableGrid(QWidget):
    """A picture grid over its label box. Knows Qt and plain data only."""

    open_wanted = Signal()

    def __init__(self, thumbnails: ThumbnailStore, *, name: str) -> None:
        super().__init__()
        self.strip = PictureGrid(thumbnails, name=name, lines=2)
        self.label_box = LabelBox()
        self.open_button = Button("Open on Label", "label", on_click=self.open_wanted.emit)
        below = row(self.label_box, self.open_button, spacing=theme.MEDIUM)
        below.setStretch(0, 1)
        layout = column(self.strip, below)
        layout.setStretch(0, 1)
        self.setLayout(layout)
        self.show_openable(False)

    def show_openable(self, is_possible: bool) -> None:
        """Let the pictures be opened on the Label page, or say why not."""
        self.open_button.setEnabled(is_possible)
        words = "Look at all of these pictures on the Label page" if is_possible else "There are no pictures here."
        self.open_button.setToolTip(tr(words))
