"""Combine finished runs into an ensemble: fitted on validation, saved as a run folder, without training.

The weights are fitted to predictions on images unseen by all members: the validation images, or held-out predictions
for them if a head was fitted to them. If all members have closed-form heads, held-out predictions for the training
images count too (`visionft/training/runs/manifest.py`): a dozen validation images are too few for reliable weights.

Each member's temperature is fitted first, so an overconfident member does not outvote a reliable one. Then a grid of
weights is evaluated image by image, so leaving images out costs nothing. The lowest log loss wins, under a Dirichlet
prior for equal weights worth `PRIOR_IMAGES` images: a dozen images cannot tell good members apart, and equal weights
are hard to beat with little data.

A member that is better than every other by more than two standard errors, paired over the images, gets the whole
weight, because the others mostly do harm. The exception is a mixture that beats this member on images held out from
the fit, by more than one standard error and with at least the same accuracy.

Measured: docs/decisions/0046.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from math import comb
from pathlib import Path
from typing import ClassVar

import numpy as np

from models.heads.calibration import are_right, cross_entropies, fit_temperature, mean_cross_entropy
from models.methods.frozen import Ensemble
from visionft.core.devices import pick_device
from visionft.core.errors import NextStep, RunError
from visionft.core.events import EpochDone, Notice
from visionft.core.files import converting_write_errors, temporary_folder, write_json
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, group_numbers
from visionft.training.evaluation.comparison import SIGNIFICANCE_LEVEL, sign_test
from visionft.training.evaluation.metrics import wilson_interval
from visionft.training.evaluation.report import Logits, run_images, run_logits
from visionft.training.retrieval import fitted_head, is_live, run_index
from visionft.training.runs.checkpoint import BEST, atomic_folder
from visionft.training.runs.manifest import (
    HeldOutPredictions,
    Part,
    read_held_out,
    weights_hash,
    write_manifest,
    write_parts,
)
from visionft.training.runs.metrics_file import append_metrics
from visionft.training.runs.run_folder import (
    RUNS_FOLDER,
    StoredRun,
    TrainResult,
    claim_run_dir,
    load_run,
    read_run,
    rename_run,
    require_weights,
)
from visionft.training.runs.run_model import ReplacementHead, columns_of, load_run_model
from visionft.training.runs.run_snapshot import read_snapshot, spread, write_snapshot

PRIOR_IMAGES = 2.0
DOMINANT_STANDARD_ERRORS = 2.0
FOLDS = 5
_GRID_STEPS = (20, 10, 5, 4, 3, 2, 1)  # weights are multiples of 1 / steps; the finest steps with a small grid are used
_MAX_MIXTURES = 300  # 3 members in twentieths give 231, 4 in tenths 286, 5 and 6 in fifths 126 and 252
_MIN_SHARE = 0.01  # in the prior, where a weight of 0 would have probability 0


@dataclass(frozen=True)
class MemberPredictions:
    """The logits of P members on N images.

    Attributes:
        logits: (N, C) logits of each member, with the classes in the order of the first member.
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
        groups: (N,) numbers of the groups of related images; None for single images.
    """

    logits: list[np.ndarray]
    targets: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self) -> int:
        """Return N."""
        return len(self.targets)

    def concatenate(self, other: "MemberPredictions") -> "MemberPredictions":
        """Return the predictions of these images followed by those for other images."""
        logits = [np.concatenate(pair) for pair in zip(self.logits, other.logits, strict=True)]
        return MemberPredictions(logits, np.concatenate([self.targets, other.targets]))


@dataclass(frozen=True)
class Mixture:
    """Weights (P,), at least 0 with a sum of 1, and temperatures (P,) of the members."""

    shares: np.ndarray
    temperatures: np.ndarray

    def __call__(self, logits: Sequence[np.ndarray]) -> np.ndarray:
        """Mix the members' (N, C) logits to the (N, C) logits of the ensemble; see `RunModel.mixed`."""
        factors = self.shares / self.temperatures
        return np.tensordot(factors, np.stack(logits).astype(np.float64), axes=1)


