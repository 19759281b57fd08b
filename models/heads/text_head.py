"""Heads made of text embeddings, alone or blended with the means of the classes' images.

The blend adds logits, (1 - a) / T of the texts' and a of the class means', both linear in the image's direction, so
the sum is too (two terms, as in Tip-Adapter: Zhang et al. 2022, arXiv:2207.09519). T and a minimise the loss of
the training images, each left out of its class's mean in closed form.
"""

from dataclasses import dataclass

import numpy as np
import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253

from models.heads.calibration import are_right, fit_temperature, mean_cross_entropy
from models.heads.class_means import fit_class_means
from visionft.core.messages import Message

SHARES = tuple(step / 10 for step in range(11))


@dataclass(frozen=True)
class CommonSpace:
    """The comparison of an image's embedding with a text's: logit = scale x cosine(P x + p, text) + bias."""

    projection: Tensor | None  # (E, D) P; None where images are embedded in the space as they are
    offset: Tensor | None  # (E,) p, if any
    scale: float  # the inverse of the training temperature
    bias: float  # added to a logit; 0 where only differences between texts count
    is_sigmoid: bool = False  # whether a single logit is meaningful (SigLIP); else only the choice among several is

    def directions(self, features: Tensor) -> Tensor:
        """Map the image side's features (N, D) to points (N, E) of length 1."""
        points = features if self.projection is None else F.linear(features, self.projection, self.offset)
        return F.normalize(points, dim=-1)


@dataclass(frozen=True)
class ClassPoints:
    space: CommonSpace
    points: Tensor  # (C, E) of length 1
    neutral: Tensor  # (E,) of a text that names no class

    def linear(self, *, is_multilabel: bool) -> tuple[Tensor, Tensor]:
        """Return (C, E) weights and (C,) biases from directions to logits.

        For several labels each class is a binary decision. A model trained with a softmax over texts compares the
        class with a text without a class name.
        """
        is_compared = is_multilabel and not self.space.is_sigmoid
        points = self.points - self.neutral if is_compared else self.points
        return self.space.scale * points, torch.full((len(points),), self.space.bias)

    def head_state(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """Return the state of a `TextHead` with these weights (C, E) and biases (C,)."""
        projection, offset = self.space.projection, self.space.offset
        return {
            "projection": torch.zeros(0, self.points.shape[1]) if projection is None else projection,
            "offset": torch.zeros(0) if projection is None or offset is None else offset,
            "weight": weight,
            "bias": bias,
        }


def text_alone(texts: ClassPoints, *, is_multilabel: bool) -> tuple[dict[str, Tensor], str]:
    state = texts.head_state(*texts.linear(is_multilabel=is_multilabel))
    return state, Message("The head uses only the class prompts; no labelled image contributes.")


def text_and_examples(
    texts: ClassPoints,
    features: Tensor,
    targets: Tensor,
    *,
    is_multilabel: bool,
    weights: Tensor | None = None,
    groups: np.ndarray | None = None,
) -> tuple[dict[str, Tensor], str]:
    """Return the state of a head that blends texts with class means of features (N, D), and a description."""
    text_weight, text_bias = texts.linear(is_multilabel=is_multilabel)
    points = texts.space.directions(features.float())
    fitted = fit_class_means(
        points.numpy(),
        targets.numpy(),
        widths=(points.shape[1],),
        is_multilabel=is_multilabel,
        weights=None if weights is None else weights.numpy(),
        groups=groups,
    )
    if not len(fitted.places):
        text = Message("The head uses only the class prompts: one image a class is too few to blend them with.")
        return text_alone(texts, is_multilabel=is_multilabel)[0], text
    by_text = (points @ text_weight.T + text_bias)[fitted.places].double().numpy()
    labels = targets[fitted.places].numpy()
    labels = labels.astype(np.float64) if is_multilabel else labels.argmax(axis=1)
    temperature = fit_temperature(by_text, labels)

    def blended(share: float) -> np.ndarray:
        return (1 - share) / temperature * by_text + share * fitted.held_out

    losses = [mean_cross_entropy(blended(share), labels) for share in SHARES]
    share = SHARES[int(np.argmin(np.round(losses, 6)))]  # of equal ones the smallest
    weight = (1 - share) / temperature * text_weight + share * torch.from_numpy(fitted.weight)
    bias = (1 - share) / temperature * text_bias + share * torch.from_numpy(fitted.bias)
    alone, both = (are_right(logits, labels).mean() for logits in (by_text, blended(share)))
    description = Message(
        "The head blends the class prompts ({prompts}) with the mean features of each class ({share}); its "
        "leave-one-out accuracy on training images is {both}, with the prompts alone {alone}.",
        prompts=f"{1 - share:.0%}",
        share=f"{share:.0%}",
        both=f"{both:.1%}",
        alone=f"{alone:.1%}",
    )
    return texts.head_state(weight.float(), bias.float()), description
