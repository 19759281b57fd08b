"""Recommend whether to train: models that need no training beside the newest run, on the same held-out images.

These models are closed forms on stored features, and zero-shot where the classes have prompts. Nothing is trained, and
only missing features are stored, so a recommendation is computed anew each time.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from models.catalog import DEFAULT_TEXT_BACKBONE
from models.heads.calibration import are_right
from models.heads.class_means import fit_class_means
from models.heads.knn import fit_memory
from visionft.core.errors import NextStep, ProjectError, VisionFTError
from visionft.core.events import Progress
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, SnapshotImage, Split, group_numbers
from visionft.features.embedding import embedded
from visionft.features.feature_store import Features
from visionft.project.splits import SplitRequest, is_fully_split, with_planned_splits
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.comparison import SIGNIFICANCE_LEVEL, sign_test
from visionft.training.evaluation.metrics import grouped_interval
from visionft.training.evaluation.prompt_evaluation import predict_by_prompts
from visionft.training.evaluation.stored import read_evaluation
from visionft.training.retrieval import labels_digest
from visionft.training.run_settings import preset_of_project
from visionft.training.runs.run_folder import StoredRun, list_runs
from visionft.training.runs.run_snapshot import spread
from visionft.training.runs.run_titles import method_title, titles_of_runs


def check_labels(project_dir: Path, images: Snapshot, accepted: frozenset[int] = frozenset()) -> None:
    """Check that the labels suffice for a recommendation.

    Raises:
        ProjectError: No labelled images, one class only, or one image a class; with a suggested action.
    """
    counted = (image for image in images.images if image.split != "test" and image.image_id not in accepted)
    counts = Counter(index for image in counted for index in image.labels)
    step = NextStep("label", project=project_dir)
    if not counts:
        raise ProjectError("No image has a label yet.", "Label a few of each class.", step)
    if images.task == "single" and len(counts) < 2:
        raise ProjectError("All labels are of one class.", "Label an image of another class.", step)
    if max(counts.values()) < 2:
        hint = Message("Label at least two of each class; five tell more.")
        raise ProjectError("With one image a class nothing can be measured.", hint, step)


CLOSED_FORMS: Final = ("linear", "knn", "prototype")  # names of methods, the preferred one of equals first
LABEL_SHARES: Final = (0.25, 0.5, 1.0)
DRAWS: Final = 3  # repetitions with a part of the labels
_QUERIES: Final = 1_000  # images that are compared with all labelled ones at once


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The accuracy with a part of the labels, the mean of a few draws, with its 95 % interval (Wilson)."""

    labels: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class LabelledFeatures:
    """Features (N, D) of labelled images, with their targets (N, C) of zeros and ones.

    Attributes:
        widths: Widths of the concatenated multi-stage features.
        groups: (N,) numbers of the groups of related images; None for single images.
    """

    vectors: np.ndarray
    targets: np.ndarray
    widths: tuple[int, ...]
    is_multilabel: bool = False
    groups: np.ndarray | None = None

    @classmethod
    def of(
        cls, images: Sequence[SnapshotImage], features: Features, class_count: int, *, is_multilabel: bool
    ) -> "LabelledFeatures":
        """Return the features and labels of images; every image must have features."""
        targets = np.zeros((len(images), class_count), np.float32)
        for row, image in zip(targets, images, strict=True):
            row[list(image.labels)] = 1
        vectors = features.vectors[[features.place_of[image.image_id] for image in images]].astype(np.float32)
        widths = features.kind.widths or (vectors.shape[1],)
        return cls(vectors, targets, widths, is_multilabel, np.array(group_numbers(images), np.intp))

    def __len__(self) -> int:
        return len(self.vectors)

    def among(self, places: np.ndarray) -> "LabelledFeatures":
        groups = None if self.groups is None else self.groups[places]
        return LabelledFeatures(self.vectors[places], self.targets[places], self.widths, self.is_multilabel, groups)

    def interval(self, right: np.ndarray) -> tuple[float, float]:
        """Return the 95 % interval of the share of right images (N,), by groups."""
        groups = np.arange(len(right)) if self.groups is None else self.groups
        return grouped_interval(right, groups)


