"""Building a backbone's bare timm network, and what is asked of that which fills it with weights. Torch-free."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.catalog import Backbone


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """What a network was given.

    Attributes:
        path: The file.
        sha256: Its hash.
        bytes: Its size.
        head_classes: Width of the classifier head that was left out; 0 where the file has none.
        left_out: Names of all tensors that this network has no place for.
        resized_from: Count of position embeddings in the file, where they were interpolated to another count; else 0.
    """

    path: Path
    sha256: str
    bytes: int
    head_classes: int
    left_out: tuple[str, ...]
    resized_from: int = 0


WeightsLoader = Callable[[Any, Backbone], LoadReport]  # fills a network of that backbone in place, but for its head


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

    from models.starter.hybrid import build_hybrid

    arguments = {**backbone.model_args, "num_classes": classes}
    if backbone.family == "vit":
        arguments |= {"img_size": image_size, "patch_drop_rate": patch_dropout}
    if scratch and backbone.family == "resnet":
        # A zero last norm silences every residual branch; frozen that way, a PEFT method would learn nothing.
        arguments["zero_init_last"] = False
    if backbone.embedding:
        return build_hybrid(backbone.architecture, embedding=backbone.embedding, **arguments)
    return timm.create_model(backbone.architecture, pretrained=False, **arguments)
