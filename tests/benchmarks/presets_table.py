"""Accuracy and minutes of the presets on real images, against their predecessors and a script.

    python tests/benchmarks/presets_table.py ../shared/data/trashnet ../shared/data/sign_digits --images 60 250 1500

One row per set, number of training images and peer: mean test top-1 of the seeds, each seed's, and minutes. Every peer
of a seed sees the same images; validation has a fifth as many as training, at least two per class. Peers:

- `quick`, `balanced`, `best`: the presets as a user gets them, with the backbone chosen by the probes;
- `previous`: the former Balanced with the Starter ResNet (LoRA, 20,000 images shown);
- `previous-weights`: the same settings on the ImageNet ResNet;
- `script`: full fine-tuning as a careful engineer would write it (AdamW, cosine with warm-up, crops of .6 to 1, mirror,
  label smoothing), with torchvision's own loading, the rate the best of three on the validation images; the minutes are
  those of all three, the time to its best validation accuracy is that of the best one.

With --times, `balanced` also prints the seconds until it first reached the script's best validation accuracy.
"""

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from models.catalog import DEFAULT_BACKBONE
from models.classifier import build_classifier
from models.methods.linear import LinearOptions
from models.methods.table import METHODS
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Snapshot, SnapshotImage, Split
from visionft.evaluation.report import evaluate_run
from visionft.events import EpochDone, Event
from visionft.files import sha256_file
from visionft.jobs import JobContext
from visionft.training.config.presets import Circumstances, preset_backbones, preset_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.training.probing import best_probe, probe_backbones
from visionft.weights.weights_loading import weights_loader

RATES = (1e-4, 3e-4, 1e-3)
COLUMNS = "set images peer top1 seeds minutes choice"


@dataclass
class Outcome:
    """Result of one peer on one division."""

    top1: float
    seconds: float
    choice: str
    curve: list[tuple[float, float]]  # seconds since the start, validation accuracy


