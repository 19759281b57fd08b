"""The fine-tuning methods on a CUDA GPU: images a second and peak memory of a training step, random weights and images.

    python tests/benchmarks/gpu_methods.py                                   # ViT-B/16, batch 64, bf16
    python tests/benchmarks/gpu_methods.py --backbone resnet50 --batch 64

Weights do not matter for either number, so none are fetched. Prints each method's ratio to full fine-tuning.
"""

from types import SimpleNamespace

import torch
from bench import heading, read_options, row, timed

from visionft.data.dataset import Batch
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.run_context import RunContext
from visionft.training.loop.train_step import Objective, TrainStep, new_totals

CLASSES, WARM_UP = 100, 3
TRAINED = ("full", "linear", "adapter", "lora", "prefix")  # the others are compared with the first


def measure(config: TrainConfig, steps: int) -> tuple[float, float, float]:
    """Return the trainable share, images a second and peak MiB of `steps` optimiser steps after some to warm up."""
    assembly = RunContext.of_run(config, classes=CLASSES)
    device, classifier = assembly.accelerator.device, assembly.classifier
    train_step = TrainStep(
        classifier,
        classifier,
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
    totals, is_cuda = new_totals(device), device.type == "cuda"
    classifier.train()

    def work(numbers: range) -> None:
        for number in numbers:
            train_step.set_rate(1e-5)
            train_step.learn(batch, totals, epoch=1, number=number)
        if is_cuda:
            torch.cuda.synchronize()

    work(range(WARM_UP))
    if is_cuda:
        torch.cuda.reset_peak_memory_stats()
    spent = timed(lambda: work(range(WARM_UP, WARM_UP + steps)))
    trainable, total = classifier.parameter_counts()
    peak = torch.cuda.max_memory_allocated() / 2**20 if is_cuda else float("nan")
    return trainable / total, 1000 * steps * count / spent.wall, peak


if __name__ == "__main__":
    options = read_options(__doc__, backbone="vit_base", batch=64, steps=20, device="cuda")
    print(torch.cuda.get_device_name() if options.device == "cuda" else "CPU")
    full = None
    heading("method", "trainable", "images/s", "of full", "peak MiB", "of full")
    for method in TRAINED:
        config = TrainConfig(
            backbone=options.backbone,
            method=method,
            weights="random",
            batch_size=options.batch,
            device=options.device,
            precision="bf16",
        )
        if not config_problems(config):
            share, speed, peak = measure(config, options.steps)
            full = full or (speed, peak)
            ratios = f"{speed / full[0]:.2f}", f"{peak / full[1]:.2f}"
            row(method, f"{share:.2%}", f"{speed:.0f}", ratios[0], f"{peak:.0f}", ratios[1])
