"""Evaluate a run on a split of the project: predictions of its best checkpoint, and their metrics."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch  # noqa: TID253

from models.heads.calibration import DOUBT, fit_temperature, sigmoid, softmax
from visionft.core.devices import pick_device
from visionft.core.errors import NextStep, RunError, no_readable_images_error
from visionft.core.events import Event, ImagesClassified, Notice, Progress
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.data.dataset import EpochSampler, ImageDataset, ImageLoader, choose_workers
from visionft.data.types import Snapshot, SnapshotImage, Split, group_numbers
from visionft.features.embedding import feature_batches
from visionft.training.evaluation import metrics
from visionft.training.evaluation.stored import Evaluation, write_evaluation
from visionft.training.evaluation.unseen import count_seen, leaked_images, right_images, with_leaked
from visionft.training.retrieval import load_current_model
from visionft.training.runs.manifest import BEST_FOLDER, weights_hash
from visionft.training.runs.run_folder import StoredRun, project_of_run, read_run
from visionft.training.runs.run_model import RunModel

logger = logging.getLogger(__name__)

BATCH_SIZE = 64
UNCALIBRATED_TEXT = Message(
    "No labelled image is for validation: probabilities are as the network gives them, not calibrated."
)
STAGES: Mapping[Split, Message] = {
    "train": Message("Sorting the training images"),
    "val": Message("Sorting the validation images"),
    "test": Message("Sorting the test images"),
}


@dataclass(frozen=True)
class Logits:
    """The logits of a run for the readable images of a split.

    Attributes:
        values: (N, C) float32.
        images: The N images, in the same order.
        targets: (N,) class indices of the run, or (N, C) zeros and ones for several labels.
        unreadable: Number of images that could not be read.
    """

    values: np.ndarray
    images: tuple[SnapshotImage, ...]
    targets: np.ndarray
    unreadable: int


def evaluate_run(run_dir: Path, images: Snapshot, split: Split = "val", *, job: JobContext = SILENT_JOB) -> Evaluation:
    """Evaluate the best checkpoint of a run, and write metrics and predictions into the run's folder.

    Raises:
        RunError: The run cannot be read, or the split has no labelled images of its classes.
        WeightsError: The pretrained weights of the run's start are missing.
    """
    (evaluation,) = evaluate_splits(run_dir, images, (split,), job=job)
    return evaluation


def evaluate_splits(
    run_dir: Path, images: Snapshot, splits: Sequence[Split], *, job: JobContext
) -> tuple[Evaluation, ...]:
    """Evaluate a run on several splits as `evaluate_run`; the network is loaded and calibrated only once."""
    model = load_current_model(read_run(run_dir), images, job=job)
    weights = {split: len(images.labelled(split)) + 1 for split in ("val", *splits)}
    leak_weight = sum(bool(image.labels) for image in images.images) / 10 + 1  # most fingerprints are stored already
    job = job.in_stages(sum(weights.values()) + leak_weight)
    with job.stage(weight=weights["val"]):
        val, temperature, thresholds = calibrate(model, images, job=job)
    evaluations: list[Evaluation] = []
    logits_of_split: dict[Split, Logits] = {}
    for split in splits:
        if split != "val" or val is None:
            with job.stage(weight=weights[split]):
                logits = run_logits(model, images, split, job=job)
        else:
            logits = val
        logits_of_split[split] = logits
    with job.stage(weight=leak_weight):
        evaluated: dict[Split, Sequence[SnapshotImage]] = {
            each: logits_of_split[each].images for each in logits_of_split
        }
        leaked = leaked_images(model.run, images, evaluated, job=job)
    for split, logits in logits_of_split.items():
        evaluation = replace(summarise(model.run, split, logits, temperature, thresholds), labels=model.labels)
        probabilities = probabilities_of(logits, temperature)
        if leaked is not None:
            is_leaked = [image.image_id in leaked[split] for image in logits.images]
            right = right_images(logits.targets, probabilities, thresholds)
            evaluation = with_leaked(evaluation, is_leaked, right)
        write_evaluation(
            run_dir,
            evaluation,
            logits.images,
            logits.targets,
            probabilities,
            thresholds,
            leaked=leaked[split] if leaked is not None else (),
        )
        logger.info("%s evaluated on %d images of %s", model.run.name, evaluation.images, split)
        evaluations.append(evaluation)
    return tuple(evaluations)


def calibrate(model: RunModel, images: Snapshot, *, job: JobContext) -> tuple[Logits | None, float, np.ndarray | None]:
    """Return validation logits, temperature and thresholds (C,); without validation images None, 1 and 0.5.

    With a single label, the thresholds are None.
    """
    if not images.labelled("val") and not model.run.config.method_row.needs_labels:
        job.report(Notice(message=UNCALIBRATED_TEXT, level="warning"))
        return None, 1.0, None if images.task == "single" else np.full(len(model.run.class_names), 0.5)
    val = run_logits(model, images, "val", job=job)
    if not _are_held_out(model, val):
        temperature = calibrated_temperature(val)
        return val, temperature, fit_thresholds(val, temperature)
    thresholds = fit_thresholds(_with_training(model, images, val), 1.0) if images.task == "multi" else None
    return val, 1.0, thresholds


def _are_held_out(model: RunModel, logits: Logits) -> bool:
    """Return whether all logits are held-out predictions of one head, which were calibrated when it was fitted.

    With this calibration the log loss of ten closed-form heads on 300 test images was .534; with a temperature fitted
    to their 20 to 80 validation images it was .545.
    """
    held_out = None if model.is_combined else model.parts[0].held_out
    ids = [image.image_id for image in logits.images]
    return held_out is not None and len(held_out.subset(ids).image_ids) == len(ids)


def _with_training(model: RunModel, images: Snapshot, val: Logits) -> Logits:
    """Return `val` with the head's held-out predictions for training images appended."""
    held_out = model.parts[0].held_out
    assert held_out is not None
    known = held_out.predicted
    labelled, targets = class_images(model.run.class_names, images, "train")
    is_known = np.isin([image.image_id for image in labelled], known.image_ids)
    training_images = tuple(image for image, has_prediction in zip(labelled, is_known, strict=True) if has_prediction)
    values = known.logits_of([image.image_id for image in training_images])
    return replace(
        val,
        values=np.concatenate([val.values, values]),
        images=val.images + training_images,
        targets=np.concatenate([val.targets, targets[is_known]]),
    )


