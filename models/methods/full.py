"""Full fine-tuning: every weight learns, the early layers at a lower rate. Merging is nothing: it is the plain network.

Layer-wise rate decay follows BEiT (Bao et al. 2022, arXiv:2106.08254), grouped as timm groups its networks.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.catalog import Backbone
from models.errors import Problem
from models.methods.head_parts import widths_seen, with_head
from models.methods.method import Method, MethodOptions
from models.settings import setting

if TYPE_CHECKING:
    from torch import nn

KEPT, LEARNED = "kept", "learned"


@dataclass(frozen=True, kw_only=True)
class FullOptions(MethodOptions):
    """Full fine-tuning: every parameter of the backbone moves."""

    layer_decay: float = setting(
        0.8,
        label="Layer-wise rate decay",
        help="Learning rate of each layer relative to the one above it; below 1 protects the early, general layers.",
        minimum=0.3,
        maximum=1.0,
        advanced=True,
    )
    layers: str = setting(
        "last",
        label="Head sees",
        help="last: the network's embedding; joined: its earlier stages or blocks too.",
        choices=("last", "joined"),
        advanced=True,
    )
    statistics: str = setting(
        LEARNED,
        label="Batch-norm statistics",
        help="learned: those of your pictures. kept: those of the pretrained network, which suits some sets, and "
        "batches of few pictures; a network that starts from random weights has none to keep.",
        choices=(LEARNED, KEPT),
        advanced=True,
    )
    frozen_stages: int = setting(
        0,
        label="Frozen stages",
        help="How many stages (ResNet) or blocks (ViT), counted from the input, stay as they are.",
        minimum=0,
        maximum=48,
        advanced=True,
    )


class FullFineTuning(Method[FullOptions]):
    """Every weight of the network learns."""

    name = "full"
    title = "Full fine-tuning"
    summary = "Every weight of the network learns."
    when = "You have many pictures, or they look nothing like everyday photographs."
    options = FullOptions
    learning_rate = 3e-4
    trains_network = True
    moves_buffers = True
    interpolates = True

    def head_parts(self, backbone: Backbone, options: FullOptions) -> tuple[int, ...]:
        """Return the embedding's width, behind those of the earlier stages or blocks where they are joined."""
        return widths_seen(backbone, options.layers)

    def keeps_statistics(self, options: FullOptions) -> bool:
        """Tell whether pretrained batch-norm statistics stay."""
        return options.statistics == KEPT

    def problems(self, backbone: Backbone, options: FullOptions, *, batch_size: int) -> list[Problem]:
        """Refuse batch norm over a single picture."""
        if backbone.shape.has_batch_norm and batch_size == 1:
            return [Problem("batch_size", f"must be at least 2 for full fine-tuning of {backbone.title} (batch norm)")]
        return []

    def needs_base_weights(self, options: FullOptions) -> bool:
        """Tell that a checkpoint holds the whole network unless a part is frozen."""
        return bool(options.frozen_stages)

    def inject(self, network: Any, backbone: Backbone, options: FullOptions) -> Any:
        """Mark every parameter of a timm network as trainable, but for its first `frozen_stages` stages."""
        network.requires_grad_(True)
        for module in _frozen_modules(network, options.frozen_stages):
            module.requires_grad_(False)
        if options.frozen_stages:
            for name in ("cls_token", "pos_embed"):
                if (parameter := getattr(network, name, None)) is not None:
                    parameter.requires_grad_(False)
        return with_head(network, backbone, options.layers)

    def parameter_groups(self, network: Any, options: FullOptions, weight_decay: float) -> list[dict[str, Any]]:
        """Group trainable parameters by layer; each group's `lr_scale` multiplies the learning rate."""
        from timm.optim._param_groups import param_groups_layer_decay

        body = getattr(network, "body", network)
        no_decay = body.no_weight_decay() if hasattr(body, "no_weight_decay") else ()
        groups = [
            {"params": group["params"], "weight_decay": group["weight_decay"], "lr_scale": group["lr_scale"]}
            for group in param_groups_layer_decay(body, weight_decay, no_decay, layer_decay=options.layer_decay)
        ]
        if body is not network:
            head = network.get_classifier()
            groups.append({"params": [head.weight], "weight_decay": weight_decay, "lr_scale": 1.0})
            groups.append({"params": [head.bias], "weight_decay": 0.0, "lr_scale": 1.0})
        return groups


def _frozen_modules(network: Any, stages: int) -> "list[nn.Module]":
    """Return the stem and the first `stages` stages (ResNet) or blocks (ViT); nothing for 0."""
    if not stages:
        return []
    if hasattr(network, "blocks"):
        return [network.patch_embed, *network.blocks[:stages]]
    layers = [network.layer1, network.layer2, network.layer3, network.layer4]
    return [network.conv1, network.bn1, *layers[:stages]]
