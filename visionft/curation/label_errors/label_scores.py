"""Probability of a label error: held-out predictions of two classifiers, and a model of label noise.

Closed-form classifiers (`visionft.suggest.blend`, leave-one-out) and the nearest neighbours predict each image's class.
Labels are assumed correct except for two kinds of error with unknown rates: *careless* errors hit any other class
alike, *confused* errors hit a class in proportion to the image's similarity to it. The weights of both predictions and
both rates maximize the likelihood of the given labels (forward correction: Patrini et al. 2017), and Bayes' rule then
gives the probability of a label error. For several labels each class of an image is present or absent, and the rates
are those of labels missing and added by mistake.

Recall of 5 % planted errors among the first tenth, every third image of a set, uniform and confusable: trashnet .98 and
.74, sign_digits 1.00 and .97 (20 % among the first two fifths: .97, .91; 1.00, .98).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from visionft.calibration import sigmoid, softmax
from visionft.features.neighbours import Neighbours
from visionft.heads.closed_form import ClosedForm, with_intercept
from visionft.heads.numerics import Rows
from visionft.suggest.blend import predict

NEIGHBOURS: Final = 30  # of an image, for their vote
_COSINES: Final = 0.05  # a neighbour with a cosine lower than the nearest one's by this much counts 1/e
_DOUBT: Final = 0.5  # prior votes, distributed by class frequency
_MOST_FITTED: Final = 3000  # images, at even intervals: only four numbers are fitted
_START, _RANGE = 0.03, (1e-4, 0.35)  # of both rates
_USUAL, _TRUST = 0.2, 10.0  # assumed errors of each kind among so many images: one of five images is little evidence
_PENALTY: Final = (1e-4, 0.05)  # on squared weights: always, and per image
_LEAST: Final = 1e-9


@dataclass(frozen=True)
class LabelScores:
    """Scores of labelled images; NaN for a class with fewer than two images."""

    probabilities: np.ndarray  # (N, C) of the true classes, independent of the image's own label
    errors: np.ndarray  # (N,), or for several labels (N, C): probability of a label error


def score_labels(inputs: Rows, near: Neighbours, targets: np.ndarray, *, is_multilabel: bool) -> LabelScores:
    """Score the labels of images.

    Args:
        inputs: (N, D) float32 features.
        near: The nearest images of each.
        targets: (N, C) zeros and ones.
        is_multilabel: Whether an image may have several labels.
    """
    votes = np.stack([_linear_vote(inputs, targets, is_multilabel), _neighbour_vote(near, targets, is_multilabel)])
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
    shares = np.clip(shares, _LEAST, 1 - _LEAST)
    return np.log(shares) - np.log1p(-shares) if is_multilabel else np.log(shares)


def _linear_vote(inputs: Rows, targets: np.ndarray, is_multilabel: bool) -> np.ndarray:
    """Return (N, C) logits of closed-form classifiers, each image left out."""
    state = ClosedForm(with_intercept(inputs), targets.shape[1])
    state.relearn(np.arange(len(targets)), targets)
    found = predict(state, is_multilabel=is_multilabel, most_left_out=len(targets))
    shares = found.probabilities.astype(np.float64)
    shares[found.left_out] = found.left_out_probabilities
    return _logits(shares, is_multilabel)


def _neighbour_vote(near: Neighbours, targets: np.ndarray, is_multilabel: bool) -> np.ndarray:
    """Return (N, C) logits: the share of each class among the nearest images, weighted by proximity."""
    usual = (targets.sum(axis=0) + _DOUBT) / (len(targets) + 2 * _DOUBT)
    is_counted = near.places >= 0
    closeness = np.where(is_counted, near.products - near.products[:, :1], -np.inf)
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

    chosen = np.linspace(0, len(targets) - 1, min(len(targets), _MOST_FITTED)).astype(np.int64)
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
    odds = probabilities / np.maximum(1 - probabilities, _LEAST)
    confused = given * (odds.sum(axis=1) - odds[places, own])
    return (1 - rates.sum()) * given, rates[0] * careless + rates[1] * confused
