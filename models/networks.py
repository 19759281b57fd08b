"""Building a backbone's bare timm network, and the interface of a weights loader. Torch-free."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from models.catalog import Backbone
from models.shapes import InputShape


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadReport:
    """The report of loading weights into a network; `resized_from` counts the file's position embeddings if resized."""

    path: Path
    sha256: str
    bytes: int
    head_classes: int  # width of the file's classifier head, left out; 0 where the file has none
    left_out: tuple[str, ...]
    resized_from: int = 0


# Parameters of a hybrid ViT by layer, input to output, for layer-wise learning rates; timm's own groups for a
# `VisionTransformer` treat the whole embedding, here three stages deep, as one layer.
_HYBRID_LAYERS = {
    "stem": r"^patch_embed\.backbone\.(?:conv1|bn1)",
    "stages": r"^patch_embed\.backbone\.layer(\d+)",
    "embedding": r"^patch_embed\.proj|^pos_embed",
    "blocks": r"^blocks\.(\d+)",
}
WeightsLoader = Callable[[Any, Backbone], LoadReport]  # fills a network of that backbone in place, but for its head


def build_network(backbone: Backbone, *, classes: int, shape: InputShape, scratch: bool = False) -> Any:
    """Build the network for inputs of (height, width), with `classes` outputs (0: no head).

    `scratch`: it will learn from random values.
    """
    import timm

    arguments = {**backbone.model_args, "num_classes": classes}
    if backbone.shape.has_tokens:
        # Of one size: positions are resampled here, not in each pass, and exports need no operation for it.
        arguments |= {"img_size": shape, "dynamic_img_size": False}
    if scratch:
        arguments |= backbone.shape.layout.scratch_args
    if not backbone.embedding:
        return timm.create_model(backbone.architecture, pretrained=False, **arguments)
    from timm.layers.hybrid_embed import HybridEmbed

    # A hybrid ViT (Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.1): a ResNet's stages make the patches.
    layer = partial(HybridEmbed, backbone=timm.create_model(**backbone.embedding, pretrained=False))
    network: Any = timm.create_model(backbone.architecture, pretrained=False, embed_layer=layer, **arguments)
    network.group_matcher = _hybrid_groups
    return network


def _hybrid_groups(coarse: bool = False) -> dict[str, str]:
    """Return the layer groups of a hybrid ViT, as timm's `group_matcher`; a function here, so that it is pickled."""
    return _HYBRID_LAYERS
