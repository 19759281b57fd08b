"""Building a backbone's bare timm network, with values yet to be filled."""

from typing import Any

from models.catalog import Backbone


def build_network(
    backbone: Backbone, *, classes: int, image_size: int, scratch: bool = False, patch_dropout: float = 0.0
) -> Any:
    """Build the network with a head of `classes` outputs (0: none) for square inputs of `image_size` pixels.

    Args:
        backbone: A row of `models.catalog.BACKBONES`.
        classes: Width of the head (C).
        image_size: Side of the input in pixels.
        scratch: Whether it will learn from random values.
        patch_dropout: Share of a ViT's patches left out in training.
    """
    import timm

    from models.starter.architectures import build_starter

    is_vit = backbone.family == "vit"
    sized: dict[str, Any] = {"img_size": image_size, "patch_drop_rate": patch_dropout} if is_vit else {}
    if scratch and backbone.family == "resnet":
        # A zero last norm silences every residual branch; frozen that way, a PEFT method would learn nothing.
        sized["zero_init_last"] = False
    if backbone.bundled:
        return build_starter(backbone.architecture, num_classes=classes, **sized)
    return timm.create_model(backbone.architecture, pretrained=False, num_classes=classes, **sized)
