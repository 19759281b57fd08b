"""From decoded pixels to the network's input, identical in validation, evaluation, prediction and export.

The largest box with the input's aspect ratio is cropped from the image, or from a region of it, then resized with
antialiasing and normalised. Cropping first keeps the output size fixed and the cost bounded for images of any shape;
`visionft.export.graph` builds the same steps in ONNX.
"""

import contextlib
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

import numpy as np
from PIL import Image

from models.catalog import Backbone
from models.shapes import InputShape
from visionft.data.decode import DecodedImage
from visionft.data.image_reading import AS_STORED, ImageReading

if TYPE_CHECKING:
    from torch import Tensor

_FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}  # antialiased, as torch's
_LARGE_CROP_SIDE = 1024  # side of a crop in pixels
Region = tuple[int, int, int, int]  # left, top, right and bottom of a part of an image, in thousandths of its sides
WHOLE: Region = (0, 0, 1000, 1000)  # in thousandths of the sides
MIN_REGION_PX = 16  # side length of a ViT patch


class Box(NamedTuple):
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


def is_region(text: str) -> bool:
    """Return whether a text is a valid region (see `parsed_region`)."""
    with contextlib.suppress(ValueError):
        return bool(parsed_region(text))
    return False


def parsed_region(text: str) -> Region:
    """Return the region of a text such as `0.1,0.2,0.9,0.8`: left, top, right, bottom as shares of the sides.

    Raises:
        ValueError: The text is invalid, or the rectangle is empty or extends beyond the image.
    """
    shares = [float(part) for part in text.split(",")]
    left, top, right, bottom = (round(share * 1000) for share in shares)
    if not (0 <= left < right <= 1000 and 0 <= top < bottom <= 1000):
        raise ValueError(text)
    return left, top, right, bottom


