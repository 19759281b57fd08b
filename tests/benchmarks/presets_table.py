"""Accuracy and minutes of the presets on real images, against a plain script.

    python tests/benchmarks/presets_table.py ../shared/data/trashnet ../shared/data/sign_digits --images 60 250 1500

One row per set, number of training images and peer: mean test top-1 of the seeds, each seed's, and processor minutes.
Every peer of a seed sees the same images in the same framing, which is measured first and counts for none; validation
has a fifth as many as training, at least two per class. Peers:

- `quick`, `balanced`, `best`: the presets as a user gets them, with the backbone chosen by the probes;
- `script`: full fine-tuning as a careful engineer would write it (AdamW, cosine with warm-up, crops of .6 to 1, mirror,
  label smoothing), with torchvision's own loading, the rate the best of three on the validation images; the minutes are
  those of all three, the time to its best validation accuracy is that of the best one.

With both `script` and `balanced`, the processor seconds until each first reached the script's best validation accuracy
are printed too.
"""

import sys
import tempfile
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bench import divide, heading, read_options, row
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from models.catalog import DEFAULT_BACKBONE
from models.classifier import build_classifier
from models.methods.frozen import LinearOptions
from models.methods.table import METHODS
from models.weights.weights_loading import weights_loader
from visionft.core.events import EpochDone, Event
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot, Split
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.report import evaluate_run
from visionft.training.framing_choice import resolved_framing
from visionft.training.loop.train import train
from visionft.training.run_settings import preset_of_project

RATES = (1e-4, 3e-4, 1e-3)


@dataclass
class Outcome:
    """Result of one peer on one division."""

    top1: float
    seconds: float  # of processor time
    choice: str
    curve: list[tuple[float, float]]  # processor seconds since the start, validation accuracy

    def reached(self, target: float) -> float | None:
        """Return the seconds until a validation accuracy."""
        return next((at for at, value in self.curve if value >= target), None)


def preset(name: str, snapshot: Snapshot, seed: int, folder: Path) -> Outcome:
    """Train and test a preset with the backbone chosen by the probes; their time counts."""
    curve, began = list[tuple[float, float]](), time.process_time()
    config = preset_of_project(name, snapshot, folder, device="cpu")
    measured = time.process_time()
    config = resolved_framing(replace(config, seed=seed), snapshot, folder)
    began += time.process_time() - measured

    def watch(event: Event) -> None:
        if isinstance(event, EpochDone):
            curve.append((time.process_time() - began, event.val_accuracy))

    run_dir = folder / f"{name}-run"
    train(config, snapshot, run_dir, job=JobContext(watch))
    seconds = time.process_time() - began
    top1 = evaluate_run(run_dir, snapshot, "test").top1
    return Outcome(top1, seconds, f"{config.backbone}, {config.method}, {config.total_epochs} epochs", curve)


