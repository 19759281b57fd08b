"""Asks for variants of the user's pictures as training would see them: debounced, off the main thread, latest wins."""

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from gui.kit.workers import WorkerPool
from visionft.data.augment_preview import PreviewProcess, PreviewRequest
from visionft.errors import VisionFTError
from visionft.training.config.train_config import TrainConfig

DEBOUNCE_MS = 250
IDLE_MS = 60_000
VARIANTS = 7
_SIZES = (16, 1024)


class AugmentPreview(QObject):
    """`show` what is wanted as often as it changes; `drawn` brings (original and variants, or why there are none)."""

    drawn = Signal(object)  # tuple[QImage, ...] or str

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._process = PreviewProcess()
        self._pool = WorkerPool(self._draw, threads=1, parent=self)
        self._pool.done.connect(self._on_done)
        self._wanted: PreviewRequest | None = None
        self._turn = 0
        self._wait = QTimer(self, singleShot=True, interval=DEBOUNCE_MS)
        self._wait.timeout.connect(self._ask)
        self._idle = QTimer(self, singleShot=True, interval=IDLE_MS)
        self._idle.timeout.connect(self.rest)

    def show(self, path: Path, config: TrainConfig) -> bool:
        """Want the variants of a picture under these settings; return whether that is news."""
        backbone = config.backbone_row
        wanted = PreviewRequest(
            path=path,
            augmentation=config.augmentation,
            size=max(_SIZES[0], min(_SIZES[1], config.input_size)),
            crop_share=backbone.crop_share,
            seeds=self._seeds(),
        )
        if wanted == self._wanted:
            return False
        self._wanted = wanted
        self._wait.start()
        return True

    def show_others(self) -> None:
        """Want other variants of the same picture."""
        self._turn += 1
        if self._wanted is not None:
            self._wanted = replace(self._wanted, seeds=self._seeds())
            self._ask()

    def _seeds(self) -> tuple[int, ...]:
        first = self._turn * VARIANTS
        return tuple(range(first, first + VARIANTS))

    @Slot()
    def _ask(self) -> None:
        if self._wanted is not None:
            self._idle.stop()
            self._pool.request([self._wanted])

    def _draw(self, request: PreviewRequest) -> tuple[QImage, ...] | str:
        """Run in the pool's thread."""
        try:
            plain = self._process.render(replace(request, augmentation="none", seeds=(0,)))
            changed = [] if request.augmentation == "none" else self._process.render(request)
        except VisionFTError as error:
            return error.message
        return tuple(_to_image(pixels) for pixels in (*plain, *changed))

    @Slot(object, object)
    def _on_done(self, request: PreviewRequest, result: tuple[QImage, ...] | str) -> None:
        self._idle.start()
        if request == self._wanted:
            self.drawn.emit(result)

    @Slot()
    def rest(self) -> None:
        """Let the process go until something is wanted again."""
        self._process.rest()

    def close(self) -> None:
        """Stop drawing and wait for the process's end."""
        self._wait.stop()
        self._idle.stop()
        self._wanted = None
        self._process.stop()
        self._pool.close()
        self._process.close()


def _to_image(pixels) -> QImage:
    height, width, _ = pixels.shape
    return QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
