"""Training a run and evaluating it: one job of the command line, the Python interface and the window.

The run and its evaluations are returned: the window shows them without reading the folder of the run.
"""

import contextlib
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from models.messages import Message
from visionft.amounts import rough_duration_text
from visionft.data.types import Snapshot, Split
from visionft.errors import VisionFTError
from visionft.evaluation.report import Evaluation, evaluate_splits
from visionft.evaluation.unseen import accuracy_sentence, unseen_evaluation
from visionft.events import Notice, ResultStored
from visionft.features.embedding import missing_features
from visionft.features.framing import with_aspect
from visionft.jobs import SILENT, JobCancelled, JobContext
from visionft.speeds import StageTime
from visionft.training.base_weights import stopped_before_start
from visionft.training.config.train_config import TrainConfig
from visionft.training.framing_choice import framing_time, known_framing, resolved_framing
from visionft.training.loop.progress import training_times
from visionft.training.loop.train import resume, train
from visionft.training.runs.metrics_file import StepRecorder
from visionft.training.runs.recording import begin_again, write_result
from visionft.training.runs.run_folder import RunSummary, TrainResult, read_run
from visionft.training.runs.run_snapshot import read_snapshot

_MOST_FIRST = 800  # labelled images: twice as many as a framing is measured on


@dataclass(frozen=True, kw_only=True)
class _Times:
    """The expected times of a run: its training in seconds, and its evaluation."""

    training_s: float
    evaluation: StageTime

    @property
    def seconds(self) -> float:
        return self.training_s + self.evaluation.seconds

    @classmethod
    def of(cls, config: TrainConfig, images: Snapshot, project_dir: Path, *, uses_mirrored: bool = True) -> Self:
        training = training_times(config, images, project_dir, uses_mirrored=uses_mirrored)
        held_out = (*images.labelled("val"), *images.labelled("test"))
        passes = len(held_out)
        if config.method_row.caches_features:  # those for validation have passed by then
            passes = missing_features(project_dir, images.labelled("test"), config.features)
        evaluation = StageTime.of(
            f"evaluation {config.work_kind}",
            passes * config.features.megapixels,
            fixed_s=1,
            unit_s=config.features.megapixel_s,
        )
        return cls(training_s=sum(each.seconds for each in training), evaluation=evaluation)


def train_and_evaluate(
    config: TrainConfig, images: Snapshot, run_dir: Path, *, job: JobContext = SILENT
) -> tuple[RunSummary, Mapping[Split, Evaluation]]:
    """Train a new run and evaluate it on the validation and test split.

    Where what the network sees is to be measured first and the head is solved at once, the run has an answer at the
    usual framing before that: a model to use while other framings are tried, and the one to keep where none is better.

    Args:
        config: Its settings.
        images: The images of the project.
        run_dir: Folder of the run; if another run has taken it meanwhile, the next number is used.

    Returns:
        The run, with its `result`, and its evaluations. A cancelled run has no evaluation, and no folder where it was
        cancelled before its start.

    Raises:
        ConfigError, RunError, WeightsError: As `train`.
    """
    began = time.monotonic()
    project_dir = run_dir.parent.parent
    measuring = framing_time(config, images, project_dir)
    usual = known_framing(config, images, project_dir)
    usual = replace(usual, framing="centre") if usual.framing == "auto" else usual
    times = _Times.of(usual, images, project_dir)
    first = improving = None
    if measuring is not None and _answers_first(config, images):
        answering = _Times.of(usual, images, project_dir, uses_mirrored=False)
        improving = _improving_time(times, answering, config, images)
        job = job.in_stages(answering.seconds + measuring.seconds + improving.seconds)
        with job.stage(weight=answering.seconds):
            first = _train_new(usual, images, run_dir, began, job, uses_mirrored=False)
        run, evaluations = first
        if run.result is None or run.result.stopped or run.result.best is None:
            return first
        words = Message("After {time}: {sentence} The model can be used while more is tried.")
        values = {"time": rough_duration_text(run.result.seconds)}
        sentence = accuracy_sentence(unseen_evaluation(run, evaluations))
        job.report(Notice(message=Message(words, sentence=sentence, **values)))
        job.report(ResultStored(name=run.name))
    else:
        job = job.in_stages(times.seconds + (measuring.seconds if measuring is not None else 0.0))
    try:
        with contextlib.nullcontext() if measuring is None else measuring.stage(job):
            config = resolved_framing(config, images, project_dir, job=job)
    except JobCancelled:
        if first is not None:
            return first
        stopped = stopped_before_start(config, classes=len(images.class_names), run_dir=run_dir)
        return _without_folder(stopped, config, run_dir, images), {}
    with job.stage(weight=times.seconds) if improving is None else improving.stage(job):
        if first is None:
            return _train_new(config, images, run_dir, began, job)
        return _improve(first, config, images, began, job)


def _answers_first(config: TrainConfig, images: Snapshot) -> bool:
    """Tell whether a run has an answer before its framing is measured: its head is solved at once, and soon.

    With 10,000 labelled images the measurement, on 400 of them, is the first answer.
    """
    is_solved = not config.total_epochs and config.method_row.caches_features
    labelled = len(images.labelled("train")) + len(images.labelled("val"))
    return is_solved and config.method_row.needs_labels and labelled <= _MOST_FIRST


