"""A run's curves for TensorBoard, where the user asked for them and has it installed."""

from pathlib import Path
from typing import Any

from visionft.events import EpochDone


class Curves:
    """Writes each epoch's numbers under `<run>/tensorboard`; does nothing when it is off."""

    def __init__(self, run_dir: Path, *, is_on: bool) -> None:
        self._writer: Any = None
        if is_on:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(str(run_dir / "tensorboard"))

    def add(self, done: EpochDone) -> None:
        """Write one epoch."""
        if self._writer is None:
            return
        values = {
            "loss/train": done.train_loss,
            "loss/validation": done.val_loss,
            "top1/train": done.train_accuracy,
            "top1/validation": done.val_accuracy,
            "learning_rate": done.learning_rate,
        }
        for name, value in values.items():
            if value is not None:
                self._writer.add_scalar(name, value, done.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the files."""
        if self._writer is not None:
            self._writer.close()
