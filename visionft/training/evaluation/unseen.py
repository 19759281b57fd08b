"""The accuracy of a run on unseen images, the only number shown as its quality, and leaked images. Torch-free.

Validation images select the epoch of a trained run, the weights of an ensemble and the thresholds of several labels, so
the accuracy on them is too high (observed: 84 % of 60 validation images, 69 % of other images). A closed-form head is
selected by cross-validation, and its validation images have predictions of heads fitted without them.

Leaked images are near-duplicates of images that the run learned from. Evaluation finds them by a fast search with
fingerprints (`visionft.features.near_duplicates`). The check for leaks (`visionft.analysis.leaks`) is more thorough: it
also uses names, times, folders and the user's decisions. Once it has run, its groups replace the fast search.
"""

import contextlib
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from visionft.core.errors import RunError, VisionFTError
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.data.types import Snapshot, SnapshotImage, Split
from visionft.features.connected import components
from visionft.training.evaluation.metrics import wilson_interval
from visionft.training.evaluation.stored import Evaluation, stored_evaluations
from visionft.training.retrieval import is_live, members_of, training_snapshot
from visionft.training.runs.manifest import read_held_out
from visionft.training.runs.run_folder import StoredRun, project_of_run, read_run
from visionft.training.runs.run_snapshot import read_snapshot


def unseen_evaluation(run: StoredRun) -> Evaluation | None:
    """Return the evaluation on test, else on validation, whichever is on unseen images; None if there is no such one.

    The evaluations of `run` are used, or the stored ones of its folder.
    """
    evaluations = run.evaluations or stored_evaluations(run.path)
    candidates = (evaluations.get("test"), evaluations.get("val"))
    return next((each for each in candidates if each is not None and is_unseen(run, each)), None)


def is_unseen(run: StoredRun, evaluation: Evaluation) -> bool:
    """Return whether no evaluated image was used to train or select the run."""
    selects_on_val = run.config.total_epochs > 0 or bool(run.parts) or evaluation.is_multilabel
    return not evaluation.seen and not (evaluation.split == "val" and selects_on_val)


def count_seen(run: StoredRun, split: Split, images: Iterable[SnapshotImage]) -> int:
    """Count the images that were in the training split when the run was trained.

    A later split may have moved them. For the test split, images of the validation split count too.
    """
    seen = set[str]()
    with contextlib.suppress(RunError):  # the snapshot of a run is unreadable
        for each in _with_start_runs(run):
            if not is_live(each):
                seen |= _split_hashes(each, ("train", "val") if split == "test" else ("train",))
    return sum(image.sha256 in seen for image in images)


def _split_hashes(run: StoredRun, splits: Iterable[Split]) -> frozenset[str]:
    images = read_snapshot(run.path)
    return frozenset(image.sha256 for split in splits for image in images.labelled(split))


def _with_start_runs(run: StoredRun) -> Iterator[StoredRun]:
    """Yield a run, or the members of an ensemble, and the runs that training started from."""
    for member in members_of(run):
        yield member
        start = member.path.with_name(member.config.start_from) if member.config.start_from else member.path
        if start != member.path and start.is_dir():
            yield from _with_start_runs(read_run(start))


def accuracy_words(found: Evaluation | None) -> Message:
    """Describe the accuracy in a run's `unseen_evaluation`."""
    if found is None:
        return Message("not measured on unseen images (evaluate it on test images, split off before training)")
    low, high = found.top1_interval
    images = count_of(found.images, "test image" if found.split == "test" else "held-out validation image")
    values = {"share": f"{found.top1:.1%}", "low": f"{low:.0%}", "high": f"{high:.0%}", "images": images}
    return Message("{share} ({low} to {high}) of {images}", **values)


def accuracy_sentence(found: Evaluation | None) -> Message:
    return Message("Accuracy: {accuracy}.", accuracy=accuracy_words(found))


def seen_words(found: Evaluation) -> Message:
    """Describe the accuracy on images that were used to train or select the run."""
    values = {"share": f"{found.top1:.1%}", "count": f"{found.images:,}", "seen": f"{found.seen:,}"}
    if found.seen:
        return Message("{share} of {count} images, {seen} of them used in its training: likely too high", **values)
    return Message("Validation (used to choose): {share} of {count} images, likely too high", **values)


logger = logging.getLogger(__name__)


