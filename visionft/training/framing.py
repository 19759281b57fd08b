"""How a run's images become its inputs, as one value; the aspect ratio, where a framing needs one. Torch-free."""

import contextlib
import dataclasses
import statistics
from collections.abc import Sequence
from typing import Self

from visionft.data.decode import read_header
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import ImageError
from visionft.training.config.train_config import LARGEST_ASPECT, LEAST_ASPECT, TrainConfig

MOST_HEADERS = 400


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Framing:
    """The settings of a run that decide how its images become inputs."""

    image_size: int = 0
    framing: str = "centre"
    aspect: float = 0.0
    region: str = ""

    @classmethod
    def of(cls, config: TrainConfig) -> Self:
        return cls(**{field.name: getattr(config, field.name) for field in dataclasses.fields(cls)})

    def applied(self, config: TrainConfig) -> TrainConfig:
        """Return the settings with this framing, at a size that their backbone takes; one that they name stays."""
        step = config.backbone_row.size_step
        size = config.image_size or round(self.image_size / step) * step
        return dataclasses.replace(config, **dataclasses.asdict(self) | {"image_size": size})


CENTRE = Framing()


def with_aspect(config: TrainConfig, images: Snapshot | Sequence[SnapshotImage]) -> TrainConfig:
    """Return the settings with the aspect ratio that they leave to the images: the median of at most 400 headers.

    A framing that was left to a measurement (`framing_choice`) is the centre square.
    """
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
            header = read_header(image.path)
            box = preprocessing.region_box(header.height, header.width)
            found.append(box.width / box.height)
    middle = statistics.median(found) if found else 1.0
    return round(min(LARGEST_ASPECT, max(LEAST_ASPECT, middle)), 3)
