"""Full fine-tuning: every weight learns, the early layers at a lower rate. Merging is nothing: it is the plain network.

Layer-wise rate decay follows BEiT (Bao et al. 2022, arXiv:2106.08254), grouped as timm groups its networks.
"""

from typing import Any

from torch import nn  # noqa: TID253

from models.methods.options import FullOptions


def inject(network: nn.Module, options: FullOptions) -> None:
    """Mark every parameter of a timm network as trainable, but for its first `frozen_stages` stages."""
    network.requires_grad_(True)
    for module in frozen_modules(network, options.frozen_stages):
        module.requires_grad_(False)
    if options.frozen_stages:
        for name in ("cls_token", "pos_embed"):
            if isinstance(parameter := getattr(network, name, None), nn.Parameter):
                parameter.requires_grad_(False)


def frozen_modules(network: nn.Module, stages: int) -> list[nn.Module]:
    """Return the stem and the first `stages` stages (ResNet) or blocks (ViT); nothing for 0."""
    if not stages:
        return []
    if hasattr(network, "blocks"):
        return [network.patch_embed, *network.blocks[:stages]]  # type: ignore[index]
    layers = [network.layer1, network.layer2, network.layer3, network.layer4]
    return [network.conv1, network.bn1, *layers[:stages]]  # type: ignore[list-item]


def parameter_groups(network: nn.Module, weight_decay: float, layer_decay: float) -> list[dict[str, Any]]:
    """Group trainable parameters by layer; each group's `lr_scale` multiplies the learning rate."""
    from timm.optim._param_groups import param_groups_layer_decay

    no_decay = network.no_weight_decay() if hasattr(network, "no_weight_decay") else ()  # type: ignore[operator]
    groups = param_groups_layer_decay(network, weight_decay, no_decay, layer_decay=layer_decay)
    return [
        {"params": group["params"], "weight_decay": group["weight_decay"], "lr_scale": group["lr_scale"]}
        for group in groups
    ]
