"""Evaluating a run on a split of the project: predictions of its best checkpoint, and what they are worth."""

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253

from visionft.calibration import fit_temperature, sigmoid, softmax
from visionft.data.dataset import EpochSampler, PictureDataset, PictureLoader, choose_workers
from visionft.data.picture_cache import not_kept_text
from visionft.data.types import Snapshot, SnapshotImage, Split
from visionft.devices import pick_device
from visionft.errors import NextStep, RunError, StoppedError, nothing_readable
from visionft.evaluation import metrics
from visionft.evaluation.metrics import ClassScore, ReliabilityBin
from visionft.evaluation.stored import evaluation_file, predictions_file
from visionft.events import Event, Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.files import write_json, write_text
from visionft.retrieval.refreshing import load_current
from visionft.training.runs.answerer import Answerer
from visionft.training.runs.loaded_run import LoadedRun
from visionft.training.runs.manifest import weights_hash
from visionft.training.runs.run_folder import BEST_FOLDER, RunSummary, read_run

logger = logging.getLogger(__name__)

BATCH_SIZE = 64
UNCALIBRATED = "No labelled picture is for validation: probabilities are as the network gives them, not calibrated."


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """What a run is worth on one split; shares of 1.

    Attributes:
        top1: Pictures whose most probable class is theirs; for several labels, those with every label right.
        top1_interval: 95 % Wilson interval of `top1`.
        top5: Pictures whose class is among the five most probable; None for several labels.
        balanced_accuracy: Mean recall of the classes.
        ece: Expected calibration error of the calibrated probabilities.
        temperature: What logits are divided by before the softmax, fitted on the validation split.
        weights: Hash of the weights that were measured: training that goes on may replace them.
        confusion: Counts, true class by row, in the order of `per_class`; for several labels each class has its own
            [[true negatives, false positives], [false negatives, true positives]] flattened to a row.
        mean_average_precision: Mean over the classes that have pictures; several labels only, as the F1 scores.
        unreadable: Pictures that could not be decoded and are left out.
        ece_before: What `ece` would be without the temperature.
        reliability: The bins behind `ece`; `reliability_before` those behind `ece_before`.
    """

    run: str
    split: Split
    images: int
    top1: float
    top1_interval: tuple[float, float]
    top5: float | None
    balanced_accuracy: float
    ece: float
    temperature: float
    per_class: dict[str, ClassScore]
    confusion: list[list[int]]
    unreadable: int
    mean_average_precision: float | None = None
    micro_f1: float | None = None
    macro_f1: float | None = None
    ece_before: float = 0.0
    reliability: tuple[ReliabilityBin, ...] = ()
    reliability_before: tuple[ReliabilityBin, ...] = ()
    weights: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Logits:
    """Outputs for the pictures that could be read.

    Attributes:
        values: (N, C) float32.
        images: The N pictures, in the same order.
        targets: (N,) class indices of the run, or (N, C) zeros and ones for several labels.
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
        RunError: The run cannot be read, or the split has no pictures of its classes.
        StoppedError: The user stopped.
        WeightsError: The pretrained weights that the run started from are no longer at hand.
    """
    (evaluation,) = evaluate_splits(run_dir, images, (split,), on_event=on_event, should_stop=should_stop)
    return evaluation


def evaluate_splits(
    run_dir: Path, images: Snapshot, splits: Sequence[Split], *, on_event: OnEvent, should_stop: ShouldStop
) -> tuple[Evaluation, ...]:
    """Do `evaluate_run` for several splits; the network is loaded, and calibrated on validation, once."""
    answerer = load_current(read_run(run_dir), images, on_event=on_event, should_stop=should_stop)
    val, temperature, thresholds = calibrate(answerer, images, on_event=on_event, should_stop=should_stop)
    found: list[Evaluation] = []
    for split in splits:
        chosen = val if split == "val" else None
        chosen = chosen or run_logits(answerer, images, split, on_event=on_event, should_stop=should_stop)
        found.append(_keep(run_dir, answerer.run, split, chosen, temperature, thresholds))
    return tuple(found)


