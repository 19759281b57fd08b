"""The accuracy of a run with and without leaked images (those with a partner in its training data).

The splits are those of the run's training: a later fix of the project does not change the result of earlier runs.

750 images of waste with 90 planted duplicates: a linear probe had 81.7 % accuracy on test, 77.8 % (70.6 to 83.6)
without the 33 leaked ones (100 % correct, LoRA 91 %); fixed and trained again, 77.1 %. Bursts of hands: 96.8 and
96.7 %, not significant.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from visionft.curation.check import read_result
from visionft.curation.leaks.leak_check import Leak, Leaks, RelatedImages, leaks_of, related_images
from visionft.data.types import Snapshot
from visionft.errors import RunError
from visionft.evaluation.leaked import learned_splits
from visionft.evaluation.metrics import wilson_interval
from visionft.evaluation.stored import StoredEvaluation, read_evaluation
from visionft.project.store import Project
from visionft.retrieval.live_view import training_snapshot
from visionft.training.runs.run_folder import RunSummary, list_runs

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakFreeAccuracy:
    """Accuracy of a run on a split, with and without leaked images; intervals of 95 %."""

    run: str
    title: str
    split: str
    images: int
    leaked: int  # number of the images with a partner among the training images
    accuracy: float
    accuracy_interval: Interval
    without: float | None = None  # accuracy of the others; None where there are none
    without_interval: Interval | None = None

    @property
    def is_inflated(self) -> bool:
        """Whether leaks make the run look better by more than chance."""
        return self.leaked > 0 and self.without_interval is not None and self.accuracy > self.without_interval[1]


def leak_free_accuracy(
    evaluation: StoredEvaluation,
    leaks: Iterable[Leak],
    *,
    title: str = "",
    learnt: Collection[str] = ("train",),
    newest: int = 0,
) -> LeakFreeAccuracy:
    """Return the accuracy of an evaluation with and without images leaked across the splits of the run's training.

    Args:
        evaluation: Of the run.
        leaks: Those of a check for leaks, by the splits of the run's training.
        title: The run's display name.
        learnt: Splits in which a partner counts: training, and validation where the head was fitted to it.
        newest: Highest image id that the check has seen. Later images leak where the evaluation found it.
    """
    leaked = {each.image_id for each in evaluation.predictions if each.is_leaked and each.image_id > newest}
    leaked |= _leaked(leaks, learnt)
    known = [each.is_right for each in evaluation.predictions if each.image_id in leaked]
    clean = [each.is_right for each in evaluation.predictions if each.image_id not in leaked]
    count, right = len(known) + len(clean), sum(known) + sum(clean)
    return LeakFreeAccuracy(
        run=evaluation.run,
        title=title or evaluation.run,
        split=evaluation.split,
        images=count,
        leaked=len(known),
        accuracy=right / max(1, count),
        accuracy_interval=wilson_interval(right, count),
        without=sum(clean) / len(clean) if clean else None,
        without_interval=wilson_interval(sum(clean), len(clean)) if clean else None,
    )


def _leaked(leaks: Iterable[Leak], learnt: Collection[str]) -> set[int]:
    splits = [(split, ids, {*learnt} & leak.images.keys()) for leak in leaks for split, ids in leak.images.items()]
    return {each for split, ids, sources in splits if split != "train" and sources - {split} for each in ids}


def current_leak_free_accuracies(project: Project) -> tuple[LeakFreeAccuracy, ...]:
    """Return the accuracies of all evaluated runs, the newest run first, test before validation.

    They are those of the current groups, with the user's choices.
    """
    result = read_result(project.path, Leaks.name)
    related = None if result is None else related_images(project, result)
    images = project.snapshot()
    runs = sorted(list_runs(project.path), key=lambda run: run.name, reverse=True)
    return tuple(each for run in runs for each in accuracies_of_run(run, images, related))


def accuracies_of_run(run: RunSummary, images: Snapshot, related: RelatedImages | None) -> Iterator[LeakFreeAccuracy]:
    """Yield the accuracies of a run, on test before validation; none where its training images are no longer known.

    Args:
        run: The run.
        images: Those of the project.
        related: Of the last check for leaks. None where it never ran: then the near-duplicates count that each
            evaluation found, and an evaluation that did not look for any is left out.
    """
    evaluations = _evaluations(run)
    if related is None:
        for each in evaluations:
            if each.leaked is not None:
                yield leak_free_accuracy(each, (), title=run.title)
        return
    try:
        seen = training_snapshot(run, images)
        leaks = leaks_of(related, seen) if evaluations else ()
    except RunError:
        return
    learnt = learned_splits(run, seen) if evaluations else ()
    for each in evaluations:
        yield leak_free_accuracy(each, leaks, title=run.title, learnt=learnt, newest=related.newest)


def _evaluations(run: RunSummary) -> list[StoredEvaluation]:
    return [each for split in ("test", "val") if (each := read_evaluation(run.path, split)) is not None]
