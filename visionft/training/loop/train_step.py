"""One optimiser step: micro-batches, clipping, averaging, and error recovery.

If the memory is not enough, the micro-batch is halved and the same batch is tried again; the effective batch size never
changes. A non-finite loss or gradient raises `NotFinite`, and the training loop rolls back.
"""

import contextlib
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253
from torch.nn.modules.batchnorm import _BatchNorm  # noqa: TID253

from models.classifier import TrainableClassifier
from visionft.core.errors import RunError, is_out_of_memory
from visionft.data.dataset import Batch, derived_seed
from visionft.data.types import Task
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.checkpoint import flatten_optimizer, restore_optimizer

LABEL_SMOOTHING = 0.1  # makes training robust against imperfect labels


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
        # cross_entropy would weight the smoothed share of each class by that class's weight: with 6 imbalanced classes,
        # the target of an image of the most frequent class was 0.62 for it and 0.15 for the rarest.
        shares = (F.one_hot(targets, self.classes) if targets.ndim == 1 else targets) * self.class_weights
        spread = shares.sum(dim=1, keepdim=True) / self.classes
        smooth = (1 - self.label_smoothing) * shares + self.label_smoothing * spread
        return -(smooth * logits.log_softmax(dim=1)).sum(dim=1).mean()

    def evaluation_loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean loss without label smoothing and class weights, as reported by validation."""
        return Objective(self.task, self.classes).loss(logits, targets)

    def hits(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Count correctly classified images; in a multi-label task all labels of an image must be right."""
        if self.task == "single":
            return (logits.argmax(dim=1) == targets).sum()
        return ((logits > 0) == (targets > 0.5)).all(dim=1).sum()


def balanced_weights(counts: Tensor, task: Task) -> Tensor:
    """Return (C,) class weights from image counts: inverse frequency, 1 on average over the losses of an epoch.

    In a single-label task each image has one loss, and all classes get the same total weight. In a multi-label task
    each image has a loss for every class.

    The logits are not shifted by the class frequencies afterwards (Menon et al. 2021, arXiv:2007.07314). For a
    perceptron on frozen features of magnetic tiles (three splits), log loss and accuracy are 0.52 and 0.85 without the
    shift, 0.59 and 0.81 with it, and 0.48 and 0.86 without class weights.
    """
    inverse = 1 / counts.clamp_min(1).double()
    mean = inverse.mean() if task == "multi" else len(counts) / counts.clamp_min(1).sum()
    return (inverse / mean).float()


def new_totals(device: torch.device) -> Tensor:
    """Return a zero accumulator of (loss sum, hits, images) on the device, so that no step has to synchronise."""
    return torch.zeros(3, dtype=torch.float32 if device.type == "mps" else torch.float64, device=device)


def add_batch(totals: Tensor, *, loss: Tensor, hits: Tensor, count: int) -> None:
    totals[0] += loss.detach().to(totals.dtype) * count
    totals[1] += hits
    totals[2] += count


class ModelEma:
    """Exponential moving averages of a classifier's trainable state: a <- d a + (1 - d) w, with d rising to `decay`."""

    def __init__(self, classifier: TrainableClassifier, decay: float) -> None:
        self._classifier = classifier
        self._decay = decay
        self.updates = 0
        self.values = {name: value.detach().clone() for name, value in classifier.trainable_state().items()}

    @torch.no_grad()
    def update(self) -> None:
        """Add the current weights to the averages; integers such as counters are copied."""
        self.updates += 1
        decay = min(self._decay, (1 + self.updates) / (10 + self.updates))
        for name, value in self._classifier.trainable_state().items():
            if value.is_floating_point():
                self.values[name].lerp_(value.to(self.values[name].dtype), 1 - decay)
            else:
                self.values[name].copy_(value)

    def load(self, values: dict[str, Tensor], updates: int) -> None:
        self.updates = updates
        for name, value in values.items():
            self.values[name].copy_(value)

    @contextmanager
    def in_place(self) -> Generator[None]:
        """Load the averages into the classifier within the context, and restore its weights afterwards."""
        weights = {name: value.detach().clone() for name, value in self._classifier.trainable_state().items()}
        self._classifier.load_trainable_state(self.values)
        try:
            yield
        finally:
            self._classifier.load_trainable_state(weights)


_AVERAGE = "average."
# Common values for fine-tuning; no measurement in docs/methods.md suggests others.
WEIGHT_DECAY = 0.05  # never on norms and biases
MAX_GRADIENT_NORM = 1.0  # gradients are clipped to this norm at each step
WARMUP_SHARE = 0.1  # share of the steps in which the learning rate rises


class NotFinite(Exception):
    """A loss or gradient is infinite or NaN; `positions` are the batch's positions in the training split."""

    def __init__(self, positions: list[int]) -> None:
        super().__init__(positions)
        self.positions = positions


