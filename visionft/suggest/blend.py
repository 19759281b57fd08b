"""Blending of classifiers into calibrated probabilities. NumPy only.

The classifier depends on the number of images of a class: the class mean at one, ridge regression for a few, Gaussian
discriminant analysis from eight; between these sizes they are blended. Each averages over a grid of regularization
strengths; none is tuned (no validation image is needed). The Gaussian classifier uses Student's t, because its
covariance is only estimated: far from all labelled images it is uncertain by itself, and its temperature is near 1.
"""

from dataclasses import dataclass

import numpy as np

from visionft.calibration import fit_temperature, sigmoid, softmax
from visionft.heads.closed_form import ClosedForm, Terms
from visionft.heads.numerics import parts

_SHOTS = (1.0, 2.0, 4.0, 8.0)  # median images per class ...
_SHARES = {  # ... and the weight of each classifier there
    "means": (1.0, 0.5, 0.0, 0.0),
    "ridge": (0.0, 0.5, 0.5, 0.0),
    "gda": (0.0, 0.0, 0.5, 1.0),
}
# Factors from outputs to logits, before the temperature is fitted.
_MEANS_SCALE = 2.0
_RIDGE_SCALE = 4.0


@dataclass(frozen=True)
class BlendedPredictions:
    """Predictions for every image."""

    probabilities: np.ndarray  # (N, C); rows sum to 1 unless the project is multi-label
    thresholds: np.ndarray | None  # (C) for several labels: the probability from which a class is assigned
    left_out: np.ndarray  # (B) places of the labelled images with a leave-one-out prediction
    left_out_probabilities: np.ndarray  # (B, C)


def shares_at(counts: np.ndarray) -> dict[str, float]:
    """Return the weight of each classifier for classes with these numbers of labelled images (C)."""
    known = counts[counts > 0]
    shots = float(np.median(known)) if len(known) else 1.0
    place = np.log2(max(shots, 1.0))
    shares = {kind: float(np.interp(place, np.log2(_SHOTS), values)) for kind, values in _SHARES.items()}
    return {kind: share for kind, share in shares.items() if share > 0}


def predict(state: ClosedForm, *, is_multilabel: bool, most_left_out: int = 600) -> BlendedPredictions:
    """Return predictions for every image, calibrated on leave-one-out predictions of the labelled ones.

    For several labels each class is a ridge regression of its own, with the threshold at a half. At most
    `most_left_out` labelled images get leave-one-out predictions.
    """
    counts = state.counts
    is_usable = state.is_labelled if is_multilabel else state.targets[:, counts > 1].any(axis=1)
    places = np.flatnonzero(is_usable)
    places = places[:: max(1, len(places) // most_left_out)]
    shares = {"ridge": 1.0} if is_multilabel else shares_at(counts)
    left_out = _logits(state, shares, places, is_multilabel=is_multilabel)
    targets = state.targets[places].astype(np.float64)
    temperature = fit_temperature(left_out, targets if is_multilabel else targets.argmax(axis=1), spread=0.5)
    to_probabilities = sigmoid if is_multilabel else softmax
    probabilities = np.empty(state.targets.shape, np.float32)
    for part in parts(*probabilities.shape):
        logits = _logits(state, shares, part, is_multilabel=is_multilabel)
        probabilities[part] = to_probabilities(logits / np.float32(temperature))
    return BlendedPredictions(
        probabilities,
        np.full(state.classes, 0.5) if is_multilabel else None,
        places,
        to_probabilities(left_out / temperature),
    )


def _logits(
    state: ClosedForm, shares: dict[str, float], places: slice | np.ndarray, *, is_multilabel: bool
) -> np.ndarray:
    """Return the (B, C) logits of a part of all images, or of labelled ones (B) by leave-one-out, double precision."""
    counts = state.counts
    logits = np.zeros(1)
    terms = list[Terms]()
    if "ridge" in shares or "gda" in shares:
        numbers = range(len(state.strengths))
        if isinstance(places, slice):
            terms = [state.of_all(each, places) for each in numbers]
        else:
            terms = [state.left_out(each, places) for each in numbers]
    if "means" in shares:
        products = state.to_means(places) if isinstance(places, slice) else state.to_means_left_out(places)
        logits = logits + shares["means"] * _MEANS_SCALE * products
    if "ridge" in shares:
        logits = logits + shares["ridge"] * _RIDGE_SCALE * np.mean([each.products for each in terms], axis=0)
    if "gda" in shares:
        # the mean logarithm of Student's t densities, each about the mean of a class
        densities = np.zeros_like(terms[0].distances)
        for term in terms:
            widened = np.log1p(term.distances / (1 + 1 / np.maximum(term.counts, 1)))
            densities -= np.where(np.isfinite(widened), widened, 0)
        densities = (float(counts.sum()) / 2 + 1) * densities / len(terms)
        logits = logits + shares["gda"] * (densities + np.log((counts + 1) / (counts.sum() + 1)))
    return logits - _RIDGE_SCALE / 2 if is_multilabel else np.where(counts > 0, logits, -30)
