"""The head of a linear probe: stages, kind and strength are chosen by cross-validation.

Ridge regression, Gaussian discriminant analysis and logistic regression give one head for each strength of a small
grid; every head predicts held-out images (five folds). All heads with a held-out loss near the least one are averaged:
choosing a single one is unstable, and no kind is the best everywhere (on 250 to 1,500 images of the shared sets, each
single kind is up to .07 below another; the average never more than .01). No validation image is needed.

Mirrored copies are learned from as well where the held-out loss of the images themselves says so, which it does not
where mirroring changes a class; a copy is in the fold of its image. On four sets x 60, 100 and 400 images x two seeds
accuracy rose from .730 to .737 at 160 px (log loss .819 to .805) and from .738 to .743 at 224 px (.792 to .787); no
cell lost more than .007. The fit takes 4 to 7 s instead of 2 to 3 s of one core. Of fewer images than features it takes
less: 0.3 s for 39 images with 1,536 features, as its equations are solved in the space that the images span.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.heads.calibration import are_right, cross_entropies, fit_temperature, mean_cross_entropy
from models.heads.numerics import RIDGES, SHRINKAGES, class_folds, part_scaling, separable_groups
from models.heads.scatter import Scatter, in_own_span, solve
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message

FOLDS = 5
DECAYS = (1e-2, 3e-3, 1e-3, 3e-4)  # L2 penalties on the mean loss, for features whose squared norm is 1 on average
# Solutions with a loss up to ratio * lowest + margin are averaged.
_LOSS_RATIO = 1.1
_LOSS_MARGIN = 0.01
_TITLES = {"ridge": "ridge regression", "gda": "Gaussian discriminant analysis", "logistic": "logistic regression"}
_NO_FOLD = -2  # stands for all images; -1 is the fold of the only image of a class
_ITERATIONS = 40  # of L-BFGS, for each penalty
_LOGISTIC_LIMIT = 100_000_000  # images x features x classes: beyond, a logistic regression takes minutes


@dataclass(frozen=True)
class FittedHead:
    """A linear head for raw features, with calibrated held-out logits."""

    weight: np.ndarray  # (C, D) float32, for the network's own features
    bias: np.ndarray  # (C,) float32
    held_out: np.ndarray  # (M, C) calibrated held-out logits of training images
    places: np.ndarray  # (M,) of these images: all but the only one of a class
    accuracy: float | None  # held-out accuracy; None where no class has two images
    description: str
    uses_mirrored: bool = False  # whether it is fitted to mirrored copies as well


@dataclass(frozen=True)
class LinearHead:
    """Logits = features @ weight + bias; (D, C) and (C,), double precision."""

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        return features.double() @ self.weight + self.bias


@dataclass(frozen=True)
class _TrainingData:
    """(N, D) standardised features, (N, C) targets, (N,) weights and folds; rows from `images` on are copies."""

    inputs: Tensor
    targets: Tensor
    weights: Tensor
    folds: Tensor
    is_multilabel: bool
    images: int
    groups: int = 0  # number of groups of related images; 0 where every image is alone

    def held_out(self, logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Return the logits of all images with a fold, and their labels: class indices, or zeros and ones."""
        known = self.folds[: self.images] >= 0
        targets = self.targets[: self.images][known]
        return logits[: self.images][known].numpy(), (targets if self.is_multilabel else targets.argmax(dim=1)).numpy()

    def score(self, logits: Tensor) -> tuple[float, float]:
        """Return the loss of held-out logits (N, C) at the best temperature, and the temperature."""
        values, labels = self.held_out(logits)
        if not len(labels):
            return 0.0, 1.0
        temperature = fit_temperature(values, labels, spread=None)
        return mean_cross_entropy(values / temperature, labels), temperature


