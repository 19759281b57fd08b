"""An image grid with label correction in place: by box, by key, or all images on the Label page."""

from PySide6.QtWidgets import QWidget

from gui.kit import theme
from gui.kit.flow import Flow
from gui.kit.image_grid import ImageGrid
from gui.kit.label_box import LabelBox
from gui.kit.parts import Button, column
from gui.kit.thumbnails import ThumbnailStore
from gui.kit.translation import tr
from visionft.core.messages import Message


class FixableGrid(QWidget):
    """An image grid over its label box. Depends on Qt and plain data only."""

    def __init__(self, thumbnails: ThumbnailStore, *, name: str) -> None:
        super().__init__()
        self.strip = ImageGrid(thumbnails, name=name, lines=2)
        self.label_box = LabelBox()
        self.open_button = Button("Open on Label", "label")
        self.setLayout(column(self.strip, Flow(self.label_box, self.open_button, spacing=theme.MEDIUM), grows=0))
        self.show_openable(False)

    def show_openable(self, is_possible: bool) -> None:
        """Enable opening the images on the Label page, or show the reason why not."""
        self.open_button.setEnabled(is_possible)
        words, none = Message("Show all of these images on the Label page"), Message("There are no images here.")
        self.open_button.setToolTip(tr(words if is_possible else none))
