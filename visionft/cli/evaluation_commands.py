"""`visionft evaluate`, `run leaderboard` and `run compare`: the metrics, ranks and differences of runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

from models.catalog import DEFAULT_BACKBONE
from visionft.advice import comparison_text as words
from visionft.api import Run
from visionft.cli.arguments import BackboneName, Device, Json, ProjectDir, RunName, SplitName
from visionft.cli.next_steps import joined
from visionft.cli.output import opened_project, print_result, running_job, table
from visionft.data.types import evaluated_split
from visionft.errors import NextStep, VisionFTError
from visionft.evaluation.comparison import compare_models
from visionft.evaluation.leaderboard import Leaderboard, read_leaderboard
from visionft.evaluation.leaderboard_jobs import (
    fit_training_free,
    measure_runs,
)
from visionft.evaluation.leaked import leaked_words
from visionft.evaluation.unseen import accuracy_sentence, is_unseen, seen_words
from visionft.project.names import count_of
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import list_runs, load_run

if TYPE_CHECKING:
    from visionft.evaluation.stored import Evaluation

_SHOWN_CHANGES = 10
_QUALITY = (
    words.RANK,
    words.NAME,
    words.RUN,
    words.ACCURACY,
    words.INTERVAL,
    words.DIFFERENCE,
    words.DIFFERENCE_INTERVAL,
    words.P_VALUE,
    words.BALANCED,
    words.ECE,
)
_COST = (
    words.NAME,
    words.TRAINED_SHARE,
    words.MADE,
    words.MEMORY,
    words.TIME,
    words.SIZE,
    words.TRAINED,
    words.DRIFT,
    words.HEAD,
)


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
        rates = ("not measured" if each is None else f"{each:.3f}" for each in scores)
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


def leaderboard(
    project: ProjectDir,
    split: SplitName = "val",
    measure: Annotated[
        bool, Option("--measure", help="Evaluate and time the runs that were not, on the current images.")
    ] = False,
    make: Annotated[bool, Option("--make", help="First fit every training-free model; then measure.")] = False,
    backbone: BackboneName = DEFAULT_BACKBONE,
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Rank all runs on the same images, with significance and cost."""
    chosen = evaluated_split(split)
    with opened_project(project, read_only=True) as opened:
        path = opened.path
        snapshot = opened.snapshot()
    if not snapshot.labelled(chosen):
        hint = "Split the images, or choose another split."
        raise VisionFTError(f"The {chosen} split has no labelled images.", hint, NextStep("split"))
    made = measured = None
    if make or measure:
        with running_job() as job:
            if make:
                made = fit_training_free(path, snapshot, TrainConfig(backbone=backbone, device=device), job=job)
            if not job.is_cancelled:
                measured = measure_runs(path, snapshot, chosen, job=job)
    board = read_leaderboard(list_runs(path), snapshot, chosen)
    value = {
        "split": board.split,
        "images": board.images,
        "best": board.best and board.best.run,
        "front_by_time": [each.run for each in board.pareto_front(lambda each: each.milliseconds)],
        "front_by_seconds": [each.run for each in board.pareto_front(lambda each: each.cost.seconds)],
        "models": board.rows,
        "made": made,
        "measured": measured,
    }
    print_result(value, lambda: _leaderboard_text(board, project, made.left_out if made else {}), as_json=json)


def _leaderboard_text(board: Leaderboard, project: Path, left_out: Mapping[str, str]) -> str:
    command = ["visionft", "run", "leaderboard", str(project)]
    if not board.rows:
        return f"No runs yet. Training-free models are fitted by: {joined([*command, '--make'])}"
    lines = [words.ranking(board), words.facts(board), ""]
    for columns in (_QUALITY, _COST):
        rows = [[column.text(each) for column in columns] for each in board.rows]
        lines += [table([column.title for column in columns], rows), ""]
    if any(each.is_tied for each in board.ranked):
        lines.append(
            f"≈ not significantly worse than the best on {count_of(board.images, 'image')} (McNemar's exact test, "
            "corrected for all comparisons)."
        )
    devices = sorted({each.cost.time.device for each in board.rows if each.cost.time and each.is_timed_here})
    if devices:
        lines.append(f"Times: one image at a time, from decoded pixels, PyTorch, fp32, {'; '.join(devices)}.")
    if left := len(board.unmeasured):
        measure = joined([*command, "--split", board.split, "--measure"])
        lines.append(f"{count_of(left, 'model')} to evaluate or to time here: {measure}")
    return "\n".join([*lines, *(f"Not fitted: {name}: {reason}" for name, reason in left_out.items())])


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
            (*map(", ".join, (each.true_classes, each.before, each.after)), paths.get(each.image_id, "gone"))
            for each in group[:_SHOWN_CHANGES]
        ]
        if rows:
            lines += ["", name, table(("class", "before", "after", "image"), rows)]
    print_result(found, "\n".join(lines), as_json=json, paths=paths)
