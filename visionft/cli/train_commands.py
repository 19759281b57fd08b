"""`visionft train`: a run from a preset, a recipe and options."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from typer import Option

from models.methods.table import METHODS
from visionft.api import Project, Run
from visionft.cli.arguments import MAX_COUNT, Json, ProjectDir, seconds_of
from visionft.cli.next_steps import command_for
from visionft.cli.output import accuracy_output, is_stdout, opened_project, print_result, running_job, write_err
from visionft.core.amounts import duration_text, memory_text
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.installation import shell_command
from visionft.core.jobs import JobCancelled, JobContext
from visionft.core.names import count_of
from visionft.data.types import Snapshot, Split
from visionft.project.splits import SplitRequest, is_prepared, with_planned_splits
from visionft.training.base_weights import stopped_before_start
from visionft.training.budget import Budget
from visionft.training.config.presets import DEFAULT_PRESET
from visionft.training.config.train_config import TrainConfig
from visionft.training.evaluation.stored import Evaluation
from visionft.training.evaluation.unseen import accuracy_words, leaked_words, unseen_evaluation
from visionft.training.recipe import Recipe, write_recipe
from visionft.training.run_settings import run_settings, staged_preset
from visionft.training.runs.run_folder import RUNS_FOLDER, TrainResult, new_run_dir, run_title


class FetchChoice(StrEnum):
    """Whether a run may fetch a stronger network."""

    ALLOW = "allow"
    NEVER = "never"


def train(
    project: ProjectDir,
    backbone: Annotated[
        str | None,
        Option(help="See `visionft weights list`; others of timm as timm/NAME."),
    ] = None,
    method: Annotated[str | None, Option(help=f"{', '.join(METHODS)}.")] = None,
    epochs: Annotated[int | None, Option(min=0, max=MAX_COUNT, help="How often training sees every image.")] = None,
    assignments: Annotated[
        list[str] | None, Option("--set", metavar="KEY=VALUE", help="Any other setting, such as lora.rank=4.")
    ] = None,
    device: Annotated[str | None, Option(help="auto (the usual), cpu, cuda or mps.")] = None,
    preset: Annotated[
        str | None,
        Option(help="quick, balanced or best: suited to project and computer."),
    ] = None,
    time: Annotated[
        str | None,
        Option(metavar="TIME", help="End within this time, such as 90s, 5m or 1h, with the best so far."),
    ] = None,
    fetch: Annotated[
        FetchChoice,
        Option(help="Whether a stronger network may be fetched and compared, after the first answer of a preset."),
    ] = FetchChoice.NEVER,
    recipe: Annotated[
        Path | None, Option(metavar="FILE", help="Train with the settings of a recipe; other options win over it.")
    ] = None,
    save: Annotated[
        Path | None, Option(metavar="FILE", help="Write all settings as a recipe: TOML, with what each means.")
    ] = None,
    estimate: Annotated[
        bool, Option("--estimate", help="Measure a few steps, say what the run would cost, and train nothing.")
    ] = False,
    resume_run: Annotated[
        str | None,
        Option("--resume", metavar="RUN", help="Continue a stopped or killed run."),
    ] = None,
    json: Json = False,
) -> None:
    """Fine-tune a backbone on the project's training images.

    The usual preset is balanced. Images without a split are divided first, as `split` does. A preset is trained in
    stages, each of which ends with a run that can be used. Ctrl-C ends the run after the current step and keeps the
    best so far.
    """
    from visionft.training.framing_choice import known_framing

    budget = Budget(seconds=None if time is None else seconds_of(time), fetches=fetch is FetchChoice.ALLOW)
    with opened_project(project, read_only=True) as opened:
        if resume_run is not None:
            if recipe is not None or save is not None:
                writer = shell_command(["visionft", "run", "list", str(project), resume_run, "--recipe", "FILE"])
                hint = f"A run's recipe is written by: {writer}"
                raise VisionFTError("A run that goes on keeps its own settings.", hint)
            config = None
            start: Callable[..., Run] = partial(opened.run(resume_run).resume, budget=budget)
        else:
            given = {"backbone": backbone, "method": method, "epochs": epochs, "device": device}
            given = {name: value for name, value in given.items() if value is not None}
            if recipe is None and method is None:
                preset = preset or DEFAULT_PRESET
            images = with_planned_splits(opened.snapshot(), SplitRequest())
            with running_job() as job:
                config = run_settings(
                    images, opened.path, given, assignments or (), preset=preset, recipe_file=recipe, job=job
                )
            if save is not None and is_stdout(save):
                raise VisionFTError("--save needs the name of a file.", "stdout is for the result of the training.")
            if save is not None and os.environ.get("RANK", "0") == "0":  # in distributed training only rank 0 writes
                _fetch_weights(config)
                write_recipe(save, Recipe.of_settings(config))
                write_err(f"Its recipe: {save}")
            if estimate:
                _print_estimate(known_framing(config, images, opened.path), images, as_json=json)
                return
            budget.preset = staged_preset(preset, given, assignments or ())
            start = partial(_train, project, config, budget=budget)
        with running_job() as job:
            evaluations: Mapping[Split, Evaluation] = {}
            unseen = None
            try:
                run = start(callback=job)
            except JobCancelled:  # before the run had a folder; a resumed one has it
                if config is None:
                    raise
                classes = len(opened.snapshot().class_names)
                result = stopped_before_start(config, classes=classes, run_dir=new_run_dir(opened.path, config))
            else:
                summary = run.summary
                result, evaluations = summary.result, run.evaluations
                unseen = unseen_evaluation(dataclasses.replace(summary, evaluations=evaluations))
                assert result is not None, "it was trained just now"
                if summary.is_unfinished:  # with the best of the stages that have ended
                    result = dataclasses.replace(result, stopped=True)
            value = _train_output(result, evaluations, unseen)
            print_result(value, lambda: _train_text(project, result, evaluations, unseen), as_json=json)


def _train(project: Path, config: TrainConfig, *, budget: Budget, callback: JobContext) -> Run:
    """Do `Project.train`. The project is opened for writing only where its images are to be divided."""
    with Project.open(project, read_only=True) as opened:
        if is_prepared(opened.snapshot()) or "RANK" in os.environ:  # several processes cannot divide them
            return opened.train(config, budget=budget, callback=callback)
    with Project.open(project) as opened:
        return opened.train(config, budget=budget, callback=callback)


def _fetch_weights(config: TrainConfig) -> None:
    """Fetch the initial weights of the settings if they are missing; an error or Ctrl-C ends the command."""
    from visionft.training.base_weights import ensure_weights

    with running_job() as job:
        ensure_weights(config, job=job)


def _print_estimate(config: TrainConfig, snapshot: Snapshot, *, as_json: bool) -> None:
    from visionft.training.estimate import estimate_run

    with running_job() as job:
        found = estimate_run(config, snapshot, job=job)
    text = (
        f"{config.backbone} with {config.method}, {count_of(config.total_epochs, 'epoch')}: "
        f"{found.time_text} and {memory_text(found.memory_mb)} on {found.device}."
    )
    if not found.fits_at_once:
        at_once = count_of(found.micro_batch, "image")
        text += f"\nMemory ran out at first: {at_once} at once from then on, the batch size stays."
    value = {"backbone": config.backbone, "method": config.method, "epochs": config.total_epochs, "estimate": found}
    print_result(value, text, as_json=as_json)


def _val_accuracy(result: TrainResult, evaluations: Mapping[Split, Evaluation]) -> float | None:
    """Return the evaluated accuracy (several labels: with fitted thresholds), else the accuracy of the best epoch."""
    val = evaluations.get("val")
    best = result.best
    return val.top1 if val else best.val_accuracy if best else None


def _train_output(
    result: TrainResult, evaluations: Mapping[Split, Evaluation], unseen: Evaluation | None
) -> dict[str, Any]:
    best = result.best
    epoch = best.epoch if best and best.epochs else None
    top1 = _val_accuracy(result, evaluations)
    return {
        "run": result.run,
        "best": best and {"epoch": epoch, "val_loss": best.val_loss, "top1": top1},
        "seconds": result.seconds,
        "stopped": result.stopped,
        "left_out": result.left_out,
        "trainable_parameters": result.trainable_parameters,
        "total_parameters": result.total_parameters,
        "test": accuracy_output(evaluations.get("test")),
        "unseen": accuracy_output(unseen),
    }


def _train_text(
    project: Path, result: TrainResult, evaluations: Mapping[Split, Evaluation], unseen: Evaluation | None
) -> str:
    best = result.best
    accuracy = _val_accuracy(result, evaluations)
    if best is None:
        return f"{result.run} was stopped before its first epoch had ended."
    parts = [f"kept epoch {best.epoch}"] if best.epochs else []  # else the head's solution is all there is
    if best.share < 1:
        parts = [f"kept weights {best.share:.0%} of the way to epoch {best.epoch}, with a head solved anew"]
    if parts and not best.epoch:
        parts = ["kept the linear probe of its start (epoch 0)"]
    if accuracy is None:
        parts.append("not validated: its accuracy is unknown and its probabilities are not calibrated")
    elif best.epochs or unseen is None:
        parts.append(f"validation top-1 {accuracy:.1%}, used to choose")
    if best.waited and best.share == 1:
        parts[-1] += " (the latest within one standard error of the highest)"
    parts.append(f"accuracy {accuracy_words(unseen)}")
    parts += [duration_text(result.seconds), *(["stopped"] if result.stopped else [])]
    left_out = f"{count_of(result.left_out, 'image')} left out: no decoder reads them.\n" if result.left_out else ""
    leaked = leaked_words(unseen) if unseen is not None else None
    leaked_line = f"{leaked}\n" if leaked else ""
    command = command_for(NextStep("export", project=project, run=result.run))
    title = run_title(project / RUNS_FOLDER / result.run)
    return f"{title} ({result.run}): {', '.join(parts)}.\n{left_out}{leaked_line}Next: {command}"