class Images(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """A split as torchvision reads it."""

    def __init__(self, snapshot: Snapshot, split: Split, config: TrainConfig) -> None:
        self.images = snapshot.labelled(split)
        shape, backbone = config.input_shape, config.backbone_row
        crop = [v2.RandomResizedCrop(shape, scale=(0.6, 1.0), antialias=True), v2.RandomHorizontalFlip()]
        plain = [v2.Resize(shape if config.frames else min(shape), antialias=True), v2.CenterCrop(shape)]
        end = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*map(list, backbone.normalisation))]
        self.transform = v2.Compose([*(crop if split == "train" else plain), *end])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return one image and its class."""
        with Image.open(self.images[index].path) as image:
            return self.transform(image.convert("RGB")), self.images[index].labels[0]


def script(snapshot: Snapshot, seed: int, folder: Path) -> Outcome:
    """Fine-tune the ImageNet ResNet as a careful script would, at three rates; the best on validation counts."""
    config = preset_of_project("balanced", snapshot, folder, backbone=DEFAULT_BACKBONE, device="cpu")
    config = resolved_framing(config, snapshot, folder)
    epochs = config.epochs if config.method == "full" else 30
    runs = [_script(replace(config, method="full", epochs=epochs), snapshot, rate, seed) for rate in RATES]
    best = max(runs, key=lambda found: max(value for _, value in found.curve))
    return replace(best, seconds=sum(found.seconds for found in runs))


def _script(config: TrainConfig, snapshot: Snapshot, rate: float, seed: int) -> Outcome:
    torch.manual_seed(seed)
    network = build_classifier(
        config.backbone_row,
        METHODS["linear"],
        classes=len(snapshot.class_names),
        options=LinearOptions(layers="last"),
        seed=seed,
        shape=config.input_shape,
        weights=weights_loader(),
    ).network.requires_grad_(True)
    loaders = {
        split: torch.utils.data.DataLoader(Images(snapshot, split, config), config.batch_size, shuffle=split == "train")
        for split in ("train", "val", "test")
    }
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.05)
    steps = config.epochs * len(loaders["train"])
    warm = max(1, steps // 10)
    schedule = torch.optim.lr_scheduler.SequentialLR(
        optimizer,
        [
            torch.optim.lr_scheduler.LinearLR(optimizer, 0.01, total_iters=warm),
            torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps - warm)),
        ],
        [warm],
    )
    loss_of, curve, best = nn.CrossEntropyLoss(label_smoothing=0.1), [], (-1.0, 0.0)
    began = time.process_time()
    for _ in range(config.epochs):
        network.train()
        for images, targets in loaders["train"]:
            if len(images) > 1:
                optimizer.zero_grad()
                loss_of(network(images), targets).backward()
                optimizer.step()
            schedule.step()
        validation = _accuracy(network, loaders["val"])
        curve.append((time.process_time() - began, validation))
        if validation >= best[0]:
            best = (validation, _accuracy(network, loaders["test"]))
    return Outcome(best[1], curve[-1][0], f"rate {rate:g}, {config.epochs} epochs", curve)


@torch.inference_mode()
def _accuracy(network: nn.Module, loader: torch.utils.data.DataLoader) -> float:
    network.eval()
    right = [(network(images).argmax(dim=1) == targets).float() for images, targets in loader]
    return float(torch.cat(right).mean())


def compare(folder: Path, image_count: int, peers: list[str], seeds: list[int], test: int) -> None:
    """Print a row for each peer."""
    outcomes: dict[str, list[Outcome]] = {peer: [] for peer in peers}
    for seed in seeds:
        snapshot = divide(folder, image_count=image_count, test=test, seed=seed)
        with tempfile.TemporaryDirectory() as temporary:
            for peer, found in outcomes.items():
                measure = script if peer == "script" else partial(preset, peer)
                found.append(measure(snapshot, seed, Path(temporary)))
                print(f"  {folder.name} {image_count} seed {seed} {peer}: {found[-1].top1:.3f}", file=sys.stderr)
        if {"script", "balanced"} <= outcomes.keys():
            target = max(value for _, value in outcomes["script"][-1].curve)
            reached = {peer: outcomes[peer][-1].reached(target) for peer in ("script", "balanced")}
            print(f"  seconds to the script's best validation accuracy {target:.3f}: {reached}", file=sys.stderr)
    for peer, found in outcomes.items():
        tops, minutes = [each.top1 for each in found], np.mean([each.seconds for each in found]) / 60
        each = " ".join(f"{top:.3f}" for top in tops)
        row(folder.name, image_count, peer, f"{np.mean(tops):.3f}", each, f"{minutes:.1f}", found[0].choice)


if __name__ == "__main__":
    options = read_options(
        __doc__,
        folders="+",
        images=[60, 250, 1500],
        peers=["quick", "balanced", "script"],
        seeds=[0, 1, 2],
        test=500,
    )
    heading("set", "images", "peer", "top1", "seeds", "processor minutes", "choice")
    for folder in options.folders:
        for image_count in options.images:
            compare(folder, image_count, options.peers, options.seeds, options.test)
