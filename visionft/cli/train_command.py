"""`visionft train`: settings from a preset, a recipe and options become a run; `visionft recipe`: a run's settings."""

import dataclasses
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from models.catalog import BACKBONES, DEFAULT_BACKBONE, known_backbone
from models.methods.table import METHODS
from visionft.amounts import duration_text, memory_text
from visionft.cli import completion
from visionft.cli.next_steps import command_for, joined
from visionft.cli.output import Json, ProjectDir, is_stdout, job, opened_project, print_result, write_err
from visionft.cli.run_commands import RunName
from visionft.cli.schemas import prints
from visionft.data.types import Snapshot
from visionft.errors import ConfigError, NextStep, VisionFTError
from visionft.events import EpochDone, Notice
from visionft.files import from_home
from visionft.project.names import count_of
from visionft.training.config.checks import check_config
from visionft.training.config.recipe_text import parse_toml
from visionft.training.config.train_config import TrainConfig
from visionft.training.recipe import Recipe, read_recipe, require_same_weights, write_recipe
from visionft.training.runs.run_folder import TrainResult, load_run, new_run_dir
from visionft.weights.locations import PRETRAINED, RANDOM


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("train")(train)
    app.command("recipe")(recipe_of_run)


@dataclass(frozen=True, kw_only=True)
class GivenSettings:
    """What the command was told of settings; it wins over a preset and a recipe."""

    backbone: str | None = None
    method: str | None = None
    epochs: int | None = None
    device: str | None = None
    assignments: Sequence[str] = ()

    @property
    def values(self) -> dict[str, Any]:
        """Return the settings that have an option of their own, where it was given."""
        names = ("backbone", "method", "epochs", "device")
        return {name: value for name in names if (value := getattr(self, name)) is not None}

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all settings that were given."""
        return (*self.values, *(each.partition("=")[0].strip() for each in self.assignments))

    def over(self, config: TrainConfig) -> TrainConfig:
        """Return settings with those that were given in their place.

        Raises:
            ConfigError: One is unknown or does not parse.
        """
        config = dataclasses.replace(config.with_settings(self.assignments), **self.values)
        if row := known_backbone(config.backbone):  # timm/NAME may be short for another name
            config = dataclasses.replace(config, backbone=row.name)
        if config.weights not in (PRETRAINED, RANDOM):
            # The run may be continued and exported from another folder.
            config = dataclasses.replace(config, weights=str(from_home(config.weights).absolute()))
        return config


@prints(
    {
        "run": str,
        "best": ({"epoch": int, "val_loss": float | None, "top1": float | None}, None),
        "seconds": float,
        "stopped": bool,
        "left_out": int,
        "trainable_parameters": int,
        "total_parameters": int,
    },
    {"backbone": str, "method": str, "epochs": int, "...": "visionft.training.estimate:Estimate"},
)
def train(
    project: ProjectDir,
    backbone: Annotated[
        str | None,
        typer.Option(
            help="See `visionft backbones`; any other ResNet or ViT of timm as timm/NAME.",
            autocompletion=completion.backbones,
        ),
    ] = None,
    method: Annotated[
        str | None, typer.Option(help="See `visionft methods`.", autocompletion=completion.methods)
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="How often training sees every picture.")] = None,
    assignments: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, such as lora.rank=4.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="auto (the usual), cpu, cuda or mps.", autocompletion=completion.devices)
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            help="quick, balanced or best: settings that suit the project and this computer.",
            autocompletion=completion.presets,
        ),
    ] = None,
    recipe: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Train with the settings of a recipe; other options win over it."),
    ] = None,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write all settings as a recipe: TOML, with what each means."),
    ] = None,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Measure a few steps, say what the run would cost, and train nothing.")
    ] = False,
    resume_run: Annotated[
        str | None,
        typer.Option(
            "--resume", metavar="RUN", help="Continue a stopped or killed run.", autocompletion=completion.runs
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Fine-tune a backbone on the project's training pictures. Ctrl-C stops well and keeps what was best."""
    from visionft.training.loop.train import resume as continue_training
    from visionft.training.loop.train import train as run_training

    if resume_run is not None:
        if recipe is not None or save is not None:
            hint = f"A run's recipe is told by: {joined(['visionft', 'recipe', str(project), resume_run])}"
            raise VisionFTError("A run that goes on keeps its own settings.", hint)
        start: Callable[..., TrainResult] = partial(continue_training, load_run(project, resume_run).path)
    else:
        with opened_project(project, read_only=True) as opened:
            snapshot = opened.snapshot()
        given = GivenSettings(
            backbone=backbone, method=method, epochs=epochs, device=device, assignments=assignments or ()
        )
        config = _config_from(given, recipe, preset, snapshot)
        if save is not None:
            _save(save, config)
        if estimate:
            _print_estimate(config, snapshot, as_json=json)
            return
        start = partial(run_training, config, snapshot, new_run_dir(project, config), is_new=True)
    with job() as (on_event, should_stop):
        result = start(on_event=on_event, should_stop=should_stop)
        print_result(_train_value(result), lambda: _train_text(project, result), as_json=json)


