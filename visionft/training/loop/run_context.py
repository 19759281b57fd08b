"""The execution context of a run: device, precision, accelerator and classifier."""

import os
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.classifier import TrainableClassifier, build_classifier
from models.methods.method import Method, MethodOptions
from models.weights.weights_loading import weights_loader
from visionft.core.allocator import return_freed_memory
from visionft.core.devices import Device, pick_device
from visionft.core.errors import RunError
from visionft.core.jobs import JobContext
from visionft.core.messages import Message
from visionft.features.feature_spec import FeatureSpec
from visionft.training.base_weights import base_weights_for, check_base_weights
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.checkpoint import BEST, load_checkpoint
from visionft.training.runs.manifest import HeldOutPredictions
from visionft.training.runs.run_folder import load_run, require_weights


class RunContext:
    def __init__(
        self,
        spec: FeatureSpec,
        method: Method[Any],
        options: MethodOptions,
        *,
        classes: int,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        """Build everything; pretrained weights must be on this computer (`frozen_network.ensure_network`).

        Args:
            spec: The network, its weights and its input.
            method: What is added to the network.
            options: Of the method.
            classes: Outputs of the head.
            device: `auto`, `cuda`, `mps` or `cpu`; likewise `precision`: `auto`, `fp32`, `bf16` or `fp16`.
            precision: Precision of the computation; the weights stay fp32.

        Raises:
            ConfigError: There is no such device here, or the method refuses the network.
            WeightsError: The weights cannot be read.
        """
        self.device: Device = pick_device(device)
        self.precision = self.device.precision if precision == "auto" else precision
        self.accelerator = _make_accelerator(self.device, self.precision)
        classifier = build_classifier(
            spec.backbone_row,
            method,
            classes=classes,
            options=options,
            weights=weights_loader(spec.weights),
            shape=spec.input_shape,
            seed=spec.seed,
        )
        if self.device.kind == "cuda" and self.precision == "bf16":
            classifier.shrink_frozen(torch.bfloat16)
        self.classifier = classifier.to_device(self.accelerator.device, precision=self.precision)

    @classmethod
    def of_run(cls, config: TrainConfig, *, classes: int) -> Self:
        """Return the context of a run by its settings."""
        return cls(
            config.features,
            config.method_row,
            config.method_options,
            classes=classes,
            device=config.device,
            precision=config.precision,
        )


def _make_accelerator(device: Device, precision: str) -> Any:
    """Return an accelerate `Accelerator` for one run; several may follow each other in one process."""
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if "WORLD_SIZE" not in os.environ:
        # accelerate remembers the first run's device and precision for the life of the process.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(mixed_precision={"fp32": "no"}.get(precision, precision), cpu=device.kind == "cpu")


def is_any_cancelled(job: JobContext, accelerator: Any) -> bool:
    """Return whether any training process was cancelled: all stop at the same batch."""
    if accelerator.num_processes == 1:
        return job.is_cancelled
    flag = torch.tensor([float(job.is_cancelled)], device=accelerator.device)
    return bool(accelerator.reduce(flag, "sum").item())


def release(classifier: TrainableClassifier, optimizer: torch.optim.Optimizer | None) -> None:
    """Give the memory of a network and its optimiser back now; neither can be used any more."""
    if optimizer is not None:
        optimizer.state.clear()
    classifier.release()
    return_freed_memory()


def warm_start(
    classifier: TrainableClassifier, config: TrainConfig, class_names: tuple[str, ...], project_dir: Path
) -> HeldOutPredictions | None:
    """Load the best weights of the run `config.start_from`, in place (RunError: they are gone or of another shape).

    Returns the held-out predictions of its head: for the images that the head has seen.
    """
    run = load_run(project_dir, config.start_from)
    if run.parts:
        hint = Message("Start from one of its parts: {names}.", names=", ".join(part.run for part in run.parts))
        raise RunError(Message("{run} is a combination of runs, which cannot be trained on.", run=run.title), hint)
    require_weights(run)
    for name in ("backbone", "method", "weights"):
        here, there = getattr(config, name), getattr(run.config, name)
        if here != there:
            hint = f"Choose {there} as the {name}, or start from the pretrained network."
            values = {"title": run.title, "name": name, "there": there, "here": here}
            raise RunError(Message("{title} was trained with the {name} {there}, not {here}.", **values), hint)
    if config.needs_base_weights:
        check_base_weights(run.path, base_weights_for(config, classifier.loaded))
    best = load_checkpoint(run.path / BEST)
    state = best.model
    if run.class_names != class_names:
        fresh = classifier.trainable_state()
        for name in (f"{classifier.backbone.head}.{part}" for part in ("weight", "bias")):
            rows = fresh[name].detach().clone()
            for place, class_name in enumerate(class_names):
                if class_name in run.class_names:
                    rows[place] = state[name][run.class_names.index(class_name)]
            state[name] = rows
    try:
        classifier.load_trainable_state(state)
    except ValueError as error:
        message = Message("{title} was trained with another input shape: {reason}.", title=run.title, reason=error)
        raise RunError(message, "Keep its settings, or start afresh.") from error
    return best.held_out


class PeakMemory:
    """Peak memory: the device's on CUDA, else samples of the process's."""

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._highest = 0
        if self._cuda:
            torch.cuda.reset_peak_memory_stats()

    def sample(self) -> None:
        if not self._cuda:
            import psutil

            self._highest = max(self._highest, psutil.Process().memory_info().rss)

    @contextmanager
    def watched(self) -> Generator[None]:
        """Sample every 10 ms while the context lasts: the peak is in the middle of a step."""
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.01):
                self.sample()

        thread = threading.Thread(target=watch, name="memory watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.sample()

    @property
    def megabytes(self) -> int:
        return (torch.cuda.max_memory_allocated() if self._cuda else self._highest) >> 20


def feature_drift(before: Tensor, after: Tensor) -> float:
    """Return 1 - mean cosine similarity of (N, D) features of the same images: 0 is no drift, 1 unrelated."""
    return float(1 - F.cosine_similarity(before.double(), after.double(), dim=1).mean())
