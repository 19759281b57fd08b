"""Prefix tuning: learned keys and values for every attention of a frozen ViT.

Li and Liang 2021 (arXiv:2101.00190) put them before the layer's own, under one softmax: the prefix takes attention away
from the image. Here a second attention, over the prefix alone, is added (He et al. 2022, arXiv:2110.04366, eq. 7) with
values of zero at the start: an untrained prefix changes nothing (as in Zhang et al. 2023, arXiv:2303.16199, without
their gate). An export holds a prefix as constants in the graph.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.catalog import Backbone
from models.methods.method import Method, MethodOptions, layers_setting
from models.shapes import NetworkShape, ViTShape
from visionft.core.errors import ConfigError, Problem
from visionft.core.messages import Message
from visionft.core.settings import setting

if TYPE_CHECKING:
    from torch import nn

NO_ATTENTION = Message("it has no attention for prefix tokens to enter; choose LoRA or adapter")
ROTARY = Message("its attention uses rotary positions, which prefix tokens lack; choose LoRA or adapter")


@dataclass(frozen=True, kw_only=True)
class PrefixOptions(MethodOptions):
    length: int = setting(
        5, label="Prefix length", limits=(0, 256), help="Number of learned tokens added to each attention."
    )
    layers: str = layers_setting("last")


class PrefixTuning(Method[PrefixOptions]):
    name = "prefix"
    title = Message("Prefix")
    summary = Message("A few learned tokens steer each attention of a frozen ViT.")
    when = Message("The smallest possible change: about a thousandth of the weights.")
    options = PrefixOptions
    learning_rate = 4e-2
    head_rate = 0.015

    def refusal(self, backbone: Backbone) -> str:
        if not isinstance(backbone.shape, ViTShape):
            return NO_ATTENTION
        return ROTARY if backbone.shape.has_rotary else ""

    def injected_parameters(self, shape: NetworkShape, options: PrefixOptions) -> int:
        assert isinstance(shape, ViTShape)
        return 2 * options.length * shape.width * shape.depth

    def inject(self, network: Any, backbone: Backbone, options: PrefixOptions) -> Any:
        """Give every attention of a timm ViT a trainable prefix, in place (ConfigError: it is rotary or gated)."""
        from timm.layers.attention import Attention

        from models.methods.layers import PrefixAttention

        for block in network.blocks:
            layer = block.attn
            if type(layer) is not Attention or layer.gate is not None:
                message = Message("prefix does not cover {name}", name=type(layer).__name__)
                raise ConfigError((Problem("method", message, "Choose LoRA."),))
            block.attn = PrefixAttention(layer, _new_prefix(layer, options.length))
        return super().inject(network, backbone, options)

    def decays(self, parameter_name: str) -> bool:
        """Spare prefixes: like biases, they are values and no weights."""
        return ".prefix." not in parameter_name


def _new_prefix(layer: Any, length: int) -> "nn.Module":
    """Return a prefix without effect: its values are zero."""
    import torch

    from models.methods.layers import Prefix, key_scale

    shape = (layer.num_heads, length, layer.head_dim)
    return Prefix(torch.randn(shape) * key_scale(layer), torch.zeros(shape))
