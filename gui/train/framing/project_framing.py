"""What a project's runs see of its images: the stored choice, with the facts that the page shows; read off the page."""

import dataclasses
from dataclasses import dataclass, field
from math import log
from pathlib import Path
from typing import Self

from gui.kit.thumbnails import THUMBNAIL_PX
from gui.session import ProjectSession
from gui.train.framing.seen_part import ReadImage, read_image
from visionft.data.types import Snapshot
from visionft.features.feature_spec import LARGEST_ASPECT, LEAST_ASPECT, measured_aspect
from visionft.training.config.train_config import CENTRE, TrainConfig
from visionft.training.framing_choice import LEAST_IMAGES, FramingChoice, is_due, networks_to_try, read_framing
from visionft.training.probing import probed_images
from visionft.training.runs.run_snapshot import spread

_MOST_SHOWN = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFraming:
    """The choice at one moment.

    Attributes:
        choice: The stored one; None where there is none.
        is_due: Whether a run measures it at its start, because there is none or the labels have doubled.
        can_measure: Whether enough images have labels.
        aspect: Median of width / height of the images.
        paths: Some images, spread over the project.
        shown: The one with the most usual aspect ratio; None where it cannot be read.
        networks: Those that settings of a preset try.
    """

    images: Snapshot = field(compare=False)
    choice: FramingChoice | None
    is_due: bool
    can_measure: bool
    aspect: float
    paths: tuple[Path, ...]
    shown: ReadImage | None
    networks: tuple[str, ...] = ()

    def applied(self, config: TrainConfig) -> TrainConfig:
        """Return the settings as a run would take them now: with the choice, and the images' aspect ratio."""
        if config.framing == "auto":
            if self.choice is not None:
                config = self.choice.applied(config, self.networks if config.try_networks else ())
            else:
                config = CENTRE.applied(config)
        if not config.frames or config.aspect:
            return config
        left, top, right, bottom = config.features.region_box
        aspect = min(LARGEST_ASPECT, max(LEAST_ASPECT, self.aspect * (right - left) / (bottom - top)))
        return dataclasses.replace(config, aspect=round(aspect, 3))

    @classmethod
    def read(cls, session: ProjectSession, known: Self | None) -> Self:
        """Read it; thread-safe. The headers of up to 400 images are read only if they are others than the `known`."""
        images = session.snapshot()
        choice = read_framing(session.path, images)
        trying = TrainConfig(try_networks=True)
        facts = {"choice": choice, "is_due": is_due(choice, images, trying), "networks": networks_to_try(trying)}
        if known is not None and known.images is images:
            return dataclasses.replace(known, **facts)
        facts["can_measure"] = len(images.class_names) > 1 and len(probed_images(images)) >= LEAST_IMAGES
        if known is not None and _shown(known.images) == _shown(images):
            return dataclasses.replace(known, images=images, **facts)
        config = TrainConfig(framing="whole", image_reading=images.image_reading)
        some, whole = spread(images.images, _MOST_SHOWN), config.preprocessing
        aspect = measured_aspect(images.images, whole)
        typical = min(some, key=lambda image: abs(log(measured_aspect([image], whole) / aspect)), default=None)
        shown = read_image(typical.path, THUMBNAIL_PX) if typical is not None else None
        return cls(
            images=images, aspect=aspect, paths=tuple(image.path for image in some),
            shown=shown if isinstance(shown, ReadImage) else None, **facts,
        )  # fmt: skip


def _shown(images: Snapshot) -> tuple[object, ...]:
    """Return what the facts that images show depend on."""
    return images.image_reading, *(image.path for image in images.images)
