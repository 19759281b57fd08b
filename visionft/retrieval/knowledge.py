"""What a memory is made of: a project's labelled pictures as they are now, but for those that measure. NumPy only."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import NextStep, ProjectError
from visionft.events import ShouldStop, never_stop
from visionft.features.feature_store import Features
from visionft.heads.knn.fitting import FittedMemory, fit_memory

VERSION: Final = 1  # another number whenever a memory of the same pictures is another


@dataclass(frozen=True)
class Knowledge:
    """The pictures that a memory holds.

    Attributes:
        task: One label a picture, or several.
        class_names: Of the project, in its order.
        images: Labelled, and in no split that measures.
    """

    task: str
    class_names: tuple[str, ...]
    images: tuple[SnapshotImage, ...]

    @classmethod
    def of(cls, images: Snapshot) -> "Knowledge":
        """Return what a project knows; pictures that are not divided yet belong to it.

        Raises:
            ProjectError: No such picture has a label.
        """
        known = tuple(image for image in images.images if image.labels and image.split not in ("val", "test"))
        if not known:
            hint = "Label a few of each class; pictures kept for validation and test are not among those remembered."
            raise ProjectError("No picture to learn from has a label yet.", hint, NextStep("label"))
        return cls(images.task, images.class_names, known)

    def digest(self, network: str) -> str:
        """Return a SHA-256: equal ones mean the same memory. `network` names whose features it is of."""
        digest = hashlib.sha256(repr((VERSION, network, self.task, self.class_names)).encode())
        for image in self.images:
            digest.update(repr((image.image_id, image.sha256, image.labels)).encode())
        return digest.hexdigest()

    def remember(
        self,
        features: Features,
        *,
        widths: Sequence[int] = (),
        neighbours: int = 0,
        weights: np.ndarray | None = None,
        seed: int = 0,
        should_stop: ShouldStop = never_stop,
    ) -> FittedMemory:
        """Make a memory of those that have features.

        Args:
            features: Of these pictures.
            widths: Of the last parts of the features that count; all of them when empty.
            neighbours: How many vote; 0 for as many as suit held-out pictures.
            weights: (N,) how much each picture counts; all alike when None.
            seed: Decides the folds.
            should_stop: Asked between folds.

        Raises:
            ProjectError: None of the pictures has features: they cannot be read.
            InterruptedError: `should_stop` said so.
        """
        if not len(features):
            hint = "Check that their disk is connected."
            raise ProjectError("None of the labelled pictures can be read.", hint, NextStep("check"))
        targets = np.zeros((len(features), len(self.class_names)), np.float32)
        for row, image in zip(targets, features.images, strict=True):
            row[list(image.labels)] = 1
        parts = tuple(widths) or features.kind.widths
        return fit_memory(
            features.vectors[:, -sum(parts) :].astype(np.float32),
            targets,
            widths=parts,
            is_multilabel=self.task == "multi",
            neighbours=neighbours,
            weights=weights,
            image_ids=np.array([image.image_id for image in features.images]),
            seed=seed,
            should_stop=should_stop,
        )
