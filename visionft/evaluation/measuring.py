"""Giving every run of a project its place on the scoreboard: evaluated on the pictures of now, and priced here."""

from dataclasses import dataclass
from pathlib import Path

from visionft.data.types import Snapshot, Split
from visionft.errors import StoppedError, VisionFTError
from visionft.evaluation.scoreboard import read_scoreboard
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.training.runs.run_folder import RUNS_FOLDER, list_runs


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRuns:
    """What came of measuring.

    Attributes:
        evaluated: Runs that were evaluated, by name; `priced` those whose price was measured.
        failed: {run: what went wrong} of those that could not be measured.
        stopped: Whether the user stopped before the last one; what was measured is kept.
    """

    evaluated: tuple[str, ...]
    priced: tuple[str, ...]
    failed: dict[str, str]
    stopped: bool


def measure_runs(
    project_dir: Path,
    images: Snapshot,
    split: Split = "val",
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> MeasuredRuns:
    """Evaluate the runs that were not on the pictures of now, and price those that were not on this computer.

    One that cannot be measured costs the others nothing.
    """
    from visionft.evaluation.pricing import measure_price
    from visionft.evaluation.report import evaluate_run

    todo = read_scoreboard(list_runs(project_dir), images, split).to_measure
    evaluated, priced, failed, stopped = list[str](), list[str](), dict[str, str](), False
    for number, standing in enumerate(todo):
        on_event(Progress(stage=f"Measuring {standing.title}", done=number, total=len(todo)))
        run_dir = project_dir / RUNS_FOLDER / standing.run
        try:
            if standing.can_measure:
                evaluate_run(run_dir, images, split, on_event=on_event, should_stop=should_stop)
                evaluated.append(standing.run)
            if standing.can_time:
                measure_price(run_dir, images, on_event=on_event, should_stop=should_stop)
                priced.append(standing.run)
        except VisionFTError as error:
            stopped = isinstance(error, StoppedError) or should_stop()
            if stopped:
                break
            failed[standing.run] = error.message
            on_event(
                Notice(
                    message=f"{standing.title} cannot be measured: {error.message}",
                    level="warning",
                    next_step=error.next_step,
                )
            )
    return MeasuredRuns(evaluated=tuple(evaluated), priced=tuple(priced), failed=failed, stopped=stopped)