def predict_right(
    method: str, known: LabelledFeatures, held_out: LabelledFeatures, *, job: JobContext = SILENT_JOB
) -> np.ndarray:
    """Return (M) whether a closed form fitted to labelled images is right for each held-out image.

    Args:
        method: One of `CLOSED_FORMS`.
    """
    job.check_cancelled()
    is_multilabel = known.is_multilabel
    fitted = known.vectors, known.targets
    options: dict[str, Any] = {"widths": known.widths, "is_multilabel": is_multilabel, "groups": known.groups}
    if method == "knn":
        memory = fit_memory(*fitted, **options, job=job).memory
        starts = range(0, len(held_out), _QUERIES)
        queries = (memory.directions(held_out.vectors[start : start + _QUERIES]) for start in starts)
        logits = np.concatenate([memory.predict(query) for query in queries])
        logits = logits - 0.5 if is_multilabel else logits
    else:
        if method == "prototype":
            head = fit_class_means(*fitted, **options)
        else:
            from models.heads.linear_head import fit_head

            head = fit_head(*fitted, **options, job=job)
        logits = held_out.vectors @ head.weight.T + head.bias
    return are_right(logits, held_out.targets if is_multilabel else held_out.targets.argmax(axis=1))


def measure_learning_curve(
    known: LabelledFeatures,
    held_out: LabelledFeatures,
    with_all: np.ndarray,
    *,
    seed: int = 0,
    job: JobContext = SILENT_JOB,
) -> tuple[tuple[CurvePoint, ...], float]:
    """Return the accuracy of a linear probe with 25, 50 and 100 % of the labels, and the gain of the second half.

    The gain is 0 where it is not above its standard error. Parts with less than two images a class are left out.

    Args:
        with_all: (M) whether the linear probe fitted to all labels is right for each held-out image.
        seed: Draws the parts; each contains the smaller ones.
    """
    orders = [_stratified_order(known, np.random.default_rng([seed, draw])) for draw in range(DRAWS)]
    points, gain = list[CurvePoint](), 0.0
    for share in LABEL_SHARES:
        labels = round(share * len(known))
        right = with_all.astype(float)
        if share < 1:
            if labels < 2 * np.count_nonzero(known.targets.any(axis=0)):
                continue
            drawn = [predict_right("linear", known.among(order[:labels]), held_out, job=job) for order in orders]
            right = np.mean(drawn, axis=0)
            if share == 0.5:
                gains = with_all - right
                standard_error = float(gains.std()) / max(1, len(gains)) ** 0.5
                gain = float(gains.mean()) if gains.mean() > standard_error else 0.0
        points.append(CurvePoint(labels=labels, accuracy=float(right.mean()), interval=held_out.interval(right)))
    return tuple(points), gain


def _stratified_order(labelled: LabelledFeatures, generator: np.random.Generator) -> np.ndarray:
    """Return an order (N) of the images; every prefix has about the class shares of the whole."""
    first = labelled.targets.argmax(axis=1)
    rank = np.zeros(len(labelled))
    for group in np.unique(first):
        members = generator.permutation(np.flatnonzero(first == group))
        rank[members] = (np.arange(len(members)) + generator.uniform()) / len(members)
    return np.argsort(rank, kind="stable")


