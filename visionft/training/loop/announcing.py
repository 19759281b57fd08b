"""What a run under way tells those who watch it: how it starts, each step, and what went otherwise than wished."""

from collections.abc import Sequence
from pathlib import Path

from models.classifier import Classifier
from visionft.devices import Device
from visionft.events import Notice, OnEvent, RunStarted, StepDone
from visionft.project.names import count_of
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.progress import RunProgress
from visionft.training.loop.training_data import TrainingData


def run_started(
    run_dir: Path,
    config: TrainConfig,
    training_data: TrainingData,
    classifier: Classifier,
    *,
    first_epoch: int,
    device: Device,
    precision: str,
) -> RunStarted:
    """Return what is known of a run when its first step is about to be taken."""
    trainable, total = classifier.parameter_counts()
    return RunStarted(
        run=run_dir.name,
        backbone=config.backbone,
        method=config.method,
        epochs=config.total_epochs,
        first_epoch=first_epoch,
        steps_per_epoch=training_data.train_batches.steps,
        train_images=len(training_data.train_images),
        val_images=len(training_data.val_images),
        trainable_parameters=trainable,
        total_parameters=total,
        device=device.name,
        precision=precision,
        processes=training_data.sharding.world,
    )


def step_done(
    progress: RunProgress,
    totals: Sequence[float],
    *,
    steps: int,
    epochs: int,
    learning_rate: float,
    memory_mb: int,
    processes: int,
) -> StepDone:
    """Return where a run is after a step; `totals` are its (loss sum, hits, pictures) of the epoch under way."""
    loss_sum, _, seen = totals
    share_done = progress.epoch - 1 + progress.batches_done / steps
    spent = progress.seconds + progress.epoch_seconds
    return StepDone(
        epoch=progress.epoch,
        step=progress.batches_done,
        steps=steps,
        loss=loss_sum / max(1.0, seen),
        learning_rate=learning_rate,
        images_per_second=seen * processes / max(1e-9, progress.epoch_seconds),
        eta_s=spent / share_done * (epochs - share_done),
        memory_mb=memory_mb,
    )


def tell_shrunk(on_event: OnEvent, size: int) -> None:
    """Say that memory ran out and that fewer pictures go through the network at once from now on."""
    message = (
        f"The device ran out of memory; going on with {count_of(size, 'picture')} at once, at the same batch size."
    )
    on_event(Notice(message=message, level="warning"))