def calibrated_temperature(validation: Logits) -> float:
    """Return the maximum-likelihood temperature on validation; 1 if it would increase the ECE of these images.

    Likelihood and ECE can disagree with few images whose logits are calibrated already.
    """
    temperature = fit_temperature(validation.values, validation.targets, doubt=DOUBT)
    before, after = (metrics.expected_calibration_error(*_decisions(validation, each)) for each in (1.0, temperature))
    return temperature if after <= before else 1.0


def run_images(run: StoredRun, images: Snapshot, split: Split) -> tuple[tuple[SnapshotImage, ...], np.ndarray]:
    """Return the labelled images of a split in classes of the run, and their targets (see `Logits`).

    Raises:
        RunError: The split has no such image.
    """
    chosen, targets = class_images(run.class_names, images, split)
    if not chosen:
        message = Message("The {split} split has no labelled images of {name}'s classes.", split=split, name=run.name)
        raise RunError(message, "Split the images, or choose another split.", NextStep("split"))
    return chosen, targets


def class_images(
    class_names: Sequence[str], images: Snapshot, split: Split
) -> tuple[tuple[SnapshotImage, ...], np.ndarray]:
    """Return the images of a split with labels among `class_names`, and their targets (see `Logits`)."""
    index_of = {name: index for index, name in enumerate(class_names)}
    known: list[tuple[SnapshotImage, list[int]]] = []
    for image in images.labelled(split):
        indices = [index_of[name] for name in images.labels_of(image) if name in index_of]
        if indices:
            known.append((image, indices))
    chosen = tuple(image for image, _ in known)
    if images.task == "single":
        return chosen, np.array([indices[0] for _, indices in known])
    targets = np.zeros((len(known), len(class_names)))
    for row, (_, indices) in zip(targets, known, strict=True):
        row[indices] = 1
    return chosen, targets