def fit_mixture(known: MemberPredictions) -> Mixture:
    """Fit weights and temperatures to the members' predictions on images unseen by all of them."""
    members = len(known.logits)
    targets = known.targets
    temperatures = np.array([fit_temperature(values, targets) for values in known.logits])
    if members == 1 or not len(known):
        return Mixture(np.full(members, 1 / members), temperatures)
    scaled = np.stack(known.logits).astype(np.float64) / temperatures.reshape(-1, *[1] * known.logits[0].ndim)
    grid = share_grid(members)
    losses = np.empty((len(grid), len(targets)))
    right = np.empty((len(grid), len(targets)), bool)
    for row, shares in enumerate(grid):
        mixed = np.tensordot(shares, scaled, axes=1)
        losses[row], right[row] = cross_entropies(mixed, targets), are_right(mixed, targets)
    return Mixture(grid[_best_weights(grid, losses, right)], temperatures)


def _best_weights(grid: np.ndarray, losses: np.ndarray, right: np.ndarray) -> int:
    """Return the row of the best weights in a grid (G, P), given the (G, N) losses and correctness of each image."""
    prior = PRIOR_IMAGES * np.log(np.maximum(grid, _MIN_SHARE)).mean(axis=1)
    mixture = int((losses.sum(axis=1) - prior).argmin())
    members = [int(np.flatnonzero(grid[:, member] == 1)[0]) for member in range(grid.shape[1])]
    best = min(members, key=lambda row: losses[row].sum())
    rivals = [row for row in members if row != best]
    if not all(_is_gain(losses[row] - losses[best], errors=DOMINANT_STANDARD_ERRORS) for row in rivals):
        return mixture
    # The dominant member is used, unless the mixture beats it on images held out from the fit.
    images = np.arange(losses.shape[1])
    folds = _folds(len(images))
    chosen = np.array([(losses[:, folds != fold].sum(axis=1) - prior).argmin() for fold in range(FOLDS)])[folds]
    is_as_accurate = right[chosen, images].sum() >= right[best].sum()
    return mixture if is_as_accurate and _is_gain(losses[best] - losses[chosen, images], errors=1.0) else best


def _is_gain(gains: np.ndarray, *, errors: float) -> bool:
    """Return whether the mean of gains (N,) is above 0 by more than `errors` standard errors."""
    return bool(gains.mean() > errors * gains.std() / np.sqrt(len(gains)))


def held_out(predicted: MemberPredictions, *, others: MemberPredictions | None = None, seed: int = 0) -> np.ndarray:
    """Return (N, C) held-out logits of mixtures fitted to `others` and to the other folds of these images."""
    folds = _folds(len(predicted), seed, predicted.groups)
    logits = np.empty(predicted.logits[0].shape)
    for fold in range(min(FOLDS, len(predicted))):
        inside = folds == fold
        known = MemberPredictions([values[~inside] for values in predicted.logits], predicted.targets[~inside])
        mixture = fit_mixture(known if others is None else known.concatenate(others))
        logits[inside] = mixture([values[inside] for values in predicted.logits])
    return logits


def share_grid(members: int) -> np.ndarray:
    """Return (G, P) candidate weights: each single member, equal weights, and mixtures in even steps between them."""
    single_and_equal = np.concatenate([np.eye(members), np.full((1, members), 1 / members)])
    steps = next((count for count in _GRID_STEPS if comb(count + members - 1, members - 1) <= _MAX_MIXTURES), 1)
    if steps == 1:
        return single_and_equal
    cuts = np.array(list(combinations(range(steps + members - 1), members - 1)))  # bars between `steps` stars
    edges = np.concatenate([np.full((len(cuts), 1), -1), cuts, np.full((len(cuts), 1), steps + members - 1)], axis=1)
    return np.concatenate([(np.diff(edges, axis=1) - 1) / steps, single_and_equal[-1:]])


def _folds(images: int, seed: int = 0, groups: np.ndarray | None = None) -> np.ndarray:
    """Return the (N,) fold of each image; a group of related images is in one fold."""
    if groups is None:
        return np.random.default_rng(seed).permutation(images) % FOLDS
    _, numbers = np.unique(groups, return_inverse=True)
    return _folds(numbers.max(initial=-1) + 1, seed)[numbers]


MAX_HELD_OUT_IMAGES = 5_000  # training images for the fit; more do not change the weights within the grid's steps


