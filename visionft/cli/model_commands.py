"""Commands about evaluating and predicting, and the list of methods."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from models.catalog import DEFAULT_BACKBONE, get_backbone
from models.methods.table import METHODS
from models.parameters import count_parameters
from visionft.cli import completion
from visionft.cli.output import Json, ProjectDir, is_stdout, job, opened_project, print_result, table
from visionft.cli.run_commands import RunName, SplitName, checked_split
from visionft.cli.schemas import prints
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.events import Progress
from visionft.project.names import count_of
from visionft.training.runs.run_folder import load_run

if TYPE_CHECKING:
    from visionft.evaluation.report import Evaluation
    from visionft.export.index.memory_index import Remembered
    from visionft.export.predictor import Prediction
    from visionft.retrieval.evidence import Neighbour


_TOP = {"class": str, "probability": float}
_ALIKE = {
    "name?": str,
    "sha256?": str,
    "note?": str,
    "tags?": [str],
    "classes": [str],
    "similarity": float,
}
_PREDICTION = (
    {
        "path": Path,
        "class": str,
        "probability": float,
        "distance": float | None,
        "unlike": bool | None,
        "top5": [_TOP],
        "classes?": [str],
        "supporting?": [_ALIKE],
        "contradicting?": [_ALIKE],
        "doubles?": [_ALIKE],
    },
    {"path": Path, "error": str},
)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (evaluate, predict, methods):
        app.command()(command)


def _snapshot(project: Path) -> Snapshot:
    with opened_project(project, read_only=True) as opened:
        return opened.snapshot()


@prints("visionft.evaluation.report:Evaluation")
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


@prints([_PREDICTION])
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


@prints(
    [
        {
            "method": str,
            "title": str,
            "summary": str,
            "trainable_parameters": int,
            "trainable_share": float,
            "available": bool,
            "reason": str,
            "settings": dict[str, Any],
        }
    ]
)
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
