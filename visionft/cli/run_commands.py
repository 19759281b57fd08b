"""Commands about training runs: list, rename, pin, free their space, compare two of them, explain what one says."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visionft.amounts import size_text
from visionft.cli import completion
from visionft.cli.next_steps import joined
from visionft.cli.output import Json, ProjectDir, job, opened_project, plain, print_result, table
from visionft.cli.schemas import prints
from visionft.data.types import Split
from visionft.errors import ImageError, VisionFTError
from visionft.evaluation.comparison import Changed, Comparison, compare_runs
from visionft.evaluation.price import Price, price_of
from visionft.files import atomic_path
from visionft.project.names import count_of
from visionft.training.runs.run_folder import (
    RunSummary,
    change_notes,
    checkpoint_faults,
    delete_weights,
    load_run,
    read_run,
    scan_runs,
)

if TYPE_CHECKING:
    from visionft.evaluation.explanation import Explanation

RunName = Annotated[
    str, typer.Argument(metavar="RUN", help="The run's name, or its number.", autocompletion=completion.runs)
]
SplitName = Annotated[str, typer.Option(help="val or test.", autocompletion=completion.evaluated_splits)]
SHOWN_CHANGES = 10


_RUN = {
    "run": str,
    "title": str,
    "pinned": bool,
    "backbone": str,
    "method": str,
    "epochs": int,
    "top1": float | None,
    "state": str,
    "weights": bool,
    "faults": dict[str, str],
    "price": Price,
    "freed_bytes?": int,
}
_CHANGED = {"image": str, "classes": [str], "before": [str], "after": [str], "probability": float}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (runs, compare, explain):
        app.command()(command)


def checked_split(name: str) -> Split:
    """Return a split that a run can be evaluated on.

    Raises:
        VisionFTError: It is none.
    """
    if name not in ("val", "test"):
        raise VisionFTError(f"Cannot evaluate on {name!r}.", "Give --split val or --split test.")
    return name  # type: ignore[return-value]


@prints([_RUN], _RUN)
def runs(
    project: ProjectDir,
    run: Annotated[
        str | None,
        typer.Argument(metavar="[RUN]", help="Just this run: its name, or its number.", autocompletion=completion.runs),
    ] = None,
    rename: Annotated[
        str | None, typer.Option("--rename", metavar="NAME", help='Show it under this name; "" for its own.')
    ] = None,
    pin: Annotated[bool | None, typer.Option("--pin/--unpin", help="Keep it on top of the list, or no longer.")] = None,
    without_weights: Annotated[
        bool, typer.Option("--delete-weights", help="Free the space of its weights; its settings and figures stay.")
    ] = False,
    json: Json = False,
) -> None:
    """List the project's training runs; rename, pin or lighten one of them."""
    with opened_project(project, read_only=True) as opened:
        path = opened.path
    if run is None and (rename is not None or pin is not None or without_weights):
        command = joined(["visionft", "runs", str(project), "RUN", "..."])
        raise VisionFTError("Which run is not said.", f"Give its name or number: {command}")
    if run is None:
        found, damaged = scan_runs(path)
        found.sort(key=lambda each: not each.notes.is_pinned)
        value: Any = [_run_value(each) for each in found]
        print_result(value, lambda: _runs_text(found, damaged), as_json=json)
        return
    chosen = load_run(path, run)
    freed = delete_weights(chosen) if without_weights else None
    notes = {"title": rename, "is_pinned": pin}
    if any(each is not None for each in notes.values()):
        change_notes(chosen, **{name: each for name, each in notes.items() if each is not None})
    chosen = dataclasses.replace(read_run(chosen.path), faults=checkpoint_faults(chosen.path))
    value = _run_value(chosen) | ({} if freed is None else {"freed_bytes": freed})
    words = "" if freed is None else f"\n{size_text(freed)} of weights deleted; settings and figures are kept."
    print_result(value, lambda: _runs_text([chosen], {}) + words, as_json=json)


def _run_value(run: RunSummary) -> dict[str, Any]:
    return {
        "run": run.name,
        "title": run.title,
        "pinned": run.notes.is_pinned,
        "backbone": run.config.backbone,
        "method": run.config.method,
        "epochs": run.last_epoch,
        "top1": run.best and run.best.val_accuracy,
        "state": _state(run),
        "weights": run.has_weights,
        "faults": dict(run.faults),
        "price": plain(price_of(run)),
    }


def _runs_text(found: list[RunSummary], damaged: dict[str, str]) -> str:
    header = ("run", "name", "backbone", "method", "epochs", "top-1", "state", "weights")
    rows = [
        (
            run.name,
            f"{'* ' if run.notes.is_pinned else ''}{run.notes.title}",
            run.config.backbone,
            run.config.method,
            run.last_epoch if run.config.total_epochs else "-",
            run.best.accuracy_text if run.best else "-",
            _state(run),
            "damaged" if run.faults else "yes" if run.has_weights else "no",
        )
        for run in found
    ]
    lines = [table(header, rows) if rows else "No runs yet."]
    lines += [
        f"{run.name}: the checkpoint {name} is damaged ({fault})."
        for run in found
        for name, fault in run.faults.items()
    ]
    lines += [f"Cannot be read: {message}" for message in damaged.values()]
    return "\n".join(lines)


def _state(run: RunSummary) -> str:
    if run.is_going:
        return "running"
    if run.result is None:
        return "unfinished"
    return "stopped" if run.result.stopped else "finished"


