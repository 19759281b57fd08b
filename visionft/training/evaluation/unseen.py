"""The accuracy of a run on unseen images, the only figure shown as its quality. Torch-free.

Validation chooses the epoch of a trained run, the weights of an ensemble and the thresholds of several labels, so its
accuracy is too high there (observed: 84 % of 60 validation images, 69 % of others). A closed form chooses by
cross-validation; its validation images are judged by predictions of heads fitted without them
(`visionft.training.runs.held_out`).
"""

import contextlib
from collections.abc import Iterable, Iterator

from visionft.core.errors import RunError
from visionft.core.messages import Message
from visionft.core.names import count_of
from visionft.data.types import SnapshotImage, Split
from visionft.training.evaluation.stored import Evaluation, stored_evaluations
from visionft.training.retrieval import is_live, members_of
from visionft.training.runs.run_folder import Run, read_run
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


def learned_images(run: Run) -> frozenset[str]:
    """Return the SHA-256 of all images that a run, as it was trained, learned from or was chosen on.

    Raises RunError: its list of images is lost.
    """
    return frozenset[str]().union(*(_learned(each, ("train", "val")) for each in _trained(run)))


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
