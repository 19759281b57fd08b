"""The shapes of networks, from which methods count what they add and how fast to learn. Torch-free."""

from dataclasses import dataclass
from typing import Literal

Family = Literal["resnet", "vit"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ViTShape:
    """The shape of a timm `VisionTransformer`: `depth` blocks of `width` channels and an MLP of `mlp_width`.

    Attributes:
        patch: Pixels of the input's side to one token.
        has_batch_norm: Whether convolutions with batch norm make its tokens.
        has_rotary: Whether its attention turns queries and keys by their position (rotary embedding), as timm's `Eva`.
    """

    width: int
    depth: int
    heads: int
    mlp_width: int
    patch: int
    has_batch_norm: bool = False
    has_rotary: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One ResNet stage: `count` blocks of inner width `width`.

    Attributes:
        out: Channels that the blocks put out; 0 for the usual: the width, of a bottleneck four times that.
    """

    block: Literal["basic", "bottleneck"]
    count: int
    width: int
    out: int = 0

    @property
    def out_channels(self) -> int:
        """Return the channels that the stage's blocks put out."""
        return self.out or self.width * (4 if self.block == "bottleneck" else 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResNetShape:
    """The shape of a timm `ResNet`: channels after the stem, then its stages.

    Attributes:
        is_grouped: Whether its convolutions are grouped, as a ResNeXt's: peft cannot merge an update into those.
    """

    stem: int
    stages: tuple[Stage, ...]
    is_grouped: bool = False

    @property
    def has_batch_norm(self) -> bool:
        """Tell that convolutions with batch norm are what it is made of."""
        return True

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


def joined_depths(shape: ViTShape | ResNetShape) -> tuple[int, ...]:
    """Return what a head may see beside the network's own embedding, counted as timm's `forward_intermediates` does.

    Of a ResNet the stages before the last, but for the first two outputs, which see edges and colours only; of a ViT
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
