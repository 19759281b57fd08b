"""A head to compare images with texts: logits = weight . P x / |P x| + bias.

`P x` is the image in the common space of a CLIP's two sides, a row of `weight` the direction of a class's texts
there, times the trained scale. The texts are in the weights: inference needs no text encoder.
"""

from collections.abc import Mapping

import torch  # noqa: TID253
import torch.nn.functional as F  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253


class TextHead(nn.Module):
    """Maps embeddings (B, D) to logits (B, C); `projection` (E, D) and `offset` (E,) are empty where unused."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.projection = nn.Parameter(torch.zeros(0, width))
        self.offset = nn.Parameter(torch.zeros(0))
        self.weight = nn.Parameter(torch.zeros(classes, width))
        self.bias = nn.Parameter(torch.zeros(classes))

    def take_shapes(self, state: Mapping[str, Tensor]) -> None:
        for name, value in state.items():
            own = getattr(self, name)
            if own.shape != value.shape:
                own.data = own.data.new_zeros(value.shape)

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, D) to (B, C), in full precision: cosines of classes differ in their third digit."""
        if torch.is_autocast_enabled(features.device.type):
            with torch.autocast(features.device.type, enabled=False):
                return self._logits(features.float())
        return self._logits(features.float())  # not `forward` again: accelerate wraps it

    def _logits(self, points: Tensor) -> Tensor:
        if len(self.projection):
            points = F.linear(points, self.projection, self.offset if len(self.offset) else None)
        return F.linear(F.normalize(points, dim=-1), self.weight, self.bias)
