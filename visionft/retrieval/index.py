"""Retrieval indexes: the k-NN classifiers of runs, cached in files and rebuilt when labels or images change.

A cached file holds a digest of its inputs and a hash of its content, so an outdated or damaged one is never used. NumPy
only.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.messages import Message
from models.tensor_files import usual_permissions
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import NextStep, ProjectError, RunError, VisionFTError
from visionft.events import Notice, Progress
from visionft.features.embedding import features_under
from visionft.files import atomic_path, write_error
from visionft.heads.knn.knn_fitting import FittedKnn, fit_memory
from visionft.heads.knn.memory import KnnClassifier
from visionft.jobs import SILENT, JobContext
from visionft.training.runs.run_folder import LIVE_INDEX_FILE, RunSummary, project_of_run, require_weights

logger = logging.getLogger(__name__)

VERSION: Final = 1  # another number whenever an index of the same images is another
_HELD_OUT, _HELD_OUT_IDS = "held_out", "held_out_ids"


@dataclass(frozen=True)
class Index:
    """A k-NN classifier with the images behind its rows.

    `held_out` are {image id: (C,) probabilities} of indexed images by classifiers without them: a classifier is much
    too confident on its own images.
    """

    memory: KnnClassifier
    class_names: tuple[str, ...]
    images: Mapping[int, SnapshotImage]  # {image id: image} of the indexed images
    held_out: Mapping[int, np.ndarray]

    def directions(self, vectors: np.ndarray) -> np.ndarray:
        """Map features (M, D') of its kind to (M, K) directions in the space of its memory."""
        return self.memory.directions(vectors[:, -len(self.memory.mean) :])


def indexed_images(images: Snapshot) -> Snapshot:
    """Return the images of an index: labelled ones outside of validation and test; those without a split belong to it.

    Raises:
        ProjectError: No such image has a label.
    """
    chosen = tuple(image for image in images.images if image.labels and image.split not in ("val", "test"))
    if not chosen:
        hint = "Label a few of each class; images for validation and test do not count."
        raise ProjectError("No image to learn from has a label yet.", hint, NextStep("label"))
    return replace(images, images=chosen)


def index_digest(indexed: Snapshot, name: str) -> str:
    """Return a SHA-256, equal for equal indexes; `name` identifies the feature extractor."""
    digest = hashlib.sha256(repr((VERSION, name, indexed.task, indexed.class_names)).encode())
    for image in indexed.images:
        digest.update(repr((image.image_id, image.sha256, image.labels)).encode())
    return digest.hexdigest()


def run_index(run: RunSummary, images: Snapshot, *, job: JobContext = SILENT) -> Index:
    """Return the index of a k-NN run for the labels of `images`, with the run's network and settings.

    It is read from its file, or fitted and written there.

    Raises:
        ProjectError: No image for the index has a label, or none can be read.
        RunError: The run is none of k-NN, or its weights were deleted.
        WeightsError: The network's weights are missing.
    """
    if not run.config.method_row.is_live:
        raise RunError(Message("{path} holds no images.", path=run.title), "Name a run of the method knn.")
    require_weights(run)
    indexed = indexed_images(images)
    by_id = {image.image_id: image for image in indexed.images}
    digest, path = index_digest(indexed, run.name), run.path / LIVE_INDEX_FILE
    memory, held_out = _read(path, digest, by_id) or (None, {})
    if memory is None:
        job.report(Progress(stage="Building the retrieval index", done=0, total=0))
        fitted = _fit(run, indexed, job)
        memory, ids = fitted.memory, fitted.memory.image_ids
        job.report(Notice(message=fitted.description))
        held_out = dict(zip(ids[fitted.places].tolist(), fitted.held_out, strict=True))
        arrays = memory.arrays() | {_HELD_OUT: fitted.held_out, _HELD_OUT_IDS: ids[fitted.places]}
        about = {"digest": digest, "accuracy": fitted.accuracy, "missing": sorted(by_id.keys() - set(ids.tolist()))}
        try:
            write_index(path, arrays, about)
        except VisionFTError as error:  # a project that cannot be written still has an index
            logger.warning("The index is not cached: %s", error)
    return Index(memory, indexed.class_names, {each: by_id[each] for each in memory.image_ids.tolist()}, held_out)


def _fit(run: RunSummary, indexed: Snapshot, job: JobContext) -> FittedKnn:
    """Fit a k-NN classifier to features of the indexed images, as far as they have any.

    Raises:
        ProjectError: None of the images can be read.
    """
    config = run.config
    options: Any = config.method_options
    widths = config.method_row.head_parts(config.backbone_row, options)
    project_dir = project_of_run(run.path) or run.path
    features = features_under(project_dir, indexed.images, config.features, device=config.device, job=job)
    if not len(features):
        hint = Message("Check that their disk is connected.")
        raise ProjectError("None of the labelled images can be read.", hint, NextStep("check"))
    targets = np.zeros((len(features), len(indexed.class_names)), np.float32)
    for row, image in zip(targets, features.images, strict=True):
        row[list(image.labels)] = 1
    weights = None
    if config.balance != "none":
        from visionft.training.loop.batches import sampling_weights

        weights = sampling_weights(features.images, len(indexed.class_names))
        weights /= weights.mean()
    return fit_memory(
        features.vectors[:, -sum(widths) :].astype(np.float32),
        targets,
        widths=widths,
        is_multilabel=indexed.task == "multi",
        neighbours=options.neighbours,
        weights=weights,
        image_ids=np.array([image.image_id for image in features.images]),
        seed=config.seed,
        job=job,
    )


def write_index(path: Path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write arrays as safetensors, whole or not at all, with `about` and a hash of both as its metadata.

    Raises:
        VisionFTError: The disk is full or cannot be written.
    """
    from safetensors.numpy import save_file

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise write_error(path.parent, error) from error
    arrays = {name: np.require(value, requirements="C") for name, value in arrays.items()}
    text = json.dumps(about)
    with atomic_path(path) as temporary, usual_permissions(temporary):
        save_file(dict(arrays), temporary, metadata={"about": text, "sha256": _content_hash(arrays, text)})


def _content_hash(arrays: Mapping[str, np.ndarray], about: str) -> str:
    digest = hashlib.sha256(about.encode())
    for name in sorted(arrays):
        digest.update(name.encode() + arrays[name].tobytes())
    return digest.hexdigest()


def _read(
    path: Path, digest: str, by_id: Mapping[int, SnapshotImage]
) -> tuple[KnnClassifier, dict[int, np.ndarray]] | None:
    """Return the cached classifier of a digest, and its held-out probabilities.

    None without one, where it is damaged, or where an image that it misses can be read again.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            about = json.loads(metadata["about"])
            if about["digest"] != digest or any(by_id[image_id].path.is_file() for image_id in about["missing"]):
                return None
            arrays: dict[str, np.ndarray] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if metadata["sha256"] != _content_hash(arrays, metadata["about"]):
            raise ValueError("its content has changed since it was written")
        held_out = dict(zip(arrays[_HELD_OUT_IDS].tolist(), arrays[_HELD_OUT], strict=True))
        return KnnClassifier.from_arrays(arrays), held_out
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        logger.warning("The index %s is built again, for it cannot be read: %s", path.name, error)
        return None
