"""What a head sees of a network where the user may choose: the embedding, or earlier stages too. Torch-free."""

from typing import TYPE_CHECKING, Any

from models.backbone import Backbone
from models.shapes import joined_widths

if TYPE_CHECKING:
    from torch import nn

LAST = "last"


def widths_seen(backbone: Backbone, layers: str) -> tuple[int, ...]:
    """Return the embedding's width, behind those of the earlier stages or blocks unless `layers` is `last`."""
    return (backbone.features,) if layers == LAST else joined_widths(backbone.shape, backbone.features)


def with_head(network: Any, backbone: Backbone, layers: str, head: "nn.Module | None" = None) -> Any:
    """Put a head around a timm network that sees what `widths_seen` counts.

    Args:
        network: Of timm, with a linear head on its embedding; given back as it is where that is what is wanted.
        backbone: What it is.
        layers: `last`, or anything else for all parts.
        head: Maps (B, D) parts to (B, C) logits; a linear layer when None.
    """
    widths = widths_seen(backbone, layers)
    if len(widths) == 1 and head is None:
        return network
    from models.methods.layers.joined import JoinedNetwork

    return JoinedNetwork(network, backbone, classes=network.num_classes, head=head, width=sum(widths))
