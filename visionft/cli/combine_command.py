"""The command that combines runs, and says of each whether it was worth it."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from visionft.cli import completion
from visionft.cli.output import Json, ProjectDir, job, opened_project, print_result, table
from visionft.cli.schemas import prints
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.combining.combine import Combination


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(combine)


@prints(
    {
        "run": str,
        "pictures": int,
        "held_out": int,
        "left_out": int,
        "parts": [
            {
                "run": str,
                "share": float,
                "temperature": float,
                "top1": float,
                "top1_interval": [float],
                "log_loss": float,
            }
        ],
        "top1": float,
        "top1_interval": [float],
        "log_loss": float,
        "best_part": str,
        "fixed": int,
        "broken": int,
        "p_value": float,
        "worth_it": bool,
        "verdict": str,
    }
)
def combine(
    project: ProjectDir,
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="Two or more finished runs.", autocompletion=completion.runs),
    ],
    title: Annotated[str, typer.Option("--title", metavar="NAME", help="Show it under this name.")] = "",
    json: Json = False,
) -> None:
    """Let several runs answer as one, each with a share fitted to pictures it did not learn from; a new run."""
    with opened_project(project, read_only=True) as opened:
        path, snapshot = opened.path, opened.snapshot()
    from visionft.combining.combine import combine as combine_runs

    with job() as (on_event, should_stop):
        found = combine_runs(path, runs, snapshot, title=title, on_event=on_event, should_stop=should_stop)
        print_result(_value(found), lambda: _text(found), as_json=json)


def _value(found: "Combination") -> dict[str, Any]:
    return {
        "run": found.run,
        "pictures": found.pictures,
        "held_out": found.held_out,
        "left_out": found.left_out,
        "parts": [
            {
                "run": part.run,
                "share": part.share,
                "temperature": part.temperature,
                "top1": part.accuracy,
                "top1_interval": found.interval(part.accuracy),
                "log_loss": part.loss,
            }
            for part in found.parts
        ],
        "top1": found.accuracy,
        "top1_interval": found.interval(found.accuracy),
        "log_loss": found.loss,
        "best_part": found.best.run,
        "fixed": found.fixed,
        "broken": found.broken,
        "p_value": found.p_value,
        "worth_it": found.is_worth_it,
        "verdict": found.verdict,
    }


def _text(found: "Combination") -> str:
    figures = [(part.run, f"{part.share:.0%}", part.accuracy, part.loss) for part in found.parts]
    rows = [
        (name, share, f"{accuracy:.1%}", "{:.1%} to {:.1%}".format(*found.interval(accuracy)), f"{loss:.3f}")
        for name, share, accuracy, loss in [*figures, (found.run, "", found.accuracy, found.loss)]
    ]
    return "\n".join(
        [
            table(("run", "share", "top-1", "95 % interval", "log loss"), rows),
            "",
            f"On {count_of(found.pictures, 'validation picture')}; the combination answers each by shares that were "
            f"fitted without it{_beside(found.held_out)}.",
            found.verdict,
        ]
    )


def _beside(held_out: int) -> str:
    return f", to the others and {count_of(held_out, 'training picture')} that the runs held out" if held_out else ""