def run_logits(model: RunModel, images: Snapshot, split: Split, *, job: JobContext = SILENT_JOB) -> Logits:
    """Compute a run's logits for the labelled images of a split, on the device of its settings.

    Images that the head was fitted to get held-out predictions; without one, an image is left out with a notice.
    """
    chosen, targets = run_images(model.run, images, split)
    values: list[np.ndarray] = []
    positions: list[int] = []
    for outputs, places in logit_batches(model, chosen, stage=STAGES[split], job=job):
        values.append(outputs)
        positions += places
        if targets.ndim == 1:
            job.report(_classified(split, model.run.class_names, chosen, targets, outputs, places))
        job.check_cancelled()
    missing = frozenset[int]().union(*(part.held_out.missing for part in model.parts if part.held_out is not None))
    if count := sum(image.image_id in missing for image in chosen):
        message = Message("Left out, because the head was fitted on them: {counted}.")
        job.report(Notice(message=Message(message, counted=count_of(count, "image")), level="warning"))
    if not values:
        raise no_readable_images_error(Message("{count} image", "{count} images", count=split))
    readable = tuple(chosen[position] for position in positions)
    logits = np.concatenate(values)
    if not np.isfinite(logits).all():  # possible only with imported weights: training rolls back such steps
        message = Message("{name} gives values for an image that are not finite.", name=model.run.name)
        raise RunError(message, "Choose another run, or train again with a lower learning rate.")
    return Logits(logits, readable, targets[positions], len(chosen) - len(readable) - count)


def _classified(
    split: Split,
    class_names: Sequence[str],
    chosen: Sequence[SnapshotImage],
    targets: np.ndarray,
    outputs: np.ndarray,
    places: Sequence[int],
) -> ImagesClassified:
    return ImagesClassified(
        split=split,
        image_ids=tuple(chosen[place].image_id for place in places),
        predicted=tuple(str(class_names[each]) for each in outputs.argmax(1)),
        labels=tuple(str(class_names[targets[place]]) for place in places),
    )


