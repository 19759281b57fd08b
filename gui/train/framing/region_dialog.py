"""The dialog that draws the region of a project's images. Knows Qt, the decoder and settings."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Slot
from PySide6.QtWidgets import QSizePolicy, QWidget

from gui.kit.dialogs import Dialog
from gui.kit.parts import Button, ElidedLabel, IconButton, row, text
from gui.kit.thumbnails import Unreadable
from gui.kit.translation import tr
from gui.kit.workers import BackgroundReader
from gui.train.framing.region_canvas import RegionCanvas
from gui.train.framing.seen_part import ReadImage, detail_text, read_image, shown_size
from visionft.core.messages import Message
from visionft.data.preprocess import LEAST_REGION_PX, PreprocessConfig, Region, region_text
from visionft.features.feature_spec import LARGEST_ASPECT, LEAST_ASPECT
from visionft.training.config.train_config import TrainConfig

_SHOWN_PX = 1600


class RegionDialog(Dialog):
    """Draws one region on several images, one after another."""

    def __init__(
        self, parent: QWidget | None, paths: Sequence[Path], *, config: TrainConfig, region: Region | None = None
    ) -> None:
        """Args: `paths` are images of the project, at least one; `config` has the image size and the backbone."""
        about = Message("Drag a rectangle around the part that matters: in every image the network sees only that.")
        super().__init__(parent, Message("Region"), about, width=720, height=500)
        self._paths, self._place, self._config = list(paths), 0, config
        self._shown: ReadImage | Unreadable | None = None
        self.canvas = RegionCanvas(region)
        self.canvas.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.previous_button = IconButton("chevron-left", "Show the previous image", on_click=lambda: self._turn(-1))
        self.next_button = IconButton("chevron-right", "Show the next image", on_click=lambda: self._turn(1))
        self.image_words, self.values = ElidedLabel("", "muted"), text()
        self.words = text(role="muted", wrap=True)
        self.words.setMinimumHeight(2 * self.words.fontMetrics().lineSpacing())
        self.use_button = Button("Use region", role="primary")
        for button in (self.previous_button, self.next_button):
            button.setEnabled(len(self._paths) > 1)
        head = row(self.previous_button, self.next_button, self.image_words, self.values, grows=2)
        self.lay_out(head, self.canvas, self.words, accept=self.use_button)
        self._reader = BackgroundReader(lambda path: (path, read_image(path, _SHOWN_PX)), self._on_read, parent=self)
        self.finished.connect(lambda _result: self._reader.close())
        self.canvas.changed.connect(self._show_values)
        self.canvas.setFocus()
        self._turn(0)

    def region(self) -> str:
        """Return the region as the setting of that name; empty where none is drawn."""
        return region_text(self.canvas.region) if self.canvas.region is not None else ""

    def _turn(self, step: int) -> None:
        self._place = (self._place + step) % len(self._paths)
        path, number, count = self._paths[self._place], self._place + 1, len(self._paths)
        self.image_words.setText(tr("{number} of {count}: {name}", number=number, count=count, name=path.name))
        self._shown = None
        self._show_values()
        self._reader.ask_each([path])

    def _on_read(self, read: tuple[Path, ReadImage | Unreadable]) -> None:
        path, found = read
        if path == self._paths[self._place]:
            self._shown = found
            self.canvas.show_picture(found.picture if isinstance(found, ReadImage) else None)
            self._show_values()

    @Slot()
    def _show_values(self) -> None:
        """Show the region in pixels of this image and what is lost of it; or the reason why it is of no use."""
        region, image = self.canvas.region, self._shown
        is_usable = False
        words, values = "", ""
        if isinstance(image, Unreadable):
            words = image.words()
        elif image is not None and region is None:
            words = tr("Arrow keys move the region, with Shift they resize it.")
        elif image is not None and region is not None:
            preprocessing = self._preprocessing(region, image)
            box = preprocessing.region_box(image.height, image.width)
            values = tr("{size} at {left}, {top}", size=shown_size(box.height, box.width), left=box.left, top=box.top)
            is_usable = preprocessing.is_region_usable(image.height, image.width)
            least = shown_size(LEAST_REGION_PX, LEAST_REGION_PX)
            small = Message("Too small: a region has at least {size}.", size=least)
            words = tr(detail_text(preprocessing, image) if is_usable else small)
        self.values.setText(values)
        self.words.setText(words)
        self.use_button.setEnabled(is_usable)

    def _preprocessing(self, region: Region, image: ReadImage) -> PreprocessConfig:
        """Return the preprocessing of a run with this region, if all images were as this one."""
        left, top, right, bottom = region
        aspect = (right - left) * image.width / ((bottom - top) * image.height)
        aspect = min(LARGEST_ASPECT, max(LEAST_ASPECT, aspect))
        text = region_text(region)
        return dataclasses.replace(self._config, framing="region", region=text, aspect=aspect).preprocessing
