"""Our loop against a bare PyTorch loop, and a linear probe against one forward pass: ratios from one process.

    python tests/benchmarks/loop_speed.py ../shared/data/sign_digits --set precision=bf16

The bare loop is a tutorial's: the same network, memory layout, loader, batch, optimiser and precision (fp32 unless
set), no events, no checkpoints, no checks. Both alternate, so a noisy machine disturbs both.
"""

import tempfile
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from bench import divide, read_options, timed

from models.classifier import Classifier, build_classifier
from visionft.data.dataset import EpochSampler, ImageDataset, ImageLoader
from visionft.data.types import Snapshot
from visionft.events import EpochDone, Event
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.weights.weights_loading import weights_loader


def loader_of(config: TrainConfig, snapshot: Snapshot) -> ImageLoader:
    """Return the training loader of both loops."""
    preprocessing = config.preprocessing
    chosen = snapshot.labelled("train")
    dataset = ImageDataset(
        chosen, preprocessing, classes=len(snapshot.class_names), augmentation=config.augmentation, seed=config.seed
    )
    sampler = EpochSampler(len(chosen), config.batch_size, seed=config.seed, shuffle=True)
    return ImageLoader(dataset, sampler, workers=0, device="cpu")


def build(config: TrainConfig, snapshot: Snapshot) -> Classifier:
    """Return the classifier of the settings, in the memory layout of training."""
    classifier = build_classifier(
        config.backbone_row,
        config.method_row,
        classes=len(snapshot.class_names),
        options=config.method_options,
        weights=weights_loader(config.weights),
        shape=config.input_shape,
        seed=config.seed,
    )
    return classifier.to_device("cpu", precision=config.precision)


def autocast(config: TrainConfig) -> torch.autocast:
    """Return the autocast context of the configured precision."""
    return torch.autocast("cpu", dtype=torch.bfloat16, enabled=config.precision == "bf16")


def bare_epoch_ms(config: TrainConfig, snapshot: Snapshot) -> float:
    """Return the time of one epoch of a bare loop."""
    model = build(config, snapshot).train()
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-4)

    def epoch() -> None:
        for batch in loader_of(config, snapshot):
            with autocast(config):
                logits = model(batch.images)
            loss = torch.nn.functional.cross_entropy(logits.float(), batch.targets, label_smoothing=0.1)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()

    return timed(epoch).wall


def our_epoch_ms(config: TrainConfig, snapshot: Snapshot) -> float:
    """Return the time our loop spends on the training part of one epoch."""
    events: list[Event] = []
    config = replace(config, epochs=1)
    with tempfile.TemporaryDirectory() as temporary:
        train(config, snapshot, Path(temporary) / "run", job=JobContext(events.append))
    *_, done = [event for event in events if isinstance(event, EpochDone)]
    return 1000 * len(snapshot.labelled("train")) / done.images_per_second


def forward_epoch_ms(config: TrainConfig, snapshot: Snapshot) -> float:
    """Return the time of one forward pass over training and validation images."""
    model = build(config, snapshot).eval()
    chosen = replace(snapshot, images=tuple(replace(i, split="train") for i in snapshot.images if i.split != "test"))

    @torch.no_grad()
    def epoch() -> None:
        for batch in loader_of(replace(config, augmentation="none"), chosen):
            with autocast(config):
                model(batch.images)

    return timed(epoch).wall


def probe_ms(config: TrainConfig, snapshot: Snapshot) -> float:
    """Return the time of a whole linear-probe run of 20 epochs, its reading of images included."""
    with tempfile.TemporaryDirectory() as temporary:
        return timed(lambda: train(replace(config, epochs=20), snapshot, Path(temporary) / "run")).wall


if __name__ == "__main__":
    backbones = ["starter_resnet", "starter_vit"]
    options = read_options(__doc__, folders=1, backbones=backbones, rounds=3, train=400, set=[])
    images = divide(options.folders[0], image_count=options.train, test=10, seed=0)
    for backbone in options.backbones:
        ours = {}
        for method in ("full", "lora", "linear"):
            config = TrainConfig(backbone=backbone, method=method, device="cpu", workers=0, precision="fp32")
            config = config.with_settings(options.set)
            bare, own = (forward_epoch_ms, probe_ms) if method == "linear" else (bare_epoch_ms, our_epoch_ms)
            pairs = [(bare(config, images), own(config, images)) for _ in range(options.rounds)]
            ours[method] = [mine for _, mine in pairs]
            ratio = median(theirs / mine for theirs, mine in pairs)
            told = (
                f"20 epochs cost {1 / ratio:.2f} forward epochs"
                if method == "linear"
                else f"{ratio:.2f} of the bare loop's steps/s"
            )
            print(f"{backbone} {method}: {told}", flush=True)
        ratio = median(lora / full for full, lora in zip(ours["full"], ours["lora"], strict=True))
        print(f"{backbone}: a LoRA step takes {ratio:.2f} of a full step", flush=True)
