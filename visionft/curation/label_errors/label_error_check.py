"""The check for label errors: probable errors, suggested labels, and confused classes."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any, Final

import numpy as np

from models.messages import Message
from visionft.curation.check import APPROXIMATE, MOST_EXACT, Check, CheckResult, Inputs, Issue
from visionft.curation.label_errors.label_scores import NEIGHBOURS, LabelScores, score_labels
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import NextStep, ProjectError
from visionft.events import Progress
from visionft.features.feature_store import Features
from visionft.features.neighbours import nearest
from visionft.heads.numerics import parts, principal_directions, unit_rows
from visionft.jobs import SILENT, JobContext

THRESHOLD: Final = 0.5  # more probably wrong than right
NAME: Final = "label-errors"
STAGE: Final = Message("Comparing the labels")
WRONG, LEFT_OUT, PUT_IN = "wrong", "left_out", "put_in"  # kinds of issues; the last two of several labels
_KEPT_SHARE, _KEPT_SCORE = 0.2, 0.02  # kept issues: this many at least, and all above that score
_AXES: Final = 128
_EVIDENCE: Final = 4  # images of each class


class LabelErrors(Check):
    """Find labels contradicted by classifiers that are not fitted to the image itself.

    Facts of its results: `overlap` (of `class_overlaps`) and `single` (classes with a single image).
    """

    name = NAME
    title = Message("Label errors")
    summary = Message("Labels that are probably wrong: review the most probable errors, and keep or change the labels.")

    kinds = (WRONG, LEFT_OUT, PUT_IN)

    def find_issues(self, inputs: Inputs) -> CheckResult:
        check_labels(inputs.images)
        found = compare_labels(inputs.features, inputs.images, job=inputs.job)
        missing = {image.image_id for image in (*inputs.features.missing, *inputs.features.unusable) if image.labels}
        reason = Message("the network has no usable features of it")
        return replace(found, unreadable=tuple((image_id, reason) for image_id in sorted(missing)))


def check_labels(images: Snapshot) -> None:
    """Raise an error early if there is nothing to compare.

    Raises:
        ProjectError: There are no labels, one class, or too few images of a second one.
    """
    labelled = [image for image in images.images if image.labels]
    if not labelled:
        raise ProjectError("No image has a label yet.", "Label some first.", NextStep("label"))
    counts = images.class_counts(labelled).values()
    if sum(count > 0 for count in counts) < 2:
        advice = Message("A wrong label shows beside those of other classes: label images of a second one.")
        raise ProjectError("All labelled images have the same class.", advice, NextStep("label"))
    if sum(count > 1 for count in counts) < 2:
        advice = Message("Two classes with two images each are the least that can be compared.")
        raise ProjectError("There are too few labels to find wrong ones.", advice, NextStep("label"))


def compare_labels(
    features: Features, images: Snapshot, *, job: JobContext = SILENT, most_exact: int = MOST_EXACT
) -> CheckResult:
    """Score the labels of all images with features.

    With more than `most_exact` labelled images the neighbours of most images are found, along principal axes.

    Raises:
        JobCancelled: The user cancelled.
        ProjectError: There are no labels, or too few to compare.
    """
    labelled = [each for each in images.images if each.labels and each.image_id in features.place_of]
    check_labels(replace(images, images=tuple(labelled)))
    chosen = np.array([features.place_of[image.image_id] for image in labelled])
    first = features.vectors[chosen[0]]
    if not any((features.vectors[chosen[part]] != first).any() for part in parts(len(chosen), len(first))):
        raise ProjectError(
            "All labelled images look the same.", "Label errors cannot be distinguished from correct labels then."
        )
    used = sorted({index for image in labelled for index in image.labels})
    class_names = [images.class_names[index] for index in used]
    targets = np.array([[index in image.labels for index in used] for image in labelled], np.uint8)
    job.report(Progress(stage=STAGE, done=0, total=2))
    directions, is_approximate = features.directions.among(chosen), len(labelled) > most_exact
    compared = unit_rows(directions @ principal_directions(directions, _AXES)) if is_approximate else directions
    near = nearest(compared, k=NEIGHBOURS, job=job.without_events(), most_exact=most_exact)
    job.report(Progress(stage=STAGE, done=1, total=2))
    job.check_cancelled()
    is_multilabel = images.task == "multi"
    scores = score_labels(features.inputs.among(chosen), near, targets, is_multilabel=is_multilabel)
    issue_of = _issue_of_several if is_multilabel else _issue_of_one
    issues = [
        issue_of(image, scores, target, place, class_names)
        for place, (image, target) in enumerate(zip(labelled, targets, strict=True))
        if not np.isnan(scores.errors[place]).all()
    ]
    issues.sort(key=lambda issue: (-issue.score, issue.values.get("given", 0.0)))
    most = max(int(np.ceil(_KEPT_SHARE * len(issues))), sum(issue.score >= _KEPT_SCORE for issue in issues))
    job.report(Progress(stage=STAGE, done=2, total=2))
    return CheckResult(
        check=NAME,
        issues=tuple(issues[:most]),
        threshold=THRESHOLD,
        checked=len(labelled),
        facts={
            "overlap": [] if is_multilabel else class_overlaps(targets, scores.probabilities, class_names),
            "single": [name for name, count in zip(class_names, targets.sum(axis=0), strict=True) if count < 2],
            **({APPROXIMATE: True} if is_approximate else {}),
        },
    )


def _issue_of_one(
    image: SnapshotImage, scores: LabelScores, target: np.ndarray, place: int, class_names: Sequence[str]
) -> Issue:
    shares, own = scores.probabilities[place], int(target.argmax())
    other = int(np.where(target > 0, -1.0, shares).argmax())
    score = round(float(scores.errors[place]), 6)
    return Issue(
        image_id=image.image_id,
        sha256=image.sha256,
        score=score,
        kind=WRONG,
        reason=Message(
            "Labelled “{label}”, predicted “{suggested}”: a label error with a probability of {chance}.",
            label=class_names[own],
            suggested=class_names[other],
            chance=chance_text(score),
        ),
        suggested=class_names[other],
        doubted=class_names[own],
        values={
            "probability": score,
            "given": round(float(shares[own]), 6),
            "suggested": round(float(shares[other]), 6),
        },
    )


def _issue_of_several(
    image: SnapshotImage, scores: LabelScores, target: np.ndarray, place: int, class_names: Sequence[str]
) -> Issue:
    index = int(np.nanargmax(scores.errors[place]))
    score, name = round(float(scores.errors[place, index]), 6), class_names[index]
    if target[index] > 0:
        kind, suggested, doubted = PUT_IN, "", name
        reason = Message("Labelled “{name}”, but does not look like it: wrong with a probability of {chance}.")
    else:
        kind, suggested, doubted = LEFT_OUT, name, ""
        reason = Message("Predicted “{name}”, but not labelled so: a label error with a probability of {chance}.")
    return Issue(
        image_id=image.image_id,
        sha256=image.sha256,
        score=score,
        kind=kind,
        reason=Message(reason, name=name, chance=chance_text(score)),
        suggested=suggested,
        doubted=doubted,
        values={"probability": score},
    )


def chance_text(score: float) -> str:
    """Return a score as text; it never reads as certain."""
    return f"{min(score, 0.99):.0%}"


def nearest_of_classes(
    features: Features, images: Snapshot, image_id: int, suggested: str
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the ids of the nearest images with a label of an image, nearest first, and those of the suggested class.

    Raises:
        KeyError: The image has no features, or is no longer in the project.
    """
    own = {*images.labels_of(images.by_id[image_id])} - {suggested}
    products = features.directions @ features.directions[features.place_of[image_id]]
    found: tuple[list[int], list[int]] = [], []
    for place in np.argsort(-products, kind="stable").tolist():
        other = images.by_id.get(features.images[place].image_id)
        if other is None or other.image_id == image_id:
            continue
        names = {*images.labels_of(other)}
        ids = found[suggested in names]
        if (suggested in names or names & own) and len(ids) < _EVIDENCE:
            ids.append(other.image_id)
    return tuple(found[0]), tuple(found[1])


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
