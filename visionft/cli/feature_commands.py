"""`visionft curate map` and `similar`: a map of the images, and the images most similar to others."""

import csv
import io
import os
from pathlib import Path
from typing import Annotated, Any

from typer import Argument, Option

from visionft.cli.arguments import MOST, MOST_SEED, Json, ProjectDir
from visionft.cli.output import is_stdout, opened_project, print_result, running_job, table, write_out
from visionft.data.types import Snapshot
from visionft.errors import VisionFTError
from visionft.files import write_text
from visionft.foreign_text import printable, spreadsheet_cell
from visionft.project.names import count_of


def map_(
    project: ProjectDir,
    method: Annotated[str, Option(help="tsne, or pca, which is quick and shows less.")] = "tsne",
    again: Annotated[bool, Option("--again", help="Draw it anew: every image gets another place.")] = False,
    seed: Annotated[int, Option(min=0, max=MOST_SEED, help="Of the drawing; the same one gives the same map.")] = 0,
    output: Annotated[
        Path | None, Option("--output", "-o", metavar="FILE", help="A table (CSV) to write; - for stdout.")
    ] = None,
    json: Json = False,
) -> None:
    """Map the images: similar ones lie close together.

    New images are placed on the existing map.
    """
    from visionft.curation.map.image_map import METHODS, draw_map

    if method not in METHODS:
        raise VisionFTError(f"There is no {method}.", f"Choose {' or '.join(METHODS)}.")
    with opened_project(project, read_only=True) as opened, running_job() as job:
        images = opened.snapshot()
        found = draw_map(
            opened.path,
            images,
            method=method,  # pyright: ignore[reportArgumentType]  (compared above)
            again=again,
            seed=seed,
            job=job,
        )
    facts = _facts(images)
    rows: list[dict[str, Any]] = [
        {"path": facts[image_id][0], "x": x, "y": y, "label": facts[image_id][1], "split": facts[image_id][2]}
        for image_id, (x, y) in zip(found.image_ids.tolist(), found.points.tolist(), strict=True)
    ]
    if output is not None:
        handle = io.StringIO()
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(("path", "x", "y", "label", "split"))
        for row in rows:
            shown = printable(row["path"])  # a path like a formula is written as the same file below "."
            path = shown if spreadsheet_cell(shown) == shown else f".{os.sep}{shown}"
            writer.writerow((path, row["x"], row["y"], spreadsheet_cell(row["label"]), row["split"]))
        if is_stdout(output):
            write_out(handle.getvalue().rstrip("\n"))
            return
        write_text(output, handle.getvalue())
    text = f"{count_of(len(found), 'image')} on the map, drawn from {found.fitted:,}."
    text += " They are a random sample: the others lie among those most similar to them." if found.is_sampled else ""
    text += " There are too few different images for neighbourhoods." if found.is_plain and method == "tsne" else ""
    text += "".join(f"\n  {facts[image_id][0]}: {reason}" for image_id, reason in found.left_out)
    text += "\nMost of them came after it was drawn: --again draws it anew." if found.is_outgrown else ""
    print_result(rows, text, as_json=json)


def _facts(images: Snapshot) -> dict[int, tuple[str, str, str]]:
    """Return {image id: (path, labels, split)}."""
    return {
        each.image_id: (str(each.path), ", ".join(images.labels_of(each)), each.split or "") for each in images.images
    }


def similar(
    project: ProjectDir,
    images: Annotated[list[Path], Argument(metavar="IMAGE...", help="Of the project, or any other images.")],
    unlike: Annotated[
        list[Path] | None, Option("--not", metavar="IMAGE", help="What is not meant; may be given repeatedly.")
    ] = None,
    count: Annotated[int, Option(min=1, max=MOST, help="How many to find.")] = 20,
    json: Json = False,
) -> None:
    """Find the images most similar to others."""
    from visionft.curation.similar import examples_from_files, ranking_of
    from visionft.features.embedding import embedded

    with opened_project(project, read_only=True) as opened, running_job() as job:
        snapshot = opened.snapshot()
        features = embedded(opened.path, snapshot, job=job)
        ranking = ranking_of(opened.path, features)
        known = {image.path: image.image_id for image in features.images}

        def examples(paths: list[Path]) -> list[Any]:
            inside = [known[path.resolve()] for path in paths if path.resolve() in known]
            outside = [path for path in paths if path.resolve() not in known]
            others = examples_from_files(opened.path, snapshot, features, outside, job=job)
            return [*map(ranking.example, inside), *others]

        found = ranking.rank(examples(images), examples(unlike or []), count=count)
    facts = _facts(snapshot)
    rows = []
    for each in found:
        path, label, _ = facts[each.image_id]
        rows.append({"path": path, "label": label, "score": each.score, "duplicate": each.is_duplicate})
    shown = [
        (f"{row['score']:.3f}", row["label"] or "no label", row["path"], "near-duplicate" if row["duplicate"] else "")
        for row in rows
    ]
    print_result(rows, lambda: table(("SCORE", "LABEL", "IMAGE", ""), shown), as_json=json)