def calibrate(
    answerer: Answerer, images: Snapshot, *, on_event: OnEvent, should_stop: ShouldStop
) -> tuple[Logits | None, float, np.ndarray | None]:
    """Return validation pictures' logits, and the temperature and thresholds they give: None, 1, halves without any."""
    if not images.labelled("val") and not answerer.run.config.method_row.needs_labels:
        on_event(Notice(message=UNCALIBRATED, level="warning"))
        return None, 1.0, None if images.task == "single" else np.full(len(answerer.run.class_names), 0.5)
    val = run_logits(answerer, images, "val", on_event=on_event, should_stop=should_stop)
    temperature = fit_temperature(val.values, val.targets)
    return val, temperature, fit_thresholds(val, temperature)


def _keep(
    run_dir: Path, run: RunSummary, split: Split, chosen: Logits, temperature: float, thresholds: np.ndarray | None
) -> Evaluation:
    """Summarise what was said of a split, and write it into the run's folder."""
    evaluation = summarise(run, split, chosen, temperature, thresholds)
    _write_predictions(run_dir / predictions_file(split), run, chosen, temperature, thresholds)
    write_json(run_dir / evaluation_file(split), evaluation.to_dict())
    logger.info("%s evaluated on %d pictures of %s", run.name, evaluation.images, split)
    return evaluation


def run_images(run: RunSummary, images: Snapshot, split: Split) -> tuple[tuple[SnapshotImage, ...], np.ndarray]:
    """Return the labelled pictures of `split` whose classes the run knows, and their targets (see `Logits`).

    Raises:
        RunError: There is none.
    """
    index_of = {name: index for index, name in enumerate(run.class_names)}
    known: list[tuple[SnapshotImage, list[int]]] = []
    for image in images.labelled(split):
        indices = [index_of[name] for name in (images.class_names[label] for label in image.labels) if name in index_of]
        known += [(image, indices)] if indices else []
    if not known:
        message = f"The {split} split has no labelled pictures of {run.name}'s classes."
        raise RunError(message, "Split the pictures, or choose another split.", NextStep("split"))
    chosen = tuple(image for image, _ in known)
    if images.task == "single":
        return chosen, np.array([indices[0] for _, indices in known])
    targets = np.zeros((len(known), len(run.class_names)))
    for row, (_, indices) in zip(targets, known, strict=True):
        row[indices] = 1
    return chosen, targets