@prints(
    {
        "before": str,
        "after": str,
        "split": str,
        "pictures": int,
        "both_right": int,
        "left_out": int,
        "p_value": float | None,
        "fixed": [_CHANGED],
        "broken": [_CHANGED],
        "still_wrong": [_CHANGED],
    }
)
def compare(
    project: ProjectDir,
    before: Annotated[
        str, typer.Argument(metavar="BEFORE", help="A run that was evaluated.", autocompletion=completion.runs)
    ],
    after: Annotated[
        str,
        typer.Argument(metavar="AFTER", help="Another one, to see what it changes.", autocompletion=completion.runs),
    ],
    split: SplitName = "val",
    json: Json = False,
) -> None:
    """Show which pictures two runs disagree on: fixed, newly broken, still wrong."""
    chosen = checked_split(split)
    with opened_project(project, read_only=True) as opened:
        names = {image.image_id: str(image.path) for image in opened.snapshot().images}
        found = compare_runs(load_run(opened.path, before), load_run(opened.path, after), chosen)
    groups = {"fixed": found.fixed, "broken": found.broken, "still_wrong": found.still_wrong}
    value = {
        "before": found.before,
        "after": found.after,
        "split": found.split,
        "pictures": found.shared,
        "both_right": found.both_right,
        "left_out": found.left_out,
        "p_value": found.p_value,
        **{name: [_changed_value(each, names) for each in group] for name, group in groups.items()},
    }
    print_result(value, lambda: _compare_text(found, groups, names), as_json=json)


def _changed_value(changed: Changed, names: dict[int, str]) -> dict[str, Any]:
    return {
        "image": names.get(changed.image_id, ""),
        "classes": changed.true_classes,
        "before": changed.before,
        "after": changed.after,
        "probability": changed.probability,
    }


def _compare_text(found: Comparison, groups: dict[str, tuple[Changed, ...]], names: dict[int, str]) -> str:
    counts = ", ".join(f"{len(group)} {name.replace('_', ' ')}" for name, group in groups.items())
    lines = [
        f"From {found.before} to {found.after} on {count_of(found.shared, found.split + ' picture')}: {counts}, "
        f"{found.both_right} right in both.",
        found.verdict,
    ]
    for name, group in groups.items():
        rows = [
            (*map(", ".join, (each.true_classes, each.before, each.after)), names.get(each.image_id, "gone"))
            for each in group[:SHOWN_CHANGES]
        ]
        if rows:
            lines += ["", name.replace("_", " "), table(("class", "before", "after", "picture"), rows)]
    return "\n".join(lines)


@prints(
    [
        (
            {
                "path": Path,
                "class": str,
                "probability": float,
                "method": str,
                "trustworthy": bool,
                "deletion": float | None,
                "random_deletion": [float],
                "heat_map": Path | None,
            },
            {"path": Path, "error": str},
        )
    ]
)
def explain(
    project: ProjectDir,
    run: RunName,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures, or folders of them.")],
    class_name: Annotated[
        str | None,
        typer.Option(
            "--class",
            metavar="NAME",
            help="The class to explain; else the one that it says.",
            autocompletion=completion.classes,
        ),
    ] = None,
    out_dir: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the heat maps here.")] = None,
    json: Json = False,
) -> None:
    """Show where a run looks in pictures, and whether that holds when those places are covered."""
    from visionft.export.predictor import expand_folders

    with opened_project(project, read_only=True) as opened:
        summary, snapshot = load_run(opened.path, run), opened.snapshot()
    paths = expand_folders(images)
    from visionft.evaluation.explain import explain_images
    from visionft.evaluation.explanation import Asked

    with job() as (on_event, should_stop):
        found = explain_images(
            summary.path,
            [Asked(image_id=place, path=path, class_name=class_name) for place, path in enumerate(paths)],
            task=snapshot.task,
            images=snapshot,
            on_event=on_event,
            should_stop=should_stop,
        )
        files = [_write_overlay(each, out_dir) for each in found]
        value = [_explanation_value(each, file) for each, file in zip(found, files, strict=True)]
        print_result(value, lambda: _explanation_text(found), as_json=json)


def _write_overlay(explanation: "Explanation", out_dir: Path | None) -> Path | None:
    if out_dir is None or explanation.error:
        return None
    from PIL import Image

    from visionft.data.decode import decode
    from visionft.evaluation.explanation import overlay

    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        target = out_dir / f"{explanation.image_id + 1:04d}-{explanation.path.stem}.png"
        with atomic_path(target) as temporary:
            Image.fromarray(overlay(decode(explanation.path), explanation)).save(temporary, format="PNG")
    except ImageError:
        return None  # it vanished since it was explained
    except OSError as error:
        raise VisionFTError(f"Cannot write into {out_dir}: {error.strerror}.", "Choose another folder.") from error
    return target


def _explanation_value(explanation: "Explanation", file: Path | None) -> dict[str, Any]:
    if explanation.error:
        return {"path": explanation.path, "error": explanation.error}
    return {
        "path": explanation.path,
        "class": explanation.class_name,
        "probability": explanation.probability,
        "method": explanation.method,
        "trustworthy": explanation.is_trustworthy,
        "deletion": explanation.deletion,
        "random_deletion": explanation.random_deletion,
        "heat_map": file,
    }


def _explanation_text(found: tuple["Explanation", ...]) -> str:
    return "\n".join(
        f"{each.path}\n  {f'{each.class_name} {each.probability:.1%}, {each.method}. ' if each.class_name else ''}"
        f"{each.verdict}"
        for each in found
    )
