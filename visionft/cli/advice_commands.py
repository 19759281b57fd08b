"""`visionft curve`: accuracy over labels and how it goes on; `visionft recommend`: whether training is worth it."""

from typing import TYPE_CHECKING, Annotated

import typer

from visionft.amounts import rough_duration_text, size_text
from visionft.cli.output import Json, ProjectDir, job, opened_project, plain, print_result, table
from visionft.cli.schemas import prints
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.advice.answerers import Answerer
    from visionft.advice.learning_curve import CurvePoint, Gain, LearningCurve
    from visionft.advice.recommend import Recommendation


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    for command in (curve, recommend):
        app.command()(command)


@prints("visionft.advice.learning_curve:LearningCurve")
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
    print_result(found, lambda: _curve_text(found), as_json=json)


@prints({"...": "visionft.advice.recommend:Recommendation", "to_label": [str]})
def recommend(
    project: ProjectDir,
    budget: Annotated[
        float | None,
        typer.Option(metavar="MINUTES", min=0, help="Time there is for training; two short trials if it is enough."),
    ] = None,
    memory: Annotated[int | None, typer.Option(metavar="MB", min=1, help="Memory there is for training.")] = None,
    trial: Annotated[
        bool | None, typer.Option("--trial/--no-trial", help="Train twice, shortly, to see what training adds.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    seed: Annotated[int, typer.Option(help="Draws other parts of the labels.")] = 0,
    json: Json = False,
) -> None:
    """Say whether training is worth it: everything that can answer, measured or forecast, and one sentence."""
    from visionft.advice.choosing import Limits
    from visionft.advice.kept import keep_advice
    from visionft.advice.recommend import recommend as compute
    from visionft.suggest.feature_suggester import labels_so_far

    with opened_project(project, read_only=True) as opened, job() as (on_event, should_stop):
        images = opened.snapshot()
        found = compute(
            opened.path,
            images,
            accepted=labels_so_far(opened).accepted,
            limits=Limits(minutes=budget, memory_mb=memory and round(memory * 1e6 / 2**20)),
            device=device,
            tries=trial,
            seed=seed,
            on_event=on_event,
            should_stop=should_stop,
        )
        paths = {image.image_id: image.path for image in images.images}
        if budget is None and memory is None:
            keep_advice(opened.path, images, found)  # the window shows it
    value = plain(found) | {"to_label": [str(paths[each]) for each in found.to_label if each in paths]}
    print_result(value, lambda: _advice_text(found), as_json=json)


def _advice_text(found: "Recommendation") -> str:
    header = ("", "answer", "right", "95 % interval", "", "to make", "a picture", "size")
    rows = [_answerer_row(each, is_chosen=each.name == found.chosen) for each in found.answerers]
    lines = [found.advice, "", table(header, rows)]
    lines += [f"{each.title}: {each.refusal}" for each in found.answerers if each.refusal]
    lines += ["", "What this rests on:", *(f"  {line}" for line in found.evidence)]
    lines += ["What would change it:", *(f"  {line}" for line in found.change)]
    return "\n".join(lines)


def _answerer_row(answerer: "Answerer", *, is_chosen: bool) -> tuple[str, ...]:
    return (
        "*" if is_chosen else "",
        answerer.title,
        f"{answerer.accuracy:.1%}",
        f"{answerer.low:.1%} to {answerer.high:.1%}",
        "forecast" if answerer.is_forecast else f"on {answerer.pictures:,}",
        "-" if answerer.seconds is None else rough_duration_text(answerer.seconds) if answerer.seconds else "is there",
        "-" if answerer.milliseconds is None else f"{answerer.milliseconds:.0f} ms",
        "-" if answerer.size_mb is None else size_text(answerer.size_mb * 1e6),
    )


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