def learned_splits(run: StoredRun, training: Snapshot) -> tuple[Split, ...]:
    """Return the splits that a run learned from: training, and validation if its head was fitted to it.

    Args:
        run: The run.
        training: The snapshot of its training.
    """
    val = {image.image_id for image in training.labelled("val")}
    predictions = (read_held_out(member.path) for member in members_of(run))
    held_out = [each for each in predictions if each is not None]
    fits_validation = any(not val.isdisjoint(each.image_ids.tolist()) for each in held_out)
    return ("train", "val") if fits_validation else ("train",)


def leaked_images(
    run: StoredRun,
    images: Snapshot,
    evaluated: dict[Split, Sequence[SnapshotImage]],
    *,
    job: JobContext = SILENT_JOB,
) -> dict[Split, frozenset[int]] | None:
    """Return {split: ids of leaked images} for the evaluated images.

    None if the search is not possible: the run has no project, its snapshot is unreadable, or no fingerprint can be
    stored. Training images do not count as leaked; `Evaluation.seen` counts them.

    Raises:
        JobCancelled: The user cancelled.
    """
    project_dir = project_of_run(run.path)
    if project_dir is None:
        return None  # a trial run in a temporary folder
    if not run.parts and not run.config.method_row.needs_labels:
        return dict.fromkeys(evaluated, frozenset[int]())  # a zero-shot run does not learn from images
    try:
        training = training_snapshot(run, images)
        groups = _duplicate_groups(project_dir, training, evaluated, job)
    except JobCancelled:
        raise
    except (RunError, VisionFTError) as error:
        logger.warning("leaked images of %s were not looked for: %s", run.name, error.message)
        return None
    split_of = {image.image_id: image.split for image in training.images if image.labels}
    learned = learned_splits(run, training)
    leaked: dict[Split, frozenset[int]] = {}
    for split, chosen in evaluated.items():
        sources = {image_id for image_id, other in split_of.items() if other in learned and other != split}
        duplicates = {image_id for ids in groups if not sources.isdisjoint(ids) for image_id in ids}
        leaked[split] = frozenset({image.image_id for image in chosen} & duplicates - sources)
    return leaked


def _duplicate_groups(
    project_dir: Path, training: Snapshot, evaluated: dict[Split, Sequence[SnapshotImage]], job: JobContext
) -> list[tuple[int, ...]]:
    """Return the groups of near-duplicates among training and evaluated images, as image ids."""
    from visionft.features.near_duplicates import near_duplicates  # loads OpenCV

    by_id = {image.image_id: image for image in training.images if image.labels}
    by_id |= {image.image_id: image for chosen in evaluated.values() for image in chosen}
    images = tuple(by_id[image_id] for image_id in sorted(by_id))
    return components(near_duplicates(project_dir, replace(training, images=images), job=job))


def with_leaked(evaluation: Evaluation, leaked: Collection[bool] | np.ndarray, right: np.ndarray) -> Evaluation:
    """Return an evaluation of N images with the number of leaked images and the accuracy without them.

    Args:
        evaluation: The evaluation.
        leaked: (N,) whether each image is leaked.
        right: (N,) whether each image is classified correctly.
    """
    is_leaked = np.asarray(leaked, bool)
    clean = np.asarray(right, bool)[~is_leaked]
    count, accuracy = int(is_leaked.sum()), float(clean.mean()) if len(clean) else None
    return replace(
        evaluation,
        leaked=count,
        without_leaked=accuracy,
        without_leaked_interval=None if accuracy is None else wilson_interval(int(clean.sum()), len(clean)),
    )


def right_images(targets: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray | None) -> np.ndarray:
    """Return (N,) whether each image is classified correctly; for several labels, whether all of them are right.

    Args:
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
        probabilities: (N, C).
        thresholds: (C,) for several labels.
    """
    if thresholds is None:
        return probabilities.argmax(axis=1) == targets
    return ((probabilities >= thresholds) == targets.astype(bool)).all(axis=1)


def leaked_words(found: Evaluation) -> Message | None:
    """Describe the number of leaked images and the accuracy without them; None without leaked images or a search."""
    if not found.leaked:
        return None
    if found.without_leaked is None or found.without_leaked_interval is None:
        return Message(
            "All {images} images are near-duplicates of training images: the accuracy on new images is unknown.",
            images=f"{found.images:,}",
        )
    low, high = found.without_leaked_interval
    return Message(
        "{count} of {images} images is a near-duplicate of a training image; without it the accuracy is {share} "
        "({low} to {high}).",
        "{count} of {images} images are near-duplicates of training images; without them the accuracy is {share} "
        "({low} to {high}).",
        count=found.leaked,
        images=f"{found.images:,}",
        share=f"{found.without_leaked:.1%}",
        low=f"{low:.0%}",
        high=f"{high:.0%}",
    )
