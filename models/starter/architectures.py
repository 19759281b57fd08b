"""The two starter backbones as standard timm definitions.

The single source for their sizes: pretraining, the catalog and the tests all build them from here.
Must not know about weights, methods or data.

The starter ResNet pools by mean and maximum (`catavgmax`): two points more in a linear probe than the mean alone, at no
cost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

MEAN = (0.5, 0.5, 0.5)
STD = (0.5, 0.5, 0.5)
INPUT_SIZE_PX = 128


@dataclass(frozen=True)
class StarterArchitecture:
    """A timm network and the arguments that make it a starter backbone.

    Attributes:
        name: Backbone name, also the stem of its weight file.
        family: ``"resnet"`` or ``"vit"``.
        architecture: timm's name of the network that the arguments change.
        timm_kwargs: Arguments for ``timm.create_model``.
        feature_count: Width of the pooled features.
    """

    name: str
    family: str
    architecture: str
    feature_count: int
    timm_kwargs: dict[str, Any] = field(default_factory=dict)

    @property
    def weights_path(self) -> Path:
        """Return where the bundled weight file lies."""
        return Path(__file__).with_name(f"{self.name}.safetensors")


STARTERS: dict[str, StarterArchitecture] = {
    # A wide last stage of one block, pooled by mean and by maximum: the pooled features are what a linear head sees.
    "starter_resnet": StarterArchitecture(
        name="starter_resnet",
        family="resnet",
        architecture="resnet18",
        feature_count=2 * 448,
        timm_kwargs={"layers": (2, 2, 3, 1), "channels": (32, 64, 128, 448), "global_pool": "catavgmax"},
    ),
    "starter_vit": StarterArchitecture(
        name="starter_vit",
        family="vit",
        architecture="vit_tiny_patch16_224",
        feature_count=224,
        timm_kwargs={
            "img_size": INPUT_SIZE_PX,
            "patch_size": 16,
            "embed_dim": 224,
            "depth": 6,
            "num_heads": 7,
            "class_token": False,
            "global_pool": "avg",
        },
    ),
}


def build_starter(name: str, *, num_classes: int = 0, **overrides: Any) -> nn.Module:
    """Build a starter backbone with random weights.

    Args:
        name: A key of ``STARTERS``.
        num_classes: Outputs of the head; 0 returns pooled features, shape ``(B, feature_count)``.
        **overrides: Further timm arguments, such as ``img_size`` or ``dynamic_img_size`` for the ViT.

    Raises:
        KeyError: ``name`` is not a starter backbone.
    """
    import timm

    starter = STARTERS[name]
    return timm.create_model(
        starter.architecture, pretrained=False, **{**starter.timm_kwargs, "num_classes": num_classes, **overrides}
    )
