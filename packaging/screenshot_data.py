"""Pictures, runs and events for the screenshots: drawn or made up, and written the way the engine writes them."""

import json
import math
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from visionft.evaluation.metrics import class_scores, wilson_interval
from visionft.events import EpochDone, Event, RunStarted, StepDone
from visionft.training.config import TrainConfig

CLASSES = {"good": 46, "scratch": 31, "dent": 24, "missing hole": 18, "discoloured after heat treatment (batch 7)": 9}


def draw_pictures(folder: Path) -> None:
    """Draw a small inspection set: one round part each, with the fault of its class."""
    source = random.Random(7)
    for name, count in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            _draw_part(name, source).save(folder / name / f"part_{number:03d}.jpg", quality=88)


def _draw_part(name: str, source: random.Random) -> Image.Image:
    width, height = source.choice(((320, 240), (300, 300), (240, 320)))
    ground = source.randint(40, 90)
    picture = Image.new("RGB", (width, height), (ground, ground + 6, ground + 14))
    draw = ImageDraw.Draw(picture)
    x, y, radius = width / 2 + source.randint(-20, 20), height / 2 + source.randint(-14, 14), source.randint(70, 95)
    steel = source.randint(150, 200)
    tint = (steel + 30, steel - 20, steel - 70) if name.startswith("disc") else (steel, steel + 3, steel + 8)
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tint)
    for hole in range(6):
        if name == "missing hole" and hole == 2:
            continue
        angle = hole * math.pi / 3 + 0.3
        hx, hy = x + radius * 0.7 * math.cos(angle), y + radius * 0.7 * math.sin(angle)
        draw.ellipse((hx - 7, hy - 7, hx + 7, hy + 7), fill=(ground,) * 3)
    if name == "scratch":
        draw.line((x - 40, y - 20, x + 30, y + 25), fill=(235, 235, 240), width=2)
    if name == "dent":
        draw.ellipse((x + 6, y - 24, x + 38, y + 4), fill=(steel - 45,) * 3)
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def run_events(epochs: int, *, until: int, seed: int = 0) -> list[Event]:
    """Return what a plausible run reports up to half of epoch `until + 1`."""
    source = random.Random(seed)
    events: list[Event] = [
        RunStarted(
            run="003-resnet18-lora", backbone="resnet18", method="lora", epochs=epochs, first_epoch=1,
            steps_per_epoch=24, train_images=90, val_images=19, trainable_parameters=277_509,
            total_parameters=11_454_021, device="cuda:0 NVIDIA RTX 4070", precision="bf16",
        )
    ]  # fmt: skip
    best = 9.0
    for epoch in range(1, until + 2):
        loss = 1.55 * math.exp(-epoch / 5) + 0.16
        for step in range(1, 25 if epoch <= until else 13):
            noisy = (1.55 * math.exp(-(epoch - 1 + step / 24) / 5) + 0.16) * source.uniform(0.75, 1.35)
            left = (epochs - epoch + 1 - step / 24) * 3.4
            figures = {"loss": noisy, "learning_rate": 1e-3, "images_per_second": 418.0, "eta_s": left}
            events.append(StepDone(epoch=epoch, step=step, steps=24, **figures))
        if epoch <= until:
            val = 1.45 * math.exp(-epoch / 4.5) + 0.27 + max(0, epoch - 9) * 0.012 + source.uniform(-0.02, 0.02)
            is_best, best = val < best, min(best, val)
            events.append(
                EpochDone(
                    epoch=epoch, epochs=epochs, train_loss=loss, train_top1=1 - 0.62 * math.exp(-epoch / 4),
                    val_loss=val, val_top1=0.93 - 0.6 * math.exp(-epoch / 4) + source.uniform(-0.015, 0.015),
                    learning_rate=1e-3, seconds=3.4, images_per_second=418.0, is_best=is_best,
                )
            )  # fmt: skip
    return events


def write_runs(project: Path, class_names: tuple[str, ...]) -> None:
    """Write three run folders as the training loop does."""
    for number, (backbone, method, seed) in enumerate(
        (("resnet18", "linear", 3), ("vit_small", "lora", 1), ("resnet50", "full", 5)), 1
    ):
        folder = project / "runs" / f"{number:03d}-{backbone}-{method}"
        folder.mkdir()
        epochs = [event for event in run_events(16, until=16, seed=seed) if isinstance(event, EpochDone)]
        config = TrainConfig(backbone=backbone, method=method, epochs=16)
        (folder / "config.json").write_text(json.dumps(config.to_dict()))
        (folder / "classes.json").write_text(json.dumps(class_names))
        (folder / "metrics.jsonl").write_text("".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs))
        best = [epoch for epoch in epochs if epoch.is_best][-1]
        result = {
            "run": folder.name, "best": asdict(best), "seconds": 61.2, "stopped": number == 2,
            "trainable_parameters": 277_509, "total_parameters": 11_454_021, "device": "cuda", "precision": "bf16",
        }  # fmt: skip
        (folder / "result.json").write_text(json.dumps(result))
        write_evaluation(folder, class_names)


def write_evaluation(folder: Path, names: tuple[str, ...]) -> None:
    """Write an evaluation as `evaluate_run` does, over made-up predictions."""
    source = random.Random(2)
    size = len(names)
    confusion = [[0] * size for _ in range(size)]
    lines = []
    for image_id in range(1, 121):
        true_index = image_id % size
        predicted = true_index if source.random() < 0.86 else source.randrange(size)
        confusion[true_index][predicted] += 1
        line = {"image_id": image_id, "class": names[true_index], "predicted": names[predicted], "probability": 0.8}
        lines.append(json.dumps(line))
    right = sum(confusion[place][place] for place in range(size))
    stored = {
        "run": folder.name, "split": "val", "images": 120, "top1": right / 120, "top5": 1.0, "ece": 0.031,
        "top1_interval": wilson_interval(right, 120), "balanced_accuracy": right / 120, "temperature": 1.3,
        "per_class": {n: asdict(s) for n, s in zip(names, class_scores(np.array(confusion)), strict=True)},
        "confusion": confusion, "unreadable": 0,
    }  # fmt: skip
    (folder / "evaluation-val.json").write_text(json.dumps(stored))
    (folder / "predictions-val.jsonl").write_text("\n".join(lines) + "\n")
