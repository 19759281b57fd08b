"""Combining finished runs into one: measured on validation, kept as a run folder, in seconds; nothing is trained.

A job like the others: `combine(...) -> Combination`. The parts keep their folders, backbones and picture sizes.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from models.methods.combined import Combined
from visionft.calibration import mean_cross_entropy
from visionft.combining.shares import Mixture, fit_mixture, held_out
from visionft.data.types import Snapshot
from visionft.devices import pick_device
from visionft.errors import NextStep, RunError, StoppedError
from visionft.evaluation.comparison import CHANCE, sign_test
from visionft.evaluation.metrics import wilson_interval
from visionft.evaluation.report import Logits, run_logits
from visionft.events import EpochDone, Notice, OnEvent, ShouldStop, ignore_event, never_stop
from visionft.files import write_json
from visionft.retrieval.refreshing import refresh
from visionft.training.runs import recording
from visionft.training.runs.answerer import columns_of, load_answerer
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
    """

    run: str
    pictures: int
    left_out: int
    parts: tuple[Part, ...]
    accuracy: float
    loss: float
    fixed: int
    broken: int

    @property
    def best(self) -> Part:
        """Return the part with the least log loss."""
        return min(self.parts, key=lambda part: part.loss)

    @property
    def p_value(self) -> float:
        """Return how often chance alone parts fixed and broken at least this unevenly (McNemar's exact test)."""
        return sign_test(self.fixed, self.broken)

    @property
    def is_worth_it(self) -> bool:
        """Tell whether it is better than its best part, by luck or not."""
        return self.loss < self.best.loss and self.fixed >= self.broken

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
        images: The project's pictures; the shares are fitted to the validation split.
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
    unseen, learnt = _unseen(parts, images, on_event)
    answers, targets = _answers(parts, unseen, on_event, should_stop)
    mixture = fit_mixture(answers, targets)
    summary = _measured(parts, answers, targets, mixture)
    asked = len(unseen.labelled("val")) + learnt
    found = replace(summary, left_out=asked - summary.pictures)
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


def _unseen(parts: Sequence[RunSummary], images: Snapshot, on_event: OnEvent) -> tuple[Snapshot, int]:
    """Return the snapshot without the validation pictures that a part learnt from, and how many these are.

    A part would seem better on them than it is, and get too large a share.
    """
    learnt: set[str] = set()
    for part in parts:
        learnt |= {image.sha256 for image in recording.read_snapshot(part.path).labelled("train")}
    kept = tuple(image for image in images.images if image.split != "val" or image.sha256 not in learnt)
    count = len(images.labelled("val")) - len([image for image in kept if image.split == "val" and image.labels])
    if count:
        on_event(
            Notice(message=f"Validation pictures that are left out, because one of the runs learnt from them: {count}.")
        )
    return replace(images, images=kept), count


def _answers(
    parts: Sequence[RunSummary], images: Snapshot, on_event: OnEvent, should_stop: ShouldStop
) -> tuple[list[np.ndarray], np.ndarray]:
    """Return each part's (N, C) logits of the validation pictures that all can read, and the targets."""
    found: list[Logits] = []
    for part in parts:
        if should_stop():
            raise StoppedError("Combining was stopped.", "Nothing was kept.")
        answerer = load_answerer(part, on_event=on_event, should_stop=should_stop)
        found.append(run_logits(answerer, images, "val", on_event=on_event, should_stop=should_stop))
    shared = set[int].intersection(*({image.image_id for image in each.images} for each in found))
    rows = [[place for place, image in enumerate(each.images) if image.image_id in shared] for each in found]
    columns = [list(columns_of(parts[0].class_names, part)) for part in parts]
    answers = [each.values[row][:, order] for each, row, order in zip(found, rows, columns, strict=True)]
    return answers, found[0].targets[rows[0]]


def _measured(
    parts: Sequence[RunSummary], answers: Sequence[np.ndarray], targets: np.ndarray, mixture: Mixture
) -> Combination:
    rights = [_is_right(values, targets) for values in answers]
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
            parts, answers, rights, mixture.shares, mixture.temperatures, strict=True
        )
    ]
    together = held_out(answers, targets)
    right = _is_right(together, targets)
    best = rights[min(range(len(parts)), key=lambda place: described[place].loss)]
    return Combination(
        run="",
        pictures=len(targets),
        left_out=0,
        parts=tuple(sorted(described, key=lambda part: -part.share)),
        accuracy=float(right.mean()),
        loss=mean_cross_entropy(together, targets),
        fixed=int((right & ~best).sum()),
        broken=int((best & ~right).sum()),
    )


def _is_right(logits: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Return (N,) whether the top class is right, or every one of several labels at a probability of a half."""
    if targets.ndim == 2:
        return ((logits > 0) == targets.astype(bool)).all(axis=1)
    return logits.argmax(axis=1) == targets


def _keep(project_dir: Path, parts: Sequence[RunSummary], images: Snapshot, found: Combination, seconds: float) -> Path:
    """Write the run folder; `config.json` comes last: a folder without it is no run."""
    by_name = {part.name: part for part in parts}
    strongest = by_name[found.parts[0].run]
    config = replace(strongest.config, method=Combined.name, start_from="")
    run_dir = claim_run_dir(project_dir, config)
    write_json(run_dir / "classes.json", list(parts[0].class_names))
    recording.write_snapshot(run_dir, images)
    with whole_folder(run_dir / BEST) as folder:
        write_parts(folder, found.parts)
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
    results = [part.result for part in parts if part.result]
    result = TrainResult(
        run=run_dir.name,
        best=done,
        seconds=seconds,
        stopped=False,
        trainable_parameters=sum(each.trainable_parameters for each in results),
        total_parameters=sum(each.total_parameters for each in results),
        device=pick_device(config.device).name,
        precision="fp32",
        artefact_bytes=sum(each.artefact_bytes for each in results),
    )
    write_json(run_dir / "result.json", asdict(result))
    write_json(run_dir / "config.json", config.to_dict())
    return run_dir
