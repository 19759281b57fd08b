"""Which labelled pictures can be compared with each other, and why there are none."""

from dataclasses import replace

import numpy as np

from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import NextStep, ProjectError
from visionft.features.feature_store import Features


def check_labels(images: Snapshot) -> None:
    """Refuse what has nothing to compare, before anything takes time.

    Raises:
        ProjectError: There are no labels, one class, or too few pictures of a second one.
    """
    labelled = [image for image in images.images if image.labels]
    if not labelled:
        raise ProjectError("No picture has a label yet.", "Label some first.", NextStep("label"))
    counts = images.class_counts(labelled).values()
    if sum(count > 0 for count in counts) < 2:
        advice = "A wrong label shows beside those of other classes: label pictures of a second one."
        raise ProjectError("All labelled pictures have the same class.", advice, NextStep("label"))
    if sum(count > 1 for count in counts) < 2:
        advice = "Two classes with two pictures each are the least that can be compared."
        raise ProjectError("There are too few labels to find wrong ones.", advice, NextStep("label"))


def comparable(features: Features, images: Snapshot) -> list[SnapshotImage]:
    """Return the labelled pictures with features, in the order of the snapshot.

    Raises:
        ProjectError: There are no labels, or nothing to compare.
    """
    found = [image for image in images.images if image.labels and image.image_id in features.place_of]
    check_labels(replace(images, images=tuple(found)))
    inputs = features.inputs[[features.place_of[image.image_id] for image in found]]
    if not np.ptp(inputs, axis=0).any():
        raise ProjectError("All labelled pictures look the same.", "Wrong labels cannot be told from right ones then.")
    return found
