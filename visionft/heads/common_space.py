"""The space that pictures and texts of a CLIP share, and the head that its texts make."""

from dataclasses import dataclass

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor  # noqa: TID253


@dataclass(frozen=True)
class CommonSpace:
    """How a picture's embedding is compared with a text's: logit = scale x cosine(P x + p, text) + bias.

    Attributes:
        projection: (E, D) P; None where pictures are embedded in the space as they are.
        offset: (E,) p; None where there is none.
        scale: The inverse of the temperature that both sides were trained with.
        bias: What is added to a logit; 0 where only differences between texts count.
        is_sigmoid: Whether one logit alone means something (SigLIP); else only the choice among several does.
    """

    projection: Tensor | None
    offset: Tensor | None
    scale: float
    bias: float
    is_sigmoid: bool = False

    def directions(self, features: Tensor) -> Tensor:
        """Map the picture side's features (N, D) to points (N, E) of length 1."""
        points = features if self.projection is None else F.linear(features, self.projection, self.offset)
        return F.normalize(points, dim=-1)


@dataclass(frozen=True)
class ClassPoints:
    """What is said of the classes, in the common space.

    Attributes:
        space: Where the points lie.
        points: (C, E) of length 1.
        nothing: (E,) of a text that names no class.
    """

    space: CommonSpace
    points: Tensor
    nothing: Tensor

    def linear(self, *, is_multilabel: bool) -> tuple[Tensor, Tensor]:
        """Return (C, E) weights and (C,) biases that make logits of directions.

        Of several labels each class is a question of its own. A model that was trained to choose among texts cannot
        answer it: its class is compared with a text that names none.
        """
        space, classes = self.space, len(self.points)
        is_compared = is_multilabel and not space.is_sigmoid
        points = self.points - self.nothing if is_compared else self.points
        return space.scale * points, torch.full((classes,), space.bias)

    def head_state(self, weight: Tensor, bias: Tensor) -> dict[str, Tensor]:
        """Return the state of a `TextHead` with these weights (C, E) and biases (C,)."""
        space, width = self.space, self.points.shape[1]
        projection, offset = space.projection, space.offset
        return {
            "projection": torch.zeros(0, width) if projection is None else projection,
            "offset": torch.zeros(0) if projection is None or offset is None else offset,
            "weight": weight,
            "bias": bias,
        }
