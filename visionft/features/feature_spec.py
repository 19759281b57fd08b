"""The network and the framing that decide the features of an image. Torch-free."""

import contextlib
import dataclasses
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from models.backbone import Backbone
from models.catalog import DEFAULT_BACKBONE, get_backbone
from models.shapes import InputShape
from models.weights.locations import PRETRAINED
from visionft.core.errors import ImageError
from visionft.data.decode import read_header
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.preprocess import WHOLE, PreprocessConfig, Region, is_region, parsed_region
from visionft.data.types import Snapshot, SnapshotImage

MIN_ASPECT, MAX_ASPECT = 0.05, 20.0
DETAIL = 2.0  # images are kept at about this multiple of the input's size


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureSpec:
    """A frozen network and its framing of an image. Equal specs and weights give equal features.

    Stored features are found by a `FeatureKind`: the same, with the hash of the weights in place of their name.
    """

    backbone: str = DEFAULT_BACKBONE  # of the catalog, or timm/NAME
    weights: str = PRETRAINED  # or random, or the path of a file
    seed: int = 0  # of random weights
    image_size: int = 0  # square root of the input's area, in pixels; 0: the backbone's own
    framing: str = "centre"  # centre, whole or region
    aspect: float = 0.0  # width / height of the input, in 0.05..20, but for the centre square; 0: not measured yet
    region: str = ""  # left, top, right, bottom as shares of the image's sides, such as 0.1,0.2,0.9,0.8
    image_reading: ImageReading = AS_STORED

    @property
    def backbone_row(self) -> Backbone:
        return get_backbone(self.backbone)

    @property
    def input_size(self) -> int:
        """Return the square root of the input's area, in pixels."""
        return self.image_size or self.backbone_row.input_size

    @property
    def frames(self) -> bool:
        """Return whether the network's input differs from the centre square of an image."""
        return self.framing in ("whole", "region")

    @property
    def input_shape(self) -> InputShape:
        """Return (height, width) of the network's input, in pixels; a square where the aspect ratio is impossible."""
        has_aspect = self.frames and MIN_ASPECT <= self.aspect <= MAX_ASPECT
        return self.backbone_row.input_shape(self.input_size, self.aspect if has_aspect else 1.0)

    @property
    def preprocessing(self) -> PreprocessConfig:
        """Return how images become the network's input. Outside the centre square all of the frame is seen."""
        config = PreprocessConfig.for_backbone(self.backbone_row, self.input_shape)
        config = dataclasses.replace(config, image_reading=self.image_reading)
        if not self.frames:
            return config
        return dataclasses.replace(config, crop_share=1.0, region=self.region_box)

    @property
    def megapixels(self) -> float:
        """Return the pixels of the network's input in millions: the time of an image is in proportion."""
        height, width = self.input_shape
        return height * width / 1e6

    @property
    def megapixel_s(self) -> float:
        """Return the seconds of a million pixels in the network on one core, until they are measured.

        A ResNet-18 with 11 million parameters takes about one: .025 for an image of 160 pixels.
        """
        row = self.backbone_row
        return row.parameters * row.shape.layout.parameter_cost / 11e6

    @property
    def region_box(self) -> Region:
        """Return the part of an image that is used: all of it, but for the framing `region`."""
        return parsed_region(self.region) if self.framing == "region" and is_region(self.region) else WHOLE

    def near_side(self) -> int:
        """Return about how many pixels of an image's shorter side are looked at; see `data.decode`."""
        left, top, right, bottom = self.region_box
        return round(self.input_size * DETAIL * 1000 / min(right - left, bottom - top))


MAX_HEADERS = 400


class Framed(Protocol):
    """Settings with a framing: a `FeatureSpec` or a `TrainConfig`."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def aspect(self) -> float: ...

    @property
    def frames(self) -> bool: ...

    @property
    def preprocessing(self) -> PreprocessConfig: ...


FramedT = TypeVar("FramedT", bound=Framed)


def with_aspect(config: FramedT, images: Snapshot | Sequence[SnapshotImage]) -> FramedT:
    """Return the settings with an unset aspect ratio filled in: the median of at most 400 images.

    A framing that needs no aspect ratio, or is still to be measured, becomes the centre square. A snapshot also sets
    how images are read.
    """
    if isinstance(images, Snapshot):
        config = dataclasses.replace(config, image_reading=images.image_reading)
    if not config.frames:
        return dataclasses.replace(config, framing="centre")
    if config.aspect:
        return config
    chosen = images.images if isinstance(images, Snapshot) else images
    return dataclasses.replace(config, aspect=measured_aspect(chosen, config.preprocessing))


def measured_aspect(images: Sequence[SnapshotImage], preprocessing: PreprocessConfig) -> float:
    """Return the median of width / height of the images' region, 1 without a readable image; in 0.05..20."""
    aspects = list[float]()
    for image in images[:: max(1, -(-len(images) // MAX_HEADERS))]:
        with contextlib.suppress(ImageError):
            header = read_header(image.path, preprocessing.image_reading)
            box = preprocessing.region_box(header.height, header.width)
            aspects.append(box.width / box.height)
    median = statistics.median(aspects) if aspects else 1.0
    return round(min(MAX_ASPECT, max(MIN_ASPECT, median)), 3)
