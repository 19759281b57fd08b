"""`visionft scoreboard`: every answerer of a project side by side, what is luck of it, and what each costs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from models.catalog import DEFAULT_BACKBONE
from visionft.amounts import duration_text, memory_text, size_text
from visionft.cli import completion
from visionft.cli.next_steps import joined
from visionft.cli.output import Json, ProjectDir, job, opened_project, plain, print_result, table
from visionft.cli.run_commands import SplitName, checked_split
from visionft.cli.schemas import prints
from visionft.data.types import Snapshot, Split
from visionft.errors import NextStep, VisionFTError
from visionft.evaluation.price import OldHead
from visionft.evaluation.scoreboard import WHY, Scoreboard, Standing, read_scoreboard
from visionft.project.names import count_of
from visionft.training.config.train_config import TrainConfig
from visionft.training.runs.run_folder import list_runs

_NONE = "-"


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("scoreboard")(scoreboard)


@prints(
    {
        "split": str,
        "pictures": int,
        "best": str | None,
        "front_by_time": [str],
        "front_by_seconds": [str],
        "answerers": [
            {
                "...": Standing,
                "tied_with_best": bool,
                "knowledge": str,
                "milliseconds": float | None,
                "why_no_place": str,
            }
        ],
        "made?": "visionft.evaluation.training_free:MadeAnswers",
        "measured?": "visionft.evaluation.measuring:MeasuredRuns",
    }
)
def scoreboard(
    project: ProjectDir,
    split: SplitName = "val",
    measure: Annotated[
        bool, typer.Option("--measure", help="Evaluate what was not on the pictures of now, time what was not here.")
    ] = False,
    make: Annotated[
        bool, typer.Option("--make", help="First make every answerer that needs no training; then measure.")
    ] = False,
    backbone: Annotated[
        str, typer.Option(help="For --make: the backbone.", autocompletion=completion.backbones)
    ] = DEFAULT_BACKBONE,
    device: Annotated[
        str, typer.Option(help="For --make: auto, cpu, cuda or mps.", autocompletion=completion.devices)
    ] = "auto",
    json: Json = False,
) -> None:
    """Rank all runs on the same pictures: accuracy with its interval, what may be luck, and the price of each."""
    chosen = checked_split(split)
    with opened_project(project, read_only=True) as opened:
        path, snapshot = opened.path, opened.snapshot()
    if not snapshot.labelled(chosen):
        hint = "Split the pictures, or choose another split."
        raise VisionFTError(f"The {chosen} split has no labelled pictures.", hint, NextStep("split"))
    done = {}
    if make or measure:
        done = _work(path, snapshot, chosen, TrainConfig(backbone=backbone, device=device) if make else None)
    board = read_scoreboard(list_runs(path), snapshot, chosen)
    value = {**_board_value(board), **done}
    left_out = done.get("made", {}).get("left_out", {})
    print_result(value, lambda: _board_text(board, project, left_out), as_json=json)


def _work(path: Path, snapshot: Snapshot, split: Split, base: TrainConfig | None) -> dict[str, Any]:
    """Make what is wanted, then measure everything; returns what came of both."""
    from visionft.evaluation.measuring import measure_runs
    from visionft.evaluation.training_free import make_answers

    done: dict[str, Any] = {}
    with job() as (on_event, should_stop):
        if base is not None:
            done["made"] = plain(make_answers(path, snapshot, base, on_event=on_event, should_stop=should_stop))
        if not should_stop():
            done["measured"] = plain(measure_runs(path, snapshot, split, on_event=on_event, should_stop=should_stop))
    return done


def _board_value(board: Scoreboard) -> dict[str, Any]:
    return {
        "split": board.split,
        "pictures": board.pictures,
        "best": board.best and board.best.run,
        "front_by_time": [each.run for each in board.front(lambda each: each.milliseconds)],
        "front_by_seconds": [each.run for each in board.front(lambda each: each.price.seconds)],
        "answerers": [_standing_value(each) for each in board.standings],
    }


def _standing_value(standing: Standing) -> dict[str, Any]:
    return {
        **plain(standing),
        "tied_with_best": standing.is_tied,
        "knowledge": _knowledge(standing),
        "milliseconds": standing.milliseconds,
        "why_no_place": WHY[standing.state],
    }


def _board_text(board: Scoreboard, project: Path, left_out: Mapping[str, str]) -> str:
    if not board.standings:
        command = joined(["visionft", "scoreboard", str(project), "--make"])
        return f"No runs yet. Answers without training are made by: {command}"
    lines = [
        f"{count_of(board.pictures, 'labelled picture')} of {board.split}, the same for all.",
        "",
        _table(board.standings, _QUALITY),
        "",
        _table(board.standings, _PRICE),
        "",
        *_remarks(board, project),
        *(f"Not made: {name}: {reason}" for name, reason in left_out.items()),
    ]
    return "\n".join(lines)


_Columns = dict[str, Callable[[Standing], str]]


def _table(standings: tuple[Standing, ...], columns: _Columns) -> str:
    return table(tuple(columns), [[show(each) for show in columns.values()] for each in standings])


def _place(standing: Standing) -> str:
    if standing.place is None:
        return _NONE
    return f"{standing.place} ≈" if standing.is_tied else str(standing.place)


def _share(value: float | None) -> str:
    return _NONE if value is None else f"{value:.1%}"


def _interval(standing: Standing) -> str:
    if standing.top1_interval is None:
        return _NONE
    low, high = standing.top1_interval
    return f"{low:.1%} to {high:.1%}"


def _beside(standing: Standing) -> str:
    if standing.beside is None:
        return "the best" if standing.place == 1 else WHY[standing.state].rstrip(".").lower()
    beside, (low, high) = standing.beside, standing.beside.interval
    chance = "p < 0.01" if beside.p_value < 0.01 else f"p {beside.p_value:.2f}"
    return f"{100 * beside.difference:+.1f} ({100 * low:+.1f} to {100 * high:+.1f}), {chance}"


def _knowledge(standing: Standing) -> str:
    return "fresh" if standing.is_live else "frozen"


def _milliseconds(standing: Standing) -> str:
    time = standing.price.time
    if time is None:
        return _NONE
    return f"{time.median_ms:.1f} ms" if standing.is_timed_here else f"({time.median_ms:.1f} ms elsewhere)"


def _size(value: int | None) -> str:
    return _NONE if value is None else size_text(value)


def _old_heads(standing: Standing) -> str:
    return "; ".join(map(old_head_words, standing.price.old_heads)) or _NONE


def old_head_words(head: OldHead) -> str:
    """Say what is left of a head that there was before the run."""
    if head.accuracy is not None and head.accuracy_before is not None:
        return f"{head.source} right for {head.accuracy:.1%}, before {head.accuracy_before:.1%}"
    return f"the {head.classes:,} pretrained classes: {head.agreement:.1%} of answers as before"


_QUALITY: _Columns = {
    "place": _place,
    "answerer": lambda each: each.title,
    "run": lambda each: each.run,
    "top-1": lambda each: _share(each.top1),
    "95 % interval": _interval,
    "points beside the best": _beside,
    "balanced": lambda each: _share(each.balanced_accuracy),
    "ECE": lambda each: _NONE if each.ece is None else f"{each.ece:.3f}",
    "knowledge": _knowledge,
}
_PRICE: _Columns = {
    "answerer": lambda each: each.title,
    "learns": lambda each: _NONE if each.price.trainable_share is None else f"{each.price.trainable_share:.2%}",
    "made in": lambda each: _NONE if each.price.seconds is None else duration_text(each.price.seconds),
    "memory": lambda each: _NONE if each.price.memory_mb is None else memory_text(each.price.memory_mb),
    "a picture": _milliseconds,
    "ships": lambda each: _size(each.price.shipped_bytes),
    "learnt": lambda each: _size(each.price.learnt_bytes),
    "drift": lambda each: _NONE if each.price.drift is None else f"{each.price.drift:.3f}",
    "old head": _old_heads,
}


def _remarks(board: Scoreboard, project: Path) -> list[str]:
    remarks: list[str] = []
    tied = [each for each in board.placed if each.is_tied]
    if tied:
        remarks.append(
            f"≈ may be as good as the best: these {count_of(board.pictures, 'picture')} cannot tell them apart "
            "(McNemar's exact test, corrected for all comparisons)."
        )
    devices = sorted({each.price.time.device for each in board.standings if each.price.time and each.is_timed_here})
    if devices:
        remarks.append(f"Times: one picture at a time, from decoded pixels, PyTorch, fp32, {'; '.join(devices)}.")
    if left := len(board.to_measure):
        command = joined(["visionft", "scoreboard", str(project), "--split", board.split, "--measure"])
        remarks.append(f"{count_of(left, 'answerer')} to evaluate or to time here: {command}")
    return remarks
