"""Each class is the mean of its pictures' features (Mensink et al. 2013; Snell et al. 2017, arXiv:1703.05175).

The nearest mean wins: of one to three pictures a class nothing does better, and it can be explained in a sentence. The
squared distances to the means differ by something linear in the features, so that a linear head says the same:
w_c = 2 mu_c, b_c = -|mu_c|^2.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.calibration import are_right, fit_temperature
from visionft.heads.fitting import standardise

_SPREAD = 0.5  # of the logarithm of the temperature before anything is known
_ABSENT = -30.0  # logit of a class without a picture
_LEVEL = 2.0  # what makes a logit of a squared distance in the features' own scale then


@dataclass(frozen=True)
class FittedPrototypes:
    """A head for raw features, and what is known of it.

    Attributes:
        weight: (C, D), for features as the network gives them.
        bias: (C,).
        accuracy: Share of the pictures that are right, each left out of its class's mean; None where no class has two.
        left_out: (N, C) calibrated logits of each picture, left out of its class's mean.
        askable: (N,) of which pictures they say something: their class has another one.
    """

    weight: Tensor
    bias: Tensor
    accuracy: float | None
    left_out: Tensor
    askable: Tensor

    @property
    def words(self) -> str:
        """Say what the head is, and how it did on pictures that were left out."""
        text = "Each class is the mean of its pictures' features"
        if self.accuracy is None:
            return f"{text}; one picture a class is too few to try it."
        return f"{text}; it is right for {self.accuracy:.1%} of training pictures, each left out of its own mean."


def fit_prototypes(
    features: Tensor,
    targets: Tensor,
    *,
    widths: Sequence[int],
    is_multilabel: bool = False,
    weights: Tensor | None = None,
) -> FittedPrototypes:
    """Let each class be the mean of its pictures; calibrated on pictures that are left out of their own mean.

    Of several labels each class has two means, of the pictures that have it and of those that have it not.

    Args:
        features: (N, D), side by side from one or several parts of the network.
        targets: (N, C) zeros and ones; one each row unless there are several labels.
        widths: Of the parts; their sum is D.
        is_multilabel: Whether a picture may have several labels or none.
        weights: (N,) how much each picture counts; all alike when None.

    Raises:
        ValueError: A feature is not finite, or there is none.
    """
    if not len(features) or not features.isfinite().all():
        raise ValueError("the features of a head must be finite numbers")
    inputs, scales, centre = standardise(features, widths)
    inputs, wanted = inputs.double(), targets.double()
    counts = torch.ones(len(inputs)).double() if weights is None else weights.double()
    means = _Means.of(inputs, wanted, counts)
    weight, bias = means.linear()
    left_out = means.left_out(inputs, wanted, counts)
    if is_multilabel:
        rest = _Means.of(inputs, 1 - wanted, counts)
        weight, bias = weight - rest.linear()[0], bias - rest.linear()[1]
        left_out = left_out - rest.left_out(inputs, 1 - wanted, counts)
        askable, labels = torch.ones(len(inputs), dtype=torch.bool), wanted
    else:
        askable, labels = (wanted.sum(dim=0) > 1)[wanted.argmax(dim=1)], wanted.argmax(dim=1)
    asked, labels = left_out[askable].numpy(), labels[askable].numpy()
    temperature = fit_temperature(asked, labels, spread=_SPREAD)
    weight = weight * scales[:, None] / temperature
    return FittedPrototypes(
        weight=weight.T.float(),
        bias=(bias / temperature - centre @ weight).float(),
        accuracy=float(are_right(asked, labels).mean()) if len(labels) else None,
        left_out=left_out / temperature,
        askable=askable,
    )


@dataclass(frozen=True)
class _Means:
    """The (C, D) means of some pictures of each class, and the (C,) weight of these pictures."""

    means: Tensor
    totals: Tensor

    @classmethod
    def of(cls, inputs: Tensor, is_member: Tensor, counts: Tensor) -> "_Means":
        weighted = is_member * counts[:, None]
        totals = weighted.sum(dim=0)
        return cls(weighted.T @ inputs / totals.clamp_min(1e-12)[:, None], totals)

    def linear(self) -> tuple[Tensor, Tensor]:
        """Return (D, C) weights and (C,) biases of how near inputs are; a class without a picture is far from all."""
        bias = torch.where(self.totals > 0, -_LEVEL * self.means.square().sum(dim=1), _ABSENT)
        return 2 * _LEVEL * self.means.T, bias

    def left_out(self, inputs: Tensor, is_member: Tensor, counts: Tensor) -> Tensor:
        """Return how near (N, D) inputs are to each mean, (N, C); members are left out of their own.

        With mu' = (n mu - w x) / (n - w) for a member x of weight w: x'mu' and |mu'|^2 follow from x'mu, |mu|^2, |x|^2.
        """
        weight, bias = self.linear()
        products, norms = inputs @ self.means.T, inputs.square().sum(dim=1, keepdim=True)
        own, rest = counts[:, None], (self.totals - counts[:, None]).clamp_min(1e-12)
        product = (self.totals * products - own * norms) / rest
        squares = self.totals.square() * self.means.square().sum(dim=1) - 2 * self.totals * own * products
        square = (squares + own.square() * norms) / rest.square()
        return torch.where(is_member > 0, _LEVEL * (2 * product - square), inputs @ weight + bias)
