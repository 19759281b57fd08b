"""The evaluations of runs: read, computed in the background, and converted for the widgets with their settings."""

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal

from gui.jobs import Failure, Job, Lane, Priority
from gui.kit.forms import value_words
from gui.kit.image_model import Tile
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.runner import RESULTS
from gui.session import ProjectSession
from gui.state import AppState
from visionft.core.events import Progress
from visionft.core.jobs import LOADING_PROGRESS
from visionft.core.messages import Message
from visionft.data.types import Snapshot, SnapshotImage, Split
from visionft.training.evaluation.comparison import PredictionChange
from visionft.training.evaluation.stored import StoredEvaluation, StoredPrediction, evaluation_file, read_evaluation
from visionft.training.runs.run_folder import StoredRun

_Key = tuple[str, str]  # run, split

evaluate = lazy_function("visionft.training.evaluation.report:evaluate_run")


class EvaluationController(QObject):
    """Reads the evaluation of each run on each split, and evaluates it, once at a time."""

    changed = Signal()  # the progress of one changed
    ended = Signal()

    def __init__(self, state: AppState, session: ProjectSession | None, *, parent: QObject) -> None:
        super().__init__(parent)
        self._state, self._session = state, session
        self._read: dict[tuple[Path, str], tuple[int, StoredEvaluation | None]] = {}  # with the time of the file
        self._under_way: dict[_Key, Progress] = {}
        # The run's last epoch and the labels it depended on then, and the reason for a missing result.
        self._tried: dict[_Key, tuple[int, Snapshot | None, Failure]] = {}
        self._old: dict[str, tuple[tuple[Snapshot, StoredRun, StoredEvaluation], bool]] = {}

    def stored(self, run: StoredRun, split: str) -> StoredEvaluation | None:
        """Return a run's evaluation on a split, read again after a change of its file, or None."""
        file = run.path / evaluation_file(split)
        key = (run.path, split)
        time = file.stat().st_mtime_ns if file.exists() else 0
        if key not in self._read or self._read[key][0] != time:
            self._read[key] = (time, read_evaluation(run.path, split))
        return self._read[key][1]

    def progress(self, run: StoredRun, split: str) -> Progress | None:
        """Return the progress of a run's evaluation; None where none is running."""
        return self._under_way.get((run.name, split))

    def failure(self, run: StoredRun, split: str) -> Failure | None:
        """Return the error of the last evaluation of the run's current state, or None."""
        last_epoch, images, failure = self._tried.get((run.name, split), (0, None, None))
        return failure if last_epoch == run.last_epoch and images is self._labels_of(run) else None

    def is_old(self, run: StoredRun, evaluation: StoredEvaluation) -> bool:
        """Return whether a run predicts from the current labels and was evaluated with others.

        Compares every label; the result is cached until the labels, the run or its evaluation change.
        """
        from visionft.training.retrieval import labels_digest, members_of

        images = self._labels_of(run)
        if images is None:
            return False
        compared = (images, run, evaluation)
        cached = self._old.get(run.name)
        if cached is None or any(old is not new for old, new in zip(cached[0], compared, strict=True)):
            self._old[run.name] = compared, labels_digest(members_of(run), images) != evaluation.labels
        return self._old[run.name][1]

    def is_known_old(self, run: StoredRun) -> bool:
        """Return the cached result of `is_old` for the run and the current labels, or False."""
        if run.name not in self._old or self._session is None:
            return False
        (images, compared, _), is_old = self._old[run.name]
        return is_old and compared is run and images is self._session.cached_snapshot

    def _labels_of(self, run: StoredRun) -> Snapshot | None:
        """Return the current images if the run's predictions may depend on their labels."""
        from visionft.training.retrieval import is_live

        return self._session.snapshot() if self._session is not None and (run.parts or is_live(run)) else None

    def start(self, run: StoredRun, split: Split, *, by_itself: bool = False) -> None:
        """Evaluate a run; started `by_itself`, it yields to every other job and stores an error, without a message."""
        session, key = self._session, (run.name, split)
        if session is None or key in self._under_way:
            return
        work = partial(evaluate, run.path, session.snapshot_getter, split)
        title = tr("Evaluating {run}", run=run.title)
        job = Job(
            title=title,
            work=work,
            lane=Lane.COMPUTE,
            page=RESULTS,
            device=True,
            priority=Priority.BACKGROUND if by_itself else Priority.REGULAR,
        )
        self._under_way[key] = LOADING_PROGRESS
        last_epoch = run.last_epoch
        images = self._labels_of(run)

        def on_progress(progress: Progress) -> None:
            self._under_way[key] = progress
            self.changed.emit()

        def on_end(job: Job[object]) -> None:
            self._under_way.pop(key, None)
            unread, stopped = Message("The evaluation cannot be read."), Message("Evaluation was stopped.")
            failure = job.failure or Failure(message=tr(stopped if job.was_stopped else unread))
            if not (by_itself and job.was_stopped):  # else it is tried again
                self._tried[key] = (last_epoch, images, failure)
            self.ended.emit()

        on_failed = (lambda _failure: None) if by_itself else None
        self._state.jobs.run(job, owner=self, on_failed=on_failed, on_progress=on_progress, on_end=on_end)
        self.changed.emit()


MISTAKES, DOUBTFUL, SUREST = (
    Message("Mistakes, most confident first"),
    Message("Correct, least confident first"),
    Message("Correct, most confident first"),
)
ORDERS = (MISTAKES, DOUBTFUL, SUREST)
Cells = list[tuple[str, Any]]


