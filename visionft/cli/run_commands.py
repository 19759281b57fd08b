"""`visionft run list` and `combine`: the runs of a project, and ensembles."""

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from visionft.cli.arguments import Json, ProjectDir
from visionft.cli.output import accuracy_output, opened_project, print_result, running_job, table, write_err
from visionft.core.amounts import size_text
from visionft.core.errors import VisionFTError
from visionft.core.installation import shell_command
from visionft.core.names import count_of
from visionft.training.evaluation.comparison import cost_of_run
from visionft.training.evaluation.unseen import unseen_evaluation
from visionft.training.recipe import Recipe, write_recipe
from visionft.training.runs import run_folder

if TYPE_CHECKING:
    pass


def runs(
    project: ProjectDir,
    run: Annotated[
        str | None,
        Argument(metavar="[RUN]", help="Just this run: its name, or its number."),
    ] = None,
    rename: Annotated[
        str | None, Option("--rename", metavar="NAME", help='Show it under this name; "" for its own.')
    ] = None,
    recipe: Annotated[Path | None, Option(metavar="FILE", help="Write its settings as a recipe.")] = None,
    without_weights: Annotated[
        bool, Option("--delete-weights", help="Free the space of its weights; its settings and figures stay.")
    ] = False,
    json: Json = False,
) -> None:
    """List runs; rename one, write its recipe, or delete its weights."""
    with opened_project(project, read_only=True) as opened:
        path = opened.path
    if run is None and (rename is not None or recipe is not None or without_weights):
        command = shell_command(["visionft", "run", "list", str(project), "RUN", "..."])
        raise VisionFTError("Which run is not said.", f"Give its name or number: {command}")
    if run is None:
        found, damaged = run_folder.scan_runs(path)
        print_result([_run_output(each) for each in found], lambda: _runs_text(found, damaged), as_json=json)
        return
    chosen = run_folder.load_run(path, run)
    if recipe is not None:
        write_recipe(recipe, Recipe.of_run(chosen))
        write_err(f"Its recipe: {recipe}")
    freed = run_folder.delete_weights(chosen) if without_weights else None
    if rename is not None:
        run_folder.rename_run(chosen, rename)
    chosen = dataclasses.replace(run_folder.read_run(chosen.path), faults=run_folder.checkpoint_faults(chosen.path))
    words = "" if freed is None else f"\n{size_text(freed)} of weights deleted; settings and figures are kept."
    print_result(_run_output(chosen, freed), lambda: _runs_text([chosen], {}) + words, as_json=json)


def _run_output(run: run_folder.StoredRun, freed_bytes: int | None = None) -> dict[str, Any]:
    return {
        "run": run.name,
        "title": run.title,
        "backbone": run.config.backbone,
        "method": run.config.method,
        "epochs": run.last_epoch if run.config.total_epochs else None,
        "top1": run.best.val_accuracy if run.best else None,
        "state": _state(run),
        "weights": run.has_weights,
        "faults": dict(run.faults),
        "cost": cost_of_run(run),
        "freed_bytes": freed_bytes,
        "unseen": accuracy_output(unseen_evaluation(run)),
    }


def _runs_text(found: list[run_folder.StoredRun], damaged: dict[str, str]) -> str:
    header = (
        "run", "name", "backbone", "method", "epochs", "accuracy", "95 %", "training", "memory", "trained", "file",
        "an image", "drift", "state", "weights",
    )  # fmt: skip
    rows = []
    for run in found:
        epochs = run.last_epoch if run.config.total_epochs else "-"
        unseen = unseen_evaluation(run)
        accuracy = f"{unseen.top1:.1%} {unseen.split}" if unseen else "-"
        interval = "–".join(f"{end:.1%}" for end in unseen.top1_interval) if unseen else "-"
        weights = "damaged" if run.faults else "yes" if run.has_weights else "no"
        costs = [text or "-" for text in cost_of_run(run).texts()]
        model = (run.name, run.given_title, run.config.backbone, run.config.method, epochs, accuracy, interval)
        rows.append((*model, *costs, _state(run), weights))
    faults = [(run.name, name, fault) for run in found for name, fault in run.faults.items()]
    lines = [table(header, rows) if rows else "No runs yet."]
    lines += [f"{run}: the checkpoint {name} is damaged ({fault})." for run, name, fault in faults]
    return "\n".join([*lines, *(f"Cannot be read: {message}" for message in damaged.values())])


def _state(run: run_folder.StoredRun) -> str:
    if run.is_going:
        return "running"
    if run.result is None:
        return "unfinished"
    return "stopped" if run.result.stopped or run.plan is not None else "finished"


def combine(
    project: ProjectDir,
    runs: Annotated[list[str], Argument(metavar="RUN RUN...", help="Two or more finished runs.")],
    title: Annotated[str, Option("--title", metavar="NAME", help="Show it under this name.")] = "",
    json: Json = False,
) -> None:
    """Combine runs into an ensemble with fitted weights.

    The weights are fitted to images that no member was trained on; the ensemble is a new run.
    """
    with opened_project(project, read_only=True) as opened, running_job() as job:
        found = opened.combine(runs, title=title, callback=job)
        figures = [(part.run, f"{part.share:.0%}", part.accuracy, part.loss) for part in found.parts]
        rows = [
            (name, share, f"{accuracy:.1%}", "{:.1%} to {:.1%}".format(*found.interval(accuracy)), f"{loss:.3f}")
            for name, share, accuracy, loss in [*figures, (found.run, "", found.accuracy, found.loss)]
        ]
        of_train = f", to the others and {count_of(found.held_out, 'training image')} that the runs held out"
        lines = [
            table(("run", "share", "top-1", "95 % interval", "log loss"), rows),
            "",
            f"On {count_of(found.images, 'validation image')}; the ensemble predicts each with weights that were "
            f"fitted without it{of_train if found.held_out else ''}.",
            found.verdict,
        ]
        print_result(found, "\n".join(lines), as_json=json)