def _config_from(given: GivenSettings, recipe_file: Path | None, preset: str | None, snapshot: Snapshot) -> TrainConfig:
    """Return the settings to train with, all checked.

    Raises:
        ConfigError: Some are wrong; those of a recipe are told by their lines.
        WeightsError: A recipe begins with weights that are not here.
    """
    if recipe_file is None:
        config = given.over(_base_config(given, preset, snapshot))
        check_config(config, snapshot)
        return config
    if preset is not None:
        raise VisionFTError("Both a preset and a recipe say what to train.", "Give --preset or --recipe, not both.")
    recipe = read_recipe(recipe_file)
    config = given.over(recipe.config)
    try:
        check_config(config, snapshot)
    except ConfigError as error:
        raise recipe.located(error, given=given.names) from error
    _fetch_weights(config)
    require_same_weights(recipe, config)
    return config


def _fetch_weights(config: TrainConfig) -> None:
    """Fetch what the settings begin with where it is not here; what stops that ends the command."""
    from visionft.training.base_weights import ensure_weights

    with job() as (on_event, should_stop):
        ensure_weights(config, on_event=on_event, should_stop=should_stop)


def _save(target: Path, config: TrainConfig) -> None:
    """Write the recipe of a run to come, before any time is spent on it."""
    if is_stdout(target):
        raise VisionFTError("--save needs the name of a file.", "stdout is for the result of the training.")
    if os.environ.get("RANK", "0") != "0":
        return  # of processes that train together one writes
    _fetch_weights(config)
    write_recipe(target, Recipe.of_settings(config))
    write_err(f"Its recipe: {target}")


def _base_config(given: GivenSettings, preset: str | None, snapshot: Snapshot) -> TrainConfig:
    """Return the preset's settings, or the defaults, for the backbone and method that were named.

    What needs no training needs no backbone to be named: its usual one costs seconds.
    """
    backbone, method = given.backbone, given.method
    if preset is None and backbone is None and method in METHODS and METHODS[method].is_training_free:
        backbone = METHODS[method].usual_backbone or DEFAULT_BACKBONE
    if preset is None and (backbone is None or method is None):
        hint = "Give --preset, --recipe, or --backbone and --method, such as --preset balanced, or --resume RUN."
        raise VisionFTError("What to train is not said.", hint)
    if preset is not None:
        return _preset_config(preset, snapshot, device=given.device or "auto", backbone=backbone)
    return TrainConfig(backbone=backbone or DEFAULT_BACKBONE)


