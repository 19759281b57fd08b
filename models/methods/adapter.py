"""Bottleneck adapters: down, non-linearity, up, added to what flows by (Houlsby et al. 2019, arXiv:1902.00751).

On a ViT one stands before each attention and each MLP and changes the normalised tokens that these read: queries, keys
and values change with it. The classic places remain: after each MLP (Pfeiffer et al. 2021, arXiv:2005.00247), after
each attention too (Houlsby), or beside each MLP (parallel: Chen et al. 2022, arXiv:2205.13535). On a ResNet a
1x1-convolution adapter follows each block. The up-projection starts at zero, so an untrained adapter changes nothing.
Adapters are not linear and cannot fold into weights: an export holds them as plain layers.
"""

from typing import Any

from torch import Tensor, nn  # noqa: TID253

from models.methods.options import AdapterOptions


class Adapter(nn.Module):
    """Return h + scaling * up(gelu(down(h))), over the last dimension (tokens) or channels (feature maps)."""

    def __init__(self, width: int, options: AdapterOptions, *, convolutional: bool) -> None:
        super().__init__()
        layer: Any = _convolution if convolutional else nn.Linear
        self.scaling = options.scaling
        self.down = layer(width, options.bottleneck)
        self.activation = nn.GELU()
        self.up = layer(options.bottleneck, width)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (B, N, D) tokens or a (B, D, H, W) map to the same shape."""
        return hidden + self.change(hidden)

    def change(self, hidden: Tensor) -> Tensor:
        """Return what is added, in the shape of `hidden`."""
        return self.scaling * self.up(self.activation(self.down(hidden)))


def _convolution(channels_in: int, channels_out: int) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, kernel_size=1)


class Adapted(nn.Module):
    """A frozen layer followed by its adapter."""

    def __init__(self, layer: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.layer = layer
        self.adapter = adapter

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Run the layer as it was called, then the adapter on its output."""
        return self.adapter(self.layer(*args, **kwargs))


class Preceded(nn.Module):
    """A frozen layer that reads what its adapter makes of the input."""

    def __init__(self, layer: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.layer = layer
        self.adapter = adapter

    def forward(self, hidden: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Map (B, N, D) tokens to the same shape; the layer is run as it was called."""
        return self.layer(self.adapter(hidden), *args, **kwargs)


class Parallel(nn.Module):
    """A frozen layer with an adapter beside it: both read the same input, their outputs add up."""

    def __init__(self, layer: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.layer = layer
        self.adapter = adapter

    def forward(self, hidden: Tensor) -> Tensor:
        """Map (B, N, D) tokens to the same shape."""
        return self.layer(hidden) + self.adapter.change(hidden)


def inject(network: nn.Module, options: AdapterOptions, family: str) -> None:
    """Put trainable adapters behind the layers of a timm network, in place."""
    if family == "resnet":
        _inject_resnet(network, options)
    else:
        _inject_vit(network, options)


def _inject_vit(network: Any, options: AdapterOptions) -> None:
    wrap = {"before": Preceded, "parallel": Parallel}.get(options.placement, Adapted)
    for block in network.blocks:
        block.mlp = wrap(block.mlp, Adapter(network.embed_dim, options, convolutional=False))
        if options.placement in ("before", "houlsby"):
            block.attn = wrap(block.attn, Adapter(network.embed_dim, options, convolutional=False))


def _inject_resnet(network: Any, options: AdapterOptions) -> None:
    for stage in (network.layer1, network.layer2, network.layer3, network.layer4):
        for index, block in enumerate(stage):
            last = block.conv3 if hasattr(block, "conv3") else block.conv2
            stage[index] = Adapted(block, Adapter(last.out_channels, options, convolutional=True))
