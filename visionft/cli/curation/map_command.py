"""The commands that look at a project's pictures as a whole: the map, and pictures like others."""

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visionft.cli.output import Json, ProjectDir, is_stdout, job, opened_project, print_result, table, write_out
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError
from visionft.files import write_text
from visionft.foreign_text import printable, spreadsheet_cell
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.data.types import Snapshot

_FIELDS: tuple[str, ...] = ("path", "x", "y", "label", "split")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("map")(map_)
    app.command("similar")(similar)


@prints([{"path": str, "x": float, "y": float, "label": str, "split": str}])
def map_(
    project: ProjectDir,
    method: Annotated[str, typer.Option(help="tsne, or pca, which is quick and shows less.")] = "tsne",
    again: Annotated[bool, typer.Option("--again", help="Draw it anew: every picture gets another place.")] = False,
    seed: Annotated[int, typer.Option(help="Of the drawing; the same one gives the same map.")] = 0,
    engine: Annotated[str, typer.Option(help="auto, opentsne, or torchdr on an NVIDIA graphics card.")] = "auto",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="A table (CSV) to write; - for stdout.")
    ] = None,
    json: Json = False,
) -> None:
    """Draw a map of the pictures, alike ones near each other; those that came since find a place on it."""
    from visionft.curation.map.picture_map import METHODS, draw_map

    if method not in METHODS or engine not in ("auto", "opentsne", "torchdr"):
        wrong, right = (method, METHODS) if method not in METHODS else (engine, ("auto", "opentsne", "torchdr"))
        raise VisionFTError(f"There is no {wrong}.", f"Choose {' or '.join(right)}.")
    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        images = opened.snapshot()
        found = draw_map(
            opened.path,
            images,
            method=method,
            again=again,
            seed=seed,
            engine=engine,  # pyright: ignore[reportArgumentType]  (compared above)
            on_event=on_event,
            should_stop=should_stop,
        )
    values = _facts(images)
    rows: list[dict[str, Any]] = [
        {"path": values[image_id][0], "x": x, "y": y, "label": values[image_id][1], "split": values[image_id][2]}
        for image_id, (x, y) in zip(found.image_ids.tolist(), found.points.tolist(), strict=True)
    ]
    if output is not None:
        _write_table(rows, output)
        if is_stdout(output):
            return
    text = f"{count_of(len(found), 'picture')} on the map, drawn from {found.fitted:,}."
    text += " There are too few different pictures for neighbourhoods." if found.is_plain and method == "tsne" else ""
    for image_id, reason in found.left_out:
        text += f"\n  {values[image_id][0]}: {reason}"
    text += "\nMost of them came after it was drawn: --again draws it anew." if found.is_outgrown else ""
    print_result(rows, text, as_json=json)


def _facts(images: "Snapshot") -> dict[int, tuple[str, str, str]]:
    """Return {image id: (path, labels, split)}."""
    return {
        each.image_id: (str(each.path), ", ".join(images.class_names[i] for i in each.labels), each.split or "")
        for each in images.images
    }


def _write_table(rows: list[dict[str, Any]], output: Path) -> None:
    handle = io.StringIO()
    writer = csv.DictWriter(handle, _FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "path": _cell(row["path"]), "label": spreadsheet_cell(row["label"])} for row in rows)
    if is_stdout(output):
        write_out(handle.getvalue().rstrip("\n"))
    else:
        write_text(output, handle.getvalue())


def _cell(path: str) -> str:
    """Return a path that is no formula: the same file by another name."""
    shown = printable(path)
    return shown if spreadsheet_cell(shown) == shown else f".{os.sep}{shown}"


@prints([{"path": str, "label": str, "score": float, "double": bool}])
def similar(
    project: ProjectDir,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Of the project, or any other pictures.")],
    unlike: Annotated[
        list[Path] | None, typer.Option("--not", metavar="IMAGE", help="What is not meant; may be given repeatedly.")
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many to find.")] = 20,
    json: Json = False,
) -> None:
    """Find the pictures that look most like others, and not like some."""
    from visionft.curation.similar import examples_from_files, ranking_of
    from visionft.features.embedding import embedded

    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        snapshot = opened.snapshot()
        features = embedded(opened.path, snapshot, on_event=on_event, should_stop=should_stop)
        ranking = ranking_of(opened.path, features)
        known = {image.path: image.image_id for image in features.images}

        def examples(paths: list[Path]) -> list[Any]:
            inside = [known[path.resolve()] for path in paths if path.resolve() in known]
            outside = [path for path in paths if path.resolve() not in known]
            looked_at = examples_from_files(
                opened.path, snapshot, features, outside, on_event=on_event, should_stop=should_stop
            )
            return [ranking.example(image_id) for image_id in inside] + looked_at

        found = ranking.rank(examples(images), examples(unlike or []), count=count)
    facts = _facts(snapshot)
    rows = [
        {
            "path": facts[each.image_id][0],
            "label": facts[each.image_id][1],
            "score": each.score,
            "double": each.is_double,
        }
        for each in found
    ]
    shown = [
        (f"{row['score']:.3f}", row["label"] or "no label", row["path"], "nearly the same" if row["double"] else "")
        for row in rows
    ]
    print_result(rows, lambda: table(("SCORE", "LABEL", "PICTURE", ""), shown), as_json=json)