def joined(classes: Iterable[str]) -> str:
    return ", ".join(classes)


class Images:
    """The project's images by id, with their current labels."""

    def __init__(self, snapshot: Snapshot | None) -> None:
        self.class_names = snapshot.class_names if snapshot else ()
        self._images = {image.image_id: image for image in snapshot.images} if snapshot else {}

    def get(self, image_id: int) -> SnapshotImage | None:
        """Return an image, or None when it is no longer in the project."""
        return self._images.get(image_id)

    def mark(self, image: SnapshotImage, true_classes: tuple[str, ...]) -> str:
        """Return a note for an image relabelled since the evaluation; else an empty string."""
        now = self.labels(image.image_id)
        if set(now) == set(true_classes):
            return ""
        return tr("now {label}", label=joined(now) or tr("without label"))

    def labels(self, image_id: int) -> tuple[str, ...]:
        image = self._images.get(image_id)
        return tuple(self.class_names[index] for index in image.labels) if image is not None else ()

    def relabelled(self, predictions: Iterable[StoredPrediction]) -> int:
        """Return the number of these images with another label now."""
        pairs = ((self.get(each.image_id), each.true_classes) for each in predictions)
        return sum(image is not None and bool(self.mark(image, true)) for image, true in pairs)


def predicted_items(predictions: Sequence[StoredPrediction], images: Images) -> list[Tile]:
    """Return predictions as tiles; images no longer in the project are omitted."""
    tiles = []
    for each in predictions:
        title = f"{joined(each.predicted) or '–'}  {each.probability:.0%}"
        true = each.true_classes
        detail = tr("correct") if each.is_right else tr("is {name}", name=joined(true))
        tiles.append(_tile(images, each.image_id, true, title=title, detail=detail, is_right=each.is_right))
    return list(filter(None, tiles))


def changed_items(changes: Sequence[PredictionChange], images: Images) -> list[Tile]:
    """Return compared images with the wrong predictions of model 1 and 2."""
    tiles = []
    for each in changes:
        true, predicted = each.true_classes, {1: each.before, 2: each.after}
        wrong = {number: said for number, said in predicted.items() if set(said) != set(true)}
        title = "  ".join(f"{number}: {joined(said) or '–'}" for number, said in wrong.items())
        detail = tr("is {name}", name=joined(true))
        tiles.append(_tile(images, each.image_id, true, title=title, detail=detail, is_right=False))
    return list(filter(None, tiles))


def _tile(
    images: Images, image_id: int, true: tuple[str, ...], *, title: str, detail: str, is_right: bool
) -> Tile | None:
    image = images.get(image_id)
    tone = "good" if is_right else "bad"
    if image is None:
        return None
    mark = images.mark(image, true)
    return Tile(image_id=image_id, path=image.path, title=title, detail=detail, mark=mark, tone=tone)


def ordered(evaluation: StoredEvaluation, order: str) -> list[StoredPrediction]:
    """Return the images of an evaluation in one of `ORDERS`."""
    if order == MISTAKES:
        return list(evaluation.mistakes())
    right = [each for each in evaluation.predictions if each.is_right]
    return sorted(right, key=lambda each: each.probability, reverse=order == SUREST)


def figures(evaluation: StoredEvaluation) -> str:
    """Return the accuracy with its 95 % interval, the balanced accuracy, and the number of unreadable images."""
    low, high = evaluation.top1_interval
    accuracy = tr(
        "Accuracy {share} ({low} to {high})", share=f"{evaluation.top1:.1%}", low=f"{low:.0%}", high=f"{high:.0%}"
    )
    balanced = tr("balanced accuracy {share}", share=f"{evaluation.balanced_accuracy:.1%}")
    unreadable = tr("{count} unreadable image", "{count} unreadable images", count=evaluation.unreadable)
    return " · ".join((accuracy, balanced, *([unreadable] if evaluation.unreadable else [])))


def setting_rows(runs: Sequence[StoredRun], *, only_differing: bool) -> tuple[list[Cells], list[int]]:
    """Return the settings of runs by row, and the rows with differences; those come first."""
    columns = [_settings(run) for run in runs]
    names = list(dict.fromkeys(name for column in columns for name in column))
    differing = [name for name in names if len({column.get(name) for column in columns}) > 1]
    shown = differing + ([] if only_differing else [name for name in names if name not in differing])
    rows: list[Cells] = [
        [(f"≠  {name}" if name in differing else name, name)] + [(each.get(name, "–"), 0) for each in columns]
        for name in shown
    ]
    return rows, list(range(len(differing)))


def _settings(run: StoredRun) -> dict[str, str]:
    """Return a run's effective settings by label: of its method, or an ensemble's members and weights."""
    config = run.config
    if run.parts:
        shares = {tr("Weight of {run}", run=part.run): f"{part.share:.0%}" for part in run.parts}
        return {tr("Method"): tr(config.method_row.title), **shares}
    values: dict[str, str] = {}
    for field in dataclasses.fields(config):
        if field.metadata and field.name not in config.unused_settings:
            values[tr(field.metadata["label"])] = value_words(getattr(config, field.name), field)
    for inner in dataclasses.fields(config.method_options):
        name = f"{tr(config.method_row.title)}: {tr(inner.metadata.get('label', inner.name))}"
        values[name] = value_words(getattr(config.method_options, inner.name), inner)
    return values