@dataclass(frozen=True)
class _Space:
    """The features from `first` on: (N, R) inputs in their own coordinates, and the basis (D, R) of these or None."""

    first: int
    inputs: Tensor
    basis: Tensor | None
    width: int  # D

    @classmethod
    def of(cls, inputs: Tensor, first: int) -> "_Space":
        chosen = inputs[:, first:]
        return cls(first, *in_own_span(chosen), chosen.shape[1])

    def of_features(self, head: LinearHead) -> LinearHead:
        """Return the head for features instead of coordinates."""
        return head if self.basis is None else LinearHead(self.basis @ head.weight, head.bias)


@dataclass(frozen=True)
class _Candidate:
    kind: str
    space: _Space
    head: LinearHead  # of coordinates
    held_out: Tensor  # (N, C) logits
    loss: float
    temperature: float


def fit_head(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    widths: Sequence[int],
    is_multilabel: bool = False,
    tries_last_alone: bool = True,
    weights: np.ndarray | None = None,
    mirrored: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    seed: int = 0,
    job: JobContext = SILENT_JOB,
) -> FittedHead:
    """Fit a linear head to features of a frozen network.

    The head that is fitted to mirrored copies too is taken if its held-out loss on the images is lower by more than one
    standard error, paired.

    Args:
        features: (N, D), of one or several stages of the network side by side.
        targets: (N, C) zeros and ones; one each row unless there are several labels.
        widths: Of the stages; their sum is D.
        tries_last_alone: Whether heads on the last stage alone are candidates too.
        weights: (N,), of the images in the fit.
        mirrored: (N, D) features of the mirrored images.
        groups: (N,) numbers of groups that stay in one fold; None where every image is alone.

    Raises:
        ValueError: The features are empty or not finite.
    """
    generator = np.random.default_rng(seed)
    separable = separable_groups(targets, groups)
    folds = class_folds(targets, FOLDS, is_multilabel=is_multilabel, generator=generator, groups=groups)
    weights = np.ones(len(features)) if weights is None else weights

    def fit(*views: np.ndarray) -> FittedHead:
        """Fit a head to the images and copies of them, each in the fold of its image."""
        rows = np.concatenate(views)
        repeats = len(views)
        means, divisors = standardization(rows, widths)
        data = _TrainingData(
            inputs=torch.from_numpy((rows.astype(np.float32) - means) / divisors),
            targets=torch.from_numpy(np.tile(targets.astype(np.float64), (repeats, 1))),
            weights=torch.from_numpy(np.tile(weights.astype(np.float32), repeats)),
            folds=torch.from_numpy(np.tile(folds, repeats)),
            is_multilabel=is_multilabel,
            images=len(features),
            groups=0 if separable is None else len(np.unique(separable)),
        )
        return _fit(data, means, divisors, widths=widths, tries_last_alone=tries_last_alone, job=job)

    plain = fit(features)
    if mirrored is None:
        return plain
    both = fit(features, mirrored)
    known = targets[plain.places]
    labels = known if is_multilabel else known.argmax(axis=1)
    gains = cross_entropies(plain.held_out, labels) - cross_entropies(both.held_out, labels)
    is_better = len(gains) > 1 and gains.mean() > gains.std(ddof=1) / math.sqrt(len(gains))
    return both if is_better else plain


