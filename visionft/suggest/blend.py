"""From what follows of the labels to probabilities that mean what they say. NumPy only.

Which classifier speaks depends on how many pictures a class has: the mean of a class at one, ridge regression in
between, Gaussian discriminant analysis from eight; in between they are blended. Each is a mean over a grid of
strengths, none is tuned (no validation picture is needed). The Gaussian one answers by Student's t, as its covariance
is only estimated: far from everything that is labelled it is unsure by itself, and its temperature is near 1.
"""

from dataclasses import dataclass

import numpy as np

from visionft.calibration import fit_temperature, sigmoid, softmax
from visionft.suggest.closed_form import STRENGTHS, ClosedForm, Terms

_SHOTS = (1.0, 2.0, 4.0, 8.0)  # median pictures a class ...
_SHARES = {  # ... and how much each classifier says there
    "prototype": (1.0, 0.5, 0.0, 0.0),
    "ridge": (0.0, 0.5, 0.5, 0.0),
    "gda": (0.0, 0.0, 0.5, 1.0),
}
_MEANS_SCALE, _RIDGE_SCALE = 2.0, 4.0  # what makes a logit of their answers when nothing is known yet
_ABSENT = -30.0  # logit of a class without a picture
_MOST_LEFT_OUT = 600  # labelled pictures that a temperature is fitted on
_SPREAD = 0.5  # of the logarithm of a temperature before anything is known


@dataclass(frozen=True)
class Answers:
    """What is said of every picture.

    Attributes:
        probabilities: (N, C); rows sum to 1 unless there are several labels.
        thresholds: (C) for several labels, the probability from which a class is given; None otherwise.
        temperature: What the logits were divided by.
        left_out: (B) places of labelled pictures that could be asked without themselves.
        left_out_probabilities: (B, C) what was said of them.
    """

    probabilities: np.ndarray
    thresholds: np.ndarray | None
    temperature: float
    left_out: np.ndarray
    left_out_probabilities: np.ndarray


def shares_at(counts: np.ndarray) -> dict[str, float]:
    """Return how much each classifier says when classes have so many labelled pictures (C)."""
    known = counts[counts > 0]
    shots = float(np.median(known)) if len(known) else 1.0
    place = np.log2(max(shots, 1.0))
    shares = {kind: float(np.interp(place, np.log2(_SHOTS), values)) for kind, values in _SHARES.items()}
    return {kind: share for kind, share in shares.items() if share > 0}


def answers(state: ClosedForm, *, is_multilabel: bool, most_left_out: int = _MOST_LEFT_OUT) -> Answers:
    """Return what the labels so far say of every picture, calibrated on those that are labelled, each left out.

    Args:
        state: Pictures and labels.
        is_multilabel: Whether a picture may have several labels.
        most_left_out: How many labelled pictures are asked without themselves.
    """
    return _several(state, most_left_out) if is_multilabel else _one_each(state, most_left_out)


def _one_each(state: ClosedForm, most: int) -> Answers:
    counts = state.counts
    shares = shares_at(counts)
    askable = _askable(state, counts, most)
    logits = _blended(state, shares, None)
    left_out = _blended(state, shares, askable)
    labels = state.targets[askable].argmax(axis=1)
    temperature = fit_temperature(left_out, labels, spread=_SPREAD)
    probabilities = softmax(logits / np.float32(temperature))
    return Answers(probabilities, None, temperature, askable, softmax(left_out / temperature))


def _several(state: ClosedForm, most: int) -> Answers:
    """Answer for each class by a ridge regression of its own: logit 0 at a half."""
    places = np.flatnonzero(state.is_labelled)[:: max(1, int(state.is_labelled.sum()) // most)]
    logits = _ridge([state.of_all(number) for number in range(len(STRENGTHS))]) - _RIDGE_SCALE / 2
    left_out = _ridge([state.left_out(number, places) for number in range(len(STRENGTHS))]) - _RIDGE_SCALE / 2
    temperature = fit_temperature(left_out, state.targets[places], spread=_SPREAD)
    thresholds = np.full(state.classes, 0.5)
    return Answers(sigmoid(logits / temperature), thresholds, temperature, places, sigmoid(left_out / temperature))


def _askable(state: ClosedForm, counts: np.ndarray, most: int) -> np.ndarray:
    """Return labelled pictures whose class has another one, evenly taken where they are many."""
    own = state.targets @ counts.astype(np.float32)
    places = np.flatnonzero(state.is_labelled & (own > 1))
    return places[:: max(1, len(places) // most)]


def _blended(state: ClosedForm, shares: dict[str, float], left_out: np.ndarray | None) -> np.ndarray:
    """Return (N, C) logits of all pictures, or (B, C) of labelled ones, each without itself."""
    counts = state.counts
    rows = len(state) if left_out is None else len(left_out)
    logits = np.zeros((rows, state.classes), np.float32 if left_out is None else np.float64)
    terms: list[Terms] = []
    if "ridge" in shares or "gda" in shares:
        numbers = range(len(STRENGTHS))
        terms = [state.of_all(each) if left_out is None else state.left_out(each, left_out) for each in numbers]
    if "prototype" in shares:
        means = state.to_means() if left_out is None else state.to_means_left_out(left_out)
        logits += shares["prototype"] * _MEANS_SCALE * means
    if "ridge" in shares:
        logits += shares["ridge"] * _ridge(terms)
    if "gda" in shares:
        logits += shares["gda"] * (_student(terms, float(counts.sum())) + np.log((counts + 1) / (counts.sum() + 1)))
    return np.where(counts > 0, logits, logits.dtype.type(_ABSENT))


def _ridge(terms: list[Terms]) -> np.ndarray:
    return np.mean([term.products for term in terms], axis=0) * _RIDGE_SCALE


def _student(terms: list[Terms], labelled: float) -> np.ndarray:
    """Return the mean logarithm of Student's t densities, each about the mean of a class."""
    total = np.zeros_like(terms[0].distances)
    for term in terms:
        widened = np.log1p(term.distances / (1 + 1 / np.maximum(term.counts, 1)))
        total -= np.where(np.isfinite(widened), widened, 0)
    return (labelled / 2 + 1) * total / len(terms)
