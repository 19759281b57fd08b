"""Combining finished runs into an ensemble: fitted on validation, saved as a run folder, without training."""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

from models.messages import Message
from models.methods.combined import Ensemble
from visionft.calibration import are_right, mean_cross_entropy
from visionft.combining.ensemble_weights import fit_mixture, held_out
from visionft.combining.members import Member, held_out_predictions, validation_predictions, without_training_images
from visionft.data.types import Snapshot
from visionft.devices import pick_device
from visionft.errors import NextStep, RunError
from visionft.evaluation.comparison import CHANCE, sign_test
from visionft.evaluation.metrics import wilson_interval
from visionft.events import EpochDone, Notice
from visionft.files import naming_faults, temporary_folder, write_json
from visionft.jobs import SILENT, JobContext
from visionft.training.runs.checkpoint import BEST, whole_folder
from visionft.training.runs.manifest import Part, weights_hash, write_manifest, write_parts
from visionft.training.runs.metrics_file import append_metrics
from visionft.training.runs.run_folder import (
    RUNS_FOLDER,
    RunSummary,
    TrainResult,
    claim_run_dir,
    load_run,
    read_run,
    rename_run,
    require_weights,
)
from visionft.training.runs.run_model import columns_of
from visionft.training.runs.run_snapshot import write_snapshot

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

    COMPUTED: ClassVar = ("accuracy_interval", "p_value", "is_worth_it", "verdict")

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
            return Message("{run} is clearly better than the others, which only harm it: keep that.", run=best)
        if not self.is_worth_it:
            return f"No better than {best} alone: use that."
        found = f"{self.fixed} right that {best} has wrong, {self.broken} the other way round"
        if self.is_sure:
            return f"Significantly better than {best} alone: {found}."
        losses = f"log loss {self.loss:.3f}, {self.best.loss:.3f}"
        return f"Not significantly better than {best} alone (p = {self.p_value:.2f}): {found}. Its {losses}."


def combine(
    project_dir: Path, runs: Sequence[str], images: Snapshot, *, title: str = "", job: JobContext = SILENT
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


def _runs(project_dir: Path, runs: Sequence[str]) -> list[RunSummary]:
    """Return the runs, with ensembles replaced by their members, each once and valid as a member."""
    found: dict[str, RunSummary] = {}
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
    with temporary_folder(target) as temporary, naming_faults(target):
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
