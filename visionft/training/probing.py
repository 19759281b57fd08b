"""Rate a backbone at one framing on the user's images by the held-out loss of a closed-form head, in seconds.

The held-out accuracy of a linear head on frozen features nearly always ranks pretrained networks as fine-tuning does
(Kornblith et al. 2019, arXiv:1805.08974), at a hundredth of the cost.
"""

import math
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from models.heads.calibration import are_right, cross_entropies, is_worse_for_classes
from models.shapes import InputShape
from visionft.core.errors import no_readable_images_error
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.data.types import Snapshot, SnapshotImage, group_numbers
from visionft.features.feature_spec import with_aspect
from visionft.training.config.train_config import CENTRE, Framing, TrainConfig
from visionft.training.runs.run_snapshot import spread_by_class

MAX_PROBE_IMAGES = 400
MIN_IMAGES_PER_CLASS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """The held-out accuracy of the closed-form head of one backbone, at one framing, on the user's images."""

    backbone: str
    accuracy: float | None  # held-out accuracy on labelled images; None if every class has a single image
    images: int
    milliseconds: float  # time per image to read it and compute its features
    seconds: float
    framing: Framing = CENTRE
    shape: InputShape = (0, 0)  # (height, width) of the input, in pixels
    losses: tuple[float, ...] = ()  # log loss of each held-out image
    are_right: tuple[bool, ...] = ()  # whether each held-out image is classified correctly
    classes: tuple[int, ...] = ()  # true class of each held-out image; empty for several labels
    predicted: tuple[int, ...] = ()  # predicted class of each held-out image; empty for several labels
    image_ids: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()  # group of related images of each held-out image
    # Weight of each held-out image: the frequency of its class in the project, relative to the measured sample.
    weights: tuple[float, ...] = ()

    @property
    def share_right(self) -> float:
        """The accuracy expected on all images of the project, from a sample that has rare classes more often."""
        weights = self.weights or (1.0,) * len(self.are_right)
        return math.fsum(weight for weight, is_right in zip(weights, self.are_right, strict=True) if is_right) / (
            math.fsum(weights) or 1.0
        )

    def gain_over(self, other: "Probe") -> float:
        """Return the reduction in mean held-out loss against another probe, in standard errors of the difference.

        Paired over the images, which both probes predict; 0 if the probes cannot be compared.
        """
        if len(self.losses) != len(other.losses) or len(self.losses) < 2:
            return 0.0
        gains = [theirs - mine for mine, theirs in zip(self.losses, other.losses, strict=True)]
        return statistics.fmean(gains) / max(self._standard_error(gains), 1e-9)

    def accuracy_gain_over(self, other: "Probe") -> tuple[float | None, float]:
        """Return the gain in accuracy over another probe and its standard error, paired over the images.

        If the probes cannot be compared, the gain is None.
        """
        if len(self.are_right) != len(other.are_right) or len(self.are_right) < 2:
            return None, 0.0
        gains = [int(mine) - int(theirs) for mine, theirs in zip(self.are_right, other.are_right, strict=True)]
        return statistics.fmean(gains), self._standard_error(gains)

    def _standard_error(self, gains: Sequence[float]) -> float:
        """Return the standard error of the mean gain, over groups of related images where there are any."""
        if len(set(self.groups)) in (0, 1, len(gains)):
            return statistics.stdev(gains) / math.sqrt(len(gains))
        sums: dict[int, float] = {}
        mean = statistics.fmean(gains)
        for gain, group in zip(gains, self.groups, strict=True):
            sums[group] = sums.get(group, 0.0) + gain - mean
        return math.sqrt(sum(value**2 for value in sums.values()) * len(sums) / (len(sums) - 1)) / len(gains)

    def is_worse_for_classes(self, other: "Probe") -> bool:
        """Return whether the balanced accuracy is lower than another probe's by more than a standard error."""
        if not self.classes or len(self.classes) != len(other.classes):
            return False
        return is_worse_for_classes(self.are_right, other.are_right, self.classes)

    def subset(self, rows: np.ndarray) -> "Probe":
        """Return the probe restricted to the held-out images with the indices `rows` (M,)."""
        names = ("losses", "are_right", "classes", "predicted", "image_ids", "groups", "weights")
        columns = {name: getattr(self, name) for name in names}
        chosen = {name: tuple(values[row] for row in rows) for name, values in columns.items() if values}
        return replace(self, **chosen)


def probed_images(images: Snapshot) -> tuple[SnapshotImage, ...]:
    """Return about 400 labelled images outside the test split, with at least 8 of each class if available."""
    per_class = max(MIN_IMAGES_PER_CLASS, MAX_PROBE_IMAGES // len(images.class_names))
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
        project_dir: The project that stores the features; missing ones are computed.
        config: Network, framing, device, precision and seed; the method is ignored.
        images: The project's images, for its classes and task.
        chosen: The labelled images to learn from; each is predicted by a head fitted without it.
        stage: Text of the progress.
        job: Receives the progress.

    Raises:
        JobCancelled: The user cancelled; computed features are kept.
        RunError: All images are unreadable.
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
    groups = np.array(group_numbers(features.images), np.intp)
    fitted = fit_head(
        features.vectors.astype(np.float32),
        targets,
        widths=features.kind.widths,
        is_multilabel=is_multilabel,
        groups=groups,
        seed=config.seed,
        job=job,
    )
    held_out_labels = labels[fitted.places]
    weights = () if is_multilabel else _class_weights(images, held_out_labels)
    losses = cross_entropies(fitted.held_out, held_out_labels)
    rights = are_right(fitted.held_out, held_out_labels)
    found = Probe(
        backbone=config.backbone,
        framing=Framing.of(config),
        shape=config.input_shape,
        losses=tuple(float(f"{loss:.6g}") for loss in losses),
        are_right=tuple(map(bool, rights)),
        classes=() if is_multilabel else tuple(map(int, held_out_labels)),
        predicted=() if is_multilabel else tuple(map(int, fitted.held_out.argmax(axis=1))),
        image_ids=tuple(features.images[place].image_id for place in fitted.places),
        groups=tuple(groups[fitted.places].tolist()),
        weights=weights,
        accuracy=fitted.accuracy,
        images=len(features),
        milliseconds=speed_of(project_dir, features.kind),
        seconds=time.perf_counter() - began,
    )
    return replace(found, accuracy=found.share_right) if found.accuracy is not None else found


def _class_weights(images: Snapshot, labels: np.ndarray) -> tuple[float, ...]:
    """Return the weights of a sample with the class indices `labels` (N,); empty where it has all images."""
    totals = Counter(image.labels[0] for image in images.images if image.labels and image.split != "test")
    sampled = Counter(labels.tolist())
    if all(totals[label] == count for label, count in sampled.items()):
        return ()
    scale = len(labels) / sum(totals[label] for label in sampled)
    return tuple(scale * totals[label] / sampled[label] for label in labels.tolist())
