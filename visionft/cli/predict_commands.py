"""`visionft predict`: predictions of an export, with the nearest labelled images where it holds some."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from visionft.api import Model
from visionft.cli.arguments import Images, Json, ModelPath
from visionft.cli.output import is_stdout, print_result, running_job, table
from visionft.core.errors import VisionFTError
from visionft.core.events import Progress

if TYPE_CHECKING:
    from visionft.export.predictor import IndexEntry, Prediction
    from visionft.training.retrieval import Evidence


def predict(
    model: ModelPath,
    images: Images,
    csv_file: Annotated[
        Path | None, Option("--csv", metavar="FILE", help="Also write a CSV file; - is stdout, and nothing else.")
    ] = None,
    evidence: Annotated[
        bool, Option("--evidence", help="Also list the nearest labelled images, of a k-NN run's export.")
    ] = False,
    device: Annotated[str, Option(help="auto, cpu or cuda, which is then required.")] = "auto",
    json: Json = False,
) -> None:
    """Classify images with an exported model, by ONNX Runtime alone."""
    from visionft.export.prediction_table import csv_text, write_csv

    is_csv_result = csv_file is not None and is_stdout(csv_file)
    if is_csv_result and json:
        raise VisionFTError("--json and this --csv both write to stdout.", "Give --csv the name of a file.")
    if device not in ("auto", "cpu", "cuda"):
        raise VisionFTError(f"ONNX Runtime has no device {device!r} here.", "Choose auto, cpu or cuda.")
    loaded = Model(model, device=device)
    paths, missing = _existing(images)
    with running_job() as job:
        results: list[Prediction] = []
        for prediction in loaded.stream(paths):
            results.append(prediction)
            job.report(Progress(stage="Classifying", done=len(results), total=len(paths)))
            if job.is_cancelled:
                break
        if is_csv_result:
            print_result(None, lambda: csv_text(results).rstrip("\n"), as_json=False)
        else:
            if csv_file is not None:
                write_csv(csv_file, results)
            entries = loaded.predictor.index.images if loaded.predictor.index else {}
            values: list[dict[str, Any]] = []
            for each in results:
                values.append(
                    {
                        "path": each.path,
                        "class": each.class_name,
                        "classes": each.classes,
                        "probability": each.probability,
                        "distance": each.distance,
                        "unlike": None if each.distance is None else each.is_unlike,
                        "top5": _class_probabilities(each.top5),
                        "evidence": _neighbor_lists(each.evidence, entries),
                        "warnings": each.warnings,
                        "error": each.error,
                    }
                )
            shown = entries if evidence else None
            print_result(values, lambda: _prediction_text(results, shown), as_json=json)
    if all(each.error for each in results):
        raise VisionFTError("None of the images could be read.", "The output gives the reason for each.")
    if missing:
        raise VisionFTError(f"{missing[0]} does not exist.", "Check the path; the other images were classified.")


def _prediction_text(results: "Sequence[Prediction]", entries: "Mapping[int, IndexEntry] | None") -> str:
    """Return a table of the predictions, and the neighbors in an index where `entries` are its images."""
    has_distances = any(each.distance is not None for each in results)
    rows = [
        (
            (each.class_name if each.classes is None else ", ".join(each.classes)) or "-",
            each.error or f"{each.probability:.3f}",
            *(["out of distribution" if each.is_unlike else ""] if has_distances else []),
            each.path,
        )
        for each in results
    ]
    warnings = "".join(f"\nWarning: {each.path}: {text}." for each in results for text in each.warnings)
    neighbors = ""
    for each in results if entries is not None else ():
        neighbors += f"\n\n{each.path}:"
        for kind, nearest in (_neighbor_lists(each.evidence, entries or {}) or {}).items():
            for one in nearest:
                facts = [", ".join(one["classes"]), f"{one['similarity']:.2f}", one["name"] or "", *one["tags"]]
                neighbors += f"\n  {kind}: {' '.join([*facts, one['note']]).rstrip()}"
    return table(("class", "probability", *([""] if has_distances else []), "image"), rows) + warnings + neighbors


def _existing(named: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Return the images, those in folders too, and the names without a file; an error where there is no image."""
    from visionft.export.predictor import expand_folders

    missing = [path for path in named if not os.path.exists(path)]  # noqa: PTH110  (Path's raises without permission)
    if len(missing) == len(named):
        raise VisionFTError(f"{missing[0]} does not exist.", "Check the path.")
    paths = expand_folders(named)
    if not paths:
        raise VisionFTError(f"{named[0]} holds no images.", "Name images, or a folder of them.")
    return paths, missing


def _class_probabilities(ranked: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"class": name, "probability": probability} for name, probability in ranked]


def _neighbor_lists(found: "Evidence | None", entries: "Mapping[int, IndexEntry]") -> dict[str, Any] | None:
    """Return the neighbors of an image in the export's index, with its facts; None without an index."""
    if found is None:
        return None
    lists = {"supporting": found.supporting, "contradicting": found.contradicting, "duplicates": found.doubles}
    return {
        name: [
            {
                "name": row.name if (row := entries.get(each.image_id)) else None,
                "classes": each.classes,
                "similarity": each.similarity,
                "share": each.share,
                "note": row.note if row else "",
                "tags": row.tags if row else (),
            }
            for each in neighbors
        ]
        for name, neighbors in lists.items()
    }
