"""The shapes of networks and of their inputs, for parameter counts and learning rates. Torch-free.

A shape answers what a network can do: which stages give features, which layers take an update, whether it has tokens.
No other module asks which family a network is of.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal

InputShape = tuple[int, int]  # (height, width) of a network's input, in pixels


@cache
def input_shape(size: int, aspect: float, step: int) -> InputShape:
    """Return multiples (height, width) of `step` near width / height = `aspect` and near `size` x `size` pixels.

    The logarithms of both ratios count alike: a tenth of the image cut off, or a tenth of the pixels more or less.
    """
    if aspect == 1:
        return size, size

    def misfit(shape: InputShape) -> float:
        height, width = shape
        return abs(math.log(width / height / aspect)) + abs(math.log(height * width / size**2))

    most = size * max(1.0, aspect**-0.5) + 2 * step
    heights = range(step, round(most), step)
    widths = {height: math.floor(height * aspect / step) for height in heights}
    return min(((each, max(1, widths[each] + more) * step) for each in heights for more in (0, 1)), key=misfit)


@dataclass(frozen=True, slots=True)
class Matrices:
    """The layers of one kind in a network, which LoRA can update.

    Attributes:
        pattern: Regular expression of their whole names in timm's network.
        sizes: (fan-in, fan-out) of each, input to output; a kernel's fan-in counts its positions.
    """

    pattern: str
    sizes: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What the networks of a family have in common, with timm's names of their layers.

    Attributes:
        family: Its name, for a person.
        head: timm's name of the classifier head.
        stem_names: timm's names of all before the first stage, beginning with the layer that reads the image.
        last_layer: timm's name of the layer that gives the feature map before pooling; empty with tokens.
        has_tokens: Whether they have attention over tokens, and so inputs of one size; else they have feature maps.
        has_rooted_stages: Whether multi-stage features are square roots: only where they are never negative.
        parameter_cost: Time of a pass for each parameter, relative to a ResNet's.
        scratch_args: Arguments of timm for a network that learns from random values.
    """

    family: str
    head: str
    stem_names: tuple[str, ...]
    last_layer: str = ""
    has_tokens: bool = False
    has_rooted_stages: bool = False
    parameter_cost: float = 1.0
    scratch_args: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)


