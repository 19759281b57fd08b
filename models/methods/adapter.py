"""Bottleneck adapters: down-projection, non-linearity, up-projection, residual (Houlsby et al. 2019, arXiv:1902.00751).

On a ViT they precede attention and MLP. On a network without tokens a 1x1-convolution adapter follows each block. The
up-projection starts at zero; an export holds adapters as layers.
"""

from dataclasses import dataclass
from typing import Any

from models.catalog import Backbone
from models.methods.method import Method, MethodOptions, layers_setting
from models.shapes import NetworkShape
from visionft.core.messages import Message
from visionft.core.settings import setting

NO_BLOCKS = Message("its blocks end in different ways; choose LoRA or full fine-tuning")


@dataclass(frozen=True, kw_only=True)
class AdapterOptions(MethodOptions):
    bottleneck: int = setting(
        32, label="Bottleneck", limits=(1, 1024), unit="channels", help="Width of the adapter's narrow layer."
    )
    layers: str = layers_setting("last")


class BottleneckAdapter(Method[AdapterOptions]):
    name = "adapter"
    title = Message("Adapter")
    summary = Message("Small bottleneck layers learn between the frozen ones.")
    when = Message("As LoRA, and when the new task differs more from the old one.")
    options = AdapterOptions
    learning_rate = 6e-4
    interpolates = True

    def injected_parameters(self, shape: NetworkShape, options: AdapterOptions) -> int:
        in_each = 2 if shape.has_tokens else 1
        bottleneck = options.bottleneck
        return in_each * sum(2 * width * bottleneck + bottleneck + width for width in shape.block_widths)

    def refusal(self, backbone: Backbone) -> str:
        return "" if backbone.shape.has_tokens or backbone.shape.block_widths else NO_BLOCKS

    def inject(self, network: Any, backbone: Backbone, options: AdapterOptions) -> Any:
        """Put trainable adapters by the layers of a timm network, in place."""
        from models.methods.layers import AdaptedLayer, Adapter, InputAdaptedLayer

        def adapter(width: int, *, convolutional: bool = False) -> Adapter:
            return Adapter(width, options.bottleneck, convolutional=convolutional)

        if not backbone.shape.has_tokens:
            widths = iter(backbone.shape.block_widths)
            for stage in map(network.get_submodule, backbone.shape.stage_names):
                for index, block in enumerate(stage):
                    stage[index] = AdaptedLayer(block, adapter(next(widths), convolutional=True))
            return super().inject(network, backbone, options)
        for block in network.blocks:
            block.mlp = InputAdaptedLayer(block.mlp, adapter(network.embed_dim))
            block.attn = InputAdaptedLayer(block.attn, adapter(network.embed_dim))
        return super().inject(network, backbone, options)

    def is_scaled_elsewhere(self, name: str) -> bool:
        """Return True for the down-projection: the up-projection, zero at the start, scales the update."""
        return ".down." in name
