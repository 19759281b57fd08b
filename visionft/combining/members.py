"""The members of a future ensemble, and their predictions on images that none of them was trained on.

These are the validation images, with held-out predictions of a head that was fitted to them; where every member is a
closed form, also the training images, with held-out predictions (`visionft/training/runs/held_out.py`). Those are five
times as many: they give reliable weights where a dozen validation images are too few.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.messages import Message
from visionft.combining.ensemble_weights import MemberPredictions
from visionft.data.types import Snapshot
from visionft.evaluation.report import Logits, run_images, run_logits
from visionft.events import Notice
from visionft.jobs import JobContext
from visionft.retrieval.index import run_index
from visionft.retrieval.live_view import fitted_head, is_live
from visionft.training.loop.subsets import spread
from visionft.training.runs.held_out import HeldOutPredictions, read_held_out
from visionft.training.runs.run_folder import RunSummary
from visionft.training.runs.run_model import FittedHead, columns_of, load_run_model
from visionft.training.runs.run_snapshot import read_snapshot

MOST_HELD_OUT = 5_000  # training images to fit weights to: more give no finer weights than the grid


@dataclass(frozen=True)
class Member:
    """A run to combine; k-NN as of the current labels.

    Attributes:
        run: The run, with the classes of its predictions.
        trained_on: SHA-256 of its training images.
        held_out: Its held-out predictions; None where it has none.
        head: Its head for the current labels; None where training fixed it.
    """

    run: RunSummary
    trained_on: frozenset[str]
    held_out: HeldOutPredictions | None
    head: FittedHead | None = None

    @classmethod
    def of(cls, run: RunSummary, images: Snapshot, job: JobContext) -> "Member":
        """Return a run as a member.

        Raises:
            RunError, ProjectError, JobCancelled, WeightsError: As `run_index`; or its images are no longer known.
        """
        if not is_live(run):
            trained_on = frozenset(image.sha256 for image in read_snapshot(run.path).labelled("train"))
            return cls(run, trained_on, read_held_out(run.path))
        index = run_index(run, images, job=job)
        shares = np.array(list(index.held_out.values())).reshape(-1, len(index.class_names))
        logits = np.log(shares) - np.log1p(-shares) if index.memory.is_multilabel else np.log(shares)
        return cls(
            replace(run, class_names=index.class_names),
            frozenset(image.sha256 for image in index.images.values()),
            HeldOutPredictions(np.array(list(index.held_out), np.int64), logits),
            fitted_head(run, index),
        )


def without_training_images(members: Sequence[Member], images: Snapshot, job: JobContext) -> tuple[Snapshot, int]:
    """Return the snapshot without validation images that a member was trained on, and their number.

    A member would look better on them than it is, and get too large a weight.
    """
    trained_on = frozenset[str]().union(*(member.trained_on for member in members))
    others = tuple(image for image in images.images if image.split != "val" or image.sha256 not in trained_on)
    remaining = replace(images, images=others)
    count = len(images.labelled("val")) - len(remaining.labelled("val"))
    if count:
        message = Message(
            "Validation images excluded because one of the runs was trained on them: {count}.", count=count
        )
        job.report(Notice(message=message))
    return remaining, count


def validation_predictions(members: Sequence[Member], images: Snapshot, job: JobContext) -> MemberPredictions:
    """Return the logits of each member on the validation images readable for all.

    Raises:
        RunError, JobCancelled, WeightsError: As `load_run_model` and `run_logits`.
    """
    outputs: list[Logits] = []
    for member in members:
        job.check_cancelled()
        heads = {member.run.name: member.head} if member.head else {}
        outputs.append(run_logits(load_run_model(member.run, heads, job=job), images, "val", job=job))
    shared = set[int].intersection(*({image.image_id for image in each.images} for each in outputs))
    rows = [[place for place, image in enumerate(each.images) if image.image_id in shared] for each in outputs]
    chosen = [each.values[row] for each, row in zip(outputs, rows, strict=True)]
    return MemberPredictions(_in_order(members, chosen), outputs[0].targets[rows[0]])


def held_out_predictions(members: Sequence[Member], images: Snapshot) -> MemberPredictions | None:
    """Return the members' held-out logits on training images; None unless all members have some of them."""
    predictions = [member.held_out for member in members if member.held_out is not None]
    if len(predictions) < len(members):
        return None
    shared = set[int].intersection(*(set(each.image_ids.tolist()) for each in predictions))
    # Validation images have their own part; images without a split are in the index of a k-NN run.
    others = [each for each in images.images if each.split not in ("val", "test")]
    chosen = [each for each in others if each.image_id in shared and each.labels]
    if not chosen:
        return None
    spread_images = tuple(replace(each, split="train") for each in spread(chosen, MOST_HELD_OUT))
    predicted, targets = run_images(members[0].run, replace(images, images=spread_images), "train")
    ids = [image.image_id for image in predicted]
    return MemberPredictions(_in_order(members, [each.of(ids) for each in predictions]), targets)


def _in_order(members: Sequence[Member], logits: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Return the (N, C) logits of each member with its classes in the order of the first member's."""
    names = members[0].run.class_names
    return [values[:, list(columns_of(names, member.run))] for member, values in zip(members, logits, strict=True)]
