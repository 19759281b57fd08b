"""The memory of a project, kept in a file and made anew when its labels, pictures or network are others. NumPy only.

It lies in `retrieval/` of the project, a file for each kind of features; the digest of what it was made of stands in
it, so that an old one is noticed and never answers.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import StoppedError, VisionFTError
from visionft.events import OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.embedding import embedded
from visionft.features.feature_store import FeatureKind
from visionft.files import atomic_path, write_error
from visionft.heads.knn.memory import Memory
from visionft.retrieval.knowledge import Knowledge
from visionft.training.config.train_config import TrainConfig

logger = logging.getLogger(__name__)

FOLDER: Final = "retrieval"
_DIGEST, _ACCURACY, _ASKED = "digest", "accuracy", "asked"


@dataclass(frozen=True)
class Index:
    """A memory with the pictures behind its rows.

    Attributes:
        memory: What answers.
        class_names: In the order of its classes.
        images: {image id: picture} of those that are remembered.
        kind: Whose features it reads.
        network: Settings that say what network and weights those are.
        accuracy: Share of held-out pictures that it is right for; None where no class has two.
    """

    memory: Memory
    class_names: tuple[str, ...]
    images: Mapping[int, SnapshotImage]
    kind: FeatureKind
    network: TrainConfig
    accuracy: float | None = None

    @cached_property
    def place_of(self) -> dict[int, int]:
        """Return {image id: its row}."""
        return {image_id: row for row, image_id in enumerate(self.memory.image_ids.tolist())}

    def directions(self, vectors: np.ndarray) -> np.ndarray:
        """Map features (M, D') of its kind to (M, K) directions in the space of its memory."""
        return self.memory.directions(vectors[:, -len(self.memory.mean) :])


def open_index(
    project_dir: Path, images: Snapshot, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> Index:
    """Return the index of a project's labelled pictures as they are now; features that are missing come first.

    Raises:
        ProjectError: No picture has a label, or none can be read.
        StoppedError: The user stopped; the features that were computed are kept.
        VisionFTError: As `embed`.
    """
    knowledge = Knowledge.of(images)
    asked = Snapshot(images.task, images.class_names, knowledge.images)
    features = embedded(project_dir, asked, on_event=on_event, should_stop=should_stop)
    known = Knowledge(knowledge.task, knowledge.class_names, features.images)
    path, digest = (
        project_dir / FOLDER / f"{features.kind.folder_name}.safetensors",
        known.digest(features.kind.folder_name),
    )
    kept = read_memory(path, digest)
    if kept is None:
        on_event(Progress(stage="Remembering the labelled pictures", done=0, total=0))
        try:
            fitted = known.remember(features, should_stop=should_stop)
        except InterruptedError:
            raise StoppedError("The pictures were not remembered.", "Start again to go on.") from None
        kept = (fitted.memory, fitted.accuracy)
        try:
            write_memory(path, fitted.memory, {_DIGEST: digest, _ACCURACY: fitted.accuracy, _ASKED: fitted.asked})
        except VisionFTError as error:  # a project that cannot be written can still be asked
            logger.warning("The memory is not kept: %s", error)
    by_id = {image.image_id: image for image in features.images}
    network = TrainConfig(backbone=features.kind.backbone, method="linear", image_size=features.kind.size)
    return Index(kept[0], images.class_names, by_id, features.kind, network, kept[1])


def write_memory(path: Path, memory: Memory, about: Mapping[str, Any]) -> None:
    """Write a memory as safetensors, whole or not at all; `about` stands in its metadata as JSON.

    Raises:
        VisionFTError: The disk is full or cannot be written.
    """
    from safetensors.numpy import save_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path.parent, error) from error
    arrays = {name: np.require(value, requirements="C") for name, value in memory.arrays().items()}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata={name: json.dumps(value) for name, value in about.items()})


def read_memory(path: Path, digest: str) -> tuple[Memory, float | None] | None:
    """Return a memory made of what `digest` says, and how often it is right, or None where there is none."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            about = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
            if about.get(_DIGEST) != digest:
                return None
            return Memory.from_arrays({name: file.get_tensor(name) for name in file.keys()}), about.get(_ACCURACY)  # noqa: SIM118
    except FileNotFoundError:
        return None
    except (OSError, ValueError, SafetensorError) as error:
        logger.warning("The memory %s is made anew, for it cannot be read: %s", path.name, error)
        return None
