"""Measuring a backbone at one framing on the user's images by the held-out loss of a closed-form head, in seconds.

The held-out accuracy of a linear head on frozen features nearly always ranks pretrained networks as fine-tuning does
(Kornblith et al. 2019, arXiv:1805.08974), at a hundredth of the cost.
"""

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.heads.calibration import are_right, cross_entropies, is_worse_for_classes
from models.shapes import InputShape
from visionft.core.errors import no_readable_images_error
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_spec import with_aspect
from visionft.training.config.train_config import CENTRE, Framing, TrainConfig
from visionft.training.runs.run_snapshot import spread_by_class

MOST_IMAGES = 400
LEAST_PER_CLASS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The held-out accuracy of the closed-form head of one backbone, at one framing, on the user's images."""

    backbone: str
    accuracy: float | None  # held-out accuracy on labelled images; None where classes have one image each
    images: int
    milliseconds: float  # per image when its features were computed, reading included
    seconds: float
    framing: Framing = CENTRE
    shape: InputShape = (0, 0)  # (height, width) of the input, in pixels
    losses: tuple[float, ...] = ()  # log loss of each held-out image
    are_right: tuple[bool, ...] = ()  # whether it is classified right
    classes: tuple[int, ...] = ()  # its class; empty for several labels
    predicted: tuple[int, ...] = ()  # the class that it is given; likewise
    image_ids: tuple[int, ...] = ()

    def gain_over(self, other: "Probe") -> float:
        """Return how much lower the mean held-out loss is than another probe's, in standard errors of the difference.

        Paired over the images: each probe predicts the same ones. 0 where they cannot be compared.
        """
        if len(self.losses) != len(other.losses) or len(self.losses) < 2:
            return 0.0
        gains = [theirs - mine for mine, theirs in zip(self.losses, other.losses, strict=True)]
        mean, spread = statistics.fmean(gains), statistics.stdev(gains)
        return mean / max(spread / math.sqrt(len(gains)), 1e-9)

    def accuracy_gain_over(self, other: "Probe") -> tuple[float | None, float]:
        """Return how much higher the accuracy is than another probe's, and the standard error, paired over the images.

        None where they cannot be compared.
        """
        if len(self.are_right) != len(other.are_right) or len(self.are_right) < 2:
            return None, 0.0
        gains = [int(mine) - int(theirs) for mine, theirs in zip(self.are_right, other.are_right, strict=True)]
        return statistics.fmean(gains), statistics.stdev(gains) / math.sqrt(len(gains))

    def is_worse_for_classes(self, other: "Probe") -> bool:
        """Tell whether the balanced accuracy is lower than another probe's by more than a standard error."""
        if not self.classes or len(self.classes) != len(other.classes):
            return False
        return is_worse_for_classes(self.are_right, other.are_right, self.classes)

    def among(self, places: np.ndarray) -> "Probe":
        """Return the probe of some of its held-out images, by their places (M,)."""
        per_image = ("losses", "are_right", "classes", "predicted", "image_ids")
        found = {name: getattr(self, name) for name in per_image}
        some = {name: tuple(values[place] for place in places) for name, values in found.items() if values}
        return replace(self, **some)


def probed_images(images: Snapshot) -> tuple[SnapshotImage, ...]:
    """Return about 400 labelled images that are not for the test, at least 8 of each class where there are so many."""
    per_class = max(LEAST_PER_CLASS, MOST_IMAGES // len(images.class_names))
    return spread_by_class([image for image in images.images if image.labels and image.split != "test"], per_class)


def probe(
    project_dir: Path,
    config: TrainConfig,
    images: Snapshot,
    chosen: Sequence[SnapshotImage],
    *,
    stage: str,
    job: JobContext,
) -> Probe:
    """Measure a closed-form head on the features of `config`: its network, framing and image reading.

    Args:
        project_dir: The project whose features they are; missing ones are computed.
        config: Device, precision and seed are used, too; its method does not matter.
        images: The classes.
        chosen: The labelled images to learn from, each predicted without it.
        stage: Of the progress.
        job: Receives the progress.

    Raises:
        JobCancelled: The user cancelled; computed features are kept.
        RunError: None of the images can be read.
    """
    from models.heads.linear_head import fit_head
    from visionft.data.dataset import targets_of
    from visionft.features.embedding import features_under
    from visionft.features.feature_store import speed_of

    began = time.perf_counter()
    job.report(Progress(stage=stage, done=0, total=0))
    config = with_aspect(replace(config, image_reading=images.image_reading), chosen)
    features = features_under(
        project_dir, chosen, config.features, device=config.device, precision=config.precision, stage=stage, job=job
    )
    if not len(features):
        raise no_readable_images_error("images")
    is_multilabel = images.task == "multi"
    classes = len(images.class_names)
    labels = targets = targets_of(features.images, images.task, classes)
    if not is_multilabel:
        targets = np.eye(classes, dtype=np.float32)[labels]
    fitted = fit_head(
        features.vectors.astype(np.float32),
        targets,
        widths=features.kind.widths,
        is_multilabel=is_multilabel,
        seed=config.seed,
        job=job,
    )
    wanted = labels[fitted.places]
    losses = cross_entropies(fitted.held_out, wanted)
    rights = are_right(fitted.held_out, wanted)
    return Probe(
        backbone=config.backbone,
        framing=Framing.of(config),
        shape=config.input_shape,
        losses=tuple(float(f"{loss:.6g}") for loss in losses),
        are_right=tuple(map(bool, rights)),
        classes=() if is_multilabel else tuple(map(int, wanted)),
        predicted=() if is_multilabel else tuple(map(int, fitted.held_out.argmax(axis=1))),
        image_ids=tuple(features.images[place].image_id for place in fitted.places),
        accuracy=fitted.accuracy,
        images=len(features),
        milliseconds=speed_of(project_dir, features.kind),
        seconds=time.perf_counter() - began,
    )
