"""The shapes of networks, and the arithmetic of what each method adds to one. Torch-free.

A contract test holds these counts against the real modules.
"""

from dataclasses import dataclass
from typing import Literal

from models.methods.options import AdapterOptions, LoraOptions, MethodOptions, PrefixOptions

Family = Literal["resnet", "vit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTShape:
    """The shape of a timm `VisionTransformer`: `depth` blocks of `width` channels and an MLP of `mlp_width`."""

    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int
    has_class_token: bool = True
    has_layer_scale: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One ResNet stage: `count` blocks of inner width `width`; a bottleneck block puts out four times as many."""

    block: Literal["basic", "bottleneck"]
    count: int
    width: int

    @property
    def out_channels(self) -> int:
        """Return the channels that the stage's blocks put out."""
        return self.width * (4 if self.block == "bottleneck" else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetShape:
    """The shape of a timm `ResNet`: channels after the stem, then its stages."""

    stem: int
    stages: tuple[Stage, ...]

    def block_convolutions(self) -> list[tuple[int, int, int]]:
        """Return (in channels, out channels, kernel size) of each main-path convolution, input to output."""
        convolutions: list[tuple[int, int, int]] = []
        channels = self.stem
        for stage in self.stages:
            for _ in range(stage.count):
                width, out = stage.width, stage.out_channels
                convolutions += [(channels, width, 1 if stage.block == "bottleneck" else 3), (width, width, 3)]
                convolutions += [(width, out, 1)] if stage.block == "bottleneck" else []
                channels = out
        return convolutions


def rate_factor(shape: ViTShape | ResNetShape) -> float:
    """Return the learning rate that suits a network, relative to one 768 wide: 768 / width, at most 4.

    Under Adam the best rate of hidden layers falls with their width (Yang et al. 2022, arXiv:2203.03466). A ResNet's
    is the mean of its stages': the last one alone asked for too little of the narrow ones before it (measured on the
    starter ResNet, full, LoRA and adapter).
    """
    if isinstance(shape, ViTShape):
        width: float = shape.width
    else:
        width = sum(stage.out_channels for stage in shape.stages) / len(shape.stages)
    return min(4.0, 768 / width)


def largest_rank(shape: ViTShape | ResNetShape) -> int:
    """Return the largest LoRA rank that makes sense: the narrowest side of any layer that LoRA reaches."""
    if isinstance(shape, ViTShape):
        return min(shape.width, shape.mlp_width)
    return min(min(c_in * kernel**2, c_out) for c_in, c_out, kernel in shape.block_convolutions())


def no_parameters(_shape: ViTShape | ResNetShape, _options: MethodOptions) -> int:
    """Return 0: the method adds nothing to the network."""
    return 0


def lora_parameters(shape: ViTShape | ResNetShape, options: MethodOptions) -> int:
    """Count rank (fan-in + fan-out) for each layer that gets an update, and magnitudes for DoRA."""
    assert isinstance(options, LoraOptions)
    if isinstance(shape, ResNetShape):
        layers = [(c_in * k * k, c_out) for c_in, c_out, k in shape.block_convolutions()]
    else:
        width, hidden = shape.width, shape.mlp_width
        block = [(width, 3 * width)]
        block += [(width, width)] if options.targets in ("attention", "all") else []
        block += [(width, hidden), (hidden, width)] if options.targets == "all" else []
        layers = block * shape.depth
    magnitudes = sum(out for _, out in layers) if options.variant == "dora" else 0
    return options.rank * sum(fan_in + out for fan_in, out in layers) + magnitudes


def adapter_parameters(shape: ViTShape | ResNetShape, options: MethodOptions) -> int:
    """Count down- and up-projection with their biases, for each adapter."""
    assert isinstance(options, AdapterOptions)
    if isinstance(shape, ResNetShape):
        widths = [stage.out_channels for stage in shape.stages for _ in range(stage.count)]
    else:
        widths = [shape.width] * shape.depth * (2 if options.placement in ("before", "houlsby") else 1)
    return sum(2 * width * options.bottleneck + options.bottleneck + width for width in widths)


def prefix_parameters(shape: ViTShape | ResNetShape, options: MethodOptions) -> int:
    """Count keys and values of each attention, or the embedding and MLP that make them."""
    assert isinstance(options, PrefixOptions) and isinstance(shape, ViTShape)
    if not options.reparameterise:
        return 2 * options.length * shape.width * shape.depth
    hidden = shape.width // 2
    mlp = shape.width * hidden + hidden + hidden * 2 * shape.width + 2 * shape.width
    return (options.length * shape.width + mlp) * shape.depth
