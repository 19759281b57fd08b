"""The shapes of networks and of their inputs, for parameter counts and learning rates. Torch-free."""

import math
from dataclasses import dataclass
from functools import cache
from typing import Literal

Family = Literal["resnet", "vit"]
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


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTShape:
    """The shape of a timm `VisionTransformer`; `has_rotary`: attention turns queries and keys by position (`Eva`)."""

    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int  # pixels of the input's side to one token
    has_batch_norm: bool = False  # whether convolutions with batch norm make its tokens
    has_rotary: bool = False


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
class ResNetShape:
    """The shape of a timm `ResNet`; `is_grouped` as a ResNeXt's: peft cannot merge an update into such convolutions."""

    stem: int
    stages: tuple[Stage, ...]
    is_grouped: bool = False

    @property
    def has_batch_norm(self) -> bool:
        return True

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


def joined_depths(shape: ViTShape | ResNetShape) -> tuple[int, ...]:
    """Return the depths of multi-stage features below the embedding, counted as `forward_intermediates` does.

    Of a ResNet the stages before the last, except the first two outputs (edges and colours only); of a ViT
    the blocks at half and three quarters of its depth.
    """
    if isinstance(shape, ResNetShape):
        return tuple(range(2, len(shape.stages)))
    return tuple(sorted({shape.depth // 2 - 1, shape.depth * 3 // 4 - 1} - {-1, shape.depth - 1}))


def joined_widths(shape: ViTShape | ResNetShape, embedding: int) -> tuple[int, ...]:
    """Return the widths of those parts side by side, the embedding of `embedding` channels last."""
    if isinstance(shape, ResNetShape):
        return (*(shape.stages[depth - 1].out_channels for depth in joined_depths(shape)), embedding)
    return (*(shape.width for _ in joined_depths(shape)), embedding)


def rate_factor(shape: ViTShape | ResNetShape) -> float:
    """Return the default learning rate of a network relative to one 768 wide: 768 / width, at most 4.

    Under Adam the best rate of hidden layers falls with their width (Yang et al. 2022, arXiv:2203.03466). A ResNet's
    is the mean of its stages': the last one alone asked for too little of the narrow ones before it (measured on the
    starter ResNet, full, LoRA and adapter).
    """
    if isinstance(shape, ViTShape):
        width: float = shape.width
    else:
        width = sum(stage.out_channels for stage in shape.stages) / len(shape.stages)
    return min(4.0, 768 / width)