def run_logits(
    answerer: Answerer,
    images: Snapshot,
    split: Split,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Logits:
    """Return what a run says of the labelled pictures of a split, on the device of its settings."""
    chosen, targets = run_images(answerer.run, images, split)
    values: list[np.ndarray] = []
    positions: list[int] = []
    for outputs, places in logit_batches(answerer, chosen, stage=f"Evaluating on {split}", on_event=on_event):
        values.append(outputs)
        positions += places
        if should_stop():
            raise StoppedError("Evaluation was stopped.", "Start it again when you like.")
    if not values:
        raise nothing_readable(f"{split} pictures")
    read = tuple(chosen[position] for position in positions)
    return Logits(np.concatenate(values), read, targets[positions], len(chosen) - len(read))


def logit_batches(
    answerer: Answerer, chosen: Sequence[SnapshotImage], *, stage: str, on_event: OnEvent = ignore_event
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield a run's (B, C) logits of pictures, labelled or not, as `output_batches` does.

    Each classifier of a combination reads the pictures in its own size; what one of them cannot read is left out.
    """
    tell = _told_once(on_event) if answerer.is_combined else on_event
    streams = [_batches(part, chosen, part.classifier, stage=stage, on_event=tell) for part in answerer.parts]
    for answers in zip(*streams, strict=True):
        places = sorted(set[int].intersection(*(set(each) for _, each in answers)))
        if places:
            rows = [values[[each.index(place) for place in places]] for values, each in answers]
            yield answerer.mixed(rows), places


def _told_once(on_event: OnEvent) -> OnEvent:
    """Return what passes each event on once: the parts of a combination meet the same pictures."""
    told: set[Event] = set()

    def tell(event: Event) -> None:
        if event not in told:
            told.add(event)
            on_event(event)

    return tell


def output_batches(
    loaded: LoadedRun,
    chosen: Sequence[SnapshotImage],
    answer: Callable[[torch.Tensor], torch.Tensor],
    *,
    stage: str,
    on_event: OnEvent = ignore_event,
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield what the classifier's `answer` says of pictures, (B, ...) float32, and their B places in `chosen`.

    Pictures that cannot be read are named in a `Notice` and left out.
    """
    for outputs, places in _batches(loaded, chosen, answer, stage=stage, on_event=on_event):
        if places:
            yield outputs, places


def _batches(
    loaded: LoadedRun,
    chosen: Sequence[SnapshotImage],
    answer: Callable[[torch.Tensor], torch.Tensor],
    *,
    stage: str,
    on_event: OnEvent,
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Do `output_batches`, with a batch of which no picture can be read as one of none."""
    device = pick_device(loaded.run.config.device).kind
    loaded.classifier.to_device(device)
    loader = _loader(loaded, chosen, device)
    told = ""
    for number, batch in enumerate(loader, start=1):
        for position, reason in batch.unreadable:
            on_event(Notice(message=f"Left out {chosen[position].path}: {reason}.", level="warning"))
        if batch.not_kept and not told:
            told = not_kept_text(batch.not_kept)
            on_event(Notice(message=told, level="warning"))
        on_event(Progress(stage=stage, done=number, total=len(loader)))
        if not len(batch.images):
            yield np.empty(0, np.float32), []
            continue
        with torch.no_grad():
            outputs = answer(batch.images).float().cpu().numpy()
        yield outputs, batch.indices.tolist()


def _loader(loaded: LoadedRun, chosen: Sequence[SnapshotImage], device: str) -> PictureLoader:
    config = loaded.run.config
    dataset = PictureDataset(chosen, loaded.preprocessing, task=None, near_side=config.near_side)
    sampler = EpochSampler(len(chosen), BATCH_SIZE, seed=0, shuffle=False)
    workers = choose_workers(config.workers, dataset, device=device)
    return PictureLoader(dataset, sampler, workers=workers, device=device)


def probabilities_of(logits: Logits, temperature: float) -> np.ndarray:
    """Return calibrated probabilities (N, C): a softmax for one label, a sigmoid for several."""
    scaled = logits.values / temperature
    return softmax(scaled) if logits.targets.ndim == 1 else sigmoid(scaled)


def fit_thresholds(validation: Logits, temperature: float) -> np.ndarray | None:
    """Return (C,) probabilities from which each class is assigned, best by F1 on validation; None for one label."""
    if validation.targets.ndim == 1:
        return None
    probabilities = probabilities_of(validation, temperature)
    pairs = zip(probabilities.T, validation.targets.T, strict=True)
    return np.array([metrics.best_threshold(scores, targets) for scores, targets in pairs])


def summarise(
    run: RunSummary, split: Split, logits: Logits, temperature: float, thresholds: np.ndarray | None = None
) -> Evaluation:
    """Turn outputs into the numbers that the screens and the command line show."""
    probabilities = probabilities_of(logits, temperature)
    if thresholds is None:
        values = _single_label(run, probabilities, logits.targets)
    else:
        values = _several_labels(run, probabilities, logits.targets, thresholds)
    count = len(logits.targets)
    interval = metrics.wilson_interval(values["top1"] * count, count)
    common = {"run": run.name, "split": split, "images": count, "unreadable": logits.unreadable}
    before, after = (_decisions(logits, each) for each in (1.0, temperature))
    return Evaluation(
        **common,
        **values,
        top1_interval=interval,
        temperature=temperature,
        ece=metrics.expected_calibration_error(*after),
        ece_before=metrics.expected_calibration_error(*before),
        reliability=metrics.reliability(*after),
        reliability_before=metrics.reliability(*before),
        weights=weights_hash(run.path / BEST_FOLDER),
    )


def _decisions(logits: Logits, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return what is calibrated, and what is true: a choice of C per picture, or yes or no per picture and class."""
    probabilities = probabilities_of(logits, temperature)
    if logits.targets.ndim == 1:
        return probabilities, logits.targets
    return np.stack([1 - probabilities, probabilities], axis=-1).reshape(-1, 2), logits.targets.reshape(-1).astype(int)


def _single_label(run: RunSummary, probabilities: np.ndarray, targets: np.ndarray) -> dict[str, Any]:
    confusion = metrics.confusion_matrix(targets, probabilities.argmax(axis=1), len(run.class_names))
    return {
        "top1": metrics.accuracy(confusion),
        "top5": metrics.top_k_accuracy(probabilities, targets, 5),
        "balanced_accuracy": metrics.balanced_accuracy(confusion),
        "per_class": dict(zip(run.class_names, metrics.class_scores(confusion), strict=True)),
        "confusion": confusion.tolist(),
    }


def _several_labels(
    run: RunSummary, probabilities: np.ndarray, targets: np.ndarray, thresholds: np.ndarray
) -> dict[str, Any]:
    assigned, wanted = probabilities >= thresholds, targets.astype(bool)
    hits, support, taken = (assigned & wanted).sum(axis=0), wanted.sum(axis=0), assigned.sum(axis=0)
    scores = [
        replace(
            metrics.class_score(float(hits[index]), int(support[index]), float(taken[index])),
            average_precision=metrics.average_precision(probabilities[:, index], targets[:, index]),
            threshold=float(thresholds[index]),
        )
        for index in range(len(thresholds))
    ]
    present = [score for score in scores if score.support]
    negatives = len(targets) - support - taken + hits
    return {
        "top1": float((assigned == wanted).all(axis=1).mean()),
        "top5": None,
        "balanced_accuracy": float(np.mean([score.recall for score in present])),
        "per_class": dict(zip(run.class_names, scores, strict=True)),
        "confusion": np.stack([negatives, taken - hits, support - hits, hits], axis=1).tolist(),
        "mean_average_precision": float(np.mean([score.average_precision or 0.0 for score in present])),
        "micro_f1": metrics.class_score(float(hits.sum()), int(support.sum()), float(taken.sum())).f1,
        "macro_f1": float(np.mean([score.f1 for score in scores])),
    }


def _write_predictions(
    path: Path, run: RunSummary, logits: Logits, temperature: float, thresholds: np.ndarray | None
) -> None:
    probabilities = probabilities_of(logits, temperature)
    lines = [
        json.dumps(
            {"image_id": image.image_id, "file": str(image.path), **_prediction(run, target, row, thresholds)},
            ensure_ascii=False,
        )
        for image, target, row in zip(logits.images, logits.targets, probabilities, strict=True)
    ]
    write_text(path, "\n".join(lines) + "\n")


def _prediction(run: RunSummary, target: np.ndarray, row: np.ndarray, thresholds: np.ndarray | None) -> dict[str, Any]:
    """Return one picture's line: names, and the calibrated probability of every class of the run.

    For several labels, `probability` is that of the surest fault or the best class.
    """
    if thresholds is None:
        true, said = [int(target)], [int(row.argmax())]
        sure = float(row.max())
    else:
        true, said = np.flatnonzero(target).tolist(), np.flatnonzero(row >= thresholds).tolist()
        faults = [float(row[index] if index in said else 1 - row[index]) for index in set(true) ^ set(said)]
        sure = max(faults, default=float(row.max()))
    indices = {"classes": true, "predicted": said}
    names = {key: [run.class_names[index] for index in each] for key, each in indices.items()}
    every = {name: round(float(value), 6) for name, value in zip(run.class_names, row, strict=True)}
    true_probability = round(float(row[true].min()), 6)
    return {**names, "probability": round(sure, 6), "true_probability": true_probability, "probabilities": every}
