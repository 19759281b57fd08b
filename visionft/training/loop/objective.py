"""What training minimises and counts, for one label per picture (cross-entropy) and for several (binary)."""

from dataclasses import dataclass, replace

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.data.types import Task


@dataclass(frozen=True, slots=True)
class Objective:
    """Loss and hits of a batch of logits.

    Attributes:
        label_smoothing: Share of each target spread over the classes (Szegedy et al. 2016); training only.
        class_weights: (C,) factors on each class's loss, see `balanced_weights`; training only.
    """

    task: Task
    classes: int
    label_smoothing: float = 0.0
    class_weights: Tensor | None = None

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean training loss of (B, C) logits.

        Args:
            logits: (B, C).
            targets: (B,) class indices, or (B, C) shares of mixed pictures; (B, C) for a multi-label task.
        """
        logits = logits.float()
        if self.task == "multi":
            smooth = targets * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
            return F.binary_cross_entropy_with_logits(logits, smooth, weight=self.class_weights)
        losses = F.cross_entropy(
            logits, targets, weight=self.class_weights, label_smoothing=self.label_smoothing, reduction="none"
        )
        return losses.mean()

    def evaluation_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss without smoothing or weights, which is what validation reports."""
        return replace(self, label_smoothing=0.0, class_weights=None).loss(logits, targets)

    def hits(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Count right pictures: the top class is the label, or, for several labels, all of them are right."""
        if self.task == "single":
            return (logits.argmax(dim=1) == targets).sum()
        return ((logits > 0) == targets.bool()).all(dim=1).sum()


def balanced_weights(counts: Tensor, task: Task) -> Tensor:
    """Return (C,) class weights from picture counts: inverse frequency, 1 on average over the losses of an epoch.

    With one label a class has as many losses as pictures, and weighs the same as every other then; with several labels
    every class has a loss for each picture.
    """
    inverse = 1 / counts.clamp_min(1).double()
    mean = inverse.mean() if task == "multi" else len(counts) / counts.clamp_min(1).sum()
    return (inverse / mean).float()


def new_totals(device: torch.device) -> Tensor:
    """Return a zero (loss sum, hits, pictures) accumulator that stays on the device, so that no step waits for it."""
    return torch.zeros(3, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)


def add_batch(totals: Tensor, *, loss: Tensor, hits: Tensor, count: int) -> None:
    """Add a batch of `count` pictures with mean `loss` to `totals`, in place."""
    totals[0] += loss.detach().to(totals.dtype) * count
    totals[1] += hits
    totals[2] += count
