"""Combining finished runs into one: measured on validation, kept as a run folder, in seconds; nothing is trained.

A job like the others: `combine(...) -> Combination`. The parts keep their folders, backbones and picture sizes.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from models.methods.combined import Combined
from visionft.calibration import are_right, mean_cross_entropy
from visionft.combining.asked import ask_validation, held_out_training, unseen
from visionft.combining.shares import Asked, Mixture, fit_mixture, held_out
from visionft.data.types import Snapshot
from visionft.devices import pick_device
from visionft.errors import NextStep, RunError
from visionft.evaluation.comparison import CHANCE, sign_test
from visionft.evaluation.metrics import wilson_interval
from visionft.events import EpochDone, Notice, OnEvent, ShouldStop, ignore_event, never_stop
from visionft.files import write_json
from visionft.retrieval.refreshing import refresh
from visionft.training.runs.answerer import columns_of
from visionft.training.runs.checkpoint import BEST, whole_folder
from visionft.training.runs.manifest import weights_hash, write_manifest
from visionft.training.runs.metrics_file import append_metrics
from visionft.training.runs.parts import Part, write_parts
from visionft.training.runs.run_folder import (
    RunSummary,
    TrainResult,
    change_notes,
    claim_run_dir,
    load_run,
    read_run,
    require_weights,
)
from visionft.training.runs.run_snapshot import write_snapshot

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Combination:
    """What a combination is worth beside its parts, on the validation pictures that none of them learnt from.

    Attributes:
        run: Name of its folder.
        pictures: Validation pictures that were asked.
        left_out: Validation pictures that a part learnt from, or could not read.
        parts: Its parts and their own figures, the largest share first.
        accuracy: Its top-1, each picture answered by shares that were fitted without it; `loss` likewise.
        fixed: Pictures that it has right and its best part wrong; `broken` the other way round.
        held_out: Training pictures, each held out, that the shares were fitted to beside the validation pictures.
    """

    run: str
    pictures: int
    left_out: int
    parts: tuple[Part, ...]
    accuracy: float
    loss: float
    fixed: int
    broken: int
    held_out: int = 0

    @property
    def best(self) -> Part:
        """Return the part that it is held against; see `best_part`."""
        return best_part(self.parts)

    @property
    def stands_alone(self) -> bool:
        """Tell whether the others count nothing beside one part that is clearly better."""
        return self.parts[0].share == 1.0

    @property
    def p_value(self) -> float:
        """Return how often chance alone parts fixed and broken at least this unevenly (McNemar's exact test)."""
        return sign_test(self.fixed, self.broken)

    @property
    def is_worth_it(self) -> bool:
        """Tell whether it is better than its best part, by luck or not."""
        return not self.stands_alone and self.loss < self.best.loss and self.fixed >= self.broken

    @property
    def is_sure(self) -> bool:
        """Tell whether it is better than its best part by more than luck."""
        return self.is_worth_it and self.p_value < CHANCE

    def interval(self, accuracy: float) -> tuple[float, float]:
        """Return the 95 % interval of an accuracy on these pictures."""
        return wilson_interval(accuracy * self.pictures, self.pictures)

    @property
    def verdict(self) -> str:
        """Return in plain words whether to keep it."""
        best = self.best.run
        if self.stands_alone:
            return f"{best} is clearly better than the others, which only harm it: keep that."
        if not self.is_worth_it:
            return f"No better than {best} alone: keep that."
        found = f"{self.fixed} right that {best} has wrong, {self.broken} the other way round"
        if self.is_sure:
            return f"Really better than {best} alone: {found}."
        return (
            f"Perhaps better than {best} alone, perhaps luck: {found}, which chance alone gives in "
            f"{self.p_value:.0%} of cases. Its probabilities fit better (log loss {self.loss:.3f}, "
            f"{self.best.loss:.3f})."
        )


def combine(
    project_dir: Path,
    runs: Sequence[str],
    images: Snapshot,
    *,
    title: str = "",
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Combination:
    """Combine finished runs of a project, and keep the combination as a run of it.

    Args:
        project_dir: The project's folder.
        runs: Names or numbers; a combination stands for its parts.
        images: The project's pictures; the shares are fitted to the validation split, and to training pictures that
            every run held out.
        title: The name to show; empty for the folder's own.
        on_event: Receives how far it is, and what was left out.
        should_stop: Asked between batches.

    Raises:
        RunError: There are no two runs, one is not finished or has no weights, their classes differ, or no validation
            picture is left that none of them learnt from.
        StoppedError: The user stopped; nothing was kept.
        WeightsError: The pretrained weights that a run started from cannot be had.
    """
    began = time.monotonic()
    parts = [refresh(part, images, on_event=on_event, should_stop=should_stop) for part in _parts(project_dir, runs)]
    kept, learnt = unseen(parts, images, on_event)
    asked, beside = ask_validation(parts, kept, on_event, should_stop), held_out_training(parts, images)
    mixture = fit_mixture(asked if beside is None else asked.and_(beside))
    summary = _measured(parts, asked, beside, mixture)
    found = replace(summary, left_out=len(kept.labelled("val")) + learnt - summary.pictures)
    if idle := [part.run for part in found.parts if part not in _that_count(found.parts)]:
        on_event(Notice(message=f"Left out, because they add nothing to the others: {', '.join(idle)}."))
    run_dir = _keep(project_dir, parts, images, found, time.monotonic() - began)
    if title:
        change_notes(read_run(run_dir), title=title)
    logger.info("combined: %s of %d runs on %d pictures", run_dir.name, len(parts), found.pictures)
    return replace(found, run=run_dir.name)


def _parts(project_dir: Path, runs: Sequence[str]) -> list[RunSummary]:
    """Return the runs, a combination replaced by its parts, each once and fit to be a part."""
    found: dict[str, RunSummary] = {}
    for name in runs:
        run = load_run(project_dir, name)
        for part in [load_run(project_dir, each.run) for each in run.parts] or [run]:
            found[part.name] = part
    if len(found) < 2:
        raise RunError("A combination needs two different runs.", "Name another one.", NextStep("combine"))
    parts = list(found.values())
    for part in parts:
        if part.is_going:
            raise RunError(f"{part.title} is being trained.", "Wait for its end, or stop it first.")
        require_weights(part)
        columns_of(parts[0].class_names, part)
    return parts


def _measured(parts: Sequence[RunSummary], asked: Asked, beside: Asked | None, mixture: Mixture) -> Combination:
    """Return what the mixture and its parts are worth on the validation pictures."""
    targets = asked.targets
    rights = [are_right(values, targets) for values in asked.answers]
    described = [
        Part(
            run=part.name,
            weights=weights_hash(part.path / BEST),
            share=float(share),
            temperature=float(temperature),
            accuracy=float(right.mean()),
            loss=mean_cross_entropy(values / temperature, targets),
        )
        for part, values, right, share, temperature in zip(
            parts, asked.answers, rights, mixture.shares, mixture.temperatures, strict=True
        )
    ]
    together = held_out(asked, beside=beside)
    right, best = are_right(together, targets), best_part(described)
    right_alone = rights[described.index(best)]
    return Combination(
        run="",
        pictures=len(targets),
        held_out=len(beside) if beside is not None else 0,
        left_out=0,
        parts=tuple(sorted(described, key=lambda part: -part.share)),
        accuracy=float(right.mean()),
        loss=mean_cross_entropy(together, targets),
        fixed=int((right & ~right_alone).sum()),
        broken=int((right_alone & ~right).sum()),
    )


def best_part(parts: Sequence[Part]) -> Part:
    """Return the part that stands alone, or else the one with the least log loss."""
    return next((part for part in parts if part.share == 1.0), min(parts, key=lambda part: part.loss))


def _that_count(parts: Sequence[Part]) -> Sequence[Part]:
    """Return the parts that have a share, two at least: the others would be asked, and shipped, for nothing."""
    return [part for place, part in enumerate(parts) if part.share > 0 or place < 2]


def _keep(project_dir: Path, parts: Sequence[RunSummary], images: Snapshot, found: Combination, seconds: float) -> Path:
    """Write the run folder; `config.json` comes last: a folder without it is no run."""
    by_name, counted = {part.name: part for part in parts}, _that_count(found.parts)
    strongest = by_name[found.parts[0].run]
    config = replace(strongest.config, method=Combined.name, start_from="")
    run_dir = claim_run_dir(project_dir, config)
    write_json(run_dir / "classes.json", list(parts[0].class_names))
    write_snapshot(run_dir, images)
    with whole_folder(run_dir / BEST) as folder:
        write_parts(folder, counted)
        write_manifest(folder)
    done = EpochDone(
        epoch=0,
        epochs=0,
        train_loss=None,
        train_accuracy=None,
        val_loss=found.loss,
        val_accuracy=found.accuracy,
        learning_rate=0.0,
        seconds=seconds,
        images_per_second=0.0,
        is_best=True,
    )
    append_metrics(run_dir, done)
    results = [result for part in counted if (result := by_name[part.run].result)]
    result = TrainResult(
        run=run_dir.name,
        best=done,
        seconds=seconds,
        stopped=False,
        trainable_parameters=sum(each.trainable_parameters for each in results),
        total_parameters=sum(each.total_parameters for each in results),
        device=pick_device(config.device).name,
        precision="fp32",
    )
    write_json(run_dir / "result.json", asdict(result))
    write_json(run_dir / "config.json", config.to_dict())
    return run_dir