def _train_new(
    config: TrainConfig,
    images: Snapshot,
    run_dir: Path,
    began: float,
    job: JobContext,
    *,
    uses_mirrored: bool = True,
) -> tuple[RunSummary, dict[Split, Evaluation]]:
    """Train a new run and evaluate it; `began` is the time of the click."""
    times = _Times.of(config, images, run_dir.parent.parent, uses_mirrored=uses_mirrored)
    job = job.in_stages(times.seconds)
    with job.stage(weight=times.training_s):
        recorder = StepRecorder(run_dir.parent, job)
        spent_s = time.monotonic() - began
        result = train(
            config,
            images,
            run_dir,
            is_new=True,
            uses_mirrored=uses_mirrored,
            spent_s=spent_s,
            job=job.with_report(recorder),
        )
    with times.evaluation.stage(job):
        return _evaluated(result, config, run_dir.with_name(result.run), images, job)


def _improve(
    first: tuple[RunSummary, dict[Split, Evaluation]],
    config: TrainConfig,
    images: Snapshot,
    began: float,
    job: JobContext,
) -> tuple[RunSummary, dict[Split, Evaluation]]:
    """Train a run with a solved head again under its name: at the measured framing, and from mirrored copies.

    The features are stored by now but for those of the copies. The user's stop lets it end: half of it is no model.
    """
    run, evaluations = first
    assert run.result is not None
    labelled = len(images.labelled("train")) + len(images.labelled("val"))
    if with_aspect(config, images) == run.config and not config.looks_mirrored(labelled):
        result = replace(run.result, seconds=time.monotonic() - began)
        with contextlib.suppress(OSError, VisionFTError):  # the run is valid with the time of its first answer
            write_result(run.path, result)
        return replace(run, result=result), evaluations
    times = _Times.of(config, images, run.path.parent.parent)
    begin_again(run.path, with_aspect(config, images))
    unstoppable = JobContext(job.report).in_stages(times.seconds)
    with unstoppable.stage(weight=times.training_s):
        result = train(config, images, run.path, spent_s=time.monotonic() - began, job=unstoppable)
    with times.evaluation.stage(unstoppable):
        return _evaluated(result, config, run.path, images, unstoppable)


def resume_and_evaluate(run_dir: Path, *, job: JobContext = SILENT) -> tuple[RunSummary, Mapping[Split, Evaluation]]:
    """Resume a cancelled or killed run on its original images, and evaluate it; returns as `train_and_evaluate`.

    Raises:
        RunError, WeightsError: As `resume`.
    """
    config, images = read_run(run_dir).config, read_snapshot(run_dir)
    times = _Times.of(config, images, run_dir.parent.parent)
    job = job.in_stages(times.seconds)
    with job.stage(weight=times.training_s):
        result = resume(run_dir, job=job.with_report(StepRecorder(run_dir.parent, job)))
    with times.evaluation.stage(job):
        return _evaluated(result, config, run_dir, images, job)


def _improving_time(times: _Times, answering: _Times, config: TrainConfig, images: Snapshot) -> StageTime:
    """Return the expected time of `_improve`.

    Args:
        times: Of a whole run.
        answering: Of one without mirrored copies, the first answer: their difference is the pass of the copies.
        config: The settings.
        images: The images.
    """
    labelled = len(images.labelled("train")) + len(images.labelled("val"))
    copies_s = max(0.0, times.training_s - answering.training_s)
    unit_s = copies_s / max(1, labelled)
    return StageTime.of(f"again {config.work_kind}", labelled, fixed_s=answering.evaluation.seconds, unit_s=unit_s)


def evaluate_held_out(run_dir: Path, images: Snapshot | None, *, job: JobContext = SILENT) -> dict[Split, Evaluation]:
    """Evaluate a run on the validation and test split, where they have labelled images.

    An error is reported as a notice: the run is valid without its evaluation.

    Args:
        run_dir: Folder of a run with a best epoch.
        images: The images; None for the run's own snapshot.
    """
    try:
        images = images or read_snapshot(run_dir)
        splits: list[Split] = [split for split in ("val", "test") if images.labelled(split)]
        return dict(zip(splits, evaluate_splits(run_dir, images, splits, job=job), strict=True))
    except VisionFTError as error:
        if not job.is_cancelled:
            job.report(Notice(message=error.message, level="warning", next_step=error.next_step))
        return {}


def _evaluated(
    result: TrainResult, config: TrainConfig, run_dir: Path, images: Snapshot, job: JobContext
) -> tuple[RunSummary, dict[Split, Evaluation]]:
    is_one_process = os.environ.get("WORLD_SIZE", "1") == "1"  # several would evaluate the same images
    is_complete = result.best is not None and not result.stopped
    evaluations = dict[Split, Evaluation]()
    if is_complete and is_one_process:
        began = time.monotonic()
        evaluations = evaluate_held_out(run_dir, images, job=job)
        result = replace(result, seconds=result.seconds + time.monotonic() - began)
        with contextlib.suppress(OSError, VisionFTError):  # the run is valid with the time before its evaluation
            write_result(run_dir, result)
    if not (run_dir / "config.json").is_file():
        return _without_folder(result, config, run_dir, images), {}
    # Of several processes, one alone writes the result.
    return replace(read_run(run_dir), result=result), evaluations


def _without_folder(result: TrainResult, config: TrainConfig, run_dir: Path, images: Snapshot) -> RunSummary:
    """Return a run that was cancelled before its start."""
    return RunSummary(
        name=result.run,
        path=run_dir,
        config=config,
        class_names=images.class_names,
        epochs=(),
        result=result,
        has_weights=False,
    )
