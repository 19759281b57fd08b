"""The head of a linear probe: which features, which kind and which strength, decided on pictures that were held out.

Every head of the grid predicts pictures that it was not fitted on (five folds). Those whose loss there is near the
least one are averaged: choosing one hangs on luck, and no kind is the best everywhere (of 250 to 1,500 pictures of the
shared sets, each single kind is up to .07 below another; the average never more than .01). No validation picture is
needed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.calibration import are_right, fit_temperature, mean_cross_entropy
from visionft.events import ShouldStop, never_stop
from visionft.heads.axes import part_scaling
from visionft.heads.folds import class_folds
from visionft.heads.linear_head import LinearHead, discriminant_heads, logistic_heads, mean_head, ridge_heads
from visionft.heads.scatter import Scatter

FOLDS = 5
NEAR, NEAR_BY = 1.1, 0.01  # a loss counts as near the least one up to so much of it, and so much more
_KINDS = {
    "ridge": "ridge regression",
    "gda": "Gaussian discriminant analysis",
    "logistic": "logistic regression",
}
_NO_FOLD = -2
_LOGISTIC_LIMIT = 100_000_000  # pictures x features x classes: beyond, a logistic regression takes minutes


@dataclass(frozen=True)
class FittedHead:
    """A head for raw features, and what is known of it.

    Attributes:
        weight: (C, D), for features as the network gives them.
        bias: (C,).
        held_out: (N, C) calibrated logits of each picture by heads that it took no part in.
        askable: (N,) of which pictures they say something: not of the only one of a class.
        accuracy: Share of pictures that these are right for; None where no class has two.
        kinds: What was averaged, best first, such as `ridge` and `gda`.
        uses_all_parts: Whether any of it looks at more than the last part of the features.
    """

    weight: Tensor
    bias: Tensor
    held_out: Tensor
    askable: Tensor
    accuracy: float | None
    kinds: tuple[str, ...]
    uses_all_parts: bool


@dataclass(frozen=True)
class _Problem:
    """What heads are fitted to: (N, D) standardised features, (N, C) targets, (N,) weights and folds."""

    inputs: Tensor
    wanted: Tensor
    counts: Tensor
    folds: Tensor
    is_multilabel: bool

    def among(self, chosen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return features, targets and weights of the chosen pictures."""
        return self.inputs[chosen], self.wanted[chosen], self.counts[chosen]

    @property
    def fold_numbers(self) -> list[int]:
        """Return the folds that have pictures."""
        return [int(number) for number in self.folds.unique() if number >= 0]

    def held_out(self, logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of the pictures that have a fold, and their labels: class indices, or zeros and ones."""
        known = self.folds >= 0
        wanted = self.wanted[known]
        return logits[known].numpy(), (wanted if self.is_multilabel else wanted.argmax(dim=1)).numpy()

    def score(self, logits: Tensor) -> tuple[float, float]:
        """Return the loss of held-out logits (N, C) at the temperature that suits them, and that temperature."""
        values, labels = self.held_out(logits)
        if not len(labels):
            return 0.0, 1.0
        temperature = fit_temperature(values, labels, spread=None)
        return mean_cross_entropy(values / temperature, labels), temperature

    def accuracy(self, logits: Tensor) -> float | None:
        """Return the share of held-out pictures that are right: the top class, or every one of several labels."""
        values, labels = self.held_out(logits)
        return float(are_right(values, labels).mean()) if len(labels) else None


@dataclass(frozen=True)
class _Candidate:
    kind: str
    first: int  # of the features that it looks at
    head: LinearHead
    held_out: Tensor  # (N, C) logits
    loss: float
    temperature: float


def fit_head(
    features: Tensor,
    targets: Tensor,
    *,
    widths: Sequence[int],
    is_multilabel: bool = False,
    tries_last_alone: bool = True,
    weights: Tensor | None = None,
    seed: int = 0,
    should_stop: ShouldStop = never_stop,
) -> FittedHead:
    """Fit a linear head on features of a frozen network.

    Args:
        features: (N, D), side by side from one or several parts of the network.
        targets: (N, C) zeros and ones; one each row unless there are several labels.
        widths: Of the parts; their sum is D.
        is_multilabel: Whether a picture may have several labels or none.
        tries_last_alone: Whether heads on the last part alone are tried beside those on all parts.
        weights: (N,) how much each picture counts; all alike when None.
        seed: Decides the folds.
        should_stop: Asked between heads.

    Raises:
        InterruptedError: `should_stop` said so.
        ValueError: A feature is not finite, or there is none.
    """
    if not len(features) or not features.isfinite().all():
        raise ValueError("the features of a head must be finite numbers")
    counts = torch.ones(len(features)) if weights is None else weights.cpu().float()
    inputs, scales, means = standardise(features.cpu(), widths)
    wanted, generator = targets.cpu().double(), np.random.default_rng(seed)
    folds = class_folds(wanted.numpy(), FOLDS, is_multilabel=is_multilabel, generator=generator)
    problem = _Problem(inputs, wanted, counts, torch.from_numpy(folds), is_multilabel)
    starts = [0, sum(widths[:-1])] if tries_last_alone and len(widths) > 1 else [0]
    candidates = [each for first in starts for each in _from_sums(problem, first, should_stop)]
    if features.numel() * targets.shape[1] <= _LOGISTIC_LIMIT:
        candidates += _logistic(problem, min(candidates, key=lambda each: each.loss).first, should_stop)
    chosen = _near_best(candidates)
    head = mean_head([_padded(each.head, each.first) for each in chosen], [1 / each.temperature for each in chosen])
    held_out = torch.stack([each.held_out / each.temperature for each in chosen]).mean(dim=0)
    _, temperature = problem.score(held_out)
    weight = head.weight * scales[:, None] / temperature
    return FittedHead(
        weight=weight.T.float(),
        bias=(head.bias / temperature - means @ weight).float(),
        held_out=(held_out / temperature).float(),
        askable=problem.folds >= 0,
        accuracy=problem.accuracy(held_out),
        kinds=tuple(dict.fromkeys(each.kind for each in chosen)),
        uses_all_parts=len(widths) > 1 and any(not each.first for each in chosen),
    )


def description(fitted: FittedHead) -> str:
    """Say what a head is made of, and how it did on pictures that it was not fitted on."""
    kinds = " and ".join(_KINDS[kind] for kind in fitted.kinds)
    scope = "several stages of the network" if fitted.uses_all_parts else "the network's embedding"
    text = f"The head is made by {kinds} on {scope}"
    if fitted.accuracy is None:
        return f"{text}; one picture a class is too few to try it."
    return f"{text}; it is right for {fitted.accuracy:.1%} of training pictures that were held out."


def standardise(features: Tensor, widths: Sequence[int]) -> tuple[Tensor, Tensor, Tensor]:
    """Centre features (N, D) and give each part the same weight, as `part_scaling` does.

    Returns:
        (N, D) float32 with a mean squared norm of 1 in each part; the (D,) factors and means that made it.
    """
    means, divisors = part_scaling(features.numpy(), widths)
    centre, scales = torch.from_numpy(means), 1 / torch.from_numpy(divisors).double()
    return (features - centre) * scales.float(), scales, centre.double()


def _from_sums(problem: _Problem, first: int, should_stop: ShouldStop) -> list[_Candidate]:
    """Fit the heads that follow from sums over the features from `first` on."""
    problem = replace(problem, inputs=problem.inputs[:, first:])
    whole = Scatter.of(problem.inputs, problem.wanted, problem.counts)
    parts = {number: Scatter.of(*problem.among(problem.folds == number)) for number in problem.fold_numbers}

    def sums(number: int) -> Scatter:
        return whole.without(parts[number]) if number in parts else whole

    def ridge(number: int) -> list[LinearHead]:
        # Regressions on zeros and ones: for several labels a half is the border, which logits have at zero.
        border = 0.5 if problem.is_multilabel else 0.0
        return [LinearHead(head.weight, head.bias - border) for head in ridge_heads(sums(number))]

    def discriminant(number: int) -> list[LinearHead]:
        return discriminant_heads(sums(number))

    found = _of_kind("ridge", ridge, problem, first, should_stop)
    return found if problem.is_multilabel else found + _of_kind("gda", discriminant, problem, first, should_stop)


def _logistic(problem: _Problem, first: int, should_stop: ShouldStop) -> list[_Candidate]:
    """Fit logistic regressions on the features from `first` on."""
    problem = replace(problem, inputs=problem.inputs[:, first:])

    def fit(number: int) -> list[LinearHead]:
        return logistic_heads(*problem.among(problem.folds != number), is_multilabel=problem.is_multilabel)

    return _of_kind("logistic", fit, problem, first, should_stop)


def _of_kind(
    kind: str,
    fit: Callable[[int], list[LinearHead]],
    problem: _Problem,
    first: int,
    should_stop: ShouldStop,
) -> list[_Candidate]:
    """Fit the heads of one kind on everything, and without each fold in turn for what they say of it."""
    heads = _unless_stopped(fit, _NO_FOLD, should_stop)
    held_out = [torch.zeros_like(problem.wanted) for _ in heads]
    for number in problem.fold_numbers:
        inside = problem.folds == number
        for values, head in zip(held_out, _unless_stopped(fit, number, should_stop), strict=True):
            values[inside] = head(problem.inputs[inside])
    scores = [problem.score(values) for values in held_out]
    return [
        _Candidate(kind, first, head, values, *score)
        for head, values, score in zip(heads, held_out, scores, strict=True)
    ]


def _unless_stopped(fit: Callable[[int], list[LinearHead]], number: int, should_stop: ShouldStop) -> list[LinearHead]:
    if should_stop():
        raise InterruptedError
    return fit(number)


def _padded(head: LinearHead, first: int) -> LinearHead:
    """Return a head on the features from `first` on as one on all features."""
    nothing = torch.zeros(first, head.weight.shape[1]).double()
    return LinearHead(torch.cat([nothing, head.weight]), head.bias)


def _near_best(candidates: list[_Candidate]) -> list[_Candidate]:
    """Return the heads whose held-out loss is near the least one, the best first."""
    ordered = sorted(candidates, key=lambda each: each.loss)
    most = ordered[0].loss * NEAR + NEAR_BY
    return [each for each in ordered if each.loss <= most]
