"""The five methods on a CUDA GPU: images a second and peak memory of a training step, random weights and images.

    python tests/benchmarks/gpu_methods.py                                   # ViT-B/16, batch 64, bf16
    python tests/benchmarks/gpu_methods.py --backbone resnet50 --batch 64

Weights do not matter for either number, so none are fetched. Prints each method's ratio to full fine-tuning.
"""

import argparse
import time
from types import SimpleNamespace

import torch

from models.classifier import build_classifier
from models.methods.table import METHODS
from visionft.data.dataset import Batch
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.objective import Objective, new_totals
from visionft.training.loop.train_step import TrainStep

CLASSES = 100


def measure(config: TrainConfig, *, steps: int) -> tuple[float, float]:
    """Return (images a second, peak MiB) of `steps` optimiser steps after three to warm up."""
    from visionft.training.loop.run_context import RunContext

    assembly = RunContext(config, classes=CLASSES)
    device = assembly.accelerator.device
    train_step = TrainStep(
        assembly.classifier,
        assembly.classifier,
        config,
        Objective("single", CLASSES),
        accelerator=assembly.accelerator,
        on_shrink=print,
    )
    size, count = config.input_size, config.batch_size
    batch: Batch = SimpleNamespace(  # type: ignore[assignment]
        images=torch.randn(count, 3, size, size, device=device),
        targets=torch.randint(0, CLASSES, (count,), device=device),
        indices=torch.arange(count),
    )
    totals = new_totals(device)
    assembly.classifier.train()
    for number in range(steps + 3):
        if number == 3:
            _wait(device)
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            began = time.monotonic()
        train_step.set_rate(1e-5)
        train_step.learn(batch, totals, epoch=1, number=number)
    _wait(device)
    seconds = time.monotonic() - began
    return steps * count / seconds, torch.cuda.max_memory_allocated() / 2**20 if device.type == "cuda" else float("nan")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    """Read the arguments and print one row a method."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbone", default="vit_base")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    options = parser.parse_args()
    print(torch.cuda.get_device_name() if options.device == "cuda" else "CPU")
    full = None
    print("| method | trainable | images/s | of full | peak MiB | of full |\n|---|---|---|---|---|---|")
    for method in METHODS.values():
        config = TrainConfig(
            backbone=options.backbone,
            method=method.name,
            weights="random",
            batch_size=options.batch,
            device=options.device,
            precision="bf16",
        )
        if config_problems(config):
            continue
        classifier = build_classifier(
            config.backbone_row, method, classes=CLASSES, options=config.method_options, weights=None
        )
        trainable, total = classifier.parameter_counts()
        del classifier
        speed, memory = measure(config, steps=options.steps)
        full = full or (speed, memory)
        print(
            f"| {method.name} | {trainable / total:.2%} | {speed:.0f} | {speed / full[0]:.2f} "
            f"| {memory:.0f} | {memory / full[1]:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
