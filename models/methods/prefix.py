"""Prefix tuning: learned keys and values for every attention of a frozen ViT.

Li and Liang 2021 (arXiv:2101.00190) put them before the layer's own, under one softmax: the prefix takes attention away
from the image. Here a second attention, over the prefix alone, is added (He et al. 2022, arXiv:2110.04366, eq. 7) with
values of zero at the start: an untrained prefix changes nothing (as in Zhang et al. 2023, arXiv:2303.16199, without
their gate). The shared softmax remains as an option. An export holds a prefix as constants in the graph.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.catalog import Backbone
from models.errors import ConfigError, Problem
from models.messages import Message
from models.methods.method import Method, MethodOptions, head_rate, layers_setting
from models.settings import setting
from models.shapes import NetworkShape, ViTShape

if TYPE_CHECKING:
    from torch import nn

NO_ATTENTION = Message("it has no attention for prefix tokens to enter; choose LoRA or adapter")
ROTARY = Message("its attention turns tokens by their position, and a prefix has none; choose LoRA or adapter")


@dataclass(frozen=True, kw_only=True)
class PrefixOptions(MethodOptions):
    length: int = setting(
        5, label="Prefix length", limits=(0, 256), help="Number of learned tokens added to each attention."
    )
    softmax: str = setting(
        "own",
        label="Softmax",
        choices={"own": "Own", "shared": "Shared"},
        advanced=True,
        help="own: each attention adds what it finds in the prefix to what it finds in the image; starts without "
        "effect. shared: the prefix competes with the image, as Li and Liang had it; learns less well.",
    )
    reparameterise: bool = setting(
        False,
        label="Reparameterise",
        advanced=True,
        help="Train the prefix through a small MLP, which Li and Liang found steadier; it is folded away at export.",
    )
    layers: str = layers_setting("last")
    head_rate: float = head_rate(0.015)


class PrefixTuning(Method[PrefixOptions]):
    name = "prefix"
    title = Message("Prefix")
    summary = Message("A few learned tokens steer each attention of a frozen ViT.")
    when = Message("The smallest possible change: about a thousandth of the weights.")
    options = PrefixOptions
    learning_rate = 4e-2

    def refusal(self, backbone: Backbone) -> str:
        if not isinstance(backbone.shape, ViTShape):
            return NO_ATTENTION
        return ROTARY if backbone.shape.has_rotary else ""

    def injected_parameters(self, shape: NetworkShape, options: PrefixOptions) -> int:
        assert isinstance(shape, ViTShape)
        if not options.reparameterise:
            return 2 * options.length * shape.width * shape.depth
        hidden = shape.width // 2
        mlp = shape.width * hidden + hidden + hidden * 2 * shape.width + 2 * shape.width
        return (options.length * shape.width + mlp) * shape.depth

    def upgrade(self, values: dict[str, Any], version: int) -> dict[str, Any]:
        return {"softmax": "shared", **values} if version < 2 else values

    def inject(self, network: Any, backbone: Backbone, options: PrefixOptions) -> Any:
        """Give every attention of a timm ViT a trainable prefix, in place (ConfigError: it is rotary or gated)."""
        from timm.layers.attention import Attention

        from models.methods.layers.prefixes import PrefixAttention

        for block in network.blocks:
            layer = block.attn
            if type(layer) is not Attention or layer.gate is not None:
                message = Message("prefix does not cover {name}", name=type(layer).__name__)
                raise ConfigError((Problem("method", message, "Choose LoRA."),))
            shares = options.softmax == "shared"
            block.attn = PrefixAttention(layer, _new_prefix(layer, options), shares_softmax=shares)
        return super().inject(network, backbone, options)

    def merge(self, network: Any) -> None:
        from models.methods.layers.prefixes import PrefixAttention, ReparameterisedPrefix

        for module in network.modules():
            if isinstance(module, PrefixAttention) and isinstance(module.prefix, ReparameterisedPrefix):
                module.prefix = module.prefix.folded()

    def lr_scales(self, network: Any, options: PrefixOptions) -> "Iterator[tuple[nn.Parameter, float]]":
        from models.methods.layers.prefixes import ReparameterisedPrefix

        yield from super().lr_scales(network, options)
        for module in network.modules():
            if isinstance(module, ReparameterisedPrefix):
                yield from ((parameter, module.lr_scale) for parameter in module.parameters())

    def decays(self, parameter_name: str) -> bool:
        """Spare prefixes: like biases, they are values and no weights."""
        return ".prefix." not in parameter_name


def _new_prefix(layer: Any, options: PrefixOptions) -> "nn.Module":
    import torch

    from models.methods.layers.prefixes import Prefix, ReparameterisedPrefix, activation_scales

    adds = options.softmax == "own"
    if options.reparameterise:
        return ReparameterisedPrefix(options.length, layer.num_heads, layer.head_dim, without_effect=adds)
    shape = (layer.num_heads, options.length, layer.head_dim)
    key_scale, value_scale = activation_scales(layer)
    key, value = torch.randn(shape) * key_scale, torch.randn(shape) * value_scale
    return Prefix(key, torch.zeros_like(value) if adds else value)
