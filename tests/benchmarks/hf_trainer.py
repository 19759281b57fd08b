"""Our LoRA run against Hugging Face's Trainer with peft's own image recipe: time to the same validation accuracy.

    python tests/benchmarks/hf_trainer.py ../shared/data/sign_digits

Same weights, images, batch size and number of epochs, one process. Their recipe is from peft's guide "Image
classification using LoRA": rank and alpha 16, dropout 0.1, query and value (here the joint qkv), the classifier saved
as a whole, learning rate 5e-3 falling linearly, random resized crop and mirror. Start-up (imports, reading the weights)
is excluded from both times; our ridge initialisation is counted.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from methods_table import snapshot_of
from PIL import Image
from torch import nn
from torchvision.transforms import v2

from models.catalog import BACKBONES
from models.classifier import build_classifier
from models.methods.linear import LinearOptions
from models.methods.lora import LoraOptions, target_pattern
from models.methods.table import METHODS
from visionft.data.types import Snapshot
from visionft.events import EpochDone, Event, Progress
from visionft.jobs import JobContext
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.train import train
from visionft.weights.weights_loading import weights_loader

Curve = list[tuple[float, float]]  # seconds since the start, validation top-1


class Images(torch.utils.data.Dataset):
    """Images of a split with torchvision's transforms, as the guide reads them."""

    def __init__(self, snapshot: Snapshot, split: str, config: TrainConfig) -> None:
        self.images = snapshot.labelled(split)  # type: ignore[arg-type]
        backbone, size = config.backbone_row, config.input_size
        crop = [v2.RandomResizedCrop(size), v2.RandomHorizontalFlip()]
        plain = [v2.Resize(size), v2.CenterCrop(size)]
        end = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(*_mean_std(backbone))]
        self.transform = v2.Compose([*(crop if split == "train" else plain), *end])

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.images)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Return one image and its class."""
        with Image.open(self.images[index].path) as image:
            return {"pixel_values": self.transform(image.convert("RGB")), "labels": self.images[index].labels[0]}


def _mean_std(backbone: Any) -> tuple[list[float], list[float]]:
    return list(backbone.normalisation.mean), list(backbone.normalisation.std)


class WithLoss(nn.Module):
    """A timm network with the outputs expected by Trainer."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixel_values: torch.Tensor, labels: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
        """Return logits, and the loss where labels are given."""
        logits = self.network(pixel_values)
        return (
            {"logits": logits}
            if labels is None
            else {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}
        )


def theirs(config: TrainConfig, snapshot: Snapshot) -> Curve:
    """Train with Trainer and peft."""
    from peft import LoraConfig, get_peft_model
    from transformers import Trainer, TrainerCallback, TrainingArguments

    classifier = build_classifier(
        config.backbone_row,
        METHODS["linear"],
        classes=len(snapshot.class_names),
        options=LinearOptions(layers="last"),
        image_size=config.input_size,
        seed=config.seed,
        weights=weights_loader(),
    )
    pattern = "network." + target_pattern(config.backbone_row.family, LoraOptions())
    lora = LoraConfig(
        r=16,
        lora_alpha=16,
        lora_dropout=0.1,
        bias="none",
        target_modules=pattern,
        modules_to_save=[f"network.{config.backbone_row.head}"],
    )
    model = get_peft_model(WithLoss(classifier.network), lora)  # type: ignore[arg-type]
    curve: Curve = []

    class Watch(TrainerCallback):
        def on_train_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.monotonic()

        def on_evaluate(self, *_: Any, metrics: dict[str, float], **__: Any) -> None:
            curve.append((time.monotonic() - self.began, metrics["eval_accuracy"]))

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=config.batch_size,
            per_device_eval_batch_size=config.batch_size,
            learning_rate=5e-3,
            num_train_epochs=config.epochs,
            eval_strategy="epoch",
            save_strategy="no",
            use_cpu=True,
            bf16=config.precision == "bf16",
            remove_unused_columns=False,
            label_names=["labels"],
            report_to=[],
            disable_tqdm=True,
            logging_strategy="no",
            seed=config.seed,
        )
        Trainer(
            model=model,
            args=arguments,
            callbacks=[Watch()],
            train_dataset=Images(snapshot, "train", config),
            eval_dataset=Images(snapshot, "val", config),
            compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(1) == p.label_ids).mean())},
        ).train()
    return curve


def ours(config: TrainConfig, snapshot: Snapshot) -> Curve:
    """Train with our loop; the clock starts with the finished network, before the first image."""
    curve: Curve = []
    began = None

    def watch(event: Event) -> None:
        nonlocal began
        if began is None and isinstance(event, Progress) and event.stage != "Loading the network":
            began = time.monotonic()
        if isinstance(event, EpochDone):
            assert began is not None
            curve.append((time.monotonic() - began, event.val_accuracy))

    with tempfile.TemporaryDirectory() as folder:
        train(config, snapshot, Path(folder) / "001-lora", job=JobContext(watch))
    return curve


def main() -> None:
    """Read the arguments, train both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--backbone", default="starter_vit", choices=sorted(BACKBONES))
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--train", type=int, default=900)
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options = parser.parse_args()
    snapshot = snapshot_of(options.folder, train_count=options.train, test_count=10)
    config = TrainConfig(backbone=options.backbone, method="lora", epochs=options.epochs, device="cpu", workers=0)
    config = config.with_settings(options.set)
    curves = {"Trainer and peft": theirs(config, snapshot), "VisionFT": ours(config, snapshot)}
    for name, curve in curves.items():
        print(f"{name}: " + ", ".join(f"{seconds:.0f} s {top1:.3f}" for seconds, top1 in curve))
        sys.stdout.flush()
    goal = max(top1 for _, top1 in curves["Trainer and peft"])
    needed = {name: next((s for s, top1 in curve if top1 >= goal), None) for name, curve in curves.items()}
    if needed["VisionFT"] is None:
        print(f"VisionFT did not reach {goal:.3f}")
    else:
        print(f"to {goal:.3f}: VisionFT needs {needed['VisionFT'] / needed['Trainer and peft']:.2f} of the time")


if __name__ == "__main__":
    main()
