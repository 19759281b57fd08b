"""What a run is worth: its accuracy with the pictures whose partners it was trained on, and without them.

The splits are those that the run was trained with: mending the project's does not whitewash earlier runs.

750 pictures of waste with 90 planted doubles: a probe was right in 81.7 % of test, in 77.8 % (70.6 to 83.6) without the
33 whose partners it knew (100 % right, LoRA 91 %); mended and trained again, it was right in 77.1 %. Bursts of hands:
96.8 and 96.7 %, within chance.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from visionft.curation.check import read_result
from visionft.curation.leaks.check import Leak, Leaks, Together, leaks_of, together_now
from visionft.errors import RunError
from visionft.evaluation.metrics import wilson_interval
from visionft.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.project.store import Project
from visionft.training.runs.run_folder import list_runs
from visionft.training.runs.run_snapshot import read_snapshot

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class HonestAccuracy:
    """Accuracy of a run on a split; all intervals hold with 95 % confidence.

    Attributes:
        run: Its name.
        title: The name to show.
        split: Where it was evaluated.
        images: Pictures that were evaluated.
        leaked: How many of them have a partner among the training pictures.
        accuracy: Share of right answers over all.
        accuracy_interval: Wilson's.
        of_leaked: Over those with a partner; None where there are none.
        without: Over those without one; None where every picture has one.
        without_interval: Wilson's.
        flattered: How much higher `accuracy` is than `without`; None where that is.
        flattered_interval: Newcombe's, of the difference between leaked and other pictures, times the share of leaked.
    """

    run: str
    title: str
    split: str
    images: int
    leaked: int
    accuracy: float
    accuracy_interval: Interval
    of_leaked: float | None = None
    without: float | None = None
    without_interval: Interval | None = None
    flattered: float | None = None
    flattered_interval: Interval | None = None

    @property
    def is_flattered(self) -> bool:
        """Whether leaks make the run look better by more than chance."""
        return self.flattered_interval is not None and self.flattered_interval[0] > 0


def honest_accuracy(evaluation: StoredEvaluation, leaks: Iterable[Leak], *, title: str = "") -> HonestAccuracy:
    """Return the accuracy of an evaluation with and without the pictures whose partners were trained on.

    A partner in validation does not count: nothing was learned from it.

    Args:
        evaluation: Of a run on a split.
        leaks: Across the splits that the run was trained with.
        title: The run's name to show.
    """
    leaked = {
        image_id
        for leak in leaks
        if "train" in leak.pictures
        for split, ids in leak.pictures.items()
        if split != "train"
        for image_id in ids
    }
    known = [each.is_right for each in evaluation.predictions if each.image_id in leaked]
    clean = [each.is_right for each in evaluation.predictions if each.image_id not in leaked]
    count, right = len(known) + len(clean), sum(known) + sum(clean)
    share = len(known) / max(1, count)
    compared = bool(known and clean)
    difference, (low, high) = _difference(sum(known), len(known), sum(clean), len(clean)) if compared else (0.0, (0, 0))
    return HonestAccuracy(
        run=evaluation.run,
        title=title or evaluation.run,
        split=evaluation.split,
        images=count,
        leaked=len(known),
        accuracy=right / max(1, count),
        accuracy_interval=wilson_interval(right, count),
        of_leaked=sum(known) / len(known) if known else None,
        without=sum(clean) / len(clean) if clean else None,
        without_interval=wilson_interval(sum(clean), len(clean)) if clean else None,
        flattered=share * difference if clean else None,
        flattered_interval=(share * low, share * high) if clean else None,
    )


def _difference(right: int, count: int, other_right: int, other_count: int) -> tuple[float, Interval]:
    """Return the difference of two independent shares with its 95 % interval (Newcombe 1998, method 10)."""
    first, second = right / count, other_right / other_count
    (low, high), (other_low, other_high) = wilson_interval(right, count), wilson_interval(other_right, other_count)
    below = math.hypot(first - low, other_high - second)
    above = math.hypot(high - first, second - other_low)
    return first - second, (first - second - below, first - second + above)


def honest_accuracies(project_dir: Path, together: Together) -> tuple[HonestAccuracy, ...]:
    """Return the accuracies of all evaluated runs, the newest run first, test before validation."""
    runs = sorted(list_runs(project_dir), key=lambda run: run.name, reverse=True)
    return tuple(each for run in runs for each in accuracies_of_run(run.path, run.title, together))


def honest_accuracies_now(project: Project) -> tuple[HonestAccuracy, ...]:
    """Return the same by what belongs together as a person has it; empty where nobody looked for leaks."""
    result = read_result(project.path, Leaks.name)
    return () if result is None else honest_accuracies(project.path, together_now(project, result))


def accuracies_of_run(run_dir: Path, title: str, together: Together) -> Iterator[HonestAccuracy]:
    """Yield a run's, on test before validation; nothing where its pictures are not known any more."""
    evaluations = [each for split in ("test", "val") if (each := read_evaluation(run_dir, split)) is not None]
    try:
        leaks = leaks_of(together, read_snapshot(run_dir)) if evaluations else ()
    except RunError:
        return
    for each in evaluations:
        yield honest_accuracy(each, leaks, title=title)
