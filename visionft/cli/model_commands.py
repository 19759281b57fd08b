"""Commands about training, evaluating and predicting."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.catalog import BACKBONES, DEFAULT_BACKBONE, get_backbone, known_backbone
from models.methods.table import METHODS
from models.parameters import count_parameters
from visionft.amounts import duration_text, memory_text
from visionft.cli import completion
from visionft.cli.next_steps import command_for
from visionft.cli.output import Json, ProjectDir, is_stdout, job, opened_project, print_result, table
from visionft.cli.run_commands import RunName, SplitName, checked_split
from visionft.data.types import Snapshot
from visionft.errors import NextStep, VisionFTError
from visionft.events import EpochDone, Notice, Progress
from visionft.project.names import count_of
from visionft.training.config.checks import check_config
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import TrainResult, load_run, new_run_dir
from visionft.weights.locations import PRETRAINED, RANDOM

if TYPE_CHECKING:
    from visionft.evaluation.report import Evaluation
    from visionft.export.memory_index import Remembered
    from visionft.export.predictor import Prediction
    from visionft.retrieval.evidence import Neighbour


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (train, evaluate, predict, methods):
        app.command()(command)


def _snapshot(project: Path) -> Snapshot:
    with opened_project(project, read_only=True) as opened:
        return opened.snapshot()


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
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or mps.", autocompletion=completion.devices)] = "auto",
    preset: Annotated[
        str | None,
        typer.Option(
            help="quick, balanced or best: settings that suit the project and this computer.",
            autocompletion=completion.presets,
        ),
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
        run_dir = load_run(project, resume_run).path
        start: Callable[..., TrainResult] = partial(continue_training, run_dir)
    else:
        snapshot = _snapshot(project)
        base = _base_config(preset, backbone, method, device, snapshot)
        config = _config(base, epochs, assignments or [])
        check_config(config, snapshot)
        if estimate:
            _print_estimate(config, snapshot, as_json=json)
            return
        start = partial(run_training, config, snapshot, new_run_dir(project, config), is_new=True)
    with job() as (on_event, should_stop):
        result = start(on_event=on_event, should_stop=should_stop)
        print_result(_train_value(result), lambda: _train_text(project, result), as_json=json)


def _base_config(
    preset: str | None, backbone: str | None, method: str | None, device: str, snapshot: Snapshot
) -> TrainConfig:
    """Return the preset's settings, or the defaults, with the backbone and method that were named.

    What needs no training needs no backbone to be named: its usual one costs seconds.
    """
    if preset is None and backbone is None and method in METHODS and METHODS[method].is_training_free:
        backbone = METHODS[method].usual_backbone or DEFAULT_BACKBONE
    if preset is None and (backbone is None or method is None):
        hint = "Give --preset, or --backbone and --method, such as --preset balanced, or --resume RUN."
        raise VisionFTError("What to train is not said.", hint)
    config = TrainConfig()
    if preset is not None:
        config = _preset_config(preset, snapshot, device=device, backbone=backbone)
    named = {"backbone": backbone, "method": method}
    return dataclasses.replace(config, device=device, **{name: value for name, value in named.items() if value})


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


def _config(base: TrainConfig, epochs: int | None, assignments: list[str]) -> TrainConfig:
    config = base.with_settings(assignments)
    if row := known_backbone(config.backbone):  # timm/NAME may be short for another name
        config = dataclasses.replace(config, backbone=row.name)
    if config.weights not in (PRETRAINED, RANDOM):
        # The run may be continued and exported from another folder.
        config = dataclasses.replace(config, weights=str(Path(config.weights).expanduser().absolute()))
    return config if epochs is None else dataclasses.replace(config, epochs=epochs)


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


def evaluate(
    project: ProjectDir,
    run: RunName,
    split: SplitName = "val",
    json: Json = False,
) -> None:
    """Measure a run's best checkpoint on a split."""
    snapshot, summary, chosen = _snapshot(project), load_run(project, run), checked_split(split)
    from visionft.evaluation.report import evaluate_run

    with job() as (on_event, should_stop):
        result = evaluate_run(summary.path, snapshot, chosen, on_event=on_event, should_stop=should_stop)
        print_result(result, lambda: _evaluation_text(result), as_json=json)


def _evaluation_text(result: "Evaluation") -> str:
    low, high = result.top1_interval
    rows = [
        (name, f"{score.precision:.3f}", f"{score.recall:.3f}", f"{score.f1:.3f}", score.support)
        for name, score in result.per_class.items()
    ]
    several = ""
    if result.mean_average_precision is not None:
        several = (
            f", mAP {result.mean_average_precision:.3f}, F1 {result.micro_f1:.3f} micro, {result.macro_f1:.3f} macro"
        )
    return "\n".join(
        [
            f"{result.run} on {count_of(result.images, result.split + ' picture')}: top-1 {result.top1:.1%} "
            f"(95 % interval {low:.1%} to {high:.1%}), balanced {result.balanced_accuracy:.1%}, "
            f"ECE {result.ece:.3f}{several}",
            "",
            table(("class", "precision", "recall", "F1", "pictures"), rows),
        ]
    )


