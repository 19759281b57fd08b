"""A network whose head sees several of its stages side by side (Head2Toe, Evci et al. 2022, arXiv:2201.03529).

What the last stage has thrown away is often what tells the user's classes apart: of the ImageNet ResNet's features, 900
pictures, a linear head is right for .85 of trashnet where the last stage alone gives .80.
"""

from typing import Any

import torch  # noqa: TID253
from torch import Tensor, nn  # noqa: TID253

from models.backbone import Backbone
from models.shapes import joined_depths, joined_widths


class Stages:
    """Looks at a timm network of `backbone` at work: its last features, and several of its stages side by side.

    Attributes:
        widths: Of the parts; their sum is D.
    """

    def __init__(self, backbone: Backbone) -> None:
        self._depths = list(joined_depths(backbone.shape))
        self._is_vit = backbone.family == "vit"
        self.widths = joined_widths(backbone.shape, backbone.features)

    def __call__(self, body: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, 3, H, W) normalised pictures to what `forward_features` gives, and to (B, D) parts.

        The network's own embedding comes last. A ViT's part is the mean of its patch tokens after the network's last
        norm; a ResNet's the square root of each channel's mean, which is never negative: it evens out the few channels
        that are very active.
        """
        if not self._depths:
            last, earlier = body.forward_features(images), []
        elif self._is_vit:
            last, earlier = body.forward_intermediates(images, indices=self._depths, norm=True)
        else:
            last, earlier = body.forward_intermediates(images, indices=self._depths)
        means = [stage.mean(dim=(2, 3)) for stage in earlier]
        parts = torch.cat([*means, body.forward_head(last, pre_logits=True)], dim=1)
        return last, parts if self._is_vit else _root(parts)

    def with_logits(self, network: Any, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map pictures to (B, C) logits and (B, D) parts; `network` is timm's, or a `JoinedNetwork` around it."""
        if isinstance(network, JoinedNetwork):
            _, parts = self(network.body, images)
            return network.forward_head(network.seen_of(parts)), parts
        last, parts = self(network, images)
        return network.forward_head(last), parts


class JoinedNetwork(nn.Module):
    """A timm network with a fresh head over several of its stages (ResNet) or blocks (ViT).

    It answers what the engine asks of a timm network. The head has timm's name for it, so that checkpoints read alike.

    Attributes:
        body: timm's network, without a head of its own.

    Args:
        body: timm's network; its own head is taken away.
        backbone: What it is.
        classes: Width of the head (C).
        head: Maps (B, D) parts to (B, C) logits; a linear layer when None.
        width: D, where the head sees the last parts only; that of all when 0.
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
        self.add_module(self._head_name, head or nn.Linear(self._width, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised pictures to (B, C) logits."""
        return self.forward_head(self.forward_features(images))

    def forward_features(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) normalised pictures to (B, D): the earlier parts, then the network's own embedding."""
        return self.seen_of(self._stages(self.body, images)[1])

    def seen_of(self, parts: Tensor) -> Tensor:
        """Return what the head sees of all (B, D') parts, (B, D)."""
        return parts[:, -self._width :]

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        """Map (B, D) features to (B, C) logits; give them back where they are asked for."""
        return features if pre_logits else self.get_classifier()(features)

    def get_classifier(self) -> nn.Module:
        """Return the head, (D) -> (C)."""
        return self.get_submodule(self._head_name)

    def set_grad_checkpointing(self, enable: bool = True) -> None:
        """Let the body compute activations anew in the backward pass."""
        self.body.set_grad_checkpointing(enable)


def _root(values: Tensor) -> Tensor:
    """Return the square root; its slope at zero stays finite."""
    return values.clamp_min(1e-6).sqrt()