def _fit(
    data: _TrainingData,
    means: np.ndarray,
    divisors: np.ndarray,
    *,
    widths: Sequence[int],
    tries_last_alone: bool,
    job: JobContext,
) -> FittedHead:
    inputs, is_multilabel = data.inputs, data.is_multilabel
    classes = data.targets.shape[1]
    starts = [0, sum(widths[:-1])] if tries_last_alone and len(widths) > 1 else [0]
    candidates = [candidate for first in starts for candidate in _from_sums(data, _Space.of(inputs, first), job)]
    if inputs.numel() * classes <= _LOGISTIC_LIMIT:
        space = min(candidates, key=lambda candidate: candidate.loss).space

        def logistic(number: int) -> list[LinearHead]:
            rest = data.folds != number
            return logistic_heads(
                space.inputs[rest], data.targets[rest], data.weights[rest], is_multilabel=is_multilabel
            )

        candidates += _of_kind("logistic", logistic, data, space, job)
    candidates.sort(key=lambda candidate: candidate.loss)
    chosen = [
        candidate for candidate in candidates if candidate.loss <= candidates[0].loss * _LOSS_RATIO + _LOSS_MARGIN
    ]
    held_out = torch.stack([candidate.held_out / candidate.temperature for candidate in chosen]).mean(dim=0)
    _, temperature = data.score(held_out)
    weight = torch.zeros(inputs.shape[1], classes).double()
    bias = torch.zeros(classes).double()
    for candidate in chosen:
        share = 1 / (candidate.temperature * len(chosen) * temperature)
        head = candidate.space.of_features(candidate.head)
        weight[candidate.space.first :] += head.weight * share
        bias += head.bias * share
    values, labels = data.held_out(held_out)
    accuracy = float(are_right(values, labels).mean()) if len(labels) else None
    kinds = tuple(dict.fromkeys(candidate.kind for candidate in chosen))
    uses_all_parts = len(widths) > 1 and any(not candidate.space.first for candidate in chosen)
    uses_mirrored = len(inputs) > data.images
    raw = weight.numpy() / divisors[:, None].astype(np.float64)
    return FittedHead(
        weight=raw.T.astype(np.float32),
        bias=(bias.numpy() - means.astype(np.float64) @ raw).astype(np.float32),
        held_out=(values / temperature).astype(np.float32),
        places=np.flatnonzero(data.folds[: data.images].numpy() >= 0),
        accuracy=accuracy,
        description=_description(
            kinds, accuracy, data.groups, uses_all_parts=uses_all_parts, uses_mirrored=uses_mirrored
        ),
        uses_mirrored=uses_mirrored,
    )


