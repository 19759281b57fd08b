"""`visionft suggest`: what a run would call the pictures without a label."""

from typing import Annotated

import typer

from visionft.cli.output import Json, ProjectDir, job, opened_project, print_result
from visionft.cli.run_commands import RunName
from visionft.errors import VisionFTError
from visionft.project.edits.changes import AcceptSuggestions
from visionft.project.names import count_of
from visionft.training.runs.run_folder import load_run


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("suggest")(suggest)


def suggest(
    project: ProjectDir,
    run: RunName,
    accept: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Label with those at least this sure, such as 0.95.")
    ] = None,
    json: Json = False,
) -> None:
    """Classify the pictures without a label; the label page then offers the answers."""
    from visionft.suggest.suggestions import current_suggestions, read_suggestions, suggest_labels

    if accept is not None and not 0 <= accept <= 1:
        raise VisionFTError(f"{accept} is not a share of 1.", "Give a number from 0 to 1, such as 0.95.")
    folder = load_run(project, run).path
    with opened_project(project, read_only=accept is None) as opened, job() as (on_event, should_stop):
        report = suggest_labels(folder, opened.snapshot(), on_event=on_event, should_stop=should_stop)
        current = current_suggestions(opened, read_suggestions(folder))
        sure = {key: each.classes for key, each in current.items() if accept is not None and each.confidence >= accept}
        if sure:
            opened.apply(AcceptSuggestions(sure))
        value = {"run": report.run, "suggested": len(current), "accepted": len(sure), "unreadable": report.unreadable}
        text = f"{report.run} suggests a label for {count_of(len(current), 'picture')}; {len(sure)} were accepted."
        print_result({**value, "stopped": report.stopped}, text, as_json=json)
