"""`visionft evidence`: what the labelled pictures most like a picture say of it, and which they are."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visionft.cli import completion
from visionft.cli.output import Json, ProjectDir, job, opened_project, print_result
from visionft.cli.schemas import prints
from visionft.errors import VisionFTError
from visionft.project.names import count_of
from visionft.project.queries import ImageRow, image_rows
from visionft.project.store import Project
from visionft.training.runs.run_folder import RunSummary, load_run

if TYPE_CHECKING:
    from visionft.retrieval.asking import Answered
    from visionft.retrieval.evidence import Neighbour
    from visionft.retrieval.index import Index


_ALIKE = {
    "image_id": int,
    "path": Path | None,
    "classes": [str],
    "similarity": float,
    "share": float,
    "note": str,
    "tags": [str],
}
_ANSWER = {
    "path": Path,
    "classes": [str],
    "probability": float,
    "ranked": [{"class": str, "probability": float}],
    "supporting": [_ALIKE],
    "contradicting": [_ALIKE],
    "doubles": [_ALIKE],
}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("evidence")(evidence)


@prints({"remembered": int, "held_out_accuracy": float | None, "pictures": [(_ANSWER, {"path": Path, "error": str})]})
def evidence(
    project: ProjectDir,
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="Pictures, or folders of them.")],
    run: Annotated[
        str | None,
        typer.Option(
            "--run",
            metavar="RUN",
            help="Ask a run of the method knn, by its network; else the features of `visionft embed` answer.",
            autocompletion=completion.runs,
        ),
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", min=1, help="How many of each kind to name.")] = 5,
    json: Json = False,
) -> None:
    """Answer from the labelled pictures that are most alike, and name those for and against the answer."""
    from visionft.curation.duplicates.check import known_groups
    from visionft.export.predictor import expand_folders
    from visionft.retrieval.asking import ask
    from visionft.retrieval.index import open_index
    from visionft.retrieval.refreshing import run_index

    missing = [path for path in pictures if not os.path.exists(path)]  # noqa: PTH110  (Path's raises without permission)
    files = expand_folders([path for path in pictures if path not in missing])
    if not files:
        raise _nothing_to_ask(missing or pictures)
    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        snapshot = opened.snapshot()
        if run is None:
            index = open_index(opened.path, snapshot, on_event=on_event, should_stop=should_stop)
        else:
            asked = _holding_pictures(load_run(opened.path, run))
            index = run_index(asked, snapshot, on_event=on_event, should_stop=should_stop)
        found = ask(
            opened.path,
            snapshot,
            index,
            files,
            groups=known_groups(opened.path),
            shown=count,
            on_event=on_event,
            should_stop=should_stop,
        )
        rows = _rows(opened, found)
    value = {
        "remembered": len(index.memory),
        "held_out_accuracy": index.accuracy,
        "pictures": [_value(each, rows) for each in found],
    }
    print_result(value, lambda: _text(found, rows, index), as_json=json)
    if all(each.error for each in found):
        raise VisionFTError("None of the pictures could be read.", "The answers say why of each.")
    if missing:
        raise VisionFTError(f"{missing[0]} does not exist.", "Check the path; the other pictures were answered.")


def _holding_pictures(run: RunSummary) -> RunSummary:
    if not run.config.method_row.is_live:
        raise VisionFTError(f"{run.title} holds no pictures.", "Name a run of the method knn, or none.")
    return run


def _nothing_to_ask(named: Sequence[Path]) -> VisionFTError:
    if not os.path.exists(named[0]):  # noqa: PTH110
        return VisionFTError(f"{named[0]} does not exist.", "Check the path.")
    return VisionFTError(f"{named[0]} holds no pictures.", "Name pictures, or a folder of them.")


def _rows(opened: Project, found: "Sequence[Answered]") -> dict[int, ImageRow]:
    """Return what the project knows of every picture that is named, notes and tags included."""
    shown = [each.evidence for each in found if each.evidence is not None]
    named = {one.image_id for each in shown for one in (*each.supporting, *each.contradicting, *each.doubles)}
    return {row.image_id: row for row in image_rows(opened, tuple(sorted(named)))}


def _value(answered: "Answered", rows: Mapping[int, ImageRow]) -> dict[str, Any]:
    said = answered.evidence
    if said is None:
        return {"path": answered.path, "error": answered.error}
    return {
        "path": answered.path,
        "classes": said.classes,
        "probability": said.probability,
        "ranked": [{"class": name, "probability": probability} for name, probability in said.ranked],
        "supporting": [_neighbour(each, rows) for each in said.supporting],
        "contradicting": [_neighbour(each, rows) for each in said.contradicting],
        "doubles": [_neighbour(each, rows) for each in said.doubles],
    }


def _neighbour(each: "Neighbour", rows: Mapping[int, ImageRow]) -> dict[str, Any]:
    row = rows.get(each.image_id)
    return {
        "image_id": each.image_id,
        "path": row.path if row else None,
        "classes": each.classes,
        "similarity": each.similarity,
        "share": each.share,
        "note": (row.note if row else None) or "",
        "tags": row.tags if row else (),
    }


def _text(found: "Sequence[Answered]", rows: Mapping[int, ImageRow], index: "Index") -> str:
    known = count_of(len(index.memory), "labelled picture")
    sure = "" if index.accuracy is None else f", right for {index.accuracy:.1%} of those that were held out"
    return "\n\n".join([*(_one(each, rows) for each in found), f"Answered from {known}{sure}."])


def _one(answered: "Answered", rows: Mapping[int, ImageRow]) -> str:
    said = answered.evidence
    if said is None:
        return f"{answered.path}: {answered.error}"
    others = ", ".join(f"{name} {share:.1%}" for name, share in said.ranked if name not in said.classes[:1])
    lines = [f"{answered.path}: {', '.join(said.classes) or 'no label'} ({said.probability:.1%}; {others})"]
    kinds = (("for", said.supporting), ("against", said.contradicting), ("the same picture", said.doubles))
    for words, neighbours in kinds:
        lines += [f"  {words}: {_line(each, rows)}" for each in neighbours]
    return "\n".join(lines)


def _line(each: "Neighbour", rows: Mapping[int, ImageRow]) -> str:
    row = rows.get(each.image_id)
    said = [f"{', '.join(each.classes)} {each.similarity:.2f}", str(row.path) if row else "no longer in the project"]
    if row and row.tags:
        said.append(f"[{', '.join(row.tags)}]")
    if row and row.note:
        said.append(f"“{row.note}”")
    return " ".join(said)