def logit_batches(
    model: RunModel,
    chosen: Sequence[SnapshotImage],
    *,
    stage: str,
    job: JobContext = SILENT_JOB,
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield a run's (B, C) logits of images, labelled or not, and their B indices in `chosen`.

    Each member of an ensemble reads the images in its own size; an image unreadable for one of them is left out.
    Predictions for images that a head was fitted to are held out.
    """
    reported: set[Event] = set()  # members of an ensemble read the same images and report the same events

    def report(event: Event) -> None:
        if event not in reported:
            reported.add(event)
            job.report(event)

    job = job.with_report(report) if model.is_combined else job
    streams = [_held_out(part, chosen, _logits_of_part(part, chosen, stage=stage, job=job)) for part in model.parts]
    for batches in zip(*streams, strict=True):
        shared = sorted(set[int].intersection(*(set(places) for _, places in batches)))
        if shared:
            rows = [values[[places.index(place) for place in shared]] for values, places in batches]
            yield model.mixed(rows), shared


def _logits_of_part(
    part: RunModel, chosen: Sequence[SnapshotImage], *, stage: str, job: JobContext
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield (B, C) logits of images and their indices; a batch is empty if all of its images are unreadable."""
    if not _has_stored_stages(part):
        yield from _batches(part, chosen, part.classifier, stage=stage, job=job)
        return
    head = part.classifier.head
    streams = stored_stages(part, chosen, stage=stage, job=job)
    device = pick_device(part.run.config.device).kind
    for stages, places in streams:
        features = part.classifier.seen_of(torch.from_numpy(stages)).to(device)
        with torch.no_grad():
            logits = head(features).float().cpu().numpy() if places else np.empty(0, np.float32)
        yield logits, places


def _has_stored_stages(part: RunModel) -> bool:
    """Return whether the head of a run reads features of a frozen network, which the project stores."""
    return part.run.config.method_row.caches_features and part.classifier.reads_stages


def stored_stages(
    part: RunModel, chosen: Sequence[SnapshotImage], *, stage: str, job: JobContext = SILENT_JOB
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield the (B, D) float32 multi-stage features of a run's frozen network, and their B indices in `chosen`.

    They are read from the project's store; missing ones are computed on the device of the settings. Unreadable images
    are left out with a `Notice`, so a batch may be empty.
    """
    config, project_dir = part.run.config, project_of_run(part.run.path)
    part.classifier.to_device(pick_device(config.device).kind)
    source = feature_batches(
        project_dir,
        chosen,
        config.features,
        part.classifier,
        batch_size=BATCH_SIZE,
        workers=config.workers,
        stage=stage,
        job=job,
    )
    for batch in source:
        for position, reason in batch.unreadable:
            message = Message("Left out {path}: {reason}.", path=chosen[position].path, reason=reason)
            job.report(Notice(message=message, level="warning"))
        yield batch.images.float().numpy(), batch.indices.tolist()


def _held_out(
    part: RunModel,
    chosen: Sequence[SnapshotImage],
    batches: Iterator[tuple[np.ndarray, list[int]]],
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Replace the logits of images that the head was fitted to by held-out predictions; without one, omit the image."""
    for values, places in batches:
        if part.held_out is None or not places:
            yield values, places
            continue
        replaced = part.held_out.replace_in(values, [chosen[place].image_id for place in places])
        known = np.flatnonzero(~np.isnan(replaced).any(axis=1))
        yield replaced[known], [places[row] for row in known]


def output_batches(
    loaded: RunModel,
    chosen: Sequence[SnapshotImage],
    forward: Callable[[torch.Tensor], torch.Tensor],
    *,
    stage: str,
    job: JobContext = SILENT_JOB,
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield the (B, ...) float32 outputs of `forward`, such as the classifier, and their B indices in `chosen`.

    Unreadable images are left out with a `Notice`.
    """
    for outputs, places in _batches(loaded, chosen, forward, stage=stage, job=job):
        if places:
            yield outputs, places


def _batches(
    loaded: RunModel,
    chosen: Sequence[SnapshotImage],
    forward: Callable[[torch.Tensor], torch.Tensor],
    *,
    stage: str,
    job: JobContext,
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield as `output_batches`, with an empty batch where all images are unreadable."""
    config = loaded.run.config
    device = pick_device(config.device).kind
    loaded.classifier.to_device(device)
    dataset = ImageDataset(chosen, loaded.preprocessing, task=None, near_side=config.near_side)
    sampler = EpochSampler(len(chosen), BATCH_SIZE, seed=0, shuffle=False)
    workers = choose_workers(config.workers, dataset, device=device)
    done = 0
    for batch in ImageLoader(dataset, sampler, workers=workers, device=device):
        for position, reason in batch.unreadable:
            message = Message("Left out {path}: {reason}.", path=chosen[position].path, reason=reason)
            job.report(Notice(message=message, level="warning"))
        done += batch.requested
        job.report(Progress(stage=stage, done=done, total=len(chosen), unit="images"))
        if not len(batch.images):
            yield np.empty(0, np.float32), []
            continue
        with torch.no_grad():
            outputs = forward(batch.images).float().cpu().numpy()
        yield outputs, batch.indices.tolist()


def probabilities_of(logits: Logits, temperature: float) -> np.ndarray:
    """Return calibrated probabilities (N, C): a softmax for one label, a sigmoid for several."""
    scaled = logits.values / temperature
    return softmax(scaled) if logits.targets.ndim == 1 else sigmoid(scaled)


def fit_thresholds(held_out: Logits, temperature: float) -> np.ndarray | None:
    """Return the (C,) thresholds with the best F1 of each class on held-out images; None for a single label."""
    if held_out.targets.ndim == 1:
        return None
    return metrics.best_thresholds(probabilities_of(held_out, temperature), held_out.targets)


def summarise(
    run: StoredRun, split: Split, logits: Logits, temperature: float, thresholds: np.ndarray | None = None
) -> Evaluation:
    """Compute the metrics of a run from its logits, as the window and the command line show them."""
    evaluation = measure(run.name, run.class_names, split, logits, temperature=temperature, thresholds=thresholds)
    seen = count_seen(run, split, logits.images)
    return replace(evaluation, weights=weights_hash(run.path / BEST_FOLDER), seen=seen)


def measure(
    name: str,
    class_names: Sequence[str],
    split: Split,
    logits: Logits,
    *,
    temperature: float = 1.0,
    thresholds: np.ndarray | None = None,
) -> Evaluation:
    """Compute the metrics of any model from its logits."""
    probabilities = probabilities_of(logits, temperature)
    targets = logits.targets
    count = len(logits.targets)
    if thresholds is None:
        confusion = metrics.confusion_matrix(targets, probabilities.argmax(axis=1), len(class_names))
        values: dict[str, Any] = {
            "top1": metrics.accuracy(confusion),
            "top5": metrics.top_k_accuracy(probabilities, targets, 5),
            "balanced_accuracy": metrics.balanced_accuracy(confusion),
            "per_class": dict(zip(class_names, metrics.class_scores(confusion), strict=True)),
            "confusion": tuple(map(tuple, confusion.tolist())),
        }
    else:
        values = _multilabel_metrics(class_names, probabilities, targets, thresholds)
    before, after = (_decisions(logits, each) for each in (1.0, temperature))
    groups = np.array(group_numbers(logits.images), np.intp)
    right = right_images(targets, probabilities, thresholds)
    if thresholds is None and len(set(groups)) < count:
        for place, name in enumerate(class_names):
            score, of_class = values["per_class"][name], targets == place
            if score.support:
                interval = metrics.grouped_interval(right[of_class], groups[of_class])
                values["per_class"][name] = replace(score, recall_interval=interval)
    return Evaluation(
        run=name,
        split=split,
        images=count,
        unreadable=logits.unreadable,
        **values,
        groups=len(set(groups)),
        top1_interval=metrics.grouped_interval(right, groups),
        temperature=temperature,
        ece=metrics.expected_calibration_error(*after),
        ece_before=metrics.expected_calibration_error(*before),
        reliability=metrics.reliability(*after),
        reliability_before=metrics.reliability(*before),
    )


def _decisions(logits: Logits, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities and targets for calibration: (N, C) per image, or (N C, 2) yes or no for several labels."""
    probabilities = probabilities_of(logits, temperature)
    if logits.targets.ndim == 1:
        return probabilities, logits.targets
    return np.stack([1 - probabilities, probabilities], axis=-1).reshape(-1, 2), logits.targets.reshape(-1).astype(int)


def _multilabel_metrics(
    class_names: Sequence[str], probabilities: np.ndarray, targets: np.ndarray, thresholds: np.ndarray
) -> dict[str, Any]:
    assigned = probabilities >= thresholds
    wanted = targets.astype(bool)
    hits, support, predicted = (assigned & wanted).sum(axis=0), wanted.sum(axis=0), assigned.sum(axis=0)
    scores = [
        replace(
            metrics.class_score(float(hits[index]), int(support[index]), float(predicted[index])),
            average_precision=metrics.average_precision(probabilities[:, index], targets[:, index])
            if support[index]
            else None,
            threshold=float(thresholds[index]),
        )
        for index in range(len(thresholds))
    ]
    cells = (len(targets) - support - predicted + hits, predicted - hits, support - hits, hits)
    return {
        "top1": float((assigned == wanted).all(axis=1).mean()),
        "balanced_accuracy": metrics.mean_measured(score.recall for score in scores),
        "per_class": dict(zip(class_names, scores, strict=True)),
        "confusion": tuple(zip(*(each.tolist() for each in cells), strict=True)),
        "mean_average_precision": metrics.mean_measured(score.average_precision for score in scores),
        "micro_f1": metrics.class_score(float(hits.sum()), int(support.sum()), float(predicted.sum())).f1,
        "macro_f1": metrics.mean_measured(score.f1 for score in scores),
    }
