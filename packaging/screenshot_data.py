"""Images, runs and events for posed screenshots: drawn or made up, and written the way the engine writes them."""

import dataclasses
import json
import math
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from visionft.calibration import softmax
from visionft.data.preprocess import Box
from visionft.data.types import Snapshot
from visionft.evaluation import metrics
from visionft.evaluation.explanation import Explanation, normalised
from visionft.events import EpochDone, Event, RunStarted, StepDone
from visionft.export.index.memory_index import IndexEntry
from visionft.export.predictor import Prediction
from visionft.retrieval.evidence import Evidence, Neighbour
from visionft.training.config.train_config import TrainConfig
from visionft.training.loop.progress import RunProgress
from visionft.training.runs.manifest import write_manifest

CLASSES = {"good": 46, "scratch": 31, "dent": 24, "missing hole": 18, "discoloured after heat treatment (batch 7)": 9}


def draw_images(folder: Path) -> None:
    """Draw a small inspection set: one round part per image, with the defect of its class."""
    source = random.Random(7)
    for name, count in CLASSES.items():
        (folder / name).mkdir(parents=True)
        for number in range(count):
            _draw_part(name, source).save(folder / name / f"part_{number:03d}.jpg", quality=88)


def _draw_part(name: str, source: random.Random) -> Image.Image:
    width, height = source.choice(((320, 240), (300, 300), (240, 320)))
    ground = source.randint(40, 90)
    image = Image.new("RGB", (width, height), (ground, ground + 6, ground + 14))
    draw = ImageDraw.Draw(image)
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
    return image.filter(ImageFilter.GaussianBlur(0.8))


def run_events(epochs: int, *, until: int, seed: int = 0) -> list[Event]:
    """Return the events of a plausible run up to half of epoch `until + 1`."""
    source = random.Random(seed)
    events: list[Event] = [
        RunStarted(
            run="003-resnet18-lora",
            backbone="resnet18",
            method="lora",
            epochs=epochs,
            first_epoch=1,
            steps_per_epoch=24,
            train_images=90,
            val_images=19,
            trainable_parameters=277_509,
            total_parameters=11_454_021,
            device="CPU",
            precision="fp32",
        )
    ]
    progress = RunProgress()
    for epoch in range(1, until + 2):
        loss = 1.55 * math.exp(-epoch / 5) + 0.16
        for step in range(1, 25 if epoch <= until else 13):
            noisy = (1.55 * math.exp(-(epoch - 1 + step / 24) / 5) + 0.16) * source.uniform(0.75, 1.35)
            left = (epochs - epoch + 1 - step / 24) * 3.4
            events.append(
                StepDone(
                    epoch=epoch,
                    step=step,
                    steps=24,
                    loss=noisy,
                    learning_rate=1e-3,
                    images_per_second=418.0,
                    eta_s=left,
                )
            )
        if epoch <= until:
            val = 1.45 * math.exp(-epoch / 4.5) + 0.27 + max(0, epoch - 9) * 0.012 + source.uniform(-0.02, 0.02)
            val_accuracy = 0.93 - 0.6 * math.exp(-epoch / 4) + source.uniform(-0.015, 0.015)
            progress.epoch = epoch
            events.append(
                EpochDone(
                    epoch=epoch,
                    epochs=epochs,
                    train_loss=loss,
                    train_accuracy=1 - 0.62 * math.exp(-epoch / 4),
                    val_loss=val,
                    val_accuracy=val_accuracy,
                    learning_rate=1e-3,
                    seconds=3.4,
                    images_per_second=418.0,
                    is_best=progress.judge(epoch, val_accuracy, val, count=19),
                    waited=epoch - progress.best_epoch,
                )
            )
    return events


def write_runs(project: Path, snapshot: Snapshot) -> None:
    """Write three run folders as the training loop does."""
    class_names = snapshot.class_names
    for number, (backbone, method, seed) in enumerate(
        (("resnet18", "linear", 3), ("vit_small", "lora", 1), ("resnet50", "full", 5)), 1
    ):
        folder = project / "runs" / f"{number:03d}-{backbone}-{method}"
        folder.mkdir()
        epochs = [event for event in run_events(16, until=16, seed=seed) if isinstance(event, EpochDone)]
        augmentation = "light" if number < 3 else "medium"
        config = TrainConfig(backbone=backbone, method=method, epochs=16, augmentation=augmentation)
        (folder / "config.json").write_text(json.dumps(config.to_dict()))
        (folder / "classes.json").write_text(json.dumps(class_names))
        (folder / "metrics.jsonl").write_text("".join(json.dumps(asdict(epoch)) + "\n" for epoch in epochs))
        best = [epoch for epoch in epochs if epoch.is_best][-1]
        result = {
            "run": folder.name,
            "best": asdict(best),
            "seconds": 61.2,
            "stopped": number == 2,
            "trainable_parameters": 277_509,
            "total_parameters": 11_454_021,
            "device": "cuda",
            "precision": "bf16",
        }
        (folder / "result.json").write_text(json.dumps(result))
        (folder / "best").mkdir()
        (folder / "best" / "state.json").write_text("{}")
        write_manifest(folder / "best")
        write_evaluation(folder, snapshot, right_share=0.72 + 0.06 * number, seed=number)
        write_evaluation(folder, snapshot, right_share=0.4 + 0.06 * number, seed=number, split="test")
    notes = {"title": "Before the new camera", "is_pinned": True}
    (project / "runs" / "001-resnet18-linear" / "notes.json").write_text(json.dumps(notes))


