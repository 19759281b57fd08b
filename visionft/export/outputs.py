"""What an exported network gives beside its logits: the distance to the training pictures, and an embedding."""

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.backbone import Backbone
from models.methods.layers.joined import JoinedNetwork, Stages
from visionft.export.distance import Distance


class WithOutputs(nn.Module):
    """A merged network whose logits are followed by the distance of a picture and its embedding, as far as wanted.

    Args:
        network: Of `backbone`, merged.
        backbone: What it is.
        distance: From the stages of the network; None leaves it out.
        embeds: Whether to give the direction in which the head compares pictures.
    """

    def __init__(self, network: nn.Module, backbone: Backbone, *, distance: Distance | None, embeds: bool) -> None:
        super().__init__()
        self.network, self.distance, self._stages, self._embeds = network, distance, Stages(backbone), embeds

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map (B, 3, H, W) normalised pictures to (B, C) logits, then (B,) distances, then (B, K) embeddings."""
        logits, parts = self._stages.with_logits(self.network, images)
        found = [logits]
        if self.distance is not None:
            found.append(self.distance(parts))
        if self._embeds:
            found.append(directions(self.network, parts))
        return tuple(found)


def directions(network: nn.Module, parts: Tensor) -> Tensor:
    """Map the (B, D) parts of a network whose head holds pictures to (B, K) directions, beside its `rows`."""
    assert isinstance(network, JoinedNetwork)
    head = network.get_classifier()
    found: Tensor = head.directions(network.seen_of(parts))  # type: ignore[operator]
    return found


@torch.no_grad()
def embeddings(network: nn.Module, backbone: Backbone, inputs: Tensor) -> Tensor:
    """Map (B, 3, H, W) normalised pictures to (B, K) directions, as the exported file gives them."""
    assert isinstance(network, JoinedNetwork)
    return directions(network, Stages(backbone)(network.body, inputs)[1])
