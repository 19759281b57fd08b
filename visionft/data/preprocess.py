"""From decoded pixels to the network's input, the same in training's validation, evaluation, prediction and export.

The centre square of the picture is cut out, then resized with antialiasing and normalised. Cutting first keeps the
output size fixed and the cost bounded for pictures of any shape; `visionft.export.graph` builds the same steps in ONNX.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from models.catalog import Backbone

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing:
    """How pixels become input.

    Attributes:
        size: Side of the square input, in pixels.
        crop_share: Share of the picture's shorter side that the centre square keeps, in (0, 1].
        mean: Per RGB channel, of pixels scaled to 0..1.
        std: Likewise.
    """

    size: int
    crop_share: float
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @classmethod
    def for_backbone(cls, backbone: Backbone, size: int) -> Self:
        """Return what `backbone` was pretrained with, for inputs of `size` pixels."""
        mean, std = backbone.normalisation
        return cls(size=size, crop_share=backbone.crop_share, interpolation=backbone.interpolation, mean=mean, std=std)

    @property
    def crop_permille(self) -> int:
        """Return the kept share in thousandths: whole-number arithmetic is the same in Python and in ONNX."""
        return round(self.crop_share * 1000)

    def crop_box(self, height: int, width: int) -> tuple[int, int, int]:
        """Return (top, left, side) of the centre square of a picture, in pixels; the side is at least 1."""
        side = max(1, (min(height, width) * self.crop_permille + 500) // 1000)
        return (height - side) // 2, (width - side) // 2, side

    def apply(self, pixels: np.ndarray) -> "Tensor":
        """Map uint8 (H, W, 3) RGB pixels to a normalised float32 (3, size, size) tensor."""
        import torch
        import torch.nn.functional as F

        top, left, side = self.crop_box(*pixels.shape[:2])
        square = torch.from_numpy(np.ascontiguousarray(pixels[top : top + side, left : left + side]))
        image = square.permute(2, 0, 1).unsqueeze(0).float()  # (1, 3, side, side)
        image = F.interpolate(image, (self.size, self.size), mode=self.interpolation, antialias=True)
        return self.normalise(image.clamp_(0, 255)[0])

    def normalise(self, image: "Tensor") -> "Tensor":
        """Map (..., 3, H, W) pixels of 0..255 to (pixels / 255 - mean) / std."""
        import torch

        mean = torch.tensor(self.mean).view(3, 1, 1) * 255
        std = torch.tensor(self.std).view(3, 1, 1) * 255
        return (image.float() - mean) / std