VIT = Layout(family="ViT", head="head", stem_names=("patch_embed", "cls_token", "pos_embed"), has_tokens=True)
RESNET = Layout(
    family="ResNet",
    head="fc",
    stem_names=("conv1", "bn1"),
    last_layer="layer4",
    has_rooted_stages=True,
    # A zero last norm silences every residual branch; frozen that way, a PEFT method would learn nothing.
    scratch_args={"zero_init_last": False},
)
EFFICIENTNET = Layout(
    family="EfficientNet",
    head="classifier",
    stem_names=("conv_stem", "bn1"),
    last_layer="bn2",
    parameter_cost=1.7,  # Lite2 takes .75 of ResNet-18's time with .43 of its parameters
)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkShape:
    """What a timm network can do, whatever its family; each family is a subclass.

    Attributes:
        is_grouped: Whether its convolutions are grouped: peft cannot merge an update into those.
    """

    has_batch_norm: bool = True
    is_grouped: bool = False

    @property
    def layout(self) -> Layout:
        """Return the properties shared by its family."""
        raise NotImplementedError

    @property
    def family(self) -> str:
        return self.layout.family

    @property
    def head(self) -> str:
        return self.layout.head

    @property
    def stem_names(self) -> tuple[str, ...]:
        return self.layout.stem_names

    @property
    def last_layer(self) -> str:
        return self.layout.last_layer

    @property
    def has_tokens(self) -> bool:
        return self.layout.has_tokens

    @property
    def has_rooted_stages(self) -> bool:
        return self.layout.has_rooted_stages

    @property
    def size_step(self) -> int:
        """Return the step of the input's side, in pixels."""
        return 32

    @property
    def outputs(self) -> tuple[int, ...]:
        """Return the channels of each output of `forward_intermediates`."""
        raise NotImplementedError

    @property
    def joined_depths(self) -> tuple[int, ...]:
        """Return the depths of multi-stage features below the embedding, counted as `forward_intermediates` does."""
        raise NotImplementedError

    @property
    def stage_names(self) -> tuple[str, ...]:
        """Return timm's names of the stages, of a network with tokens its blocks, input to output."""
        raise NotImplementedError

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Return the channels of each block's output."""
        raise NotImplementedError

    @property
    def matrices(self) -> Mapping[str, Matrices]:
        """Return the layers that LoRA can update, by a short name of their kind."""
        raise NotImplementedError

    @property
    def rate_width(self) -> float:
        """Return the width of hidden layers that decides about the learning rate."""
        raise NotImplementedError

    def position_parameters(self, shape: InputShape) -> int:
        """Count the parameters of positions for an input of (height, width) pixels."""
        return 0

    def joined_widths(self, embedding: int) -> tuple[int, ...]:
        """Return the widths of multi-stage features, the embedding of `embedding` channels last."""
        return (*(self.outputs[depth] for depth in self.joined_depths), embedding)

    @property
    def rate_factor(self) -> float:
        """Return the default learning rate relative to a network 768 wide: 768 / width, at most 4.

        Under Adam the best rate of hidden layers falls with their width (Yang et al. 2022, arXiv:2203.03466).
        """
        return min(4.0, 768 / self.rate_width)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTShape(NetworkShape):
    """The shape of a timm `VisionTransformer`; `has_rotary`: attention turns queries and keys by position (`Eva`)."""

    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int  # pixels of the input's side to one token
    has_batch_norm: bool = False  # whether convolutions with batch norm make its tokens
    has_rotary: bool = False

    @property
    def layout(self) -> Layout:
        return VIT

    @property
    def size_step(self) -> int:
        return self.patch

    @property
    def outputs(self) -> tuple[int, ...]:
        return self.block_widths

    @property
    def joined_depths(self) -> tuple[int, ...]:
        """Return the blocks at half and three quarters of the depth."""
        return tuple(sorted({self.depth // 2 - 1, self.depth * 3 // 4 - 1} - {-1, self.depth - 1}))

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(f"blocks.{index}" for index in range(self.depth))

    @property
    def block_widths(self) -> tuple[int, ...]:
        return (self.width,) * self.depth

    @property
    def matrices(self) -> Mapping[str, Matrices]:
        width, hidden = self.width, self.mlp_width
        sizes = {
            "attn.qkv": (width, 3 * width),
            "attn.proj": (width, width),
            "mlp.fc1": (width, hidden),
            "mlp.fc2": (hidden, width),
        }
        return {
            name.partition(".")[2]: Matrices(r"blocks\.\d+\." + name.replace(".", r"\."), (size,) * self.depth)
            for name, size in sizes.items()
        }

    @property
    def rate_width(self) -> float:
        return self.width

    def position_parameters(self, shape: InputShape) -> int:
        height, width = shape
        return (height // self.patch) * (width // self.patch) * self.width


@dataclass(frozen=True, slots=True)
class Stage:
    """One ResNet stage: `count` blocks of inner width `width`."""

    block: Literal["basic", "bottleneck"]
    count: int
    width: int
    out: int = 0  # output channels of the blocks; 0 for the default: the width, of a bottleneck four times the width

    @property
    def out_channels(self) -> int:
        return self.out or self.width * (4 if self.block == "bottleneck" else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetShape(NetworkShape):
    """The shape of a timm `ResNet`; `is_grouped` as a ResNeXt's."""

    stem: int
    stages: tuple[Stage, ...]

    @property
    def layout(self) -> Layout:
        return RESNET

    @property
    def outputs(self) -> tuple[int, ...]:
        return (self.stem, *(stage.out_channels for stage in self.stages))

    @property
    def joined_depths(self) -> tuple[int, ...]:
        """Return the stages before the last, except the first two outputs (edges and colours only)."""
        return tuple(range(2, len(self.stages)))

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(f"layer{place}" for place in range(1, len(self.stages) + 1))

    @property
    def block_widths(self) -> tuple[int, ...]:
        return tuple(stage.out_channels for stage in self.stages for _ in range(stage.count))

    def block_convolutions(self) -> list[tuple[int, int, int]]:
        """Return (in channels, out channels, kernel size) of each main-path convolution, input to output."""
        convolutions: list[tuple[int, int, int]] = []
        channels = self.stem
        for stage in self.stages:
            for _ in range(stage.count):
                width, out = stage.width, stage.out_channels
                convolutions += [(channels, width, 1 if stage.block == "bottleneck" else 3), (width, width, 3)]
                if stage.block == "bottleneck":
                    convolutions.append((width, out, 1))
                channels = out
        return convolutions

    @property
    def matrices(self) -> Mapping[str, Matrices]:
        sizes = tuple((c_in * kernel**2, c_out) for c_in, c_out, kernel in self.block_convolutions())
        return {"conv": Matrices(r"layer\d\.\d+\.conv[123]", sizes)}

    @property
    def rate_width(self) -> float:
        """Return the mean of the stages' widths.

        The last one alone asked for too little of the narrow ones before it (measured on the starter ResNet, full,
        LoRA and adapter).
        """
        return sum(stage.out_channels for stage in self.stages) / len(self.stages)


@dataclass(frozen=True, slots=True)
class InvertedStage:
    """One stage of inverted residual blocks (Sandler et al. 2018, arXiv:1801.04381).

    Attributes:
        count: Blocks.
        expansion: Inner channels of a block relative to its input's; 1: depthwise separable, without expansion.
        out: Output channels of the blocks.
        stride: Of the first block.
    """

    count: int
    expansion: int
    out: int
    stride: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EfficientNetShape(NetworkShape):
    """The shape of a timm `EfficientNet` of depthwise separable and inverted residual blocks.

    Its stages end without an activation, so that their means have a sign. Signed square roots gained nothing: held-out
    log loss .525 in the mean, .518 of the means themselves (EfficientNet-Lite2, 160 px, 200 images of four sets).
    """

    stem: int
    stages: tuple[InvertedStage, ...]

    @property
    def layout(self) -> Layout:
        return EFFICIENTNET

    @property
    def outputs(self) -> tuple[int, ...]:
        """Return the channels of the stages before each halving, and of the last."""
        next_strides = (*(stage.stride for stage in self.stages[1:]), 2)
        return tuple(stage.out for stage, stride in zip(self.stages, next_strides, strict=True) if stride > 1)

    @property
    def joined_depths(self) -> tuple[int, ...]:
        """Return all outputs except the first two; the last one's convolution gives the embedding."""
        return tuple(range(2, len(self.outputs)))

    @property
    def stage_names(self) -> tuple[str, ...]:
        return tuple(f"blocks.{index}" for index in range(len(self.stages)))

    @property
    def block_widths(self) -> tuple[int, ...]:
        return tuple(stage.out for stage in self.stages for _ in range(stage.count))

    def pointwise_convolutions(self) -> list[tuple[int, int]]:
        """Return (in channels, out channels) of each pointwise convolution of the blocks, input to output."""
        convolutions: list[tuple[int, int]] = []
        channels = self.stem
        for stage in self.stages:
            for _ in range(stage.count):
                inner = channels * stage.expansion
                if stage.expansion > 1:
                    convolutions.append((channels, inner))
                convolutions.append((inner, stage.out))
                channels = stage.out
        return convolutions

    @property
    def matrices(self) -> Mapping[str, Matrices]:
        return {"conv": Matrices(r"blocks\.\d+\.\d+\.conv_pwl?", tuple(self.pointwise_convolutions()))}

    @property
    def rate_width(self) -> float:
        """Return the mean fan-in of the pointwise convolutions: the width changes within each block."""
        widths = [c_in for c_in, _ in self.pointwise_convolutions()]
        return sum(widths) / len(widths)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvNetShape(NetworkShape):
    """The shape of a convolutional network of another family of timm, as its own list of features states it.

    Attributes:
        stated: Its layout.
        channels: Of each output of `forward_intermediates`.
        depths: Outputs with an eighth of the input's side or less, without the map whose mean is the embedding.
        stages: timm's names of the stages, input to output.
        layers: Its pointwise convolutions and linear layers, which LoRA can update.
    """

    stated: Layout
    channels: tuple[int, ...]
    depths: tuple[int, ...]
    stages: tuple[str, ...]
    layers: Matrices

    @property
    def layout(self) -> Layout:
        return self.stated

    @property
    def outputs(self) -> tuple[int, ...]:
        return self.channels

    @property
    def joined_depths(self) -> tuple[int, ...]:
        return self.depths

    @property
    def stage_names(self) -> tuple[str, ...]:
        return self.stages

    @property
    def block_widths(self) -> tuple[int, ...]:
        """Return none: the blocks of these families end in different ways."""
        return ()

    @property
    def matrices(self) -> Mapping[str, Matrices]:
        return {"conv": self.layers}

    @property
    def rate_width(self) -> float:
        """Return the mean fan-in of the layers: the width changes within each block."""
        return sum(fan_in for fan_in, _ in self.layers.sizes) / len(self.layers.sizes)
