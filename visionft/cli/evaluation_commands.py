"""`visionft evaluate` and `run compare`: the metrics and differences of runs."""

from typing import TYPE_CHECKING, Annotated

from typer import Argument

from visionft.api import Run
from visionft.cli.arguments import Json, ProjectDir, RunName, SplitName
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.core.names import count_of
from visionft.data.types import evaluated_split
from visionft.training.evaluation.comparison import compare_models
from visionft.training.evaluation.unseen import accuracy_sentence, is_unseen, leaked_words, seen_words
from visionft.training.runs.run_folder import load_run

if TYPE_CHECKING:
    from visionft.training.evaluation.stored import Evaluation

_SHOWN_CHANGES = 10


def evaluate(project: ProjectDir, run: RunName, split: SplitName = "val", json: Json = False) -> None:
    """Measure a run's best checkpoint on a split."""
    with opened_project(project, read_only=True) as opened, running_job() as job:
        chosen = opened.run(run)
        result = chosen.evaluate(split, callback=job)
        print_result(result, lambda: _evaluation_text(result, chosen), as_json=json)


def _evaluation_text(result: "Evaluation", run: Run) -> str:
    low, high = result.top1_interval
    several = ""
    if result.mean_average_precision is not None:
        several = (
            f", mAP {result.mean_average_precision:.3f}, F1 {result.micro_f1:.3f} micro, {result.macro_f1:.3f} macro"
        )
    rows = []
    for name, score in result.per_class.items():
        scores = (score.precision, score.recall, score.f1)
        rates = ("not measured" if score is None else f"{score:.3f}" for score in scores)
        rows.append((name, *rates, score.support))
    lines = [
        f"{result.run} on {count_of(result.images, result.split + ' image')}: top-1 {result.top1:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%}), balanced {result.balanced_accuracy:.1%}, "
        f"ECE {result.ece:.3f}{several}",
        "",
        table(("class", "precision", "recall", "F1", "images"), rows),
    ]
    present = sum(score.support > 0 for score in result.per_class.values())
    classes = len(result.per_class)
    if present < classes:
        lines += ["", f"Means over classes are of {present} of {classes}: the others have no image here."]
    if leaked := leaked_words(result):
        lines += ["", leaked]
    if not is_unseen(run.summary, result):
        lines += ["", f"{seen_words(result)}. {accuracy_sentence(run.unseen)}"]
    return "\n".join(lines)


def compare(
    project: ProjectDir,
    before: Annotated[str, Argument(metavar="BEFORE", help="A run that was evaluated.")],
    after: Annotated[str, Argument(metavar="AFTER", help="Another one, to see what it changes.")],
    split: SplitName = "val",
    json: Json = False,
) -> None:
    """Compare two runs image by image.

    Lists the images that were fixed, newly broken and still wrong.
    """
    chosen = evaluated_split(split)
    with opened_project(project, read_only=True) as opened:
        path = opened.path
        snapshot = opened.snapshot()
    found = compare_models(load_run(path, before), load_run(path, after), chosen)
    paths = {image.image_id: image.path for image in snapshot.images}
    groups = {"fixed": found.fixed, "broken": found.broken, "still wrong": found.still_wrong}
    counts = ", ".join(f"{len(group)} {name}" for name, group in groups.items())
    lines = [
        f"From {found.before} to {found.after} on {count_of(found.shared, found.split + ' image')}: {counts}, "
        f"{found.both_right} right in both.",
        found.verdict,
    ]
    for name, group in groups.items():
        rows = [
            (*map(", ".join, (change.true_classes, change.before, change.after)), paths.get(change.image_id, "gone"))
            for change in group[:_SHOWN_CHANGES]
        ]
        if rows:
            lines += ["", name, table(("class", "before", "after", "image"), rows)]
    print_result(found, "\n".join(lines), as_json=json, paths=paths)
