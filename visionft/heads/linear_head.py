"""Linear classifier heads in closed form: ridge regression, Gaussian discriminant analysis, logistic regression.

Each kind gives one head for each strength of a small grid; `fitting` weighs them on pictures that were held out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.heads.scatter import Scatter, solve
from visionft.heads.strengths import RIDGES, SHRINKAGES

DECAYS = (1e-2, 3e-3, 1e-3, 3e-4)  # L2 penalties on the mean loss, for features whose squared norm is 1 on average
_ITERATIONS = 40


@dataclass(frozen=True)
class LinearHead:
    """Logits = features @ weight + bias; (D, C) and (C,), double precision."""

    weight: Tensor
    bias: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """Return the (N, C) logits of (N, D) features, double precision."""
        return features.double() @ self.weight + self.bias


def ridge_heads(sums: Scatter) -> list[LinearHead]:
    """Return least-squares regressions on the targets, W = (S + k I)^-1 S_xy (Hoerl and Kennard 1970)."""
    covariance = sums.covariance()
    cross = sums.moment / sums.count - torch.outer(sums.mean, sums.prior)  # (D, C)
    scale = float(covariance.diagonal().mean())
    heads = []
    for strength in RIDGES:
        weight = solve(covariance, cross, ridge=strength * scale)
        heads.append(LinearHead(weight, sums.prior - sums.mean @ weight))
    return heads


def discriminant_heads(sums: Scatter) -> list[LinearHead]:
    """Return Gaussian classifiers with one covariance S for all classes (Fisher 1936; Friedman 1989).

    W = S^-1 mu_c and b = log p_c - mu_c' S^-1 mu_c / 2, S shrunk towards its mean variance. Classes of `sums` without
    a picture are taken to be like all others together.
    """
    counts = sums.targets.clamp_min(1e-9)
    is_known = sums.targets > 1e-6
    means = torch.where(is_known[:, None], sums.moment.T / counts[:, None], sums.mean)  # (C, D)
    between = (means * sums.targets[:, None]).T @ means
    within = (sums.gram - between) / max(1.0, sums.count - int(is_known.sum()))
    scale = float(within.diagonal().mean())
    if scale < 1e-9:  # one picture a class: nothing is known of how a class varies
        within, scale = sums.covariance(), float(sums.covariance().diagonal().mean())
    prior = ((sums.targets + 1) / (sums.count + len(counts))).log()
    heads = []
    for share in SHRINKAGES:
        weight = solve((1 - share) * within, means.T, ridge=share * scale)  # (D, C)
        heads.append(LinearHead(weight, prior - (means.T * weight).sum(dim=0) / 2))
    return heads


def logistic_heads(
    features: Tensor, targets: Tensor, weights: Tensor, *, is_multilabel: bool = False
) -> list[LinearHead]:
    """Return logistic regressions with an L2 penalty, by L-BFGS, each begun at the one before.

    Args:
        features: (N, D).
        targets: (N, C) shares of one, or zeros and ones that are independent (several labels).
        weights: (N,) how much each picture counts.
        is_multilabel: Whether each class is a question of its own.
    """
    inputs, wanted, counts = features.float(), targets.float(), weights.float()
    scale = inputs.square().sum(dim=1).mean().sqrt().clamp_min(1e-12)
    inputs = inputs / scale
    state = torch.zeros(inputs.shape[1] + 1, wanted.shape[1])
    heads = []
    for decay in DECAYS:
        state = _minimise(state, inputs, wanted, counts, decay=decay, is_multilabel=is_multilabel)
        heads.append(LinearHead((state[:-1] / scale).double(), state[-1].double()))
    return heads


def _minimise(
    state: Tensor, inputs: Tensor, wanted: Tensor, counts: Tensor, *, decay: float, is_multilabel: bool
) -> Tensor:
    state = state.clone().requires_grad_()
    optimizer = torch.optim.LBFGS(
        [state], max_iter=_ITERATIONS, history_size=10, tolerance_change=1e-5, line_search_fn="strong_wolfe"
    )
    share = counts / counts.sum()

    def loss() -> Tensor:
        optimizer.zero_grad()
        logits = inputs @ state[:-1] + state[-1]
        if is_multilabel:
            each = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none").sum(dim=1)
        else:
            each = F.cross_entropy(logits, wanted, reduction="none")
        value = (each * share).sum() + decay / 2 * state[:-1].square().sum()
        value.backward()
        return value

    with torch.enable_grad():
        optimizer.step(loss)
    return state.detach()


def mean_head(heads: Sequence[LinearHead], factors: Sequence[float]) -> LinearHead:
    """Return the head whose logits are the mean of those of `heads`, each times its factor."""
    weight = torch.stack([head.weight * factor for head, factor in zip(heads, factors, strict=True)]).mean(dim=0)
    bias = torch.stack([head.bias * factor for head, factor in zip(heads, factors, strict=True)]).mean(dim=0)
    return LinearHead(weight, bias)
