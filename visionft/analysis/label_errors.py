"""The check for label errors: probable errors, suggested labels, and confused classes.

The probability of a label error comes from held-out predictions of two classifiers and a model of label noise.
Closed-form classifiers (`visionft.analysis.feature_suggester`, leave-one-out) and the nearest neighbours predict each
image's class. Labels are assumed correct except for two kinds of error with unknown rates: *careless* errors hit any
other class alike, *confused* errors hit a class in proportion to the image's similarity to it. The weights of both
predictions and both rates maximize the likelihood of the given labels (forward correction: Patrini et al. 2017), and
Bayes' rule then gives the probability of a label error. For several labels each class of an image is present or
absent, and the rates count labels missing or added by mistake.

Recall of 5 % planted errors among the first tenth, every third image of a set, uniform and confusable: trashnet .98 and
.74, sign_digits 1.00 and .97 (20 % among the first two fifths: .97, .91; 1.00, .98).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Final

import numpy as np

from models.heads.calibration import sigmoid, softmax
from models.heads.closed_form import ClosedForm, with_intercept
from models.heads.numerics import Rows, parts, principal_directions, separable_groups, unit_rows
from visionft.analysis.check import APPROXIMATE, MAX_EXACT_IMAGES, Check, CheckResult, Inputs, Issue
from visionft.analysis.feature_suggester import predict
from visionft.core.errors import NextStep, ProjectError
from visionft.core.events import Progress
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, SnapshotImage, group_numbers
from visionft.features.feature_store import Features
from visionft.features.neighbours import Neighbours, nearest

NEIGHBOURS: Final = 30  # of an image, for their vote
_COSINES: Final = 0.05  # a neighbour with a cosine lower than the nearest one's by this much counts 1/e
_DOUBT: Final = 0.5  # prior votes, distributed by class frequency
_MAX_FITTED_IMAGES: Final = 3000  # at even intervals; enough to fit four parameters
_START, _RANGE = 0.03, (1e-4, 0.35)  # of both rates
_USUAL, _TRUST = 0.2, 10.0  # assumed errors of each kind among so many images: one of five images is little evidence
_PENALTY: Final = (1e-4, 0.05)  # on squared weights: always, and per image
_MIN_PROBABILITY: Final = 1e-9


@dataclass(frozen=True)
class LabelScores:
    """Scores of labelled images; NaN for a class with fewer than two images."""

    probabilities: np.ndarray  # (N, C) of the true classes, independent of the image's own label
    errors: np.ndarray  # (N,), or for several labels (N, C): probability of a label error


def score_labels(
    inputs: Rows, near: Neighbours, targets: np.ndarray, *, is_multilabel: bool, groups: np.ndarray | None = None
) -> LabelScores:
    """Score the labels of images.

    Args:
        inputs: (N, D) float32 features.
        near: The nearest images of each.
        targets: (N, C) zeros and ones.
        is_multilabel: Whether an image may have several labels.
        groups: (N,) numbers of groups of related images, which give no evidence for each other's labels.
    """
    if groups is not None:
        near = replace(near, places=np.where(groups[near.places] == groups[:, None], -1, near.places))
    linear = _linear_vote(inputs, targets, is_multilabel, groups)
    votes = np.stack([linear, _neighbour_vote(near, targets, is_multilabel)])
    weights, rates = _fit(votes, targets, is_multilabel)
    probabilities = _activated(votes, weights, is_multilabel)
    right, wrong = _likelihoods(probabilities, targets, rates, is_multilabel)
    errors = wrong / np.maximum(right + wrong, 1e-300)
    counts = targets.sum(axis=0)
    if is_multilabel:
        errors[:, (counts < 2) | (len(targets) - counts < 2)] = np.nan
    else:
        errors[counts[targets.argmax(axis=1)] < 2] = np.nan
    return LabelScores(probabilities, errors)


def _logits(shares: np.ndarray, is_multilabel: bool) -> np.ndarray:
    shares = np.clip(shares, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return np.log(shares) - np.log1p(-shares) if is_multilabel else np.log(shares)


def _linear_vote(inputs: Rows, targets: np.ndarray, is_multilabel: bool, groups: np.ndarray | None) -> np.ndarray:
    """Return (N, C) logits of closed-form classifiers, each image left out with its group."""
    state = ClosedForm(with_intercept(inputs), targets.shape[1], groups=groups)
    state.relearn(np.arange(len(targets)), targets)
    found = predict(state, is_multilabel=is_multilabel, most_left_out=len(targets))
    shares = found.probabilities.astype(np.float64)
    shares[found.left_out] = found.left_out_probabilities
    return _logits(shares, is_multilabel)


def _neighbour_vote(near: Neighbours, targets: np.ndarray, is_multilabel: bool) -> np.ndarray:
    """Return (N, C) logits: the share of each class among the nearest images, weighted by proximity."""
    usual = (targets.sum(axis=0) + _DOUBT) / (len(targets) + 2 * _DOUBT)
    is_counted = near.places >= 0
    products = np.where(is_counted, near.products, -np.inf)
    nearest_one = np.where(is_counted.any(axis=1), products.max(axis=1), 0)
    closeness = products - nearest_one[:, None]
    weights = np.exp(closeness / _COSINES)
    votes = np.zeros(targets.shape)
    for rank in range(weights.shape[1]):
        votes += weights[:, rank, None] * targets[near.places[:, rank]]
    return _logits((votes + _DOUBT * usual) / (weights.sum(axis=1, keepdims=True) + _DOUBT), is_multilabel)


def _activated(votes: np.ndarray, weights: np.ndarray, is_multilabel: bool) -> np.ndarray:
    logits = np.tensordot(weights, votes, 1)
    return sigmoid(logits) if is_multilabel else softmax(logits)


def _fit(votes: np.ndarray, targets: np.ndarray, is_multilabel: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the (V,) weights of votes (V, N, C) and the (2,) rates that explain the given labels best."""
    from scipy.optimize import minimize

    chosen = np.linspace(0, len(targets) - 1, min(len(targets), _MAX_FITTED_IMAGES)).astype(np.int64)
    votes, targets = votes[:, chosen], targets[chosen]
    count = len(votes)
    penalty = _PENALTY[0] + _PENALTY[1] / len(targets)

    def loss(values: np.ndarray) -> float:
        weights, rates = values[:count], values[count:]
        right, wrong = _likelihoods(_activated(votes, weights, is_multilabel), targets, rates, is_multilabel)
        likelihood = np.maximum(right + wrong, 1e-12)
        prior = np.log(rates).sum() * _USUAL + (_TRUST - 2 * _USUAL) * np.log1p(-rates).sum()
        return float(-(np.log(likelihood).sum() + prior) / likelihood.size + penalty * np.square(weights).sum())

    start = [*[1 / count] * count, _START, _START]
    found = minimize(loss, start, method="L-BFGS-B", bounds=[*[(0.0, None)] * count, _RANGE, _RANGE])
    return found.x[:count], found.x[count:]