def standardization(features: np.ndarray, widths: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    if not len(features) or not np.isfinite(features).all():
        raise ValueError("the features of a head must be finite numbers")
    return part_scaling(features, widths)


def _description(
    kinds: Sequence[str], accuracy: float | None, groups: int, *, uses_all_parts: bool, uses_mirrored: bool
) -> str:
    titles = " and ".join(_TITLES[kind] for kind in kinds)
    scope = Message("several stages of the network") if uses_all_parts else Message("the network's embedding")
    if uses_mirrored:
        scope = Message("{scope}, with mirrored copies of the images", scope=scope)
    text = Message("The head is fitted by {titles} to {scope}", titles=titles, scope=scope)
    if accuracy is None:
        return Message("{text}; one image a class is too few to measure its accuracy.", text=text)
    measured = Message("{text}; its accuracy on held-out images is {accuracy}.")
    if groups:
        measured = Message("{text}; its accuracy on images of {groups} held-out groups is {accuracy}.")
    return Message(measured, text=text, groups=f"{groups:,}", accuracy=f"{accuracy:.1%}")


def _from_sums(data: _TrainingData, space: _Space, job: JobContext) -> list[_Candidate]:
    """Fit all heads with sufficient statistics."""

    def sums(chosen: Tensor) -> Scatter:
        return Scatter.of(space.inputs[chosen], data.targets[chosen], data.weights[chosen])

    whole = sums(torch.ones_like(data.folds, dtype=torch.bool))
    parts = {int(number): sums(data.folds == number) for number in data.folds.unique() if number >= 0}
    rest = {number: whole.without(part) for number, part in parts.items()} | {_NO_FOLD: whole}
    # Regressions on zeros and ones: for several labels a half is the border, which logits have at zero.
    border = 0.5 if data.is_multilabel else 0.0

    def ridge(number: int) -> list[LinearHead]:
        return [LinearHead(head.weight, head.bias - border) for head in ridge_heads(rest[number], space.width)]

    found = _of_kind("ridge", ridge, data, space, job)
    if data.is_multilabel:
        return found
    return found + _of_kind("gda", lambda number: discriminant_heads(rest[number], space.width), data, space, job)


def _of_kind(
    kind: str, fit: Callable[[int], list[LinearHead]], data: _TrainingData, space: _Space, job: JobContext
) -> list[_Candidate]:
    """Fit the heads of one kind to all images, and without each fold in turn to predict it."""
    job.check_cancelled()
    heads = fit(_NO_FOLD)
    held_out = [torch.zeros(data.targets.shape, dtype=torch.double) for _ in heads]
    for number in data.folds.unique().tolist():
        if number >= 0:
            job.check_cancelled()
            inside = data.folds == number
            for values, head in zip(held_out, fit(number), strict=True):
                values[inside] = head(space.inputs[inside])
    return [
        _Candidate(kind, space, head, values, *data.score(values)) for head, values in zip(heads, held_out, strict=True)
    ]


def ridge_heads(sums: Scatter, width: int) -> list[LinearHead]:
    """Return least-squares regressions on the targets, W = (S + k I)^-1 S_xy (Hoerl and Kennard 1970).

    Args:
        width: Number of features, of which `sums` may have fewer coordinates (`in_own_span`).
    """
    covariance = sums.covariance()
    cross = sums.moment / sums.count - torch.outer(sums.mean, sums.prior)  # (D, C)
    scale = float(covariance.trace()) / width
    weights = [solve(covariance, cross, ridge=strength * scale) for strength in RIDGES]
    return [LinearHead(weight, sums.prior - sums.mean @ weight) for weight in weights]


def discriminant_heads(sums: Scatter, width: int) -> list[LinearHead]:
    """Return Gaussian classifiers with one covariance S for all classes (Fisher 1936; Friedman 1989).

    W = S^-1 mu_c and b = log p_c - mu_c' S^-1 mu_c / 2, S shrunk towards its mean variance. Classes of `sums` without
    an image are taken to be like all others together. `width` as of `ridge_heads`.
    """
    counts = sums.targets.clamp_min(1e-9)
    is_known = sums.targets > 1e-6
    means = torch.where(is_known[:, None], sums.moment.T / counts[:, None], sums.mean)  # (C, D)
    between = (means * sums.targets[:, None]).T @ means
    within = (sums.gram - between) / (sums.count - is_known.sum()).clamp_min(1)
    scale = float(within.trace()) / width
    if scale < 1e-9:  # one image a class: the variation within classes is unknown
        within = sums.covariance()
        scale = float(within.trace()) / width
    prior = ((sums.targets + 1) / (sums.count + len(counts))).log()
    weights = [solve((1 - share) * within, means.T, ridge=share * scale) for share in SHRINKAGES]  # (D, C)
    return [LinearHead(weight, prior - (means.T * weight).sum(dim=0) / 2) for weight in weights]


def logistic_heads(
    features: Tensor, targets: Tensor, weights: Tensor, *, is_multilabel: bool = False
) -> list[LinearHead]:
    """Return logistic regressions with an L2 penalty, by L-BFGS, each started at the previous one; targets (N, C)."""
    inputs, wanted = features.float(), targets.float()
    scale = inputs.square().sum(dim=1).mean().sqrt().clamp_min(1e-12)
    inputs = inputs / scale
    share = weights.float() / weights.sum()

    def loss(state: Tensor, decay: float) -> Tensor:
        logits = inputs @ state[:-1] + state[-1]
        if is_multilabel:
            each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=1)
        else:
            each = F.cross_entropy(logits, wanted, reduction="none")
        return (each * share).sum() + decay / 2 * state[:-1].square().sum()

    state = torch.zeros(inputs.shape[1] + 1, wanted.shape[1])
    heads = []
    for decay in DECAYS:
        state = _minimise(state, partial(loss, decay=decay))
        heads.append(LinearHead((state[:-1] / scale).double(), state[-1].double()))
    return heads


def _minimise(start: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    state = start.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [state], max_iter=_ITERATIONS, history_size=10, tolerance_change=1e-5, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        value = loss(state)
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(closure)
    return state.detach()
