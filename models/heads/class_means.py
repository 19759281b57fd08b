"""The nearest-class-mean head (Mensink et al. 2013; prototypes: Snell et al. 2017, arXiv:1703.05175). NumPy only.

With one to three images a class nothing is better, and it is easy to explain. The squared distances to the means differ
by a linear function of the features, so a linear head is equivalent: w_c = 2 mu_c, b_c = -|mu_c|^2.

Suggestions compare directions instead (`closed_form.ClosedForm.to_means`): with one and two images a class of clothing
their accuracy is .31 and .38, by distances .28 and .37.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.heads.calibration import are_right, fit_temperature
from models.heads.linear_head import FittedHead, standardization
from models.heads.numerics import separable_groups
from visionft.core.messages import Message

_SPREAD = 0.5  # prior standard deviation of the logarithm of the temperature
_ABSENT = -30.0  # logit of a class without an image
_SCALE = 2.0  # from squared distances to initial logits


def fit_class_means(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    widths: Sequence[int],
    is_multilabel: bool = False,
    weights: np.ndarray | None = None,
    groups: np.ndarray | None = None,
) -> FittedHead:
    """Fit the mean of each class, calibrated by leave-one-out or leave-group-out; arguments as in `fit_head`.

    For several labels each class has two means, of the images with it and of those without it.
    """
    means, divisors = standardization(features, widths)
    inputs = ((features.astype(np.float32) - means) / divisors).astype(np.float64)
    targets = targets.astype(np.float64)
    counts = np.ones(len(inputs)) if weights is None else weights.astype(np.float64)
    present = _ClassMeans.of(inputs, targets, counts)
    weight, bias = present.linear()
    groups = separable_groups(targets, groups)
    logits = present.left_out(inputs, targets, counts, groups)
    if is_multilabel:
        absent = _ClassMeans.of(inputs, 1 - targets, counts)
        weight, bias = weight - absent.linear()[0], bias - absent.linear()[1]
        logits = logits - absent.left_out(inputs, 1 - targets, counts, groups)
        places = np.arange(len(inputs))
        labels = targets
    else:
        places = np.flatnonzero(targets @ targets.sum(axis=0) > 1)
        labels = targets[places].argmax(axis=1)
    temperature = fit_temperature(logits[places], labels, spread=_SPREAD)
    weight = weight / divisors[:, None] / temperature
    accuracy = float(are_right(logits[places], labels).mean()) if len(labels) else None
    text = "The head compares images with the mean features of each class"
    if accuracy is None:
        text = Message("{text}; one image a class is too few to measure its accuracy.", text=text)
    else:
        measured = Message("{text}; its leave-one-out accuracy is {accuracy}.", text=text)
        text = Message(measured, accuracy=f"{accuracy:.1%}")
    return FittedHead(
        weight=weight.T.astype(np.float32),
        bias=(bias / temperature - means @ weight).astype(np.float32),
        held_out=logits[places] / temperature,
        places=places,
        accuracy=accuracy,
        description=text,
    )


@dataclass(frozen=True)
class _ClassMeans:
    """The (C, D) means of the images of each class, and the (C,) weight of these images."""

    means: np.ndarray
    totals: np.ndarray

    @classmethod
    def of(cls, inputs: np.ndarray, is_member: np.ndarray, counts: np.ndarray) -> "_ClassMeans":
        weighted = is_member * counts[:, None]
        totals = weighted.sum(axis=0)
        return cls(weighted.T @ inputs / np.maximum(totals, 1e-12)[:, None], totals)

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Return (D, C) weights and (C,) biases from inputs to logits; a class without an image is never predicted."""
        bias = np.where(self.totals > 0, -_SCALE * np.square(self.means).sum(axis=1), _ABSENT)
        return 2 * _SCALE * self.means.T, bias

    def left_out(
        self, inputs: np.ndarray, is_member: np.ndarray, counts: np.ndarray, groups: np.ndarray | None
    ) -> np.ndarray:
        """Return (N, C) logits of the inputs (N, D), each predicted without itself and the rest of its group (N,).

        With mu' = (n mu - w x) / (n - w) for a member x of weight w: x'mu' and |mu'|^2 follow from x'mu, |mu|^2, |x|^2.
        """
        if groups is not None:
            return self._left_out_groups(inputs, is_member, counts, groups)
        weight, bias = self.linear()
        products = inputs @ self.means.T
        norms = np.square(inputs).sum(axis=1, keepdims=True)
        own = counts[:, None]
        rest = np.maximum(self.totals - counts[:, None], 1e-12)
        product = (self.totals * products - own * norms) / rest
        squares = np.square(self.totals) * np.square(self.means).sum(axis=1) - 2 * self.totals * own * products
        square = (squares + np.square(own) * norms) / np.square(rest)
        return np.where(is_member > 0, _SCALE * (2 * product - square), inputs @ weight + bias)

    def _left_out_groups(
        self, inputs: np.ndarray, is_member: np.ndarray, counts: np.ndarray, groups: np.ndarray
    ) -> np.ndarray:
        logits = np.empty((len(inputs), len(self.means)))
        sums = self.means * self.totals[:, None]
        for group in np.unique(groups):
            inside = groups == group
            weighted = is_member[inside] * counts[inside, None]
            totals = np.maximum(self.totals - weighted.sum(axis=0), 0)
            means = (sums - weighted.T @ inputs[inside]) / np.maximum(totals, 1e-12)[:, None]
            weight, bias = _ClassMeans(means, np.where(totals > 1e-9, totals, 0)).linear()
            logits[inside] = inputs[inside] @ weight + bias
        return logits
