"""Bottleneck adapters: down, non-linearity, up, added to what flows by (Houlsby et al. 2019, arXiv:1902.00751).

On a ViT one stands before each attention and each MLP and changes the normalised tokens that these read: queries, keys
and values change with it. The classic places remain: after each MLP (Pfeiffer et al. 2021, arXiv:2005.00247), after
each attention too (Houlsby), or beside each MLP (parallel: Chen et al. 2022, arXiv:2205.13535). On a ResNet a
1x1-convolution adapter follows each block. The up-projection starts at zero, so an untrained adapter changes nothing.
Adapters are not linear and cannot fold into weights: an export holds them as plain layers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from models.catalog import Backbone
from models.methods.method import Method, MethodOptions, head_rate, head_scales
from models.settings import setting
from models.shapes import ResNetShape, ViTShape

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, kw_only=True)
class AdapterOptions(MethodOptions):
    """Bottleneck adapters (Houlsby et al. 2019, arXiv:1902.00751; Pfeiffer et al. 2021, arXiv:2005.00247)."""

    bottleneck: int = setting(
        32, label="Bottleneck", help="Width of the adapter's narrow layer.", minimum=1, maximum=1024, unit="channels"
    )
    placement: str = setting(
        "before",
        label="ViT placement",
        help="before: two adapters a block, before the attention and before the MLP; houlsby: after both; pfeiffer: "
        "one, after the MLP; parallel: one, beside the MLP.",
        choices=("before", "houlsby", "pfeiffer", "parallel"),
        advanced=True,
    )
    scaling: float = setting(
        4.0,
        label="Scaling",
        help="Factor on what an adapter adds; its first outputs are several times smaller than what they are added to.",
        minimum=0.01,
        maximum=10.0,
        advanced=True,
    )
    head_rate: float = head_rate(1.0)


class BottleneckAdapter(Method[AdapterOptions]):
    """Bottleneck layers learn between the frozen ones."""

    name = "adapter"
    title = "Adapter"
    summary = "Small bottleneck layers learn between the frozen ones."
    when = "As LoRA, and when the new task differs more from the old one."
    options = AdapterOptions
    learning_rate = 6e-4
    interpolates = True

    def injected_parameters(self, shape: ViTShape | ResNetShape, options: AdapterOptions) -> int:
        """Count down- and up-projection with their biases, for each adapter."""
        if isinstance(shape, ResNetShape):
            widths = [stage.out_channels for stage in shape.stages for _ in range(stage.count)]
        else:
            widths = [shape.width] * shape.depth * (2 if options.placement in ("before", "houlsby") else 1)
        return sum(2 * width * options.bottleneck + options.bottleneck + width for width in widths)

    def inject(self, network: Any, backbone: Backbone, options: AdapterOptions) -> Any:
        """Put trainable adapters by the layers of a timm network, in place."""
        if backbone.family == "resnet":
            _inject_resnet(network, options)
        else:
            _inject_vit(network, options)
        return network

    def is_scaled_elsewhere(self, name: str) -> bool:
        """Tell that the down-projection stays as it is: the up-projection, zero at the start, scales what is added."""
        return ".down." in name

    def lr_scales(self, network: Any, options: AdapterOptions) -> "Iterator[tuple[nn.Parameter, float]]":
        """Give the head its own rate."""
        return head_scales(network, options.head_rate)


def _inject_vit(network: Any, options: AdapterOptions) -> None:
    from models.methods.layers.adapters import Adapted, Adapter, Parallel, Preceded

    def adapter() -> Adapter:
        return Adapter(network.embed_dim, bottleneck=options.bottleneck, scaling=options.scaling, convolutional=False)

    wrap = {"before": Preceded, "parallel": Parallel}.get(options.placement, Adapted)
    for block in network.blocks:
        block.mlp = wrap(block.mlp, adapter())
        if options.placement in ("before", "houlsby"):
            block.attn = wrap(block.attn, adapter())


def _inject_resnet(network: Any, options: AdapterOptions) -> None:
    from models.methods.layers.adapters import Adapted, Adapter

    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for index, block in enumerate(stage):
            width = (block.conv3 if hasattr(block, "conv3") else block.conv2).out_channels
            adapter = Adapter(width, bottleneck=options.bottleneck, scaling=options.scaling, convolutional=True)
            stage[index] = Adapted(block, adapter)
