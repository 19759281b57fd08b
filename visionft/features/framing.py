"""The aspect ratio of a network's input, where its framing leaves it to the images. Torch-free."""

import contextlib
import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from visionft.core.errors import ImageError
from visionft.data.decode import read_header
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_spec import LARGEST_ASPECT, LEAST_ASPECT

MOST_HEADERS = 400


class Framed(Protocol):
    """Settings with a framing: a `FeatureSpec`, or those of a run."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def aspect(self) -> float: ...

    @property
    def frames(self) -> bool: ...

    @property
    def preprocessing(self) -> PreprocessConfig: ...


FramedT = TypeVar("FramedT", bound=Framed)


def with_aspect(config: FramedT, images: Snapshot | Sequence[SnapshotImage]) -> FramedT:
    """Return the settings with the aspect ratio that they leave to the images: the median of at most 400 headers.

    A framing that was left to a measurement (`framing_choice`) is the centre square. A snapshot also says how its
    images are read.
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
    found = list[float]()
    for image in images[:: max(1, -(-len(images) // MOST_HEADERS))]:
        with contextlib.suppress(ImageError):
            header = read_header(image.path, preprocessing.image_reading)
            box = preprocessing.region_box(header.height, header.width)
            found.append(box.width / box.height)
    middle = statistics.median(found) if found else 1.0
    return round(min(LARGEST_ASPECT, max(LEAST_ASPECT, middle)), 3)
