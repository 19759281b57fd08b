"""A head that compares pictures with texts: logits = weight . P x / |P x| + bias.

`P x` is the picture in the space that both sides of a CLIP share, a row of `weight` the direction of a class's texts
there, times the scale that the sides were trained with. The texts are in the weights: whoever answers reads none.
"""

from collections.abc import Mapping

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253


class TextHead(nn.Module):
    """Maps the picture side's embeddings (B, D) to logits (B, C).

    Attributes:
        projection: (E, D) P; (0, D) where the embedding lies in the space as it is (E = D).
        offset: (E,) added to P x; (0,) where there is none.
        weight: (C, E) directions of the classes' texts, scaled.
        bias: (C,).
    """

    def __init__(self, width: int, classes: int) -> None:
        """Make the head of a network `width` wide that answers nothing yet."""
        super().__init__()
        self.projection = nn.Parameter(torch.zeros(0, width))
        self.offset = nn.Parameter(torch.zeros(0))
        self.weight = nn.Parameter(torch.zeros(classes, width))
        self.bias = nn.Parameter(torch.zeros(classes))

    def take_shapes(self, state: Mapping[str, Tensor]) -> None:
        """Give the parameters, in place, the shapes of a state that will be loaded."""
        for name, value in state.items():
            own = getattr(self, name)
            if own.shape != value.shape:
                own.data = own.data.new_zeros(value.shape)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, D) to (B, C), in full precision: cosines of classes differ in their third digit."""
        kind = features.device.type
        if torch.is_autocast_enabled(kind):
            with torch.autocast(kind, enabled=False):
                return self._logits(features.float())
        return self._logits(features.float())

    def _logits(self, features: Tensor) -> Tensor:
        points = features
        if len(self.projection):
            points = F.linear(features, self.projection, self.offset if len(self.offset) else None)
        return F.linear(F.normalize(points, dim=-1), self.weight, self.bias)
