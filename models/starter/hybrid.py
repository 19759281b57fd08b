"""The hybrid ViT: an ImageNet ResNet-18's stages 1 to 3 as the embedding of four transformer blocks.

A hybrid as in the ViT paper (Dosovitskiy et al. 2021, arXiv:2010.11929, section 3.1), in timm's terms a
`VisionTransformer` with `HybridEmbed`. Must not know about weights, methods or data.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

NAME = "hybrid_vit"
MEAN, STD = (0.482948, 0.454521, 0.404167), (0.229, 0.224, 0.225)  # the ResNet's
INPUT_SIZE_PX = 160
WIDTH = 256
ARCHITECTURE = "vit_tiny_patch16_224"
TIMM_KWARGS: dict[str, Any] = {
    "img_size": INPUT_SIZE_PX,
    "patch_size": 1,  # of the embedding's map, which has a sixteenth of the input's side
    "embed_dim": WIDTH,
    "depth": 4,
    "num_heads": 8,
    "class_token": False,
    "global_pool": "avg",
}
# A zero last norm would silence every residual branch of an embedding that learns from random values.
EMBEDDING: dict[str, Any] = {
    "model_name": "resnet18",
    "features_only": True,
    "out_indices": (3,),
    "zero_init_last": False,
}
WEIGHTS_PATH = Path(__file__).with_name(f"{NAME}.safetensors")


def build_hybrid(architecture: str, *, embedding: Mapping[str, Any], **arguments: Any) -> Any:
    """Build a ViT of timm whose patches another network of timm makes, with random weights.

    Args:
        architecture: timm's name of the ViT.
        embedding: What `timm.create_model` is given to build the network that makes the patches: a ResNet's stages.
        **arguments: Further arguments of the ViT; ``img_size`` a multiple of what the embedding's stride asks.
    """
    import timm
    from timm.layers.hybrid_embed import HybridEmbed

    stages = timm.create_model(**embedding, pretrained=False)
    network: Any = timm.create_model(
        architecture, pretrained=False, embed_layer=partial(HybridEmbed, backbone=stages), **arguments
    )
    network.group_matcher = layers_by_depth
    return network


def build_bundled(*, num_classes: int = 0, **overrides: Any) -> Any:
    """Build the hybrid ViT that ships with the program, with random weights.

    Args:
        num_classes: Outputs of the head; 0 returns pooled features, shape ``(B, 256)``.
        **overrides: Further arguments, such as ``img_size``, a multiple of 16, or ``dynamic_img_size``.
    """
    arguments = {**TIMM_KWARGS, "num_classes": num_classes, **overrides}
    return build_hybrid(ARCHITECTURE, embedding=EMBEDDING, **arguments)


def layers_by_depth(coarse: bool = False) -> dict[str, Any]:
    """Tell timm which parameters belong to which layer, input to output, for layer-wise learning rates.

    timm's own answer for a `VisionTransformer` takes the whole embedding, here three stages deep, as one layer.
    """
    return {
        "stem": r"^patch_embed\.backbone\.(?:conv1|bn1)",
        "stages": r"^patch_embed\.backbone\.layer(\d+)",
        "embedding": r"^patch_embed\.proj|^pos_embed",
        "blocks": r"^blocks\.(\d+)",
    }