def divide(folder: Path, *, image_count: int, test: int, seed: int) -> Snapshot:
    """Return a division of class folders: each class has its share of `images`, at least two, and of validation."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    files = [sorted(p for p in (folder / name).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES) for name in names]
    total, generator = sum(map(len, files)), np.random.default_rng([7, seed])
    images: list[SnapshotImage] = []
    for index, paths in enumerate(files):
        share = len(paths) / total
        wanted = {"train": max(2, round(image_count * share)), "val": max(2, round(image_count * share / 5))}
        splits: list[Split] = ["train"] * wanted["train"] + ["val"] * wanted["val"] + ["test"] * round(test * share)  # type: ignore[assignment]
        for split, position in zip(splits, generator.permutation(len(paths)), strict=False):
            number = sum(map(len, files[:index])) + int(position)
            images.append(SnapshotImage(number, paths[position], sha256_file(paths[position]), (index,), split))
    return Snapshot("single", tuple(names), tuple(sorted(images, key=lambda image: image.image_id)))


def ours(config: TrainConfig, snapshot: Snapshot) -> Outcome:
    """Train and test a run of the program."""
    curve: list[tuple[float, float]] = []

    def watch(event: Event) -> None:
        if isinstance(event, EpochDone):
            curve.append((time.monotonic() - began, event.val_accuracy))

    with tempfile.TemporaryDirectory() as temporary:
        began = time.monotonic()
        train(config, snapshot, Path(temporary) / "001-run", job=JobContext(watch))
        seconds = time.monotonic() - began
        top1 = evaluate_run(Path(temporary) / "001-run", snapshot, "test").top1
    return Outcome(top1, seconds, f"{config.backbone}, {config.method}, {config.total_epochs} epochs", curve)


def preset(name: str, snapshot: Snapshot, seed: int) -> Outcome:
    """Train a preset with the backbone chosen by the probes; their time counts."""
    circumstances = Circumstances.of(snapshot, device="cpu")
    suited, began = preset_backbones(name, circumstances), time.monotonic()
    chosen = suited[0]
    if len(suited) > 1:
        chosen = best_probe(probe_backbones(suited, TrainConfig(device="cpu"), snapshot)).backbone
    probing = time.monotonic() - began
    found = ours(replace(preset_config(name, circumstances, backbone=chosen), seed=seed), snapshot)
    return replace(found, seconds=found.seconds + probing, curve=[(at + probing, value) for at, value in found.curve])


def previous(backbone: str, snapshot: Snapshot, seed: int) -> Outcome:
    """Train the former Balanced: LoRA with light augmentation, 20,000 images shown, no weight interpolation."""
    settings = preset_config("balanced", Circumstances.of(snapshot, device="cpu"), backbone=backbone)
    epochs = max(5, min(30, round(20_000 / len(snapshot.labelled("train")))))
    old = {"method": "lora", "augmentation": "light", "ema_decay": 0.0, "interpolation": False, "epochs": epochs}
    return ours(replace(settings, seed=seed, **old), snapshot)  # type: ignore[arg-type]


class Images(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """A split as torchvision reads it."""

    def __init__(self, snapshot: Snapshot, split: Split, config: TrainConfig) -> None:
        self.images = snapshot.labelled(split)
        size, row = config.input_size, config.backbone_row
        crop = [v2.RandomResizedCrop(size, scale=(0.6, 1.0), antialias=True), v2.RandomHorizontalFlip()]
        plain = [v2.Resize(size, antialias=True), v2.CenterCrop(size)]
        end = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*map(list, row.normalisation))]
        self.transform = v2.Compose([*(crop if split == "train" else plain), *end])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        """Return one image and its class."""
        with Image.open(self.images[index].path) as image:
            return self.transform(image.convert("RGB")), self.images[index].labels[0]


def script(snapshot: Snapshot, seed: int) -> Outcome:
    """Fine-tune the ImageNet ResNet as a careful script would, at three rates; the best on validation counts."""
    config = preset_config("balanced", Circumstances.of(snapshot, device="cpu"), backbone=DEFAULT_BACKBONE)
    runs = [_script(replace(config, method="full", epochs=_like(config)), snapshot, rate, seed) for rate in RATES]
    best = max(runs, key=lambda found: max(value for _, value in found.curve))
    return replace(best, seconds=sum(found.seconds for found in runs))


def _like(config: TrainConfig) -> int:
    return config.epochs if config.method == "full" else 30


def _script(config: TrainConfig, snapshot: Snapshot, rate: float, seed: int) -> Outcome:
    torch.manual_seed(seed)
    plain = LinearOptions(layers="last")
    network = build_classifier(
        config.backbone_row, METHODS["linear"], classes=len(snapshot.class_names), options=plain, seed=seed,
        image_size=config.input_size, weights=weights_loader(),
    ).network.requires_grad_(True)  # fmt: skip
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
    began = time.monotonic()
    for _ in range(config.epochs):
        network.train()
        for images, targets in loaders["train"]:
            if len(images) > 1:
                optimizer.zero_grad()
                loss_of(network(images), targets).backward()
                optimizer.step()
            schedule.step()
        validation = _accuracy(network, loaders["val"])
        curve.append((time.monotonic() - began, validation))
        if validation >= best[0]:
            best = (validation, _accuracy(network, loaders["test"]))
    return Outcome(best[1], curve[-1][0], f"rate {rate:g}, {config.epochs} epochs", curve)


@torch.inference_mode()
def _accuracy(network: nn.Module, loader: torch.utils.data.DataLoader) -> float:
    network.eval()
    right = [(network(images).argmax(dim=1) == targets).float() for images, targets in loader]
    return float(torch.cat(right).mean())


def run_peer(peer: str, snapshot: Snapshot, seed: int) -> Outcome:
    """Train and test one peer."""
    if peer == "previous":
        return previous("starter_resnet", snapshot, seed)
    if peer == "previous-weights":
        return previous(DEFAULT_BACKBONE, snapshot, seed)
    return script(snapshot, seed) if peer == "script" else preset(peer, snapshot, seed)


def tell_times(script_run: Outcome, balanced: Outcome) -> str:
    """Print when both reached the script's best validation accuracy."""
    target = max(value for _, value in script_run.curve)
    theirs, reached = (next((at for at, v in found.curve if v >= target), None) for found in (script_run, balanced))
    said = (
        "never"
        if reached is None or theirs is None
        else f"after {reached:.0f} s, {reached / theirs:.2f} of {theirs:.0f} s"
    )
    return f"  the script's best validation accuracy {target:.3f}: balanced reached it {said}"


def main() -> None:
    """Read the arguments and print the table row by row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--images", nargs="+", type=int, default=[60, 250, 1500])
    parser.add_argument("--peers", nargs="+", default=["quick", "balanced", "previous", "previous-weights"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--test", type=int, default=500)
    parser.add_argument("--times", action="store_true")
    options = parser.parse_args()
    print(f"| {COLUMNS.replace(' ', ' | ')} |\n|{'---|' * len(COLUMNS.split())}", flush=True)
    for folder in options.folders:
        for image_count in options.images:
            outcomes: dict[str, list[Outcome]] = defaultdict(list)
            for seed in options.seeds:
                snapshot = divide(folder, image_count=image_count, test=options.test, seed=seed)
                for peer in options.peers:
                    outcomes[peer].append(run_peer(peer, snapshot, seed))
                    print(
                        f"  {folder.name} {image_count} seed {seed} {peer}: {outcomes[peer][-1].top1:.3f}",
                        file=sys.stderr,
                    )
                if options.times:
                    print(tell_times(outcomes["script"][-1], outcomes["balanced"][-1]), file=sys.stderr)
            for peer, found in outcomes.items():
                tops = [each.top1 for each in found]
                minutes = np.mean([each.seconds for each in found]) / 60
                print(
                    f"| {folder.name} | {image_count} | {peer} | {np.mean(tops):.3f} "
                    f"| {' '.join(f'{top:.3f}' for top in tops)} | {minutes:.1f} | {found[0].choice} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
