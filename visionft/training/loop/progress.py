"""The position of a run: plain numbers, saved in a checkpoint and restored on resume.

The kept epoch is the latest within one standard error of the highest validation accuracy (Breiman et al. 1984, 3.4.3),
not the highest: with few validation images the highest is chance, and a later epoch has learnt more, at a lower rate.
Without validation images it is the latest. Of six runs of 10 epochs, validated with 70 images drawn
400 times, the latest was .3 to 1.3 points better on all others, and varied half as much (.006 to .008 against .008 to
.017).
"""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from visionft.core.events import EpochDone
from visionft.data.types import Snapshot
from visionft.features.embedding import missing_features
from visionft.training.config.train_config import TrainConfig

_LOADING_S: Final = 3.0  # to load PyTorch and a network
_FEATURE_S: Final = 0.002  # of an image whose features are known, to solve a head and for each epoch of it
FIRST_INTERPOLATION_EPOCH = 3  # of the first interpolated weights; the next ones after twice as many epochs each


@dataclass(kw_only=True)
class RunProgress:
    """Mutable position of a run; `setup_seconds` are those before the first step."""

    epoch: int = 1
    batches_done: int = 0  # its batches already trained on
    loss_sum: float = 0.0  # training loss of those batches, summed over images
    hits: float = 0.0
    seen: float = 0.0
    epoch_seconds: float = 0.0  # time spent in it so far, earlier sessions included
    seconds: float = 0.0  # time spent in finished epochs
    longest_epoch_s: float = 0.0  # with its validation
    setup_seconds: float = 0.0
    best_val_accuracy: float = -1.0  # the highest validation accuracy so far; below 0 before the first epoch has ended
    best_val_loss: float = 0.0  # the validation loss there, which decides between equal accuracies
    best_epoch: int = 0  # the epoch of it; patience counts from here
    rollbacks: int = 0  # number of rollbacks after non-finite losses; each halved the learning rate
    averaged: int = 0  # number of steps in the moving average of the weights
    is_start_validated: bool = False  # whether the start of the run has been validated, as epoch 0
    ends_at_start: bool = False  # whether training would gain less than the settings ask for
    gains_nothing: bool = False  # whether no weights on the way from the start validate better than its linear probe

    def to_state(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_state(cls, values: dict[str, Any]) -> Self:
        """Rebuild from `to_state`'s values, also as earlier versions wrote them (`best_top1`, no epoch 0)."""
        known = {"best_val_accuracy" if name == "best_top1" else name: value for name, value in values.items()}
        return cls(**{"is_start_validated": True, **known})

    def judge(self, epoch: int, top1: float | None, val_loss: float | None, *, count: int) -> bool:
        """Record an epoch's validation over `count` images; return whether the epoch is the one to keep so far."""
        if top1 is None or val_loss is None:
            self.best_epoch = epoch
            return True
        if (top1, -val_loss) > (self.best_val_accuracy, -self.best_val_loss):
            self.best_val_accuracy, self.best_val_loss, self.best_epoch = top1, val_loss, epoch
        return top1 >= self.best_val_accuracy - math.sqrt(self.best_val_accuracy * (1 - self.best_val_accuracy) / count)

    def forget_best(self, latest: EpochDone | None) -> None:
        """Judge from now on against the epoch before this one, or against none; patience counts anew."""
        self.best_epoch = self.epoch - 1
        self.best_val_accuracy, self.best_val_loss = -1.0, 0.0
        if latest is not None and latest.val_accuracy is not None and latest.val_loss is not None:
            self.best_val_accuracy, self.best_val_loss = latest.val_accuracy, latest.val_loss

    def finish_epoch(self, done: EpochDone) -> None:
        self.seconds += done.seconds
        self.longest_epoch_s = max(self.longest_epoch_s, done.seconds)
        self.epoch += 1
        self.batches_done = 0
        self.loss_sum = self.hits = self.seen = self.epoch_seconds = 0.0


def usual_training_times(
    config: TrainConfig, images: Snapshot, project_dir: Path | None, *, uses_mirrored: bool = True
) -> tuple[float, float]:
    """Return the usual seconds of a run before its first step and from it on, the weights of these stages.

    Args:
        config: Its settings.
        images: Its images.
        project_dir: The project, whose stored features a frozen network uses; None for a run outside of one.
        uses_mirrored: Whether a solved head may learn from mirrored copies.
    """
    train, val = images.labelled("train"), images.labelled("val")
    pixels, pixels_s = config.features.megapixels, config.features.megapixel_s
    if config.method_row.caches_features:
        labelled = (*train, *val)
        passes = missing_features(project_dir, labelled, config.features)
        if uses_mirrored and config.looks_mirrored(len(labelled)):
            passes += missing_features(project_dir, labelled, config.features, is_mirrored=True)
        steps, step_s = len(labelled) * (config.total_epochs + 1.0), _FEATURE_S
    else:
        labelled = (*train, *val)
        passes = len(labelled)
        if config.method_row.interpolates and not config.start_from:  # the stored features
            passes = len(val) + missing_features(project_dir, labelled, config.features)
        learned = config.total_epochs * (3.0 * len(train) + len(val))  # a step takes as long as three passes
        if config.method_row.interpolates:
            learned += 2.0 * len(interpolation_epochs(config)) * len(labelled)
        steps, step_s = learned * pixels, pixels_s
    return _LOADING_S + passes * pixels * pixels_s, 0.5 + steps * step_s


def interpolation_epochs(config: TrainConfig) -> frozenset[int]:
    """Return the epochs after which weights on the way from the start are tried: 3, 6, 12 ... and the last."""
    if not config.total_epochs:
        return frozenset()
    doubled = (FIRST_INTERPOLATION_EPOCH * 2**number for number in range(32))
    return frozenset({*(epoch for epoch in doubled if epoch < config.total_epochs), config.total_epochs})
