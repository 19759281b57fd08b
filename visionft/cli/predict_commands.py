"""`visionft predict`: predictions of an export; `visionft label evidence`: those from the nearest labelled images."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from visionft.api import Model
from visionft.cli.arguments import MOST, Images, Json, ModelPath, ProjectDir
from visionft.cli.output import is_stdout, opened_project, print_result, running_job, table
from visionft.errors import VisionFTError
from visionft.events import Progress
from visionft.project.names import count_of
from visionft.project.queries import ImageRow, image_rows
from visionft.training.runs.run_folder import load_run

if TYPE_CHECKING:
    from visionft.export.index.memory_index import IndexEntry
    from visionft.export.predictor import Prediction
    from visionft.retrieval.evidence import Evidence, Neighbour
    from visionft.retrieval.evidence_search import EvidenceResult


def predict(
    model: ModelPath,
    images: Images,
    csv_file: Annotated[
        Path | None, Option("--csv", metavar="FILE", help="Also write a CSV file; - is stdout, and nothing else.")
    ] = None,
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
            print_result(values, lambda: _prediction_text(results), as_json=json)
    _refuse_unread(results, missing)


def _prediction_text(results: "Sequence[Prediction]") -> str:
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
    return table(("class", "probability", *([""] if has_distances else []), "image"), rows) + warnings


def evidence(
    project: ProjectDir,
    images: Images,
    run: Annotated[
        str | None,
        Option(
            metavar="RUN",
            help="A run of the method knn; without one, the embeddings of `visionft curate embed` are used.",
        ),
    ] = None,
    count: Annotated[int, Option(metavar="N", min=1, max=MOST, help="Number of neighbors of each kind.")] = 5,
    json: Json = False,
) -> None:
    """Predict from the nearest labelled images, and list them.

    Neighbors for and against the prediction are listed separately.
    """
    from visionft.curation.duplicates.duplicate_check import known_groups
    from visionft.retrieval.evidence_search import search_evidence
    from visionft.retrieval.index import open_index, run_index

    files, missing = _existing(images)
    with opened_project(project, read_only=True) as opened, running_job() as job:
        snapshot = opened.snapshot()
        if run is None:
            index = open_index(opened.path, snapshot, job=job)
        else:
            index = run_index(load_run(opened.path, run), snapshot, job=job)
        groups = known_groups(opened.path)
        found = search_evidence(opened.path, snapshot, index, files, groups=groups, shown=count, job=job)
        lists = [each.evidence for each in found if each.evidence is not None]
        ids = {one.image_id for each in lists for one in (*each.supporting, *each.contradicting, *each.doubles)}
        rows = {row.image_id: row for row in image_rows(opened, tuple(sorted(ids)))}
    predictions: list[dict[str, Any]] = []
    for result in found:
        each = result.evidence
        predictions.append(
            {
                "path": result.path,
                "classes": each.classes if each else (),
                "probability": each.probability if each else 0.0,
                "ranked": _class_probabilities(each.ranked if each else ()),
                "evidence": _neighbor_lists(each, rows),
                "error": result.error,
            }
        )
    value = {"labelled_images": len(index.memory), "held_out_accuracy": index.accuracy, "images": predictions}
    accuracy = "" if index.accuracy is None else f", accuracy {index.accuracy:.1%} on held-out images"
    source = f"Predicted from {count_of(len(index.memory), 'labelled image')}{accuracy}."
    print_result(value, lambda: "\n\n".join([*(_evidence_text(each, rows) for each in found), source]), as_json=json)
    _refuse_unread(found, missing)


def _evidence_text(result: "EvidenceResult", rows: dict[int, ImageRow]) -> str:
    found = result.evidence
    if found is None:
        return f"{result.path}: {result.error}"
    others = ", ".join(f"{name} {share:.1%}" for name, share in found.ranked if name not in found.classes[:1])
    lines = [f"{result.path}: {', '.join(found.classes) or 'no label'} ({found.probability:.1%}; {others})"]
    kinds = (("for", found.supporting), ("against", found.contradicting), ("the same image", found.doubles))
    for kind, neighbors in kinds:
        for each in neighbors:
            row = rows.get(each.image_id)
            parts = [", ".join(each.classes), f"{each.similarity:.2f}"]
            parts.append(str(row.path) if row else "no longer in the project")
            if row and row.tags:
                parts.append(f"[{', '.join(row.tags)}]")
            if row and row.note:
                parts.append(f"“{row.note}”")
            lines.append(f"  {kind}: {' '.join(parts)}")
    return "\n".join(lines)


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


def _refuse_unread(results: "Sequence[Prediction] | Sequence[EvidenceResult]", missing: Sequence[Path]) -> None:
    """End with an error where no image could be read, or some do not exist."""
    if all(each.error for each in results):
        raise VisionFTError("None of the images could be read.", "The output gives the reason for each.")
    if missing:
        raise VisionFTError(f"{missing[0]} does not exist.", "Check the path; the other images were classified.")


def _class_probabilities(ranked: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
    return [{"class": name, "probability": probability} for name, probability in ranked]


def _neighbor_lists(
    found: "Evidence | None", rows: "Mapping[int, IndexEntry] | Mapping[int, ImageRow]"
) -> dict[str, Any] | None:
    """Return the neighbors of an image, with the facts of the project's rows or of the entries of an export's index."""
    if found is None:
        return None
    lists = {"supporting": found.supporting, "contradicting": found.contradicting, "duplicates": found.doubles}
    return {name: [_neighbor(each, rows.get(each.image_id)) for each in found] for name, found in lists.items()}


def _neighbor(found: "Neighbour", row: "IndexEntry | ImageRow | None") -> dict[str, Any]:
    """Return a neighbor with its path in the project, or its name in an export's index; None where it is gone."""
    name = None if row is None else str(row.path) if isinstance(row, ImageRow) else row.name
    return {
        "name": name,
        "classes": found.classes,
        "similarity": found.similarity,
        "share": found.share,
        "note": (row.note or "") if row else "",
        "tags": row.tags if row else (),
    }
