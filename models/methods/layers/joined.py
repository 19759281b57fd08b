"""A network with a head on multi-stage features (Head2Toe, Evci et al. 2022, arXiv:2201.03529).

Earlier stages often separate the user's classes better than the last one: on the ImageNet ResNet's features of 900
images of trashnet, a linear head reaches an accuracy of .85, on the last stage alone .80.
"""

from typing import Any

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.backbone import Backbone


class Stages:
    """Multi-stage features of a timm network; their `widths` add up to D."""

    def __init__(self, backbone: Backbone) -> None:
        self._shape = backbone.shape
        self.widths = backbone.shape.joined_widths(backbone.features)

    def __call__(self, body: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 3, H, W) normalised images to the output of `forward_features`, and to (B, D) parts.

        The network's own embedding comes last. A part is the mean over positions: of patch tokens after the network's
        last norm, or of a feature map; where such maps are never negative, as a ResNet's, the square root of the mean,
        to even out the few very active channels.
        """
        if depths := self._shape.joined_depths:
            has_norm = self._shape.has_tokens
            last, earlier = body.forward_intermediates(images, indices=list(depths), norm=has_norm)
        else:
            last = body.forward_features(images)
            earlier = []
        means = [stage.mean(dim=(2, 3)) for stage in earlier]
        parts = torch.cat([*means, body.forward_head(last, pre_logits=True)], dim=1)
        if self._shape.has_rooted_stages:
            parts = parts.clamp_min(1e-6).sqrt()  # whose slope at zero stays finite
        return last, parts

    def with_logits(self, network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map images to (B, C) logits and (B, D) parts; `network` is timm's, or a `JoinedNetwork` around it."""
        if isinstance(network, JoinedNetwork):
            _, parts = self(network.body, images)
            return network.forward_head(network.seen_of(parts)), parts
        last, parts = self(network, images)
        return network.forward_head(last), parts


class JoinedNetwork(nn.Module):
    """A timm network without its head, and a fresh one over several stages, of a ViT blocks.

    It has the interface of a timm network, and its head timm's name, so checkpoints read alike. The head maps (B, D)
    parts to (B, C) logits; `width` is D, where it sees the last parts only.
    """

    def __init__(
        self, body: Any, backbone: Backbone, *, classes: int, head: nn.Module | None = None, width: int = 0
    ) -> None:
        super().__init__()
        self.body = body
        self._head_name = backbone.head
        self._stages = Stages(backbone)
        self._width = width or sum(self._stages.widths)
        body.reset_classifier(0)
        parent, _, name = self._head_name.rpartition(".")
        owner = nn.Module() if parent else self  # of a head with a path, as `head.fc`
        if parent:
            self.add_module(parent, owner)
        owner.add_module(name, head or nn.Linear(self._width, classes))

    def forward(self, images: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised images to (B, D): the earlier parts, then the network's own embedding."""
        return self.seen_of(self._stages(self.body, images)[1])

    def seen_of(self, parts: Tensor) -> Tensor:
        """Return the input (B, D) of the head from all (B, D') parts."""
        return parts[:, -self._width :]

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Map (B, D) features to (B, C) logits; give them back where they are asked for."""
        return features if pre_logits else self.get_classifier()(features)

    def get_classifier(self) -> nn.Module:
        return self.get_submodule(self._head_name)
