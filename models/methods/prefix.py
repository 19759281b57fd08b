"""Prefix tuning: learned keys and values that every attention of a frozen ViT also attends to.

Li and Liang 2021 (arXiv:2101.00190) put them before the layer's own, under one softmax. That is the same as a second
attention, over the prefix alone, mixed with the first by a share that the scores decide (He et al. 2022,
arXiv:2110.04366, eq. 7): whatever the prefix gets, the picture loses. Here the second attention is added instead, with
a softmax of its own and values that start at zero, so that an untrained prefix changes nothing and a trained one takes
nothing away (as in Zhang et al. 2023, arXiv:2303.16199, whose gate it does without). The shared softmax remains as an
option. Length 0 is the base network. A prefix cannot fold into weights; an export holds it as constants in the graph.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from models.catalog import Backbone
from models.errors import ConfigError, Problem
from models.methods.method import Method, MethodOptions, head_rate, head_scales
from models.settings import setting
from models.shapes import Family, ResNetShape, ViTShape

if TYPE_CHECKING:
    from torch import nn

ROTARY = "its attention turns tokens by their position, and a prefix has none; choose LoRA or adapter"


@dataclass(frozen=True, kw_only=True)
class PrefixOptions(MethodOptions):
    """Learned keys and values in each attention (Li and Liang 2021, arXiv:2101.00190; Zhang et al. 2023)."""

    length: int = setting(
        5, label="Prefix length", help="How many learned tokens each attention also looks at.", minimum=0, maximum=256
    )
    softmax: str = setting(
        "own",
        label="Softmax",
        help="own: each attention adds what it finds in the prefix to what it finds in the picture; starts without "
        "effect. shared: the prefix competes with the picture, as Li and Liang had it; learns less well.",
        choices=("own", "shared"),
        advanced=True,
    )
    reparameterise: bool = setting(
        False,
        label="Reparameterise",
        help="Train the prefix through a small MLP, which Li and Liang found steadier; it is folded away at export.",
        advanced=True,
    )
    head_rate: float = head_rate(0.015)


class PrefixTuning(Method[PrefixOptions]):
    """Learned keys and values steer each attention."""

    name = "prefix"
    title = "Prefix"
    summary = "A few learned tokens steer each attention of a frozen ViT."
    when = "The smallest possible change: about a thousandth of the weights."
    options = PrefixOptions
    learning_rate = 4e-2
    unsupported: ClassVar[Mapping[Family, str]] = {
        "resnet": "a ResNet has no attention for prefix tokens to enter; choose LoRA or adapter"
    }

    def refusal(self, backbone: Backbone) -> str:
        """Refuse attention that turns queries and keys by their position: a prefix has none."""
        is_rotary = isinstance(backbone.shape, ViTShape) and backbone.shape.has_rotary
        return ROTARY if is_rotary else super().refusal(backbone)

    def injected_parameters(self, shape: ViTShape | ResNetShape, options: PrefixOptions) -> int:
        """Count keys and values of each attention, or the embedding and MLP that make them."""
        assert isinstance(shape, ViTShape)
        if not options.reparameterise:
            return 2 * options.length * shape.width * shape.depth
        hidden = shape.width // 2
        mlp = shape.width * hidden + hidden + hidden * 2 * shape.width + 2 * shape.width
        return (options.length * shape.width + mlp) * shape.depth

    def upgrade(self, values: dict[str, Any], version: int) -> dict[str, Any]:
        """Give settings from before the prefix had a softmax of its own the one that they were trained with."""
        return {"softmax": "shared", **values} if version < 2 else values

    def inject(self, network: Any, backbone: Backbone, options: PrefixOptions) -> Any:
        """Give every attention of a timm ViT a trainable prefix, in place.

        Raises:
            ConfigError: The attention is of a kind (rotary, gated) that the prefix does not cover.
        """
        from timm.layers.attention import Attention

        from models.methods.layers.prefixes import PrefixAttention

        for block in network.blocks:
            layer = block.attn
            if type(layer) is not Attention or layer.gate is not None:
                raise ConfigError((Problem("method", f"prefix does not cover {type(layer).__name__}", "Choose LoRA."),))
            shares = options.softmax == "shared"
            block.attn = PrefixAttention(layer, _new_prefix(layer, options), shares_softmax=shares)
        return network

    def merge(self, network: Any) -> None:
        """Fold each reparameterising MLP into plain prefix parameters, in place."""
        from models.methods.layers.prefixes import PrefixAttention, ReparameterisedPrefix

        for module in network.modules():
            if isinstance(module, PrefixAttention) and isinstance(module.prefix, ReparameterisedPrefix):
                module.prefix = module.prefix.folded()

    def lr_scales(self, network: Any, options: PrefixOptions) -> "Iterator[tuple[nn.Parameter, float]]":
        """Give the head its own rate, and the MLP that makes a prefix smaller steps."""
        from models.methods.layers.prefixes import ReparameterisedPrefix

        yield from head_scales(network, options.head_rate)
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
