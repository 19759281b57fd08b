"""`visionft curve`: accuracy over labels and how it goes on; `visionft recommend`: whether training is worth it."""

import dataclasses
from typing import TYPE_CHECKING, Annotated, Any

import typer

from visionft.cli.output import Json, ProjectDir, job, opened_project, plain, print_result, table
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("curve")(curve)


def curve(
    project: ProjectDir,
    more: Annotated[
        int, typer.Option("--more", metavar="N", min=0, help="How many more labels of a class are asked for.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Draws other parts of the labels.")] = 0,
    json: Json = False,
) -> None:
    """Measure accuracy over the labels so far, and forecast it for more: of which class they help most."""
    from visionft.advice.learning_curve import learning_curve
    from visionft.suggest.feature_suggester import labels_so_far

    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        found = learning_curve(
            opened.path,
            opened.snapshot(),
            accepted=labels_so_far(opened).accepted,
            added=more,
            seed=seed,
            on_event=on_event,
            should_stop=should_stop,
        )
    print_result(curve_values(found), lambda: _curve_text(found), as_json=json)


def curve_values(found: "LearningCurve") -> dict[str, Any]:
    """Return what JSON tells of a curve: its figures, without the draws that they are made of."""
    fields = (field.name for field in dataclasses.fields(found) if field.name != "laws")
    return {name: plain(getattr(found, name)) for name in fields}


def _curve_text(found: "LearningCurve") -> str:
    rows = [(f"{point.labels:,}", *_cells(point), "measured") for point in found.measured]
    rows += [(f"{point.labels:,}", *_cells(point), "forecast") for point in found.ahead]
    lines = [
        f"Without training, from {count_of(found.labels, 'label')} of {found.classes:,} classes "
        "(the test split left out):",
        table(("labels", "right", "95 % interval", ""), rows),
    ]
    if found.gains:
        added = found.spread.added
        lines += ["", f"What {added} more labels are expected to add, by class:"]
        lines.append(table(("class", "labels", "recognised", "points", "95 % interval"), [*map(_row, found.gains)]))
        lines.append(f"Spread over all classes: {_points(found.spread.gain)} points.")
    return "\n".join(lines)


def _cells(point: "CurvePoint") -> tuple[str, str]:
    return f"{point.accuracy:.1%}", f"{point.low:.1%} to {point.high:.1%}"


def _row(gain: "Gain") -> tuple[str, str, str, str, str]:
    interval = f"{_points(gain.low)} to {_points(gain.high)}"
    return gain.class_name, f"{gain.labels:,}", f"{gain.recall:.0%}", _points(gain.gain), interval


def _points(share: float) -> str:
    return f"{100 * share + 0.0:+.1f}".replace("-0.0", "+0.0")