class TrainStep:
    """The trained module (a classifier, or its head if features are cached), its optimiser and weight averages."""

    def __init__(
        self,
        classifier: TrainableClassifier,
        trained: nn.Module,
        config: TrainConfig,
        objective: Objective,
        *,
        accelerator: Any,
        on_shrink: Callable[[int], None],
    ) -> None:
        self._config, self._objective, self._accelerator = config, objective, accelerator
        self._on_shrink = on_shrink
        self.classifier = classifier
        self.micro_batch = config.batch_size
        # Closed-form heads take no steps: there is nothing to average, and the size of a k-NN index is not known yet.
        self.average = ModelEma(classifier, config.ema_decay) if config.ema_decay and config.total_epochs else None
        groups = classifier.parameter_groups(WEIGHT_DECAY)
        rate = config.peak_learning_rate
        self._scales = [group.pop("lr_scale") for group in groups]
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        optimizer = torch.optim.AdamW(groups, lr=rate, fused=accelerator.device.type == "cuda")
        self.trained, self.optimizer = accelerator.prepare(trained, optimizer)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate, scaled by the factor of each parameter group."""
        for group, scale in zip(self.optimizer.param_groups, self._scales, strict=True):
            group["lr"] = rate * scale

    def can_learn_from(self, batch: Batch) -> bool:
        """Return whether enough images of a batch could be read; batch norm needs more than one."""
        if len(batch.images) != 1 or not batch.unreadable:
            return len(batch.images) > 0
        return not any(isinstance(module, _BatchNorm) and module.training for module in self.trained.modules())

    def learn(self, batch: Batch, totals: Tensor, *, epoch: int, number: int) -> None:
        """Take an optimiser step on a batch and add it to `totals`; `NotFinite` is raised before weights change."""
        seed = derived_seed(self._config.seed, epoch, number)
        # For dropout. Without a GPU, torch.manual_seed would also prepare seeds for GPUs, which takes seventy times as
        # long (measured) and slows a linear probe.
        on_cpu = self._accelerator.device.type == "cpu"
        (torch.default_generator.manual_seed if on_cpu else torch.manual_seed)(seed)
        loss, hits = self._gradients(batch)
        norm = torch.as_tensor(self._accelerator.clip_grad_norm_(self._parameters, MAX_GRADIENT_NORM))
        scales_itself = self._accelerator.scaler is not None  # fp16: an overflowing step is skipped by the scaler
        if not torch.isfinite(loss) or not (scales_itself or torch.isfinite(norm)):
            raise NotFinite(batch.indices.tolist())
        self.optimizer.step()
        if self.average and not self.optimizer.step_was_skipped:
            self.average.update()
        add_batch(totals, loss=loss, hits=hits, count=len(batch.images))

    def _gradients(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Compute the gradients of a batch; return its mean loss and the number of correct predictions."""
        while True:
            try:
                return self._accumulate(batch.images, batch.targets)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
            # Outside the except block, where the traceback would still hold the activations of the failed step.
            self._shrink(len(batch.images))

    def _accumulate(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Accumulate the gradients of all micro-batches; return as `_gradients`."""
        self.optimizer.zero_grad(set_to_none=True)
        batch_loss = hits = torch.zeros((), device=inputs.device)
        micro_batches = micro_batch_slices(len(inputs), self.micro_batch)
        for micro_batch in micro_batches:
            weight = len(inputs[micro_batch]) / len(inputs)
            # Gradients are synchronised across processes only on the last micro-batch.
            is_last = micro_batch is micro_batches[-1]
            sync_context = contextlib.nullcontext() if is_last else self._accelerator.no_sync(self.trained)
            with self._accelerator.autocast(), sync_context:
                logits = self.trained(inputs[micro_batch])
                loss = self._objective.loss(logits, targets[micro_batch]) * weight
                self._accelerator.backward(loss)
            batch_loss = batch_loss + loss.detach()
            hits = hits + self._objective.hits(logits.detach(), targets[micro_batch])
        return batch_loss, hits

    def _shrink(self, size: int) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self.micro_batch <= 1:
            hint = "Choose a smaller image size or backbone, LoRA instead of full, or precision bf16."
            raise RunError("Not even one image fits into the device's memory.", hint)
        self.micro_batch = max(1, min(self.micro_batch, size) // 2)
        self._on_shrink(self.micro_batch)

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Return a context with the averaged weights in the classifier, if the settings enable averaging."""
        return self.average.in_place() if self.average else contextlib.nullcontext()

    def tensors(self) -> dict[str, Tensor]:
        """Return the state needed for resuming in addition to the weights: the optimiser and the averages."""
        averages = self.average.values if self.average else {}
        return flatten_optimizer(self.optimizer) | {_AVERAGE + name: value for name, value in averages.items()}

    def restore(self, tensors: dict[str, Tensor], *, averaged: int) -> None:
        """Load a state of `tensors`; `averaged` is the number of steps in the averages."""
        averages = {name: value for name, value in tensors.items() if name.startswith(_AVERAGE)}
        restore_optimizer(self.optimizer, {name: value for name, value in tensors.items() if name not in averages})
        if self.average:
            self.average.load({name.removeprefix(_AVERAGE): value for name, value in averages.items()}, averaged)


def micro_batch_slices(count: int, size: int) -> list[slice]:
    """Split a batch into slices of `size`; a single last image joins the slice before it, for batch norm."""
    ends = [*range(size, count, size), count]
    if size > 1 and len(ends) > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]


def learning_rate_factor(step: int, *, total_steps: int) -> float:
    """Return the share of the peak rate at `step` (from 0): linear warm-up, then half a cosine (arXiv:1608.03983)."""
    warmup = round(total_steps * WARMUP_SHARE)
    if step < warmup:
        return (step + 1) / warmup
    progress = (step - warmup) / max(1, total_steps - warmup)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
