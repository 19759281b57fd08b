"""Our loop against a bare PyTorch loop, and a linear probe against one forward pass: ratios from one process.

    python tests/benchmarks/loop_speed.py ../shared/data/sign_digits --set precision=bf16

The bare loop is a tutorial's: the same network, memory layout, loader, batch, optimiser and precision (fp32 unless
set), no events, no checkpoints, no checks. Both alternate, so a noisy machine disturbs both.
"""

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from methods_table import snapshot_of

from models.classifier import build_classifier
from visionft.data.dataset import EpochSampler, ImageDataset, ImageLoader
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot
from visionft.events import EpochDone, Event
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.weights.weights_loading import weights_loader


def loader_of(config: TrainConfig, snapshot: Snapshot):
    """Return the training loader of both loops."""
    preprocessing = PreprocessConfig.for_backbone(config.backbone_row, config.input_size)
    chosen = snapshot.labelled("train")
    dataset = ImageDataset(
        chosen, preprocessing, classes=len(snapshot.class_names), augmentation=config.augmentation, seed=config.seed
    )
    sampler = EpochSampler(len(chosen), config.batch_size, seed=config.seed, shuffle=True)
    return ImageLoader(dataset, sampler, workers=0, device="cpu")


def build(config: TrainConfig, snapshot: Snapshot):
    """Return the classifier of the settings, in the memory layout of training."""
    classifier = build_classifier(
        config.backbone_row,
        config.method_row,
        classes=len(snapshot.class_names),
        options=config.method_options,
        weights=weights_loader(config.weights),
        image_size=config.input_size,
        seed=config.seed,
    )
    return classifier.to_device("cpu", precision=config.precision)


def autocast(config: TrainConfig) -> torch.autocast:
    """Return the autocast context of the configured precision."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.precision == "bf16")


def bare_epoch_s(config: TrainConfig, snapshot: Snapshot) -> float:
    """Return the seconds of one epoch of a bare loop."""
    model = build(config, snapshot).train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)
    began = time.monotonic()
    for batch in loader_of(config, snapshot):
        with autocast(config):
            logits = model(batch.images)
        loss = torch.nn.functional.cross_entropy(logits.float(), batch.targets, label_smoothing=0.1)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return time.monotonic() - began


def our_epoch_s(config: TrainConfig, snapshot: Snapshot) -> float:
    """Return the seconds our loop spends on the training part of one epoch."""
    events: list[Event] = []
    with tempfile.TemporaryDirectory() as temporary:
        train(
            replace(config, epochs=1, ridge_init=False),
            snapshot,
            Path(temporary) / "run",
            job=JobContext(events.append),
        )
    (done,) = [event for event in events if isinstance(event, EpochDone)]
    return len(snapshot.labelled("train")) / done.images_per_second


@torch.no_grad()
def forward_epoch_s(config: TrainConfig, snapshot: Snapshot) -> float:
    """Return the seconds of one forward pass over training and validation images."""
    model = build(config, snapshot).eval()
    plain = replace(config, augmentation="none")
    chosen = replace(snapshot, images=tuple(replace(i, split="train") for i in snapshot.images if i.split != "test"))
    began = time.monotonic()
    for batch in loader_of(plain, chosen):
        with autocast(config):
            model(batch.images)
    return time.monotonic() - began


def probe_s(config: TrainConfig, snapshot: Snapshot) -> float:
    """Return the seconds of a whole linear-probe run of 20 epochs, its reading of images included."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        train(replace(config, epochs=20), snapshot, Path(temporary) / "run")
    return time.monotonic() - began


def main() -> None:
    """Read the arguments and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbones", nargs="+", default=["starter_resnet", "starter_vit"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--train", type=int, default=400)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    snapshot = snapshot_of(options.folder, train_count=options.train, test_count=10)

    def config_of(backbone: str, method: str) -> TrainConfig:
        config = TrainConfig(backbone=backbone, method=method, device="cpu", workers=0, precision="fp32")
        return config.with_settings(options.set)

    for backbone in options.backbones:
        ours = {}
        for method in ("full", "lora"):
            config = config_of(backbone, method)
            pairs = [(bare_epoch_s(config, snapshot), our_epoch_s(config, snapshot)) for _ in range(options.rounds)]
            ratio = median(bare / ours for bare, ours in pairs)
            ours[method] = [our for _, our in pairs]
            print(f"{backbone} {method}: {ratio:.2f} of the bare loop's steps/s")
            sys.stdout.flush()
        ratio = median(lora / full for full, lora in zip(ours["full"], ours["lora"], strict=True))
        print(f"{backbone}: a LoRA step takes {ratio:.2f} of a full step")
        config = config_of(backbone, "linear")
        pairs = [(forward_epoch_s(config, snapshot), probe_s(config, snapshot)) for _ in range(options.rounds)]
        ratio = median(probe / forward for forward, probe in pairs)
        print(f"{backbone} linear: 20 epochs cost {ratio:.2f} forward epochs")


if __name__ == "__main__":
    main()