def region_text(region: Region) -> str:
    """Return a region as the text that `parsed_region` reads."""
    return ",".join(f"{side / 1000:g}" for side in region)


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessConfig:
    """Preprocessing of pixels to network input."""

    height: int  # height and width of the input, in pixels
    width: int
    crop_share: float  # share of the sides of the largest box of the input's aspect ratio, in (0, 1]
    interpolation: Literal["bilinear", "bicubic"]
    mean: tuple[float, float, float]  # mean and std per RGB channel, of pixels scaled to 0..1
    std: tuple[float, float, float]
    region: Region = WHOLE  # part of the image from which the box is cut
    # How files are decoded to pixels; excluded from `repr`, which is part of the key of stored features.
    image_reading: ImageReading = field(default=AS_STORED, repr=False)

    @classmethod
    def for_backbone(cls, backbone: Backbone, shape: InputShape) -> Self:
        """Return the preprocessing of `backbone`'s pretraining, for inputs of (height, width) pixels."""
        mean, std = backbone.normalisation
        share, interpolation = backbone.crop_share, backbone.interpolation
        return cls(height=shape[0], width=shape[1], crop_share=share, interpolation=interpolation, mean=mean, std=std)

    @property
    def shape(self) -> InputShape:
        return self.height, self.width

    @property
    def key(self) -> str:
        """Return the configuration as text, the key of stored features; square inputs have the form of old versions."""
        if self.height != self.width or self.region != WHOLE:
            return repr(self) + self.image_reading.key
        shown = (f"{name}={getattr(self, name)!r}" for name in ("crop_share", "interpolation", "mean", "std"))
        return f"PreprocessConfig(size={self.height}, {', '.join(shown)}){self.image_reading.key}"

    @property
    def units(self) -> tuple[int, int]:
        """Return the input's aspect ratio, height to width, in lowest terms."""
        common = math.gcd(self.height, self.width)
        return self.height // common, self.width // common

    @property
    def box_factors(self) -> tuple[Fraction, Fraction]:
        """Return the factors by which the box's height and width follow from its extent (see `crop_box`).

        Integer arithmetic is the same in Python and in ONNX. The integers stay below 2 ** 31, the limit of OpenVINO.
        """
        share = Fraction(round(self.crop_share * 1000), 1000)
        height, width = self.units
        return share / width, share / height

    def region_box(self, height: int, width: int) -> Box:
        """Return the region in an image of this size; its sides are at least 1."""
        left, top, right, bottom = self.region
        top, left = height * top // 1000, width * left // 1000
        return Box(top, left, max(1, height * bottom // 1000 - top), max(1, width * right // 1000 - left))

    def is_region_usable(self, height: int, width: int) -> bool:
        """Return whether each side of the region has 16 pixels of an image of this size, or all of a smaller image."""
        box = self.region_box(height, width)
        return box.height >= min(MIN_REGION_PX, height) and box.width >= min(MIN_REGION_PX, width)

    def crop_box(self, height: int, width: int) -> Box:
        """Return the part of an image of this size that is the network's input; its sides are at least 1."""
        region = self.region_box(height, width)
        units = self.units
        extent = min(region.height * units[1], region.width * units[0])
        doubled = ((2 * extent * by.numerator + by.denominator, 2 * by.denominator) for by in self.box_factors)
        box_height, box_width = (max(1, value // divisor) for value, divisor in doubled)
        top, left = (region.height - box_height) // 2, (region.width - box_width) // 2
        return Box(region.top + top, region.left + left, box_height, box_width)

    def apply_reduced(self, decoded: DecodedImage) -> "Tensor":
        """Map an image that was decoded at a reduced size to nearly the same input as `apply` on the full-size image.

        The crop box keeps its exact position in the full-size image, at fractions of reduced pixels; rounding would
        shift the input by up to one pixel.
        """
        if decoded.factor == 1:
            return self.apply(decoded.pixels)
        import torch

        top, left, box_height, box_width = (length / decoded.factor for length in self.crop_box(*decoded.size))
        height, width, _ = decoded.pixels.shape
        box = (left, top, min(width, left + box_width), min(height, top + box_height))
        filter_ = _FILTERS[self.interpolation]
        image = Image.fromarray(decoded.pixels).resize((self.width, self.height), filter_, box)
        return self.normalise(torch.from_numpy(np.array(image)).permute(2, 0, 1))

    def apply(self, pixels: np.ndarray) -> "Tensor":
        """Map uint8 (H, W, 3) RGB pixels to a normalised float32 (3, height, width) tensor."""
        import torch
        import torch.nn.functional as F

        top, left, height, width = self.crop_box(*pixels.shape[:2])
        part = torch.from_numpy(np.ascontiguousarray(pixels[top : top + height, left : left + width]))
        planes = part.permute(2, 0, 1).unsqueeze(0)  # (1, 3, height, width)
        # Resizing one plane at a time gives identical bits in a third of the memory and 60 % of the time.
        parts = planes.split(1, dim=1) if max(height, width) > _LARGE_CROP_SIDE else (planes,)
        resized = [F.interpolate(part.float(), self.shape, mode=self.interpolation, antialias=True) for part in parts]
        return self.normalise(torch.cat(resized, dim=1).clamp_(0, 255)[0])

    def crop_to_region(self, pixels: np.ndarray) -> np.ndarray:
        """Crop uint8 (H, W, 3) pixels to the region."""
        top, left, height, width = self.region_box(*pixels.shape[:2])
        return pixels[top : top + height, left : left + width]

    def normalise(self, image: "Tensor") -> "Tensor":
        """Map (..., 3, H, W) pixels of 0..255 to (pixels / 255 - mean) / std."""
        import torch

        mean = torch.tensor(self.mean, device=image.device).view(3, 1, 1) * 255
        std = torch.tensor(self.std, device=image.device).view(3, 1, 1) * 255
        return (image.float() - mean) / std

    def normalise_batch(self, pixels: "Tensor") -> "Tensor":
        """Map uint8 (B, H, W, 3) pixels to normalised float32 (B, 3, H, W), channels last, on their device."""
        if pixels.device.type != "cpu":
            return self.normalise(pixels.permute(0, 3, 1, 2))
        import torch

        batch, height, width, _ = pixels.shape
        scale = np.tile(1 / (255 * np.array(self.std)), width).astype(np.float32)
        offset = np.tile(-np.array(self.mean) / np.array(self.std), width).astype(np.float32)
        rows = np.empty((batch, height, width * 3), np.float32)
        # One image at a time with NumPy stays in the processor's cache and does not wake other threads.
        for row, source in zip(rows, pixels.numpy().reshape(rows.shape), strict=True):
            np.multiply(source, scale, out=row)
            row += offset
        return torch.from_numpy(rows).view(batch, height, width, 3).permute(0, 3, 1, 2)
