"""Combine finished runs into an ensemble: fitted on validation, saved as a run folder, without training.

Its weights are fitted to predictions on images unseen by all of its members: the validation images, with held-out
predictions of a head that was fitted to them. Where every member is a closed form, the training images count too, with
held-out predictions (`visionft/training/runs/manifest.py`): five times as many images give reliable weights where a
dozen validation images are too few.

Each member's temperature is fitted first, so an overconfident member does not outvote a reliable one. Then a grid of
weights is evaluated image by image, so leaving images out costs nothing. The lowest log loss wins, under a prior for
equal weights worth `PRIOR` images (a Dirichlet's): a dozen images cannot tell good members apart, and equal weights are
hard to beat with little data.

An exception is a member clearly better than every other: by more than two standard errors of the image-by-image
difference. The others then mostly do harm, so it gets the whole weight, except where the mixture is better than it by
more than one standard error on images held out from the fit, and right at least as often.

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
from visionft.data.types import Snapshot
from visionft.training.evaluation.comparison import CHANCE, sign_test
from visionft.training.evaluation.metrics import wilson_interval
from visionft.training.evaluation.report import Logits, run_images, run_logits
from visionft.training.retrieval import fitted_head, is_live, run_index
from visionft.training.runs.checkpoint import BEST, whole_folder
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
    Run,
    TrainResult,
    claim_run_dir,
    load_run,
    read_run,
    rename_run,
    require_weights,
)
from visionft.training.runs.run_model import ReplacementHead, columns_of, load_run_model
from visionft.training.runs.run_snapshot import read_snapshot, spread, write_snapshot

PRIOR = 2.0  # images
CLEAR = 2.0  # standard errors
FOLDS = 5
_STEPS = (20, 10, 5, 4, 3, 2, 1)  # a weight is a multiple of one over the steps: the finest with a small grid
_MOST_TRIED = 300  # mixtures: of 3 members in twentieths (231), of 4 in tenths (286), of 5 and 6 in fifths (126, 252)
_LEAST_SHARE = 0.01  # for the prior, where a weight of 0 would be impossible


@dataclass(frozen=True)
class MemberPredictions:
    """The logits of P members on N images.

    Attributes:
        logits: (N, C) of each member, in the classes of the first.
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
    """

    logits: list[np.ndarray]
    targets: np.ndarray

    def __len__(self) -> int:
        """Return N."""
        return len(self.targets)

    def and_(self, other: "MemberPredictions") -> "MemberPredictions":
        """Return these images followed by others."""
        logits = [np.concatenate(pair) for pair in zip(self.logits, other.logits, strict=True)]
        return MemberPredictions(logits, np.concatenate([self.targets, other.targets]))


@dataclass(frozen=True)
class Mixture:
    """Weights (P,), at least 0 with a sum of 1, and temperatures (P,) of the members."""

    shares: np.ndarray
    temperatures: np.ndarray

    def __call__(self, logits: Sequence[np.ndarray]) -> np.ndarray:
        """Return the mixture's (N, C) logits of the members' (N, C) logits; see `RunModel.mixed`."""
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
    for place, shares in enumerate(grid):
        mixed = np.tensordot(shares, scaled, axes=1)
        losses[place], right[place] = cross_entropies(mixed, targets), are_right(mixed, targets)
    return Mixture(grid[_choose(grid, losses, right)], temperatures)


def _choose(grid: np.ndarray, losses: np.ndarray, right: np.ndarray) -> int:
    """Return the place in a grid (G, P) of the weights to use, by the losses and hits (G, N) of each image."""
    prior = PRIOR * np.log(np.maximum(grid, _LEAST_SHARE)).mean(axis=1)
    mixture = int((losses.sum(axis=1) - prior).argmin())
    alone = [int(np.flatnonzero(grid[:, member] == 1)[0]) for member in range(grid.shape[1])]
    best = min(alone, key=lambda place: losses[place].sum())
    if not all(_is_gain(losses[place] - losses[best], errors=CLEAR) for place in alone if place != best):
        return mixture
    # The clearly better member, unless the mixture clearly beats it on images held out from the fit.
    images = np.arange(losses.shape[1])
    folds = _folds(len(images))
    chosen = np.array([(losses[:, folds != fold].sum(axis=1) - prior).argmin() for fold in range(FOLDS)])[folds]
    is_as_right = right[chosen, images].sum() >= right[best].sum()
    return mixture if is_as_right and _is_gain(losses[best] - losses[chosen, images], errors=1.0) else best


def _is_gain(gains: np.ndarray, *, errors: float) -> bool:
    """Return whether the mean of gains (N,) is more than a number of standard errors above 0."""
    return bool(gains.mean() > errors * gains.std() / np.sqrt(len(gains)))


def held_out(predicted: MemberPredictions, *, others: MemberPredictions | None = None, seed: int = 0) -> np.ndarray:
    """Return (N, C) held-out logits: of mixtures fitted to all `others` and to these images without the same fold."""
    folds = _folds(len(predicted), seed)
    logits = np.empty(predicted.logits[0].shape)
    for fold in range(min(FOLDS, len(predicted))):
        inside = folds == fold
        known = MemberPredictions([values[~inside] for values in predicted.logits], predicted.targets[~inside])
        mixture = fit_mixture(known if others is None else known.and_(others))
        logits[inside] = mixture([values[inside] for values in predicted.logits])
    return logits


def share_grid(members: int) -> np.ndarray:
    """Return (G, P) candidate weights: each member alone, equal ones, and mixtures in even steps between them."""
    alone_and_equal = np.concatenate([np.eye(members), np.full((1, members), 1 / members)])
    steps = next((each for each in _STEPS if comb(each + members - 1, members - 1) <= _MOST_TRIED), 1)
    if steps == 1:
        return alone_and_equal
    cuts = np.array(list(combinations(range(steps + members - 1), members - 1)))  # bars between `steps` stars
    edges = np.concatenate([np.full((len(cuts), 1), -1), cuts, np.full((len(cuts), 1), steps + members - 1)], axis=1)
    return np.concatenate([(np.diff(edges, axis=1) - 1) / steps, alone_and_equal[-1:]])


def _folds(images: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(images) % FOLDS


MOST_HELD_OUT = 5_000  # training images to fit weights to: more give no finer weights than the grid


@dataclass(frozen=True)
class Member:
    """A run to combine; k-NN as of the current labels.

    Attributes:
        run: The run, with the classes of its predictions.
        trained_on: SHA-256 of its training images.
        held_out: Its held-out predictions; None where it has none.
        head: Its head for the current labels; None where training fixed it.
    """

    run: Run
    trained_on: frozenset[str]
    held_out: HeldOutPredictions | None
    head: ReplacementHead | None = None

    @classmethod
    def of(cls, run: Run, images: Snapshot, job: JobContext) -> "Member":
        """Return a run as a member.

        Raises:
            RunError, ProjectError, JobCancelled, WeightsError: As `run_index`; or its images are no longer known.
        """
        if not is_live(run):
            trained_on = frozenset(image.sha256 for image in read_snapshot(run.path).labelled("train"))
            return cls(run, trained_on, read_held_out(run.path))
        index = run_index(run, images, job=job)
        shares = np.array(list(index.held_out.values())).reshape(-1, len(index.class_names))
        logits = np.log(shares) - np.log1p(-shares) if index.memory.is_multilabel else np.log(shares)
        return cls(
            replace(run, class_names=index.class_names),
            frozenset(image.sha256 for image in index.images.values()),
            HeldOutPredictions(np.array(list(index.held_out), np.int64), logits),
            fitted_head(run, index),
        )


def without_training_images(members: Sequence[Member], images: Snapshot, job: JobContext) -> tuple[Snapshot, int]:
    """Return the snapshot without validation images that a member was trained on, and their number.

    A member would look better on them than it is, and get too large a weight.
    """
    trained_on = frozenset[str]().union(*(member.trained_on for member in members))
    others = tuple(image for image in images.images if image.split != "val" or image.sha256 not in trained_on)
    remaining = replace(images, images=others)
    count = len(images.labelled("val")) - len(remaining.labelled("val"))
    if count:
        message = Message(
            "Validation images excluded because one of the runs was trained on them: {count}.", count=count
        )
        job.report(Notice(message=message))
    return remaining, count


def validation_predictions(members: Sequence[Member], images: Snapshot, job: JobContext) -> MemberPredictions:
    """Return the logits of each member on the validation images readable for all.

    Raises:
        RunError, JobCancelled, WeightsError: As `load_run_model` and `run_logits`.
    """
    outputs: list[Logits] = []
    for member in members:
        job.check_cancelled()
        heads = {member.run.name: member.head} if member.head else {}
        outputs.append(run_logits(load_run_model(member.run, heads, job=job), images, "val", job=job))
    shared = set[int].intersection(*({image.image_id for image in each.images} for each in outputs))
    rows = [[place for place, image in enumerate(each.images) if image.image_id in shared] for each in outputs]
    chosen = [each.values[row] for each, row in zip(outputs, rows, strict=True)]
    return MemberPredictions(_in_order(members, chosen), outputs[0].targets[rows[0]])


def held_out_predictions(members: Sequence[Member], images: Snapshot) -> MemberPredictions | None:
    """Return the members' held-out logits on training images; None unless all members have some of them."""
    predictions = [member.held_out for member in members if member.held_out is not None]
    if len(predictions) < len(members):
        return None
    shared = set[int].intersection(*(set(each.image_ids.tolist()) for each in predictions))
    # Validation images have their own part; images without a split are in the index of a k-NN run.
    others = [each for each in images.images if each.split not in ("val", "test")]
    chosen = [each for each in others if each.image_id in shared and each.labels]
    if not chosen:
        return None
    spread_images = tuple(replace(each, split="train") for each in spread(chosen, MOST_HELD_OUT))
    predicted, targets = run_images(members[0].run, replace(images, images=spread_images), "train")
    ids = [image.image_id for image in predicted]
    return MemberPredictions(_in_order(members, [each.of(ids) for each in predictions]), targets)