def _likelihoods(
    probabilities: np.ndarray, targets: np.ndarray, rates: np.ndarray, is_multilabel: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Return the probabilities of each label by a correct assignment, and by error."""
    if is_multilabel:
        (missing, added), is_present = rates, targets > 0
        given = np.where(is_present, probabilities, 1 - probabilities)
        right = (1 - np.where(is_present, missing, added)) * given
        return right, np.where(is_present, added, missing) * (1 - given)
    places, own = np.arange(len(targets)), targets.argmax(axis=1)
    given = probabilities[places, own]
    careless = np.maximum(1 - given, 0) / max(1, targets.shape[1] - 1)
    odds = probabilities / np.maximum(1 - probabilities, _MIN_PROBABILITY)
    confused = given * (odds.sum(axis=1) - odds[places, own])
    return (1 - rates.sum()) * given, rates[0] * careless + rates[1] * confused


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
        reason = Message("it has no usable features")
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
        advice = Message("Label errors are found by comparing classes: label images of a second class.")
        raise ProjectError("All labelled images have the same class.", advice, NextStep("label"))
    if sum(count > 1 for count in counts) < 2:
        advice = Message("Two classes with two images each are the least that can be compared.")
        raise ProjectError("There are too few labels to find wrong ones.", advice, NextStep("label"))


def compare_labels(
    features: Features, images: Snapshot, *, job: JobContext = SILENT_JOB, max_exact: int = MAX_EXACT_IMAGES
) -> CheckResult:
    """Score the labels of all images with features.

    With more than `max_exact` labelled images the neighbours of most images are found, along principal axes.

    Raises:
        JobCancelled: The user cancelled.
        ProjectError: There are no labels, or too few to compare.
    """
    labelled = [image for image in images.images if image.labels and image.image_id in features.place_of]
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
    directions, is_approximate = features.directions.among(chosen), len(labelled) > max_exact
    compared = unit_rows(directions @ principal_directions(directions, _AXES)) if is_approximate else directions
    near = nearest(compared, k=NEIGHBOURS, job=job.without_events(), max_exact=max_exact)
    job.report(Progress(stage=STAGE, done=1, total=2))
    job.check_cancelled()
    is_multilabel = images.task == "multi"
    groups = separable_groups(targets, np.array(group_numbers(labelled)))
    scores = score_labels(features.inputs.among(chosen), near, targets, is_multilabel=is_multilabel, groups=groups)
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
    """Return the ids of the nearest images with a label of the image, and with the suggested class, nearest first.

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
