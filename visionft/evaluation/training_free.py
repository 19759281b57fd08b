"""Answers without training: every answerer that is solved for at once, made on one backbone and evaluated."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from models.methods.table import METHODS
from visionft.data.types import Snapshot, Split
from visionft.errors import RunError, StoppedError, VisionFTError
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.training.config.checks import config_problems
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import RUNS_FOLDER, RunSummary, list_runs, new_run_dir
from visionft.training.runs.run_snapshot import read_snapshot
from visionft.weights.locations import PRETRAINED, local_file


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeAnswers:
    """What came of it, by names of runs and methods.

    Attributes:
        made: Runs that were made now.
        kept: Runs that were there already, of the same pictures, labels and settings.
        left_out: {method: why it cannot be made}.
        stopped: Whether the user stopped; what was made by then is kept.
    """

    made: tuple[str, ...]
    kept: tuple[str, ...]
    left_out: dict[str, str]
    stopped: bool


def training_free(base: TrainConfig) -> Iterator[TrainConfig]:
    """Yield the settings of each method that has no epochs, on the backbone, picture size and device of `base`.

    A method that refuses that backbone has its usual one.
    """
    for name, method in METHODS.items():
        config = replace(base, method=name, start_from="")
        if config.total_epochs:
            continue
        if method.usual_backbone and method.refusal(base.backbone_row):
            config = replace(config, backbone=method.usual_backbone, weights=PRETRAINED, image_size=0)
        yield config


def why_not(config: TrainConfig, base: TrainConfig, images: Snapshot) -> str:
    """Return why an answerer cannot be made; empty when it can.

    Only the backbone that was asked for is worth fetching: another one must be on this computer.
    """
    if problems := config_problems(config, images):
        return "; ".join(problem.message for problem in problems)
    if config.backbone != base.backbone and local_file(config.backbone_row) is None:
        return f"The weights of {config.backbone_row.title} are not on this computer."
    return ""


def make_answers(
    project_dir: Path,
    images: Snapshot,
    base: TrainConfig,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> MadeAnswers:
    """Make and evaluate every answerer without training that can be made; one that cannot costs the others nothing.

    Args:
        project_dir: The project's folder.
        images: Its pictures, labels and splits.
        base: Backbone, weights, picture size, device and seed are its.
        on_event: Receives what goes on.
        should_stop: Asked before every batch.
    """
    made, kept, left_out, stopped = list[str](), list[str](), dict[str, str](), False
    for config in training_free(base):
        title = config.method_row.title
        if reason := why_not(config, base, images):
            left_out[config.method] = reason
            continue
        if (same := _same_run(project_dir, images, config)) is not None:
            kept.append(same.name)
            continue
        on_event(Progress(stage=f"Making {title}", done=0, total=0))
        try:
            made.append(_make(project_dir, images, config, on_event=on_event, should_stop=should_stop))
        except VisionFTError as error:
            stopped = isinstance(error, StoppedError) or should_stop()
            if stopped:
                break
            left_out[config.method] = error.message
            on_event(
                Notice(message=f"{title} cannot be made: {error.message}", level="warning", next_step=error.next_step)
            )
    return MadeAnswers(made=tuple(made), kept=tuple(kept), left_out=left_out, stopped=stopped)


def _make(
    project_dir: Path, images: Snapshot, config: TrainConfig, *, on_event: OnEvent, should_stop: ShouldStop
) -> str:
    """Make one answerer and evaluate it; returns its run's name.

    Raises:
        StoppedError: The user stopped.
        VisionFTError: As `train` and `evaluate_splits`.
    """
    from visionft.evaluation.report import evaluate_splits
    from visionft.training.loop.train import train

    run_dir = new_run_dir(project_dir, config)
    result = train(config, images, run_dir, is_new=True, on_event=on_event, should_stop=should_stop)
    if result.stopped or result.best is None:
        raise StoppedError("Making answers was stopped.", "Start it again when you like.")
    splits: list[Split] = [split for split in ("val", "test") if images.labelled(split)]
    run_dir = project_dir / RUNS_FOLDER / result.run
    evaluate_splits(run_dir, images, splits, on_event=on_event, should_stop=should_stop)
    return result.run


def _same_run(project_dir: Path, images: Snapshot, config: TrainConfig) -> RunSummary | None:
    """Return the run that was made of just these pictures, labels and settings, or follows them; None without one."""
    for run in reversed(list_runs(project_dir)):
        if run.config != config or run.best is None or not run.has_weights or run.faults:
            continue
        if config.method_row.is_live:
            return run
        try:
            made_of = read_snapshot(run.path)
            says_the_same = made_of.prompts == images.prompts or not config.method_row.reads_prompts
            if made_of.digest == images.digest and says_the_same:
                return run
        except RunError:
            continue
    return None
