"""The check for label errors: probable errors, suggested labels, and confused classes."""

import logging
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.messages import Message
from visionft.curation.check import APPROXIMATE, Check, CheckResult, Inputs
from visionft.curation.label_errors.review import LEFT_OUT, PUT_IN, WRONG, LabelReview, check_labels
from visionft.data.types import Snapshot
from visionft.errors import RunError
from visionft.evaluation.stored import read_probabilities
from visionft.heads.numerics import parts
from visionft.training.runs.run_folder import list_runs
from visionft.training.runs.run_snapshot import read_snapshot

logger = logging.getLogger(__name__)

THRESHOLD: Final = 0.5  # more probably wrong than right
_FEWEST, _WIDEST = 30, 0.1  # labels; share of them: no estimate with fewer labels, or with a wider range of errors
NAME: Final = "label-errors"
_HELD_OUT = ("val", "test")


def class_overlaps(targets: np.ndarray, probabilities: np.ndarray, class_names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the pairs of classes with labels mixed up, the worst first: the estimated images, and their share.

    They come from the confident joint of given and true labels (Northcutt et al., JAIR 2021): an image counts for the
    likeliest true class among those at least as probable as they are on average for the images labelled so; without one
    it does not count. `targets` (N, C) are one-hot, `probabilities` (N, C) held out.
    """
    given = targets.argmax(axis=1)
    counts = targets.sum(axis=0, dtype=np.float64)
    thresholds = np.einsum("nc,nc->c", targets, probabilities, dtype=np.float64) / np.maximum(counts, 1)
    joint = np.zeros((len(counts), len(counts)))
    for part in parts(*targets.shape):
        is_confident = (probabilities[part] >= thresholds - 1e-6) & (counts > 0)
        confident = np.where(is_confident, probabilities[part], -1.0)
        is_counted = is_confident.any(axis=1)
        np.add.at(joint, (given[part][is_counted], confident.argmax(axis=1)[is_counted]), 1)
    rows = joint.sum(axis=1)
    joint[rows == 0] = np.diag(counts)[rows == 0]
    joint *= (counts / np.maximum(joint.sum(axis=1), 1))[:, None]  # rows add up to the number of labels
    pairs = [(float(joint[i, j] + joint[j, i]), i, j) for i, j in combinations(range(len(joint)), 2)]
    return [
        {"first": class_names[i], "second": class_names[j], "images": round(n), "share": round(n / len(targets), 6)}
        for n, i, j in sorted(pairs, key=lambda pair: -pair[0])[:50]
        if round(n) > 0
    ]


def run_predictions(project_dir: Path, images: Snapshot) -> tuple[str, dict[int, dict[str, float]]]:
    """Return the newest run with usable predictions, and its probabilities by image id and class name.

    Its training images and images edited since are left out, and so are runs without every class in use now. Empty
    where no run is left.
    """
    contents = {image.image_id: image.sha256 for image in images.images}
    wanted = {images.class_names[index] for image in images.images for index in image.labels}
    for run in reversed(list_runs(project_dir)):
        if not wanted <= set(run.class_names):
            continue
        try:
            seen = read_snapshot(run.path)
        except RunError as error:
            logger.info("A run's predictions are not used: %s", error)
            continue
        trained = {image.sha256 for image in seen.images if image.split == "train"}
        held_out = {
            image.image_id
            for image in seen.images
            if image.split in _HELD_OUT and contents.get(image.image_id) == image.sha256 and image.sha256 not in trained
        }
        parts = [read_probabilities(run.path, split) or {} for split in _HELD_OUT]
        found = {image_id: each for part in parts for image_id, each in part.items() if image_id in held_out}
        if found:
            return run.name, found
    return "", {}


class LabelErrors(Check):
    """Find labels contradicted by several classifiers, none of them fitted to the image itself.

    Facts of its results: `overlap` (of `class_overlaps`), `votes` (the weight of each), `expected_errors` (None where
    no estimate is possible) with `possible_errors` (the least and the most), `rates` (of label errors by kind, the most
    probable ones), `run` (the run that took part) and `single` (classes with a single image).
    """

    name = NAME
    title = Message("Label errors")
    summary = Message("Labels that are probably wrong: review the most probable errors, and keep or change the labels.")

    kinds = (WRONG, LEFT_OUT, PUT_IN)

    def find_issues(self, inputs: Inputs) -> CheckResult:
        check_labels(inputs.images)
        run, predictions = run_predictions(inputs.project_dir, inputs.images)
        review = LabelReview(inputs.features, inputs.images, predictions=predictions, job=inputs.job)
        missing = {image.image_id for image in (*inputs.features.missing, *inputs.features.unusable) if image.labels}
        unreadable = tuple(
            (image_id, Message("the network has no usable features of it")) for image_id in sorted(missing)
        )
        return result_of(review, inputs.images, run=run, unreadable=unreadable)


def result_of(
    review: LabelReview, images: Snapshot, *, run: str = "", unreadable: tuple[tuple[int, str], ...] = ()
) -> CheckResult:
    """Return the current state of a review as a result of the check."""
    is_single = images.task == "single"
    overlaps = class_overlaps(review.targets, review.probabilities, review.class_names) if is_single else []
    shares = review.shares
    count = len(review)
    least, most = review.possible_errors if count >= _FEWEST else (0, count)
    has_estimate = most - least <= _WIDEST * count
    return CheckResult(
        check=NAME,
        issues=review.issues(),
        threshold=THRESHOLD,
        checked=len(review),
        unreadable=unreadable,
        facts={
            "overlap": overlaps,
            "votes": shares,
            "expected_errors": round(review.expected_errors, 1) if has_estimate else None,
            "possible_errors": [int(least), math.ceil(most)],
            "rates": list(review.blend.rates),
            "run": run if "run" in shares else "",
            "single": list(review.too_small),
            **({APPROXIMATE: True} if review.is_approximate else {}),
        },
    )
