"""A short trial of settings: the data and the optimiser steps of a run, without a run folder."""

from collections.abc import Iterator

from visionft.data.dataset import Batch
from visionft.data.types import Snapshot
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.objective import LABEL_SMOOTHING, Objective
from visionft.training.loop.run_context import RunContext
from visionft.training.loop.train_step import TrainStep
from visionft.training.loop.training_data import TrainingData


def open_trial(
    config: TrainConfig, images: Snapshot, context: RunContext, job: JobContext
) -> tuple[TrainingData, TrainStep]:
    """Return the data of a trial and its optimiser step, with the classifier in training mode."""
    classifier, accelerator = context.classifier, context.accelerator
    data = TrainingData(config, images, context, job=job)
    objective = Objective(images.task, len(images.class_names), LABEL_SMOOTHING)
    step = TrainStep(classifier, data.trained, config, objective, accelerator=accelerator, on_shrink=lambda _size: None)
    classifier.train()
    return data, step


def trial_batches(data: TrainingData) -> Iterator[tuple[int, int, Batch]]:
    """Yield (epoch, number, batch) of one epoch after another, without end."""
    epoch = 0
    while data.train_images:
        epoch += 1
        for number, batch in enumerate(data.train_batches.epoch(epoch)):
            data.check(batch, data.train_images)
            yield epoch, number, batch
