"""Evaluating a run on a split of the project: predictions of its best checkpoint, and what they are worth."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253

from visionft.devices import pick_device
from visionft.errors import RunError
from visionft.evaluation import metrics
from visionft.evaluation.metrics import ClassScore
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import write_json, write_text
from visionft.images.loading import EpochSampler, PictureDataset, choose_workers, make_loader
from visionft.project.snapshot import Snapshot, SnapshotImage, Split
from visionft.training.runs import RunSummary, read_run
from visionft.training.trained import Trained, load_trained

BATCH_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a run is worth on one split; shares of 1.

    Attributes:
        top1_interval: 95 % Wilson interval of `top1`.
        ece: Expected calibration error of the calibrated probabilities.
        temperature: What logits are divided by before the softmax, fitted on the validation split.
        confusion: Counts, true class by row, in the order of `per_class`.
        unreadable: Pictures that could not be decoded and are left out.
    """

    run: str
    split: Split
    images: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float
    balanced_accuracy: float
    ece: float
    temperature: float
    per_class: dict[str, ClassScore]
    confusion: list[list[int]]
    unreadable: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Logits:
    """Outputs for the pictures that could be read.

    Attributes:
        values: (N, C) float32.
        images: The N pictures, in the same order.
        targets: (N,) class indices of the run.
        unreadable: How many more there were.
    """

    values: np.ndarray
    images: tuple[SnapshotImage, ...]
    targets: np.ndarray
    unreadable: int


def evaluate_run(
    run_dir: Path,
    images: Snapshot,
    split: Split = "val",
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Evaluation:
    """Measure the best checkpoint of a run and keep the result and each picture's prediction in the run's folder.

    Raises:
        RunError: The run cannot be read, the split has no pictures of its classes, or the user stopped.
        WeightsError: The pretrained weights that the run started from are no longer at hand.
    """
    trained = load_trained(read_run(run_dir))
    val = run_logits(trained, images, "val", on_event=on_event, should_stop=should_stop)
    temperature = metrics.fit_temperature(val.values, val.targets)
    chosen = val if split == "val" else run_logits(trained, images, split, on_event=on_event, should_stop=should_stop)
    evaluation = summarise(trained.run, split, chosen, temperature)
    write_json(run_dir / f"evaluation-{split}.json", evaluation.to_dict())
    _write_predictions(run_dir / f"predictions-{split}.jsonl", trained.run, chosen, temperature)
    return evaluation


def run_images(run: RunSummary, images: Snapshot, split: Split) -> tuple[tuple[SnapshotImage, ...], np.ndarray]:
    """Return the labelled pictures of `split` whose class the run knows, and their (N,) class indices in the run.

    Raises:
        RunError: There is none.
    """
    index_of = {name: index for index, name in enumerate(run.class_names)}
    pairs = [(image, index_of.get(images.class_names[image.labels[0]])) for image in images.labelled(split)]
    known = [(image, index) for image, index in pairs if index is not None]
    if not known:
        hint = "Run `visionft split PROJECT`, or choose another split."
        raise RunError(f"The {split} split has no labelled pictures of {run.name}'s classes.", hint)
    return tuple(image for image, _ in known), np.array([index for _, index in known])


@torch.no_grad()
def run_logits(
    trained: Trained,
    images: Snapshot,
    split: Split,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Logits:
    """Run the classifier over the labelled pictures of a split, on the device of the run's settings."""
    chosen, targets = run_images(trained.run, images, split)
    device = pick_device(trained.run.config.device).kind
    classifier = trained.classifier.to(device)
    loader = _loader(trained, chosen, device)
    values: list[np.ndarray] = []
    positions: list[int] = []
    for number, batch in enumerate(loader, start=1):
        if should_stop():
            raise RunError("Evaluation was stopped.", "Start it again when you like.")
        for position, reason in batch.unreadable:
            on_event(Notice(message=f"Left out {chosen[position].path}: {reason}.", level="warning"))
        if len(batch.images):
            values.append(classifier(batch.images.to(device)).float().cpu().numpy())
            positions += batch.indices.tolist()
        on_event(Progress(stage=f"Evaluating on {split}", done=number, total=len(loader)))
    if not values:
        raise RunError(f"None of the {split} pictures can be read.", "Check that their disk is connected.")
    read = tuple(chosen[position] for position in positions)
    return Logits(np.concatenate(values), read, targets[positions], len(chosen) - len(read))


def _loader(trained: Trained, chosen: Sequence[SnapshotImage], device: str) -> Any:
    dataset = PictureDataset(chosen, trained.preprocessing, classes=len(trained.run.class_names))
    sampler = EpochSampler(len(chosen), BATCH_SIZE, seed=0, shuffle=False)
    workers = choose_workers(trained.run.config.workers, device=device, images=len(chosen))
    return make_loader(dataset, sampler, workers=workers, pin_memory=device == "cuda")


def summarise(run: RunSummary, split: Split, logits: Logits, temperature: float) -> Evaluation:
    """Turn outputs into the numbers that the screens and the command line show."""
    probabilities = metrics.softmax(logits.values / temperature)
    predictions = probabilities.argmax(axis=1)
    confusion = metrics.confusion_matrix(logits.targets, predictions, len(run.class_names))
    scores = metrics.class_scores(confusion)
    return Evaluation(
        run=run.name,
        split=split,
        images=len(logits.targets),
        top1=metrics.accuracy(confusion),
        top1_interval=metrics.wilson_interval(float(np.trace(confusion)), len(logits.targets)),
        top5=metrics.top_k_accuracy(probabilities, logits.targets, 5),
        balanced_accuracy=metrics.balanced_accuracy(confusion),
        ece=metrics.expected_calibration_error(probabilities, logits.targets),
        temperature=temperature,
        per_class=dict(zip(run.class_names, scores, strict=True)),
        confusion=confusion.tolist(),
        unreadable=logits.unreadable,
    )


def _write_predictions(path: Path, run: RunSummary, logits: Logits, temperature: float) -> None:
    probabilities = metrics.softmax(logits.values / temperature)
    lines = [
        json.dumps(
            {
                "image_id": image.image_id,
                "class": run.class_names[target],
                "predicted": run.class_names[row.argmax()],
                "probability": round(float(row.max()), 6),
            },
            ensure_ascii=False,
        )
        for image, target, row in zip(logits.images, logits.targets, probabilities, strict=True)
    ]
    write_text(path, "\n".join(lines) + "\n")
