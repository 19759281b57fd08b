"""The accuracy of a run on unseen images, the only figure shown as its quality, and leaked images. Torch-free.

Validation chooses the epoch of a trained run, the weights of an ensemble and the thresholds of several labels, so its
accuracy is too high there (observed: 84 % of 60 validation images, 69 % of others). A closed form chooses by
cross-validation; its validation images are judged by predictions of heads fitted without them.

Leaked images are near-duplicates of images that the run learned from, found when it is evaluated. The cheap search by
fingerprints decides (`visionft.features.near_duplicates`). The check for leaks compares more closely, and knows names,
times, folders and the user's verdicts: where it has run, its groups count in place of these
(`visionft.analysis.leaks`).
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
from visionft.training.runs.run_folder import Run, project_of_run, read_run
from visionft.training.runs.run_snapshot import read_snapshot


def unseen_evaluation(run: Run) -> Evaluation | None:
    """Return the evaluation of a run on test, else on validation where that is unseen; None where neither is.

    They are those that it has with it, else those in its folder.
    """
    found = run.evaluations or stored_evaluations(run.path)
    both = (found.get("test"), found.get("val"))
    return next((each for each in both if each is not None and is_unseen(run, each)), None)


def is_unseen(run: Run, evaluation: Evaluation) -> bool:
    """Return whether no image of an evaluation trained or chose the run."""
    has_chosen = run.config.total_epochs > 0 or bool(run.parts) or evaluation.is_multilabel
    return not evaluation.seen and not (evaluation.split == "val" and has_chosen)


def count_seen(run: Run, split: Split, images: Iterable[SnapshotImage]) -> int:
    """Count the images that were for training (evaluated on test: or validation) when the run was trained.

    A later split may have moved them.
    """
    seen = set[str]()
    with contextlib.suppress(RunError):  # its list of images is lost
        for each in _trained(run):
            if not is_live(each):
                seen |= _learned(each, ("train", "val") if split == "test" else ("train",))
    return sum(image.sha256 in seen for image in images)


def _learned(run: Run, roles: Iterable[Split]) -> frozenset[str]:
    images = read_snapshot(run.path)
    return frozenset(image.sha256 for role in roles for image in images.labelled(role))


def _trained(run: Run) -> Iterator[Run]:
    """Yield a run, or the members of an ensemble, and the runs that training started from."""
    for member in members_of(run):
        yield member
        start = member.path.with_name(member.config.start_from) if member.config.start_from else member.path
        if start != member.path and start.is_dir():
            yield from _trained(read_run(start))


def accuracy_words(found: Evaluation | None) -> Message:
    """Return the accuracy of a run in words, from its `unseen_evaluation`."""
    if found is None:
        return Message("not measured on unseen images (evaluate it on test images, split off before training)")
    low, high = found.top1_interval
    images = count_of(found.images, "test image" if found.split == "test" else "held-out validation image")
    values = {"share": f"{found.top1:.1%}", "low": f"{low:.0%}", "high": f"{high:.0%}", "images": images}
    return Message("{share} ({low} to {high}) of {images}", **values)


def accuracy_sentence(found: Evaluation | None) -> Message:
    return Message("Accuracy: {accuracy}.", accuracy=accuracy_words(found))


def seen_words(found: Evaluation) -> Message:
    """Return the accuracy on images that trained or chose the run, in words."""
    values = {"share": f"{found.top1:.1%}", "count": f"{found.images:,}", "seen": f"{found.seen:,}"}
    if found.seen:
        return Message("{share} of {count} images, {seen} of them used in its training: likely too high", **values)
    return Message("Validation (used to choose): {share} of {count} images, likely too high", **values)


logger = logging.getLogger(__name__)


def learned_splits(run: Run, seen: Snapshot) -> tuple[Split, ...]:
    """Return the splits that a run learned from: training, and validation where its head was fitted to it.

    Args:
        run: The run.
        seen: The images and splits of its training.
    """
    val = {image.image_id for image in seen.labelled("val")}
    held_out = [found for each in members_of(run) if (found := read_held_out(each.path)) is not None]
    fits_validation = any(not val.isdisjoint(each.image_ids.tolist()) for each in held_out)
    return ("train", "val") if fits_validation else ("train",)


def leaked_images(
    run: Run,
    images: Snapshot,
    evaluated: dict[Split, Sequence[SnapshotImage]],
    *,
    job: JobContext = SILENT_JOB,
) -> dict[Split, frozenset[int]] | None:
    """Return the ids of the leaked images of each evaluated split.

    None where it cannot be told: the run is in no project, its list of images is lost, or no fingerprint can be stored.
    An image that the run was itself trained on is none: `Evaluation.seen` counts those.

    Raises:
        JobCancelled: The user cancelled.
    """
    project_dir = project_of_run(run.path)
    if project_dir is None:
        return None  # a trial run in a temporary folder
    if not run.parts and not run.config.method_row.needs_labels:
        return dict.fromkeys(evaluated, frozenset[int]())  # it learned from no image
    try:
        seen = training_snapshot(run, images)
        groups = _groups(project_dir, seen, evaluated, job)
    except JobCancelled:
        raise
    except (RunError, VisionFTError) as error:
        logger.warning("leaked images of %s were not looked for: %s", run.name, error.message)
        return None
    split_of = {image.image_id: image.split for image in seen.images if image.labels}
    learned = learned_splits(run, seen)
    found: dict[Split, frozenset[int]] = {}
    for split, chosen in evaluated.items():
        sources = {image_id for image_id, other in split_of.items() if other in learned and other != split}
        known = {image_id for ids in groups if not sources.isdisjoint(ids) for image_id in ids}
        found[split] = frozenset({image.image_id for image in chosen} & known - sources)
    return found


def _groups(
    project_dir: Path, seen: Snapshot, evaluated: dict[Split, Sequence[SnapshotImage]], job: JobContext
) -> list[tuple[int, ...]]:
    from visionft.features.near_duplicates import near_duplicates  # loads OpenCV

    every = {image.image_id: image for image in seen.images if image.labels}
    every |= {image.image_id: image for chosen in evaluated.values() for image in chosen}
    images = tuple(every[image_id] for image_id in sorted(every))
    return components(near_duplicates(project_dir, replace(seen, images=images), job=job))


def with_leaked(evaluation: Evaluation, leaked: Collection[bool] | np.ndarray, right: np.ndarray) -> Evaluation:
    """Return an evaluation with its figures without leaked images.

    Args:
        evaluation: Of N images.
        leaked: (N,) whether each is leaked.
        right: (N,) whether each is classified correctly.
    """
    is_leaked = np.asarray(leaked, bool)
    others = np.asarray(right, bool)[~is_leaked]
    count, share = int(is_leaked.sum()), float(others.mean()) if len(others) else None
    return replace(
        evaluation,
        leaked=count,
        without_leaked=share,
        without_leaked_interval=None if share is None else wilson_interval(int(others.sum()), len(others)),
    )


def right_images(targets: np.ndarray, probabilities: np.ndarray, thresholds: np.ndarray | None) -> np.ndarray:
    """Return (N,) whether each image is classified correctly; of several labels, all of them.

    Args:
        targets: (N,) class indices, or (N, C) zeros and ones for several labels.
        probabilities: (N, C).
        thresholds: (C,) for several labels.
    """
    if thresholds is None:
        return probabilities.argmax(axis=1) == targets
    return ((probabilities >= thresholds) == targets.astype(bool)).all(axis=1)


def leaked_words(found: Evaluation) -> Message | None:
    """Return how many images leak, and the accuracy without them; None where none does, or that is not known."""
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