@dataclass(frozen=True)
class Member:
    """A run to combine into an ensemble; a k-NN run predicts from the current labels.

    Attributes:
        run: The run, with the classes of its predictions.
        trained_on: SHA-256 hashes of its training images.
        held_out: Its held-out predictions, if it has any.
        head: The head of a k-NN run, fitted to the current labels; None for other runs.
    """

    run: StoredRun
    trained_on: frozenset[str]
    held_out: HeldOutPredictions | None
    head: ReplacementHead | None = None

    @classmethod
    def of(cls, run: StoredRun, images: Snapshot, job: JobContext) -> "Member":
        """Create a member from a run.

        Raises:
            RunError, ProjectError, JobCancelled, WeightsError: As `run_index`.
            RunError: The snapshot of the run cannot be read.
        """
        if not is_live(run):  # its predictions do not depend on the current labels
            trained_on = frozenset(image.sha256 for image in read_snapshot(run.path).labelled("train"))
            return cls(run, trained_on, read_held_out(run.path))
        index = run_index(run, images, job=job)
        probabilities = np.array(list(index.held_out.values())).reshape(-1, len(index.class_names))
        logits = np.log(probabilities)
        if index.memory.is_multilabel:
            logits -= np.log1p(-probabilities)
        return cls(
            replace(run, class_names=index.class_names),
            frozenset(image.sha256 for image in index.images.values()),
            HeldOutPredictions(np.array(list(index.held_out), np.int64), logits),
            fitted_head(run, index),
        )


def without_training_images(members: Sequence[Member], images: Snapshot, job: JobContext) -> tuple[Snapshot, int]:
    """Return the snapshot without validation images that a member was trained on, and the number of these images.

    A member would get too large a weight on its own training images.
    """
    trained_on = frozenset[str]().union(*(member.trained_on for member in members))
    kept = tuple(image for image in images.images if image.split != "val" or image.sha256 not in trained_on)
    remaining = replace(images, images=kept)
    count = len(images.labelled("val")) - len(remaining.labelled("val"))
    if count:
        message = Message(
            "Validation images excluded because one of the runs was trained on them: {count}.", count=count
        )
        job.report(Notice(message=message))
    return remaining, count


def validation_predictions(members: Sequence[Member], images: Snapshot, job: JobContext) -> MemberPredictions:
    """Return the logits of each member on the validation images that all members can read.

    Raises:
        RunError, JobCancelled, WeightsError: As `load_run_model` and `run_logits`.
    """
    outputs: list[Logits] = []
    for member in members:
        job.check_cancelled()
        heads = {member.run.name: member.head} if member.head else {}
        outputs.append(run_logits(load_run_model(member.run, heads, job=job), images, "val", job=job))
    shared = set[int].intersection(*({image.image_id for image in output.images} for output in outputs))
    rows = [[row for row, image in enumerate(output.images) if image.image_id in shared] for output in outputs]
    logits = [output.values[indices] for output, indices in zip(outputs, rows, strict=True)]
    groups = np.array(group_numbers([outputs[0].images[row] for row in rows[0]]), np.intp)
    return MemberPredictions(_with_first_classes(members, logits), outputs[0].targets[rows[0]], groups)


def held_out_predictions(members: Sequence[Member], images: Snapshot) -> MemberPredictions | None:
    """Return the members' held-out logits on training images; None unless they exist for all members."""
    predictions = [member.held_out for member in members if member.held_out is not None]
    if len(predictions) < len(members):
        return None
    shared = set[int].intersection(*(set(of_member.image_ids.tolist()) for of_member in predictions))
    # `validation_predictions` has the validation images; a k-NN run also learns from images without a split.
    training = [image for image in images.images if image.split not in ("val", "test")]
    candidates = [image for image in training if image.image_id in shared and image.labels]
    if not candidates:
        return None
    sample = tuple(replace(image, split="train") for image in spread(candidates, MAX_HELD_OUT_IMAGES))
    predicted, targets = run_images(members[0].run, replace(images, images=sample), "train")
    ids = [image.image_id for image in predicted]
    logits = [of_member.logits_of(ids) for of_member in predictions]
    return MemberPredictions(_with_first_classes(members, logits), targets)


