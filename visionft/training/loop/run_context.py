"""What a run computes with: device, precision, accelerator and the classifier that its settings describe."""

import os
from typing import Any

import torch  # noqa: TID253

from models.classifier import Classifier, build_classifier
from visionft.devices import Device, pick_device
from visionft.events import ShouldStop
from visionft.training.config.train_config import TrainConfig
from visionft.weights import weights_loader


class RunContext:
    """Device, accelerator and classifier for one set of settings."""

    def __init__(self, config: TrainConfig, *, classes: int) -> None:
        """Build everything; pretrained weights must be on this computer (`starting.ensure_weights`)."""
        self.device: Device = pick_device(config.device)
        self.precision = self.device.precision if config.precision == "auto" else config.precision
        self.accelerator = _make_accelerator(self.device, self.precision)
        self.classifier = self._build(config, classes)

    def _build(self, config: TrainConfig, classes: int) -> Classifier:
        classifier = build_classifier(
            config.backbone_row,
            config.method_row,
            classes=classes,
            options=config.method_options,
            weights=weights_loader(config.weights),
            image_size=config.input_size,
            patch_dropout=config.patch_dropout,
            seed=config.seed,
        )
        if config.gradient_checkpointing:
            classifier.checkpoint_gradients()
        if self.device.kind == "cuda" and self.precision == "bf16":
            classifier.shrink_frozen(torch.bfloat16)
        return classifier.to_device(self.accelerator.device, precision=self.precision)


def _make_accelerator(device: Device, precision: str) -> Any:
    """Return an accelerate `Accelerator` for one run; several may follow each other in one process."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if "WORLD_SIZE" not in os.environ:
        # accelerate remembers the first run's device and precision for the life of the process.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(mixed_precision={"fp32": "no"}.get(precision, precision), cpu=device.kind == "cpu")


def is_asked_to_stop(should_stop: ShouldStop, accelerator: Any) -> bool:
    """Tell whether any of the processes that train together was asked to stop: they stop at the same batch."""
    asked = should_stop()
    if accelerator.num_processes == 1:
        return asked
    flag = torch.tensor([float(asked)], device=accelerator.device)
    return bool(accelerator.reduce(flag, "sum").item())


def release(classifier: Classifier, optimizer: torch.optim.Optimizer | None) -> None:
    """Give the memory of a network and its optimiser back now; neither can be used any more.

    Both sit in reference cycles (accelerate's and peft's), so they would stay until the collector comes; in the window
    it runs on another thread and much later.
    """
    if optimizer is not None:
        optimizer.state.clear()
    device = next(classifier.parameters()).device
    for tensor in (*classifier.parameters(), *classifier.buffers()):
        tensor.grad = None
        tensor.data = tensor.data.new_empty(0)
    if device.type == "cuda":
        torch.cuda.empty_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
