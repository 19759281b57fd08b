"""Training loss and accuracy counts, for one label per image (cross-entropy) and for several (binary)."""

from dataclasses import dataclass

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.data.types import Task

LABEL_SMOOTHING = 0.1  # steadier with imperfect labels


@dataclass(frozen=True, slots=True)
class Objective:
    task: Task
    classes: int
    label_smoothing: float = 0.0  # share of each target spread over the classes (Szegedy et al. 2016); training only
    class_weights: Tensor | None = None  # (C,) factors on each class's loss, see `balanced_weights`; training only

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean training loss of (B, C) logits; targets are (B,) class indices or (B, C) shares."""
        logits = logits.float()
        if self.task == "multi":
            smooth = targets * (1 - self.label_smoothing) + 0.5 * self.label_smoothing
            return F.binary_cross_entropy_with_logits(logits, smooth, weight=self.class_weights)
        if self.class_weights is None:
            return F.cross_entropy(logits, targets, label_smoothing=self.label_smoothing)
        # cross_entropy would weight what smoothing spreads by the class that it falls on: among 6 uneven classes, an
        # image of the most frequent one was to be .62 of it and .15 of the rarest.
        shares = (F.one_hot(targets, self.classes) if targets.ndim == 1 else targets) * self.class_weights
        spread = shares.sum(dim=1, keepdim=True) / self.classes
        smooth = (1 - self.label_smoothing) * shares + self.label_smoothing * spread
        return -(smooth * logits.log_softmax(dim=1)).sum(dim=1).mean()

    def evaluation_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss without smoothing or weights, as validation reports it."""
        return Objective(self.task, self.classes).loss(logits, targets)

    def hits(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Count right images: the top class is the label, or, for several labels, all of them are right."""
        if self.task == "single":
            return (logits.argmax(dim=1) == targets).sum()
        return ((logits > 0) == (targets > 0.5)).all(dim=1).sum()


def balanced_weights(counts: Tensor, task: Task) -> Tensor:
    """Return (C,) class weights from image counts: inverse frequency, 1 on average over the losses of an epoch.

    With one label a class has as many losses as images, and weighs the same as every other then; with several labels
    every class has a loss for each image.

    Logits are not shifted by the classes' frequencies afterwards (Menon et al. 2021, arXiv:2007.07314). A perceptron on
    frozen features of magnetic tiles, three divisions: log loss .52 and .85 right as it is, .59 and .81 shifted, .48
    and .86 without weights.
    """
    inverse = 1 / counts.clamp_min(1).double()
    mean = inverse.mean() if task == "multi" else len(counts) / counts.clamp_min(1).sum()
    return (inverse / mean).float()


def new_totals(device: torch.device) -> Tensor:
    """Return a zero (loss sum, hits, images) accumulator on the device, so no step waits for it."""
    return torch.zeros(3, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)


def add_batch(totals: Tensor, *, loss: Tensor, hits: Tensor, count: int) -> None:
    totals[0] += loss.detach().to(totals.dtype) * count
    totals[1] += hits
    totals[2] += count