def _with_first_classes(members: Sequence[Member], logits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the (N, C) logits of each member, with the classes in the order of the first member."""
    names = members[0].run.class_names
    return [values[:, list(columns_of(names, member.run))] for member, values in zip(members, logits, strict=True)]


logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Combination:
    """The metrics of an ensemble and its members on validation images unseen by all members.

    Attributes:
        left_out: Number of validation images that a member was trained on or cannot read.
        parts: The members and their metrics, the largest weight first.
        accuracy: Top-1 accuracy, each image predicted with weights fitted without it. The same for `loss`.
        fixed: Number of images that the ensemble classifies correctly and its best member does not; `broken` is the
            reverse.
        held_out: Number of training images whose held-out predictions were also used to fit the weights.
    """

    COMPUTED_FIELDS: ClassVar = ("accuracy_interval", "p_value", "is_worth_it", "verdict")

    run: str
    images: int
    left_out: int
    parts: tuple[Part, ...]
    accuracy: float
    loss: float
    fixed: int
    broken: int
    held_out: int = 0

    @property
    def best(self) -> Part:
        """Return the dominant member, or the member with the lowest log loss if none is dominant."""
        return best_part(self.parts)

    @property
    def has_dominant_member(self) -> bool:
        """Return whether one member is significantly better and all others have weight 0."""
        return self.parts[0].share == 1.0

    @property
    def p_value(self) -> float:
        """Return the p-value of the difference between fixed and broken images (McNemar's exact test)."""
        return sign_test(self.fixed, self.broken)

    @property
    def is_worth_it(self) -> bool:
        """Return whether the ensemble is better than its best member, significantly or not."""
        return not self.has_dominant_member and self.loss < self.best.loss and self.fixed >= self.broken

    @property
    def is_significant(self) -> bool:
        return self.is_worth_it and self.p_value < SIGNIFICANCE_LEVEL

    def interval(self, accuracy: float) -> tuple[float, float]:
        return wilson_interval(accuracy * self.images, self.images)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        return self.interval(self.accuracy)

    @property
    def verdict(self) -> str:
        best = self.best.run
        if self.has_dominant_member:
            return Message("{run} is clearly better than the others: use it alone.", run=best)
        if not self.is_worth_it:
            return f"No better than {best} alone: use that."
        counts = f"{self.fixed} right that {best} has wrong, {self.broken} the other way round"
        if self.is_significant:
            return f"Significantly better than {best} alone: {counts}."
        losses = f"log loss {self.loss:.3f}, {self.best.loss:.3f}"
        return f"Not significantly better than {best} alone (p = {self.p_value:.2f}): {counts}. Its {losses}."


def combine(
    project_dir: Path, runs: Sequence[str], images: Snapshot, *, title: str = "", job: JobContext = SILENT_JOB
) -> Combination:
    """Combine finished runs of a project into an ensemble, and save it as a run.

    Args:
        runs: Names or numbers; an ensemble is replaced by its members.
        images: The project's images; the weights are fitted to the validation split, and to training images with
            held-out predictions of every run.
        title: The title to show; empty for the default name.

    Raises:
        RunError: Fewer than two runs are given, a run is not finished or has no weights, their classes differ, or every
            validation image was used to train a member.
        JobCancelled: The user cancelled; nothing was saved.
        WeightsError: The pretrained weights of a run's start are missing.
    """
    start = time.monotonic()
    members = [Member.of(run, images, job) for run in _member_runs(project_dir, runs)]
    for member in members:
        columns_of(members[0].run.class_names, member.run)
        if member.run.config.image_reading != members[0].run.config.image_reading:
            message = Message("{run} reads images through another window.", run=member.run.title)
            raise RunError(message, "Combine runs that read images alike.")
    remaining, trained_on = without_training_images(members, images, job)
    validation = validation_predictions(members, remaining, job)
    training = held_out_predictions(members, images)
    targets = validation.targets
    mixture = fit_mixture(validation if training is None else validation.concatenate(training))
    parts = [
        Part(
            run=member.run.name,
            weights=weights_hash(member.run.path / BEST),
            share=float(share),
            temperature=float(temperature),
            accuracy=float(are_right(logits, targets).mean()),
            loss=mean_cross_entropy(logits / temperature, targets),
        )
        for member, logits, share, temperature in zip(
            members, validation.logits, mixture.shares, mixture.temperatures, strict=True
        )
    ]
    mixed = held_out(validation, others=training)
    right = are_right(mixed, targets)
    right_alone = are_right(validation.logits[parts.index(best_part(parts))], targets)
    combination = Combination(
        run="",
        images=len(targets),
        left_out=len(remaining.labelled("val")) + trained_on - len(targets),
        held_out=len(training) if training is not None else 0,
        parts=tuple(sorted(parts, key=lambda part: -part.share)),
        accuracy=float(right.mean()),
        loss=mean_cross_entropy(mixed, targets),
        fixed=int((right & ~right_alone).sum()),
        broken=int((right_alone & ~right).sum()),
    )
    # Members with weight 0 only cost time and space, but an ensemble has at least two members.
    used = [part for index, part in enumerate(combination.parts) if part.share > 0 or index < 2]
    if unused := [part.run for part in combination.parts if part not in used]:
        message = Message("Left out, because they add nothing to the others: {runs}.", runs=", ".join(unused))
        job.report(Notice(message=message))
    metrics = EpochDone(
        epoch=0,
        epochs=0,
        train_loss=None,
        train_accuracy=None,
        learning_rate=None,
        images_per_second=None,
        val_loss=combination.loss,
        val_accuracy=combination.accuracy,
        seconds=time.monotonic() - start,
        is_best=True,
    )
    run_dir = _save(project_dir, members, used, images, metrics)
    if title:
        rename_run(read_run(run_dir), title)
    logger.info("combined: %s of %d runs on %d images", run_dir.name, len(parts), combination.images)
    return replace(combination, run=run_dir.name)


def _member_runs(project_dir: Path, runs: Sequence[str]) -> list[StoredRun]:
    """Return the distinct runs, with ensembles replaced by their members; raises `RunError` if one is unsuitable."""
    members: dict[str, StoredRun] = {}
    for name in runs:
        run = load_run(project_dir, name)
        for member in [load_run(project_dir, part.run) for part in run.parts] or [run]:
            members[member.name] = member
    if len(members) < 2:
        raise RunError("A combination needs two different runs.", "Name another one.", NextStep("combine"))
    for run in members.values():
        if run.is_going:
            message = Message("{title} is being trained.", title=run.title)
            raise RunError(message, "Wait for its end, or stop it first.")
        require_weights(run)
    return list(members.values())


def best_part(parts: Sequence[Part]) -> Part:
    return next((part for part in parts if part.share == 1.0), min(parts, key=lambda part: part.loss))


def _save(
    project_dir: Path, members: Sequence[Member], used: Sequence[Part], images: Snapshot, metrics: EpochDone
) -> Path:
    """Build the run folder in a temporary folder, then move it into place atomically; return its path."""
    by_name = {member.run.name: member.run for member in members}
    config = replace(by_name[used[0].run].config, method=Ensemble.name, start_from="")
    results = [result for part in used if (result := by_name[part.run].result)]
    target = project_dir / RUNS_FOLDER / "combination"
    with temporary_folder(target) as temporary, converting_write_errors(target):
        new_folder = temporary / "run"  # nested, so that a listing of the runs does not include it
        new_folder.mkdir()
        write_json(new_folder / "classes.json", list(members[0].run.class_names))
        write_json(new_folder / "config.json", config.to_dict())
        write_snapshot(new_folder, images)
        with atomic_folder(new_folder / BEST) as folder:
            write_parts(folder, used)
            write_manifest(folder)
        append_metrics(new_folder, metrics)

        def finish_and_move(run_dir: Path) -> None:
            result = TrainResult(
                run=run_dir.name,
                best=metrics,
                seconds=metrics.seconds,
                stopped=False,
                trainable_parameters=sum(part.trainable_parameters for part in results),
                total_parameters=sum(part.total_parameters for part in results),
                device=pick_device(config.device).name,
                precision="fp32",
            )
            write_json(new_folder / "result.json", asdict(result))
            new_folder.rename(run_dir)

        return claim_run_dir(project_dir, config, make=finish_and_move)