def write_evaluation(folder: Path, snapshot: Snapshot, *, right_share: float, seed: int, split: str = "val") -> None:
    """Write an evaluation in the format of `evaluate_run`, from invented predictions of all images."""
    source, names = random.Random(seed), snapshot.class_names
    truths, rows, lines = [], [], []
    for image in snapshot.images:
        true = image.labels[0]
        sure = 1 - 0.66 * source.random() ** (right_share * 4)
        said = true if source.random() < sure else source.choice((0, source.randrange(len(names))))
        row = np.full(len(names), (1 - sure) / (len(names) - 1))
        row[said] = sure
        truths.append(true)
        rows.append(row)
        line = {"image_id": image.image_id, "classes": [names[true]], "predicted": [names[said]], "probability": sure}
        lines.append(json.dumps({**line, "true_probability": float(row[true])}))
    probabilities, targets = np.array(rows), np.array(truths)
    sharper = softmax(np.log(probabilities) * 2.1)
    confusion = metrics.confusion_matrix(targets, probabilities.argmax(axis=1), len(names))
    right, count = int(np.trace(confusion)), len(targets)
    stored = {
        "run": folder.name,
        "split": split,
        "images": count,
        "top1": right / count,
        "top5": 1.0,
        "top1_interval": metrics.wilson_interval(right, count),
        "temperature": 1.62,
        "unreadable": 1,
        "balanced_accuracy": metrics.balanced_accuracy(confusion),
        "confusion": confusion.tolist(),
        "per_class": {n: asdict(s) for n, s in zip(names, metrics.class_scores(confusion), strict=True)},
        "ece": metrics.expected_calibration_error(probabilities, targets),
        "ece_before": metrics.expected_calibration_error(sharper, targets),
        "reliability": [asdict(each) for each in metrics.reliability(probabilities, targets)],
        "reliability_before": [asdict(each) for each in metrics.reliability(sharper, targets)],
    }
    (folder / f"evaluation-{split}.json").write_text(json.dumps(stored))
    (folder / f"predictions-{split}.jsonl").write_text("\n".join(lines) + "\n")


def made_up_explanation(image_id: int, path: Path, class_name: str) -> Explanation:
    """Return a heat map with a spot near the middle, and a passed deletion test."""
    with Image.open(path) as image:
        width, height = image.size
    side = round(0.95 * min(width, height))
    seen = Box((height - side) // 2, (width - side) // 2, side, side)
    down, across = np.mgrid[0:7, 0:7]
    values = np.exp(-((down - 2.6) ** 2 + (across - 3.9) ** 2) / 2.2).astype(np.float32)
    source = random.Random(image_id)
    return Explanation(
        image_id=image_id,
        path=path,
        class_name=class_name,
        probability=0.93,
        method="Grad-CAM",
        size=(height, width),
        box=seen,
        heat=normalised(values),
        deletion=0.24,
        random_deletion=tuple(source.uniform(0.38, 0.55) for _ in range(12)),
    )


def made_up_answers(paths: list[Path]) -> tuple[Prediction, ...]:
    """Return plausible predictions of a good model for images in class folders: right, and mostly confident."""
    source, answers = random.Random(4), []
    for path in paths:
        surest = 0.985 - source.random() ** 2 * 0.45
        others = sorted((source.random() ** 3 + 0.01 for _ in range(len(CLASSES) - 1)), reverse=True)
        shares = (surest, *((1 - surest) * share / sum(others) for share in others))
        names = (path.parent.name, *(name for name in CLASSES if name != path.parent.name))
        top = tuple(zip(names, shares, strict=True))
        answers.append(Prediction(path=path, class_name=names[0], probability=surest, top5=top, model_ms=6.2))
    return tuple(answers)


def made_up_evidence(
    answers: tuple[Prediction, ...], paths: list[Path]
) -> tuple[tuple[Prediction, ...], dict[int, IndexEntry], dict[int, Path]]:
    """Return predictions with labelled images for and against them, the names of these images, and their paths."""
    named = {number: IndexEntry(path.name, "") for number, path in enumerate(paths, 1)}
    named[1] = IndexEntry(paths[0].name, "", "the second camera, after the lamp was changed", ("night shift",))
    source = random.Random(5)

    def like(wanted: tuple[str, ...], count: int) -> tuple[Neighbour, ...]:
        chosen = [number for number, path in enumerate(paths, 1) if path.parent.name in wanted][:count]
        alike = sorted((0.3 + 0.5 * source.random() for _ in chosen), reverse=True)
        found = zip(chosen, alike, strict=True)
        return tuple(Neighbour(each, (paths[each - 1].parent.name,), score, 0.1) for each, score in found)

    def shown(answer: Prediction) -> Evidence:
        rivals = tuple(name for name, _ in answer.top5[1:3])
        same = like((answer.class_name,), 1)
        return Evidence((answer.class_name,), answer.top5, like((answer.class_name,), 5), like(rivals, 5), same)

    told = tuple(dataclasses.replace(answer, evidence=shown(answer)) for answer in answers)
    return told, named, dict(enumerate(paths, 1))
