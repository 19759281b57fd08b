"""Completing the leaderboard: fitting all training-free models, and measuring every run on the current images."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from models.messages import Message
from models.methods.table import METHODS
from visionft.data.types import Snapshot, Split
from visionft.errors import RunError, VisionFTError
from visionft.evaluation.leaderboard import read_leaderboard
from visionft.events import Notice, Progress
from visionft.jobs import SILENT, JobCancelled, JobContext
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RUNS_FOLDER, RunSummary, list_runs, new_run_dir
from visionft.training.runs.run_snapshot import read_snapshot
from visionft.weights.locations import PRETRAINED, local_file


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationBatchReport:
    """The result of `measure_runs`.

    Attributes:
        evaluated: Names of the evaluated runs; `timed` those with a measured cost.
        failed: {run: error} of the failed runs.
        stopped: Whether the user cancelled before the last run; finished measurements are kept.
    """

    evaluated: tuple[str, ...]
    timed: tuple[str, ...]
    failed: dict[str, str]
    stopped: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingFreeReport:
    """The result of `fit_training_free`, by names of runs and methods.

    Attributes:
        made: New runs; `existing` those of the same images, labels and settings.
        left_out: {method: reason}.
        stopped: Whether the user cancelled; finished runs are kept.
    """

    made: tuple[str, ...]
    existing: tuple[str, ...]
    left_out: dict[str, str]
    stopped: bool


def measure_runs(
    project_dir: Path, images: Snapshot, split: Split = "val", *, job: JobContext = SILENT
) -> EvaluationBatchReport:
    """Evaluate runs without an evaluation on the current images, and measure missing costs on this computer.

    A failed run does not affect the others.
    """
    from visionft.evaluation.cost_measurement import measure_cost
    from visionft.evaluation.report import evaluate_run

    rows = read_leaderboard(list_runs(project_dir), images, split).unmeasured
    evaluated = list[str]()
    timed = list[str]()
    failed = dict[str, str]()
    stopped = False
    for number, row in enumerate(rows):
        job.report(Progress(stage=Message("Measuring {title}", title=row.title), done=number, total=len(rows)))
        run_dir = project_dir / RUNS_FOLDER / row.run
        try:
            if row.needs_evaluation:
                evaluate_run(run_dir, images, split, job=job)
                evaluated.append(row.run)
            if row.needs_timing:
                measure_cost(run_dir, images, job=job)
                timed.append(row.run)
        except VisionFTError as error:
            stopped = job.is_cancelled
            if stopped:
                break
            failed[row.run] = error.message
            message = Message("{title} cannot be measured: {reason}", title=row.title, reason=error.message)
            job.report(Notice(message=message, level="warning", next_step=error.next_step))
    return EvaluationBatchReport(evaluated=tuple(evaluated), timed=tuple(timed), failed=failed, stopped=stopped)


def training_free(base: TrainConfig) -> Iterator[TrainConfig]:
    """Yield the settings of each method without epochs, on the backbone, image size and device of `base`.

    A method incompatible with that backbone uses its default one.
    """
    for name, method in METHODS.items():
        config = replace(base, method=name, start_from="")
        if config.total_epochs:
            continue
        if method.usual_backbone and method.refusal(base.backbone_row):
            config = replace(config, backbone=method.usual_backbone, weights=PRETRAINED, image_size=0)
        yield config


def why_not(config: TrainConfig, base: TrainConfig, images: Snapshot) -> str:
    """Return the reason against fitting a model; empty when it is possible.

    Only the requested backbone is downloaded: another one must be on this computer.
    """
    if problems := config_problems(config, images):
        return "; ".join(problem.message for problem in problems)
    if config.backbone != base.backbone and local_file(config.backbone_row) is None:
        return Message("The weights of {name} are not on this computer.", name=config.backbone_row.title)
    return ""


def fit_training_free(
    project_dir: Path, images: Snapshot, base: TrainConfig, *, job: JobContext = SILENT
) -> TrainingFreeReport:
    """Fit, evaluate and time every possible training-free model; a failed one does not affect the others.

    Backbone, weights, image size, device and seed are those of `base`.
    """
    made = list[str]()
    existing = list[str]()
    left_out = dict[str, str]()
    stopped = False
    for config in training_free(base):
        title = config.method_row.title
        if reason := why_not(config, base, images):
            left_out[config.method] = reason
            continue
        if (same := _same_run(project_dir, images, config)) is not None:
            existing.append(same.name)
            continue
        job.report(Progress(stage=Message("Fitting {title}", title=title), done=0, total=0))
        try:
            made.append(_fit(project_dir, images, config, job=job))
        except VisionFTError as error:
            stopped = job.is_cancelled
            if stopped:
                break
            left_out[config.method] = error.message
            message = Message("{title} cannot be fitted: {error}", title=title, error=error.message)
            job.report(Notice(message=message, level="warning", next_step=error.next_step))
    return TrainingFreeReport(made=tuple(made), existing=tuple(existing), left_out=left_out, stopped=stopped)


def _fit(project_dir: Path, images: Snapshot, config: TrainConfig, *, job: JobContext) -> str:
    from visionft.evaluation.cost_measurement import measure_cost
    from visionft.evaluation.report import evaluate_splits
    from visionft.training.loop.train import train

    result = train(config, images, new_run_dir(project_dir, config), is_new=True, job=job)
    if result.stopped or result.best is None:
        raise JobCancelled
    splits: list[Split] = [split for split in ("val", "test") if images.labelled(split)]
    run_dir = project_dir / RUNS_FOLDER / result.run
    evaluate_splits(run_dir, images, splits, job=job)
    measure_cost(run_dir, images, job=job)
    return result.run


def _same_run(project_dir: Path, images: Snapshot, config: TrainConfig) -> RunSummary | None:
    """Return the run of exactly these images, labels and settings, or one that follows them; None without one."""
    for run in reversed(list_runs(project_dir)):
        if run.config != config or run.best is None or not run.has_weights or run.faults:
            continue
        if config.method_row.is_live:
            return run
        try:
            snapshot = read_snapshot(run.path)
        except RunError:
            continue
        has_same_prompts = snapshot.prompts == images.prompts or not config.method_row.reads_prompts
        if snapshot.digest == images.digest and has_same_prompts:
            return run
    return None