MIN_GAIN: Final = 0.01  # a smaller gain in accuracy is not worth training for
MAX_IMAGES: Final = 10_000  # more images than that change no accuracy by a tenth of a point


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A model of the comparison and its accuracy on the held-out images.

    Attributes:
        run: The folder's name of the newest run; empty for a model that is not made yet.
        method, backbone: Names, as `--method` and `--backbone` take them.
        interval: 95 % interval of the accuracy (Wilson).
    """

    COMPUTED_FIELDS: ClassVar = ("name",)

    run: str = ""
    title: str
    method: str
    backbone: str
    accuracy: float
    interval: tuple[float, float]
    is_trained: bool = False

    @property
    def name(self) -> str:
        return self.run or self.method


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """The compared models, the most accurate first, and what to do.

    Attributes:
        split: The split of the held-out images.
        images: Number of held-out images.
        chosen: `name` of the model to use now.
        is_training_worthwhile: Whether training with the preset Balanced is worth trying.
        sentence: The recommendation in words.
        notes: What limits it, and whether more labels gain, a sentence each.
        curve: Accuracy of a linear probe with 25, 50 and 100 % of the labels.
    """

    split: Split
    images: int
    models: tuple[Candidate, ...]
    chosen: str
    is_training_worthwhile: bool
    sentence: str
    notes: tuple[str, ...]
    curve: tuple[CurvePoint, ...]

    @property
    def recommended(self) -> Candidate:
        return next(model for model in self.models if model.name == self.chosen)


def recommend(
    project_dir: Path,
    images: Snapshot,
    *,
    accepted: frozenset[int] = frozenset(),
    device: str = "auto",
    seed: int = 0,
    job: JobContext = SILENT_JOB,
) -> Recommendation:
    """Compare models that need no training with the newest run, and say which to use or whether to train.

    The held-out images are the test images where the newest run was evaluated on them, else the validation images.

    Args:
        project_dir: The project's folder.
        images: Its images, labels and splits; images without a split are divided as training would divide them.
        accepted: Images whose label is only an accepted suggestion: it came from the same features.
        device: The device of the runs to come.
        seed: Draws the parts of the labels.

    Raises:
        ProjectError: There are too few labels.
        VisionFTError: The features cannot be computed.
        JobCancelled: The user cancelled; computed features are kept.
    """
    check_labels(project_dir, images, accepted)
    divided = images if is_fully_split(images) else with_planned_splits(images, SplitRequest())
    run, parts, rights, split = _newest_run(project_dir, divided)
    job = job.in_stages(10)
    with job.stage(weight=5):
        features = embedded(project_dir, divided, job=job)
    usable = [image for image in features.images if image.labels and image.image_id not in accepted]
    learned = ("train",) if split == "val" else ("train", "val")
    known_images = spread([image for image in usable if image.split in learned], MAX_IMAGES)
    held_out_images = spread([image for image in usable if image.split == split], MAX_IMAGES)
    if not known_images or not held_out_images:
        hint = Message("Label more images of each class.")
        raise ProjectError("No labelled image is held out to measure on.", hint, NextStep("label", project=project_dir))
    known, held_out = (
        LabelledFeatures.of(chosen_images, features, len(images.class_names), is_multilabel=images.task == "multi")
        for chosen_images in (known_images, held_out_images)
    )
    notes = list[str]()
    right = dict[str, np.ndarray]()  # {name of a model: (M) whether it is right for each held-out image}
    with job.stage(weight=2):
        for done, method in enumerate(CLOSED_FORMS):
            job.report(Progress(stage="Measuring models without training", done=done, total=len(CLOSED_FORMS)))
            right[method] = predict_right(method, known, held_out, job=job)
    if any(images.prompts) and images.task == "single":
        try:
            right["zero_shot"] = predict_by_prompts(project_dir, images, held_out_images, job=job)
        except JobCancelled:
            raise
        except VisionFTError as error:
            notes.append(Message("Zero-shot was left out: {reason}", reason=error.message))
    backbones = {"zero_shot": DEFAULT_TEXT_BACKBONE}
    models = [
        _candidate(right[name], held_out, method_title(name), name, backbones.get(name, features.kind.backbone))
        for name in right
    ]
    if run is not None and rights:
        right[run.name] = np.array([rights.get(image.image_id, False) for image in held_out_images])
        is_trained = any(part.config.total_epochs for part in parts)
        title = titles_of_runs(list_runs(project_dir))[run.name]
        kind = (run.config.method, run.config.backbone)
        models.append(_candidate(right[run.name], held_out, title, *kind, run=run.name, is_trained=is_trained))
        if is_trained and split == "val":
            notes.append(Message("The validation images chose the newest run: its accuracy is likely too high."))
    elif run is not None:
        words = Message("The newest run, “{title}”, was not evaluated on these images and labels.")
        notes.append(Message(words, title=run.title))
    with job.stage("Measuring with a part of the labels", weight=3):
        curve, gain = measure_learning_curve(known, held_out, right["linear"], seed=seed, job=job)
    if gain >= MIN_GAIN:
        words = Message("More labels are likely to gain: the second half of them gained {gain} points.")
        notes.append(Message(words, gain=f"{100 * gain:.1f}"))
    models.sort(key=lambda model: -model.accuracy)
    refusal = _reason_against_training(divided, project_dir, device=device)
    chosen, is_worthwhile, sentence = decide(models, right, refusal=refusal)
    return Recommendation(
        split=split,
        images=len(held_out),
        models=tuple(models),
        chosen=chosen.name,
        is_training_worthwhile=is_worthwhile,
        sentence=sentence,
        notes=tuple(notes),
        curve=curve,
    )


def _newest_run(
    project_dir: Path, images: Snapshot
) -> tuple[StoredRun | None, Sequence[StoredRun], Mapping[int, bool], Split]:
    """Return the newest run with a checkpoint, its parts, {image id: whether it is right}, and the split of the images.

    Nothing is right or wrong where it was not evaluated on the current images and labels. A run that is not an ensemble
    is its only part.
    """
    runs = [run for run in list_runs(project_dir) if run.best is not None]
    if not runs:
        return None, (), {}, "val"
    newest = runs[-1]
    names = {part.run for part in newest.parts}
    parts = [run for run in runs if run.name in names] or [newest]
    splits: tuple[Split, ...] = ("test", "val")
    for split in splits:
        stored = read_evaluation(newest.path, split)
        is_current = stored is not None and stored.is_current(images.label_sets(split), labels_digest(parts, images))
        if stored is not None and is_current and not stored.seen:
            return newest, parts, {prediction.image_id: prediction.is_right for prediction in stored.predictions}, split
    return newest, parts, {}, "val"


def _candidate(
    right: np.ndarray,
    held_out: LabelledFeatures,
    title: str,
    method: str,
    backbone: str,
    *,
    run: str = "",
    is_trained: bool = False,
) -> Candidate:
    return Candidate(
        run=run,
        title=Message(title),
        method=method,
        backbone=backbone,
        accuracy=float(right.mean()),
        interval=held_out.interval(right),
        is_trained=is_trained,
    )


def _reason_against_training(images: Snapshot, project_dir: Path, *, device: str) -> str:
    """Return why the preset Balanced cannot train these images, or does not; empty where it does."""
    if problems := config_problems(TrainConfig(), images):
        return Message("Not trainable: {problem}.", problem=problems[0].message)
    if not preset_of_project("balanced", images, project_dir, device=device).total_epochs:
        return Message("With so few labels, training gains less than its random variation.")
    return ""


def decide(
    models: list[Candidate], right: Mapping[str, np.ndarray], *, refusal: str = ""
) -> tuple[Candidate, bool, str]:
    """Return the model to use, whether training is worth trying, and both in words.

    A trained run is used unless a model without training is more accurate; McNemar's exact test says whether their
    difference is significant.

    Args:
        models: The most accurate first.
        right: {name of a model: (M) whether it is right for each held-out image}.
        refusal: The reason against training; empty for none.
    """
    free = next(model for model in models if not model.is_trained)
    trained = next((model for model in models if model.is_trained), None)
    low, high = (f"{end:.0%}" for end in free.interval)
    values = {"free": free.title, "share": f"{free.accuracy:.1%}", "low": low, "high": high}
    if trained is not None:
        won = int((right[trained.name] & ~right[free.name]).sum())
        lost = int((right[free.name] & ~right[trained.name]).sum())
        is_significant = sign_test(won, lost) < SIGNIFICANCE_LEVEL
        values["trained"] = trained.title
        if not is_significant and lost > won:
            words = Message("Use “{free}”: its difference to “{trained}” is not significant, and nothing is trained.")
            return free, False, Message(words, **values)
        if not is_significant:
            words = Message("Use “{trained}”: its difference to “{free}”, without training, is not significant.")
            return trained, False, Message(words, **values)
        if won > lost:
            return trained, False, Message("Use “{trained}”: it is significantly better than “{free}”.", **values)
        words = Message("Use “{free}”: it is significantly better than “{trained}”, although nothing is trained.")
        return free, False, Message(words, **values)
    if refusal:
        words = Message("Use “{free}”, accuracy {share} ({low} to {high}). {refusal}")
        return free, False, Message(words, **values, refusal=refusal)
    if 1 - free.accuracy < MIN_GAIN:
        words = Message("Use “{free}”, accuracy {share} ({low} to {high}): training has hardly anything to gain.")
        return free, False, Message(words, **values)
    words = Message("Training is worth trying: without it, “{free}” has an accuracy of {share} ({low} to {high}).")
    return free, True, Message(words, **values)