def _in_order(members: Sequence[Member], logits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the (N, C) logits of each member with its classes in the order of the first member's."""
    names = members[0].run.class_names
    return [values[:, list(columns_of(names, member.run))] for member, values in zip(members, logits, strict=True)]


logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Combination:
    """The metrics of an ensemble and its members, on validation images unseen by all of them.

    Attributes:
        left_out: Validation images seen in training by a member, or unreadable for it.
        parts: Its members and their own figures, the largest weight first.
        accuracy: Its top-1, each image predicted with weights fitted without it; `loss` likewise.
        fixed: Images right for the ensemble and wrong for its best member; `broken` the other way round.
        held_out: Training images, each held out, also used to fit the weights.
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
        """Return the member with the whole weight, else the one with the lowest log loss."""
        return best_part(self.parts)

    @property
    def stands_alone(self) -> bool:
        """Return whether one member is significantly better and all others have weight 0."""
        return self.parts[0].share == 1.0

    @property
    def p_value(self) -> float:
        """Return the p-value of the difference between fixed and broken images (McNemar's exact test)."""
        return sign_test(self.fixed, self.broken)

    @property
    def is_worth_it(self) -> bool:
        """Return whether it is better than its best member, significantly or not."""
        return not self.stands_alone and self.loss < self.best.loss and self.fixed >= self.broken

    @property
    def is_sure(self) -> bool:
        return self.is_worth_it and self.p_value < CHANCE

    def interval(self, accuracy: float) -> tuple[float, float]:
        return wilson_interval(accuracy * self.images, self.images)

    @property
    def accuracy_interval(self) -> tuple[float, float]:
        return self.interval(self.accuracy)

    @property
    def verdict(self) -> str:
        best = self.best.run
        if self.stands_alone:
            return Message("{run} is clearly better than the others: use it alone.", run=best)
        if not self.is_worth_it:
            return f"No better than {best} alone: use that."
        found = f"{self.fixed} right that {best} has wrong, {self.broken} the other way round"
        if self.is_sure:
            return f"Significantly better than {best} alone: {found}."
        losses = f"log loss {self.loss:.3f}, {self.best.loss:.3f}"
        return f"Not significantly better than {best} alone (p = {self.p_value:.2f}): {found}. Its {losses}."


def combine(
    project_dir: Path, runs: Sequence[str], images: Snapshot, *, title: str = "", job: JobContext = SILENT_JOB
) -> Combination:
    """Combine finished runs of a project into an ensemble, and save it as a run.

    Args:
        runs: Names or numbers; an ensemble stands for its parts.
        images: The project's images; the weights are fitted to the validation split, and to training images held out by
            every run.
        title: The name to show; empty for the folder's own.

    Raises:
        RunError: There are no two runs, one is not finished or has no weights, their classes differ, or all validation
            images were seen in training.
        JobCancelled: The user cancelled; nothing was saved.
        WeightsError: The pretrained weights of a run's start are missing.
    """
    began = time.monotonic()
    members = [Member.of(run, images, job) for run in _runs(project_dir, runs)]
    for member in members:
        columns_of(members[0].run.class_names, member.run)
        if member.run.config.image_reading != members[0].run.config.image_reading:
            message = Message("{run} reads images through another window.", run=member.run.title)
            raise RunError(message, "Combine runs that read images alike.")
    remaining, trained_on = without_training_images(members, images, job)
    validation = validation_predictions(members, remaining, job)
    training = held_out_predictions(members, images)
    targets = validation.targets
    mixture = fit_mixture(validation if training is None else validation.and_(training))
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
    found = Combination(
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
    # Members without a weight would be run and shipped for nothing; two stay in any case.
    used = [part for place, part in enumerate(found.parts) if part.share > 0 or place < 2]
    if idle := [part.run for part in found.parts if part not in used]:
        message = Message("Left out, because they add nothing to the others: {runs}.", runs=", ".join(idle))
        job.report(Notice(message=message))
    done = EpochDone(
        epoch=0,
        epochs=0,
        train_loss=None,
        train_accuracy=None,
        learning_rate=None,
        images_per_second=None,
        val_loss=found.loss,
        val_accuracy=found.accuracy,
        seconds=time.monotonic() - began,
        is_best=True,
    )
    run_dir = _save(project_dir, members, used, images, done)
    if title:
        rename_run(read_run(run_dir), title)
    logger.info("combined: %s of %d runs on %d images", run_dir.name, len(parts), found.images)
    return replace(found, run=run_dir.name)


def _runs(project_dir: Path, runs: Sequence[str]) -> list[Run]:
    """Return the runs, with ensembles replaced by their members, each once and valid as a member."""
    found: dict[str, Run] = {}
    for name in runs:
        run = load_run(project_dir, name)
        for part in [load_run(project_dir, each.run) for each in run.parts] or [run]:
            found[part.name] = part
    if len(found) < 2:
        raise RunError("A combination needs two different runs.", "Name another one.", NextStep("combine"))
    for run in found.values():
        if run.is_going:
            message = Message("{title} is being trained.", title=run.title)
            raise RunError(message, "Wait for its end, or stop it first.")
        require_weights(run)
    return list(found.values())


def best_part(parts: Sequence[Part]) -> Part:
    return next((part for part in parts if part.share == 1.0), min(parts, key=lambda part: part.loss))


def _save(
    project_dir: Path, members: Sequence[Member], used: Sequence[Part], images: Snapshot, done: EpochDone
) -> Path:
    """Write the run folder in a temporary one, and move it into place as a whole."""
    by_name = {member.run.name: member.run for member in members}
    config = replace(by_name[used[0].run].config, method=Ensemble.name, start_from="")
    results = [result for part in used if (result := by_name[part.run].result)]
    target = project_dir / RUNS_FOLDER / "combination"
    with temporary_folder(target) as temporary, converting_write_errors(target):
        made = temporary / "run"  # a level below those that are listed as runs
        made.mkdir()
        write_json(made / "classes.json", list(members[0].run.class_names))
        write_json(made / "config.json", config.to_dict())
        write_snapshot(made, images)
        with whole_folder(made / BEST) as folder:
            write_parts(folder, used)
            write_manifest(folder)
        append_metrics(made, done)

        def move(run_dir: Path) -> None:
            result = TrainResult(
                run=run_dir.name,
                best=done,
                seconds=done.seconds,
                stopped=False,
                trainable_parameters=sum(each.trainable_parameters for each in results),
                total_parameters=sum(each.total_parameters for each in results),
                device=pick_device(config.device).name,
                precision="fp32",
            )
            write_json(made / "result.json", asdict(result))
            made.rename(run_dir)

        return claim_run_dir(project_dir, config, make=move)
