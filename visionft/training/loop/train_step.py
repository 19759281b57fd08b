"""What happens in one optimiser step: micro-batches, mixing, clipping, averaging; and what is done when it fails.

Out of memory: the micro-batch is halved and the same batch tried again; the effective batch never changes. A loss or
gradient that is not finite is reported as `NotFinite`, for the loop to roll back.
"""

import contextlib
from collections.abc import Callable
from typing import Any

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253
from torch.nn.modules.batchnorm import _BatchNorm  # noqa: TID253

from models.classifier import Classifier
from visionft.data.dataset import Batch, derived_seed
from visionft.errors import RunError, is_out_of_memory
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.mixup_cutmix import MixupCutmix
from visionft.training.loop.model_ema import ModelEma
from visionft.training.loop.objective import Objective, add_batch
from visionft.training.runs.checkpoint import flatten_optimizer, restore_optimizer

_AVERAGE = "average."


class NotFinite(Exception):
    """A loss or gradient is infinite or not a number; carries the batch's places in the training split."""

    def __init__(self, positions: list[int]) -> None:
        super().__init__(positions)
        self.positions = positions


class TrainStep:
    """The trained part of a classifier with its optimiser.

    Attributes:
        trained: What takes a batch: the classifier, or its head when features are cached; wrapped by accelerate.
        micro_batch: Pictures that go through the network at once.
        average: The moving average of the weights, or None.
    """

    def __init__(
        self,
        classifier: Classifier,
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
        self.micro_batch = config.micro_batch_size or config.batch_size
        self.average = ModelEma(classifier, config.ema_decay) if config.ema_decay else None
        self._mixing = MixupCutmix(config.mixup, config.cutmix) if trained is classifier else MixupCutmix(0, 0)
        groups = classifier.parameter_groups(config.weight_decay)
        self._scales = [group.pop("lr_scale") for group in groups]
        self._parameters = [parameter for group in groups for parameter in group["params"]]
        optimizer = _make_optimizer(config, groups, fused=accelerator.device.type == "cuda")
        if config.compile:
            trained = torch.compile(trained)  # type: ignore[assignment]
        self.trained, self.optimizer = accelerator.prepare(trained, optimizer)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate; layers keep their own share of it."""
        for group, scale in zip(self.optimizer.param_groups, self._scales, strict=True):
            group["lr"] = rate * scale

    def can_learn_from(self, batch: Batch) -> bool:
        """Tell whether enough of a batch could be read: batch norm cannot learn from a single picture."""
        if len(batch.images) != 1 or not batch.unreadable:
            return len(batch.images) > 0
        return not any(isinstance(module, _BatchNorm) and module.training for module in self.trained.modules())

    def learn(self, batch: Batch, totals: Tensor, *, epoch: int, number: int) -> None:
        """Take one optimiser step on a batch and add it to `totals`.

        Raises:
            NotFinite: The loss or the gradient is not finite; the weights are untouched.
            RunError: Not even one picture fits into memory.
        """
        seed = derived_seed(self._config.seed, epoch, number)
        # Dropout draws from here. On a CPU torch.manual_seed would also seed GPUs that are not there, which takes
        # seventy times as long (measured) and shows in a linear probe.
        on_cpu = self._accelerator.device.type == "cpu"
        (torch.default_generator.manual_seed if on_cpu else torch.manual_seed)(seed)
        inputs, targets = self._prepare(batch, seed)
        loss, hits = self._gradients(inputs, targets, batch)
        norm = self._clip()
        scales_itself = self._accelerator.scaler is not None  # fp16: an overflowing step is skipped by the scaler
        if not torch.isfinite(loss) or not (scales_itself or torch.isfinite(norm)):
            raise NotFinite(batch.indices.tolist())
        self.optimizer.step()
        if self.average and not self.optimizer.step_was_skipped:
            self.average.update()
        add_batch(totals, loss=loss, hits=hits, count=len(inputs))

    def _prepare(self, batch: Batch, seed: int) -> tuple[Tensor, Tensor]:
        if not self._mixing or len(batch.images) < 2:
            return batch.images, batch.targets
        shares = batch.targets.float()
        if self._objective.task == "single":
            shares = F.one_hot(batch.targets, self._objective.classes).float()
        return self._mixing.mix(batch.images, shares, seed=seed)

    def _gradients(self, inputs: Tensor, targets: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        """Fill the gradients from all micro-batches; return the batch's mean loss and its hits."""
        while True:
            ran_out = False
            try:
                return self._accumulate(inputs, targets, batch)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                ran_out = True
            # Outside the except block: in it, the traceback still holds the failed step's activations.
            if ran_out:
                self._shrink(len(inputs))

    def _accumulate(self, inputs: Tensor, targets: Tensor, batch: Batch) -> tuple[Tensor, Tensor]:
        self.optimizer.zero_grad(set_to_none=True)
        loss_sum = hits = torch.zeros((), device=inputs.device)
        parts = parts_of(len(inputs), self.micro_batch)
        for part in parts:
            share = len(inputs[part]) / len(inputs)
            is_last = part is parts[-1]
            with self._accelerator.autocast(), _syncing(self._accelerator, self.trained, is_last):
                logits = self.trained(inputs[part])
                loss = self._objective.loss(logits, targets[part]) * share
                self._accelerator.backward(loss)
            loss_sum = loss_sum + loss.detach()
            hits = hits + self._objective.hits(logits.detach(), batch.targets[part])
        return loss_sum, hits

    def _shrink(self, size: int) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        if self.micro_batch <= 1:
            hint = "Choose a smaller picture size or backbone, LoRA instead of full, or precision bf16."
            raise RunError("Not even one picture fits into the device's memory.", hint)
        self.micro_batch = max(1, min(self.micro_batch, size) // 2)
        self._on_shrink(self.micro_batch)

    def _clip(self) -> Tensor:
        limit = self._config.gradient_clip or float("inf")
        return torch.as_tensor(self._accelerator.clip_grad_norm_(self._parameters, limit))

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which the classifier has the averages of its weights, where the settings want them."""
        return self.average.in_place() if self.average else contextlib.nullcontext()

    def tensors(self) -> dict[str, Tensor]:
        """Return what continuing needs besides the weights: the optimiser's state and the averages."""
        averages = self.average.values if self.average else {}
        return flatten_optimizer(self.optimizer) | {_AVERAGE + name: value for name, value in averages.items()}

    def restore(self, tensors: dict[str, Tensor], *, averaged: int) -> None:
        """Load what `tensors` gave; `averaged` counts the steps that the averages have seen."""
        restore_optimizer(
            self.optimizer, {name: value for name, value in tensors.items() if not name.startswith(_AVERAGE)}
        )
        if self.average:
            values = {name: value for name, value in tensors.items() if name.startswith(_AVERAGE)}
            self.average.load({name.removeprefix(_AVERAGE): value for name, value in values.items()}, averaged)


def _syncing(accelerator: Any, trained: nn.Module, is_last: bool) -> Any:
    """Let several processes exchange gradients after the last micro-batch only."""
    return contextlib.nullcontext() if is_last else accelerator.no_sync(trained)


def _make_optimizer(config: TrainConfig, groups: list[dict[str, Any]], *, fused: bool) -> torch.optim.Optimizer:
    rate = config.peak_learning_rate
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=rate, momentum=0.9, nesterov=True)
    return torch.optim.AdamW(groups, lr=rate, fused=fused)


def parts_of(count: int, size: int) -> list[slice]:
    """Divide a batch into parts of at most `size`; a last part of one picture joins the one before it.

    Batch norm cannot learn from a single picture. With parts of one, memory leaves no choice.
    """
    ends = [*range(size, count, size), count]
    if size > 1 and len(ends) > 1 and ends[-1] - ends[-2] == 1:
        del ends[-2]
    return [slice(start, end) for start, end in zip([0, *ends[:-1]], ends, strict=True)]