def predict(
    model: Annotated[Path, typer.Argument(metavar="MODEL_OR_DIR", help="An exported model.onnx or its folder.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures, or folders of them.")],
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Also write a CSV file; - is stdout, and nothing else.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu or cuda, which is then required.", autocompletion=completion.devices)
    ] = "auto",
    json: Json = False,
) -> None:
    """Classify pictures with an exported file, by ONNX Runtime alone."""
    from visionft.export.answers import csv_text, write_csv
    from visionft.export.predictor import Predictor

    is_csv_result = csv_file is not None and is_stdout(csv_file)
    if is_csv_result and json:
        raise VisionFTError("--json and this --csv both write to stdout.", "Give --csv the name of a file.")
    if device not in ("auto", "cpu", "cuda"):
        raise VisionFTError(f"ONNX Runtime has no device {device!r} here.", "Choose auto, cpu or cuda.")
    predictor = Predictor(model, device=device)
    paths, missing = _pictures(images)
    with job() as (on_event, should_stop):
        results: list[Prediction] = []
        for prediction in predictor.predict(paths):
            results.append(prediction)
            on_event(Progress(stage="Classifying", done=len(results), total=len(paths)))
            if should_stop():
                break
        if is_csv_result:
            print_result(None, lambda: csv_text(results).rstrip("\n"), as_json=False)
        else:
            if csv_file is not None:
                write_csv(csv_file, results)
            pictures = predictor.index.pictures if predictor.index else {}
            values = [_prediction_value(each, pictures) for each in results]
            print_result(values, lambda: _prediction_text(results), as_json=json)
    if all(each.error for each in results):
        raise VisionFTError("None of the pictures could be read.", "The answers say why of each.")
    if missing:
        raise VisionFTError(f"{missing[0]} does not exist.", "Check the path; the other pictures were classified.")


def _pictures(named: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the pictures that the user named, folders replaced by those in them, and the names that lead nowhere.

    Raises:
        VisionFTError: There is nothing to classify.
    """
    from visionft.export.predictor import expand_folders

    missing = [path for path in named if not os.path.exists(path)]  # noqa: PTH110  (Path's raises without permission)
    paths = expand_folders(named)
    if len(missing) == len(named):
        raise VisionFTError(f"{missing[0]} does not exist.", "Check the path.")
    if not paths:
        raise VisionFTError(f"{named[0]} holds no pictures.", "Name pictures, or a folder of them.")
    return paths, missing


def _prediction_value(prediction: "Prediction", pictures: "Mapping[int, Remembered]") -> dict[str, Any]:
    if prediction.error:
        return {"path": prediction.path, "error": prediction.error}
    several = {} if prediction.classes is None else {"classes": prediction.classes}
    said, evidence = prediction.evidence, {}
    if said is not None:
        sides = {"supporting": said.supporting, "contradicting": said.contradicting, "doubles": said.doubles}
        evidence = {side: [_neighbour_value(each, pictures) for each in found] for side, found in sides.items()}
    return {
        **several,
        **evidence,
        "path": prediction.path,
        "class": prediction.class_name,
        "probability": prediction.probability,
        "distance": prediction.distance,
        "unlike": None if prediction.distance is None else prediction.is_unlike,
        "top5": [{"class": name, "probability": probability} for name, probability in prediction.top5],
    }


def _neighbour_value(each: "Neighbour", pictures: "Mapping[int, Remembered]") -> dict[str, Any]:
    known = pictures.get(each.image_id)
    about = {} if known is None else dataclasses.asdict(known)
    return {**about, "classes": each.classes, "similarity": each.similarity}


def _prediction_text(results: Sequence["Prediction"]) -> str:
    rows = [(_named(each) or "-", each.error or f"{each.probability:.3f}", each.path) for each in results]
    if all(each.distance is None for each in results):
        return table(("class", "probability", "picture"), rows)
    unlike = ["unlike your pictures" if each.is_unlike else "" for each in results]
    marked = [(*row[:2], mark, row[2]) for row, mark in zip(rows, unlike, strict=True)]
    return table(("class", "probability", "", "picture"), marked)


def _named(prediction: "Prediction") -> str:
    return prediction.class_name if prediction.classes is None else ", ".join(prediction.classes)


def methods(
    backbone: Annotated[
        str, typer.Option(help="The backbone to count for.", autocompletion=completion.backbones)
    ] = DEFAULT_BACKBONE,
    classes: Annotated[int, typer.Option(help="How many classes to count for.", min=1)] = 10,
    json: Json = False,
) -> None:
    """List the fine-tuning methods and what each trains."""
    row = get_backbone(backbone)
    value = []
    for method in METHODS.values():
        reason = method.refusal(row)
        count = None if reason else count_parameters(row, method, classes=classes)
        value.append(
            {
                "method": method.name,
                "title": method.title,
                "summary": method.summary,
                "trainable_parameters": count.trainable if count else 0,
                "trainable_share": count.share if count else 0.0,
                "available": not reason,
                "reason": reason,
                "settings": {field.name: field.default for field in dataclasses.fields(method.options)},
            }
        )
    rows = [
        (
            each["method"],
            f"{each['trainable_parameters']:,}",
            f"{each['trainable_share']:.2%}",
            each["reason"] or each["summary"],
        )
        for each in value
    ]
    print_result(value, lambda: table(("method", "trainable", "share", f"with {backbone}"), rows), as_json=json)
