"""`visionft label learning-curve`: accuracy over labels; `visionft recommend`: whether training is worth it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from visionft.advice import comparison_text as words
from visionft.amounts import FEW
from visionft.cli.arguments import MOST, Device, Json, ProjectDir, Seed
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.project.names import count_of

if TYPE_CHECKING:
    from visionft.advice.learning_curve import LearningCurve
    from visionft.advice.recommend import Recommendation

_COLUMNS = (
    words.NAME,
    words.ACCURACY,
    words.INTERVAL,
    words.IMAGES,
    words.DIFFERENCE,
    words.MADE,
    words.TIME,
    words.SIZE,
)


def curve(
    project: ProjectDir,
    more: Annotated[
        int, Option("--more", metavar="N", min=0, max=MOST, help="Number of additional labels of a class.")
    ] = 0,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure accuracy over the labels so far; forecast more.

    Also lists the classes for which more labels help most.
    """
    from visionft.advice.learning_curve import learning_curve
    from visionft.suggest.feature_suggester import labels_so_far

    with opened_project(project, read_only=True) as opened, running_job() as job:
        found = learning_curve(
            opened.path, opened.snapshot(), accepted=labels_so_far(opened).accepted, added=more, seed=seed, job=job
        )
    print_result(found, lambda: _curve_text(found), as_json=json)


def recommend(
    project: ProjectDir,
    budget: Annotated[
        float | None,
        Option(
            metavar="MINUTES",
            min=0,
            max=MOST,
            help="Time limit of training; two short trial runs where it suffices for them too.",
        ),
    ] = None,
    memory: Annotated[int | None, Option(metavar="MB", min=1, max=MOST, help="Memory limit of training.")] = None,
    trial: Annotated[
        bool | None, Option("--trial/--no-trial", help="Make two short trial runs to measure the gain from training.")
    ] = None,
    device: Device = "auto",
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Recommend a method and say whether training is worth it.

    Every candidate is listed with its accuracy, measured or forecast.
    """
    from visionft.advice.choice import Limits
    from visionft.advice.recommend import recommend as compute
    from visionft.advice.stored_recommendation import store_recommendation
    from visionft.suggest.feature_suggester import labels_so_far

    with opened_project(project, read_only=True) as opened, running_job() as job:
        images = opened.snapshot()
        found = compute(
            opened.path,
            images,
            accepted=labels_so_far(opened).accepted,
            limits=Limits(minutes=budget, memory_mb=memory and round(memory * 1e6 / 2**20)),
            device=device,
            tries=trial,
            seed=seed,
            job=job,
        )
        paths = {image.image_id: image.path for image in images.images}
        if budget is None and memory is None:
            store_recommendation(opened.path, images, found)  # the window shows it
    value = {
        "recommendation": found,
        "to_label": [paths[each] for each in found.to_label if each in paths],
        "sentence": words.advice(found),
        "evidence": list(words.evidence(found)),
        "conditions": list(words.conditions(found)),
    }
    print_result(value, lambda: _recommendation_text(found, value), as_json=json)


def _recommendation_text(found: "Recommendation", value: Mapping[str, Any]) -> str:
    rows = [
        ("*" if each.name == found.chosen else "", *(column.text(each) for column in _COLUMNS)) for each in found.rows
    ]
    lines = [value["sentence"], "", table(("", *(column.title for column in _COLUMNS)), rows)]
    lines += [f"{each.title}: {each.refusal}" for each in found.rows if each.refusal]
    lines += ["", "Evidence:", *(f"  {line}" for line in value["evidence"])]
    return "\n".join([*lines, "Other options:", *(f"  {line}" for line in value["conditions"])])


def _curve_text(found: "LearningCurve") -> str:
    origin = "estimated" if found.is_estimated else "measured"
    points = [*((each, origin) for each in found.measured), *((each, "forecast") for each in found.ahead)]
    rows = [
        (f"{each.labels:,}", f"{each.accuracy:.1%}", f"{each.low:.1%} to {each.high:.1%}", kind)
        for each, kind in points
    ]
    lines = [
        f"Without training, from {count_of(found.labels, 'label')} of {found.classes:,} classes "
        "(the test split left out):",
        table(("labels", "accuracy", "95 % interval", ""), rows),
    ]
    if found.is_estimated:
        lines.append(
            "Estimated from held-out images and the confidence of their predictions: counts of so few images are noisy."
        )
    if found.gains:
        rows = []
        for each in found.gains:
            recall = f"{each.recall:.0%}" if each.labels >= FEW else "-"
            gain, low, high = map(_points, (each.gain, each.low, each.high))
            rows.append((each.class_name, f"{each.labels:,}", recall, gain, f"{low} to {high}"))
        lines += ["", f"What {found.spread.added} more labels are expected to add, by class:"]
        lines.append(table(("class", "labels", "recall", "points", "95 % interval"), rows))
        lines.append(f"Spread over all classes: {_points(found.spread.gain)} points.")
    return "\n".join(lines)


def _points(share: float) -> str:
    return f"{100 * share + 0.0:+.1f}".replace("-0.0", "+0.0")
