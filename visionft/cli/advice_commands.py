"""`visionft recommend`: whether training is worth it."""

from typing import TYPE_CHECKING

from visionft.cli.arguments import Device, Json, ProjectDir, Seed
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.core.names import count_of

if TYPE_CHECKING:
    from visionft.analysis.advice import Recommendation


def recommend(project: ProjectDir, device: Device = "auto", seed: Seed = 0, json: Json = False) -> None:
    """Say whether training is worth it.

    Compares models that need no training with the newest run on held-out images, and shows the accuracy with 25, 50 and
    100 % of the labels.
    """
    from visionft.analysis.advice import recommend as compute
    from visionft.analysis.feature_suggester import labels_so_far

    with opened_project(project, read_only=True) as opened, running_job() as job:
        accepted = labels_so_far(opened).accepted
        found = compute(opened.path, opened.snapshot(), accepted=accepted, device=device, seed=seed, job=job)
    print_result(found, lambda: _text(found), as_json=json)


def _text(found: "Recommendation") -> str:
    rows = [
        ("*" if model.name == found.chosen else "", model.title, model.run, *_figures(model.accuracy, model.interval))
        for model in found.models
    ]
    held_out = count_of(found.images, "test image" if found.split == "test" else "held-out validation image")
    lines = [found.sentence, "", f"On {held_out}:"]
    lines.append(table(("", "model", "run", "accuracy", "95 % interval"), rows))
    points = [(f"{point.labels:,}", *_figures(point.accuracy, point.interval)) for point in found.curve]
    lines += ["", "Linear probe with a part of the labels:", table(("labels", "accuracy", "95 % interval"), points)]
    return "\n".join([*lines, *(["", *found.notes] if found.notes else [])])


def _figures(accuracy: float, interval: tuple[float, float]) -> tuple[str, str]:
    return f"{accuracy:.1%}", f"{interval[0]:.1%} to {interval[1]:.1%}"
