"""Shows on pictures of the user what training makes of them, while anybody looks: connects the strip and its drawer."""

from collections.abc import Callable

from PySide6.QtCore import QObject, Slot

from gui.kit.i18n import tr
from gui.train.augment_preview import AugmentPreview
from gui.train.augment_strip import AugmentStrip
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.config.train_config import TrainConfig

_LOOKED_AT = 2000  # pictures from which the preview takes its own


class OwnPreview(QObject):
    """One picture and its variants under the settings that were shown last."""

    def __init__(self, strip: AugmentStrip, snapshot: Callable[[], Snapshot | None], *, parent: QObject) -> None:
        super().__init__(parent)
        self._strip, self._snapshot = strip, snapshot
        self._config = TrainConfig()
        self._place = 0
        self.drawer = AugmentPreview(self)
        self.drawer.drawn.connect(self._on_drawn)
        strip.others_requested.connect(self.drawer.show_others)
        strip.next_requested.connect(self._on_next_requested)

    def show(self, config: TrainConfig) -> None:
        """Draw what these settings make of the picture, if the strip is in view."""
        self._config = config
        picture = self._picture()
        if picture is None:
            self._strip.show_words("Import and label pictures to see what training makes of them.")
        elif self._strip.isVisible() and self.drawer.show(picture.path, config):
            self._strip.show_waiting()

    def close(self) -> None:
        """Wait for what is being drawn."""
        self.drawer.close()

    def _picture(self) -> SnapshotImage | None:
        snapshot = self._snapshot()
        chosen = [image for image in snapshot.images[:_LOOKED_AT] if image.split == "train"] if snapshot else []
        # A step that shares no factor with most counts visits the classes in turn, and every picture in the end.
        return chosen[self._place * 37 % len(chosen)] if chosen else None

    @Slot()
    def _on_next_requested(self) -> None:
        self._place += 1
        self.show(self._config)

    @Slot(object)
    def _on_drawn(self, result: object) -> None:
        if isinstance(result, str):
            self._strip.show_words(result)
        elif isinstance(result, tuple):
            name = self._config.augmentation
            words = {
                "none": tr("Augmentation none: always the same."),
                "light": tr("Augmentation light: the picture, then variants."),
                "medium": tr("Augmentation medium: the picture, then variants."),
            }
            self._strip.show_pictures(result, words.get(name, name))
