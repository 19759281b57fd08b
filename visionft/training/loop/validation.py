"""The check after each epoch: loss and accuracy over the validation split."""

from typing import Any, NamedTuple

import torch  # noqa: TID253
from torch import nn  # noqa: TID253

from visionft.errors import nothing_readable
from visionft.training.loop.objective import Objective, add_batch, new_totals
from visionft.training.loop.training_data import TrainingData


class Validation(NamedTuple):
    """What a look at the validation pictures gives: mean loss, share of right pictures, and how many could be read.

    Where there are none both are None: a method that needs no labels is not refused for that.
    """

    loss: float | None
    accuracy: float | None
    pictures: int


@torch.no_grad()
def validate(part: nn.Module, training_data: TrainingData, objective: Objective, accelerator: Any) -> Validation:
    """Return what is found over the validation split, all processes together.

    Args:
        part: What takes a batch of `training_data`, in evaluation mode.
        training_data: The run's pictures, or features of them.
        objective: What is counted.
        accelerator: accelerate's, for precision and to add up over processes.

    Raises:
        Stopped: The user asked to stop.
        RunError: No validation picture can be read.
    """
    if not training_data.val_images:
        return Validation(None, None, 0)
    totals = new_totals(accelerator.device)
    for batch in training_data.val_batches.epoch(0):
        training_data.check(batch, training_data.val_images)
        if not len(batch.images):
            continue
        with accelerator.autocast():
            logits = part(batch.images)
        loss, hits = (count(logits, batch.targets) for count in (objective.evaluation_loss, objective.hits))
        add_batch(totals, loss=loss, hits=hits, count=len(batch.targets))
    loss_sum, hits, seen = accelerator.reduce(totals, "sum").tolist()
    if not seen:
        raise nothing_readable("validation pictures")
    return Validation(loss_sum / seen, hits / seen, round(seen))