def _preset_config(preset: str, snapshot: Snapshot, *, device: str, backbone: str | None) -> TrainConfig:
    """Return a preset's settings; where several backbones would suit it, they are tried on the pictures first."""
    from visionft.training.config.presets import Circumstances, preset_backbones, preset_config
    from visionft.training.probing import best_probe, evidence, probe_backbones
    from visionft.weights.locations import local_file

    here = [name for name, row in BACKBONES.items() if local_file(row)]
    circumstances = Circumstances.of(snapshot, here=here, device=device)
    suited = preset_backbones(preset, circumstances)
    if backbone or len(suited) == 1:
        return preset_config(preset, circumstances, backbone=backbone or suited[0])
    with job() as (on_event, should_stop):
        probes = probe_backbones(
            suited, TrainConfig(device=device), snapshot, on_event=on_event, should_stop=should_stop
        )
        on_event(Notice(message=evidence(probes)))
        return preset_config(preset, circumstances, backbone=best_probe(probes).backbone)


def _print_estimate(config: TrainConfig, snapshot: Snapshot, *, as_json: bool) -> None:
    from visionft.training.estimate import estimate_run

    with job() as (on_event, should_stop):
        found = estimate_run(config, snapshot, on_event=on_event, should_stop=should_stop)
    text = (
        f"{config.backbone} with {config.method}, {count_of(config.total_epochs, 'epoch')}: "
        f"about {duration_text(found.seconds)} and {memory_text(found.memory_mb)} on {found.device} "
        f"({found.images_per_second:.0f} pictures per second)."
    )
    if not found.fits_at_once:
        at_once = count_of(found.micro_batch, "picture")
        text += f"\nMemory ran out at first: {at_once} at once from then on, the batch size stays."
    value = {"backbone": config.backbone, "method": config.method, "epochs": config.total_epochs}
    print_result({**value, **dataclasses.asdict(found)}, text, as_json=as_json)


def _train_value(result: TrainResult) -> dict[str, Any]:
    best = result.best and {
        "epoch": result.best.epoch,
        "val_loss": result.best.val_loss,
        "top1": result.best.val_accuracy,
    }
    return {
        "run": result.run,
        "best": best,
        "seconds": result.seconds,
        "stopped": result.stopped,
        "left_out": result.left_out,
        "trainable_parameters": result.trainable_parameters,
        "total_parameters": result.total_parameters,
    }


def _train_text(project: Path, result: TrainResult) -> str:
    if result.best is None:
        return f"{result.run} was stopped before its first epoch had ended."
    why = " (the latest within one standard error of the highest)" if result.best.waited else ""
    left_out = f"{count_of(result.left_out, 'picture')} left out: no decoder reads them.\n" if result.left_out else ""
    return (
        f"{result.run}: {_kept_text(result.best)}{_validation_text(result.best)}{why}, "
        f"{duration_text(result.seconds)}{', stopped' if result.stopped else ''}.\n{left_out}"
        f"Next: {command_for(NextStep('export', project=project, run=result.run))}"
    )


def _validation_text(best: EpochDone) -> str:
    if best.val_accuracy is None:
        return "not validated, so that nobody knows how right it is and its probabilities are not calibrated"
    return f"validation top-1 {best.accuracy_text}"


def _kept_text(best: EpochDone) -> str:
    if not best.epochs:
        return ""  # the head's solution is all there is
    return f"kept epoch {best.epoch}, " if best.epoch else "kept its start (epoch 0), which training did not better, "


@prints({"run": str, "file": Path | None, "recipe": dict[str, Any]})
def recipe_of_run(
    project: ProjectDir,
    run: RunName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it here; else it is printed.")
    ] = None,
    json: Json = False,
) -> None:
    """Tell with which settings a run was trained, as a file to train with again."""
    chosen = load_run(project, run)
    found = Recipe.of_run(chosen)
    target = None if output is None or is_stdout(output) else output
    if target is not None:
        write_recipe(target, found)
    text = found.text().rstrip("\n") if target is None else f"{target}\nNext: {_again(project, target)}"
    value = {"run": chosen.name, "file": target, "recipe": parse_toml(found.text(), chosen.name)}
    print_result(value, text, as_json=json)


def _again(project: Path, recipe: Path) -> str:
    return joined(["visionft", "train", str(project), "--recipe", str(recipe)])
