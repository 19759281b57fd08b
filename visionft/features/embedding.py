"""The features of a project's images by frozen networks: computed once for each network and framing, and stored.

Training of a head, evaluation, framing, distances, retrieval, suggestions and curation all use this module. Stored
features are read. Images without features pass through the network once, via the image cache, and their features are
written in batches, so that a cancelled job or a crash loses a few seconds of work. Features that cannot be written, for
example to a full disk, are still returned.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from models.catalog import USUAL_BACKBONES
from models.methods.frozen import LinearOptions, LinearProbe
from models.weights.fetching import fetch
from models.weights.locations import PRETRAINED, local_file
from models.weights.records import checked_sha256
from visionft.core.allocator import return_freed_memory
from visionft.core.devices import pick_device
from visionft.core.errors import VisionFTError, no_readable_images_error
from visionft.core.events import Notice, Progress
from visionft.core.jobs import SILENT_JOB, JobCancelled, JobContext
from visionft.core.messages import Message
from visionft.data.types import Snapshot, SnapshotImage
from visionft.features.feature_spec import FeatureSpec, with_aspect
from visionft.features.feature_store import (
    CURRENT,
    FEATURES_FOLDER,
    FeatureKind,
    Features,
    current_kind,
    features_of,
    known_kind,
    latest_kind,
    make_current,
    make_room,
    note_kind,
    note_speed,
    noted_at,
    stored_kinds,
)

if TYPE_CHECKING:
    from models.classifier import TrainableClassifier
    from visionft.data.dataset import Batch


logger = logging.getLogger(__name__)

# Returns a mixed-precision context for the forward pass.
Autocast = Callable[[], contextlib.AbstractContextManager[Any]]
STAGE = Message("Looking at the images")
NOT_FINITE = Message("its features are not finite")
BATCH, _IMAGES_PER_WRITE = 32, 512
_MIN_TIMED_IMAGES = 16  # with fewer, the measured time per image is not stored


def embedded(project_dir: Path, images: Snapshot, *, job: JobContext = SILENT_JOB) -> Features:
    """Return the features of all images after computing missing ones, and make them the project's current features.

    Raises:
        JobCancelled: The user cancelled; computed features are kept.
        RunError: None of the images can be read.
        WeightsError: The network's weights are not available.
    """
    kind = current_kind(project_dir, images.image_reading)
    if kind is not None:
        known = features_of(kind, kind.store(project_dir), images.images)
        if not known.missing:
            return known
    features = features_under(project_dir, images.images, _usual_spec(project_dir, images, job), job=job)
    if images.images and not len(features):
        raise no_readable_images_error("images")
    if features.kind != kind:
        try:
            make_current(project_dir, features.kind)
        except (VisionFTError, OSError) as error:  # a full disk or a read-only project
            logger.warning("the features do not become the current ones: %s", error)
    return features


def _usual_spec(project_dir: Path, images: Snapshot, job: JobContext) -> FeatureSpec:
    """Return the spec of the project's current features, or the cheapest spec for a project without features."""
    current = latest_kind(project_dir)
    if current is not None:
        return replace(current.spec, image_reading=images.image_reading)
    if (project_dir / FEATURES_FOLDER / CURRENT).exists():
        message = Message("The backbone of the features cannot be read: they are computed again.")
        job.report(Notice(message=message, level="warning"))
    return _cheapest_spec(project_dir, images, FeatureSpec(image_reading=images.image_reading))


def _cheapest_spec(project_dir: Path, images: Snapshot, default: FeatureSpec) -> FeatureSpec:
    """Return the spec that needs the least time for the features of all images: `default` or stored features.

    After a training run on all images its features are used, the latest ones if it tried several networks. After a run
    at 640 pixels on 400 of 10,000 images, computing all features at the default size takes less time than computing the
    missing ones at 640 pixels, so `default` is returned.
    """
    hashes = [image.sha256 for image in images.images]

    def cost(spec: FeatureSpec, kind: FeatureKind | None) -> tuple[float, float]:
        if kind is None:
            return len(hashes) * spec.megapixels * spec.megapixel_s, 0.0
        missing = int((kind.store(project_dir).indices(hashes) < 0).sum())
        return missing * spec.megapixels * spec.megapixel_s, -noted_at(project_dir, kind)

    choices: list[tuple[FeatureSpec, FeatureKind | None]] = [(default, None)]
    for kind in stored_kinds(project_dir):
        is_compatible = kind.backbone in USUAL_BACKBONES and kind.image_reading == images.image_reading
        if is_compatible and not kind.is_mirrored and not kind.weights.startswith("random"):
            choices.append((kind.spec, kind))
    return min(choices, key=lambda choice: cost(*choice))[0]


def features_under(
    project_dir: Path,
    images: Sequence[SnapshotImage],
    spec: FeatureSpec,
    *,
    device: str = "auto",
    precision: str = "auto",
    stage: str = STAGE,
    job: JobContext = SILENT_JOB,
) -> Features:
    """Return the features of images by a frozen network, after computing missing ones.

    The project's current features (`make_current`) do not change. Unreadable images are reported in a `Notice`.

    Raises:
        JobCancelled: The user cancelled; computed features are kept.
        WeightsError: The network's weights are not available.
    """
    spec = with_aspect(spec, images)
    kind = _stored_kind(project_dir, spec)
    if kind is not None:  # if all images have features, the network need not be loaded
        known = features_of(kind, kind.store(project_dir), images)
        if not known.missing:
            return known
    with frozen_network(spec, device=device, precision=precision, job=job) as (network, autocast):
        batches = list(feature_batches(project_dir, images, spec, network, autocast=autocast, stage=stage, job=job))
        kind = _kind_of(network, spec)
    faults = {index: reason for batch in batches for index, reason in batch.unreadable}
    for index, reason in faults.items():
        message = Message("Left out {path}: {reason}.", path=images[index].path, reason=reason)
        job.report(Notice(message=message, level="warning"))
    vectors = [batch.images.numpy() for batch in batches] or [np.empty((0, sum(kind.widths)), np.float16)]
    return Features(
        kind,
        tuple(image for index, image in enumerate(images) if index not in faults),
        np.concatenate(vectors),
        missing=tuple(images[index] for index, reason in faults.items() if reason != NOT_FINITE),
        unusable=tuple(images[index] for index, reason in faults.items() if reason == NOT_FINITE),
    )


def usual_embedding_time(project_dir: Path, images: Snapshot) -> float:
    """Return the expected seconds of `embedded`: for loading the network, and for images without stored features."""
    spec = _usual_spec(project_dir, images, SILENT_JOB)
    missing = missing_features(project_dir, images.images, spec)
    return 0.1 + missing * spec.megapixels * spec.megapixel_s


def missing_features(
    project_dir: Path | None, images: Sequence[SnapshotImage], spec: FeatureSpec, *, is_mirrored: bool = False
) -> int:
    """Return the number of distinct images without stored features of a frozen network, without loading it."""
    contents = {image.sha256 for image in images}
    if project_dir is None or not contents:
        return len(contents)
    kind = _stored_kind(project_dir, with_aspect(spec, images), is_mirrored=is_mirrored)
    return len(contents) if kind is None else int((kind.store(project_dir).indices([*contents]) < 0).sum())


def _stored_kind(project_dir: Path, spec: FeatureSpec, *, is_mirrored: bool = False) -> FeatureKind | None:
    """Return the kind of the stored features of the local pretrained weights, or None."""
    path = local_file(spec.backbone_row) if spec.weights == PRETRAINED else None
    if path is None:
        return None
    return known_kind(project_dir, spec, checked_sha256(spec.backbone_row, path), is_mirrored=is_mirrored)


def feature_batches(
    project_dir: Path | None,
    images: Sequence[SnapshotImage],
    spec: FeatureSpec,
    network: "TrainableClassifier",
    *,
    autocast: Autocast = contextlib.nullcontext,
    is_mirrored: bool = False,
    batch_size: int = BATCH,
    workers: int = -1,
    stage: str = STAGE,
    job: JobContext = SILENT_JOB,
) -> "Iterator[Batch]":
    """Yield the features of images by a frozen network, in their order; missing ones are computed and stored.

    Args:
        project_dir: The project in which to store features; None stores nothing.
        images: The images of the project.
        spec: The network's input, with a known aspect ratio.
        network: The network on its device, with pretrained stages.
        autocast: The mixed-precision context of the forward pass.
        is_mirrored: Whether to mirror the images first.
        batch_size: Images per batch.
        workers: Number of loader processes, as in `choose_workers`.
        stage: Stage of the progress events.
        job: Receives the progress of the computation.

    Yields:
        Batches with the (B, D) float16 features of all stages in place of the images, on the CPU, without targets.
        Images with non-finite features count as unreadable.

    Raises:
        JobCancelled: The user cancelled; computed features are kept.
    """
    import torch

    from visionft.data.dataset import Batch

    kind = _kind_of(network, spec, is_mirrored=is_mirrored)
    row_of: dict[str, np.ndarray] = {}
    faults: dict[str, str] = {}
    todo = list({image.sha256: image for image in images}.values())
    if project_dir is not None:
        known = features_of(kind, kind.store(project_dir), images)
        row_of = {image.sha256: row for image, row in zip(known.images, known.vectors, strict=True)}
        faults = dict.fromkeys((image.sha256 for image in known.unusable), NOT_FINITE)
        todo = list({image.sha256: image for image in known.missing}.values())
    writer = _Writer(project_dir, kind, job)
    computed = _compute(writer, todo, spec, network, autocast, workers)
    done = len(images) - sum(image.sha256 not in row_of and image.sha256 not in faults for image in images)
    with contextlib.closing(computed):
        for start in range(0, len(images), batch_size):
            indices = range(start, min(start + batch_size, len(images)))
            while any(images[index].sha256 not in row_of and images[index].sha256 not in faults for index in indices):
                contents, new_rows, unreadable = next(computed)
                row_of.update(zip(contents, new_rows, strict=True))
                faults.update(unreadable)
                faults.update({key: NOT_FINITE for key in contents if not np.isfinite(row_of[key]).all()})
                done += len(contents) + len(unreadable)
                job.report(Progress(stage=stage, done=min(done, len(images)), total=len(images), unit="images"))
                if done < len(images):
                    job.check_cancelled()
            usable = [index for index in indices if images[index].sha256 not in faults]
            rows = [row_of[images[index].sha256] for index in usable]
            yield Batch(
                torch.from_numpy(np.stack(rows)) if rows else torch.empty(0, sum(kind.widths), dtype=torch.float16),
                torch.empty(len(usable), 0),
                torch.tensor(usable, dtype=torch.long),
                tuple((index, faults[images[index].sha256]) for index in indices if images[index].sha256 in faults),
            )


def _kind_of(network: "TrainableClassifier", spec: FeatureSpec, *, is_mirrored: bool = False) -> FeatureKind:
    """Return the kind of the features of a loaded network."""
    weights = network.loaded.sha256 if network.loaded is not None else ""
    return FeatureKind.of(spec, weights, network.stage_widths, is_mirrored=is_mirrored)


def _compute(
    writer: "_Writer",
    todo: Sequence[SnapshotImage],
    spec: FeatureSpec,
    network: "TrainableClassifier",
    autocast: Autocast,
    workers: int,
) -> Generator[tuple[list[str], np.ndarray, list[tuple[str, str]]]]:
    """Compute the features of images with distinct contents, and store them in batches.

    Yields:
        B contents, their (B, D) float16 rows, and (content, reason) of unreadable images.
    """
    import torch

    from visionft.data.dataset import EpochSampler, ImageDataset, ImageLoader, choose_workers

    if not todo:
        return
    device = next(network.parameters()).device
    # Features of a changed file, stored under the old hash, would stay wrong.
    dataset = ImageDataset(todo, spec.preprocessing, task=None, near_side=spec.near_side(), requires_contents=True)
    sampler = EpochSampler(len(todo), BATCH, seed=0, shuffle=False)
    loader = ImageLoader(dataset, sampler, workers=choose_workers(workers, dataset, device=device.type), device=device)
    kind = writer.kind
    start, count = time.perf_counter(), 0

    def store_speed() -> None:
        if count >= _MIN_TIMED_IMAGES:
            writer.note_speed(1000 * (time.perf_counter() - start) / count)

    with contextlib.ExitStack() as stack:
        stack.callback(store_speed)  # runs after `flush`, when the features have a folder, even after an error
        stack.callback(writer.flush)
        network.eval()
        for batch in loader:
            with torch.inference_mode(), autocast():
                views = batch.images.flip(3) if kind.is_mirrored else batch.images
                rows = network.stages(views) if len(views) else torch.empty(0, sum(kind.widths))
            rows = rows.float().cpu().numpy().astype(np.float16)
            contents = [todo[index].sha256 for index in batch.indices.tolist()]
            count += len(contents)
            writer.add(contents, rows)
            unreadable = [(todo[index].sha256, reason) for index, reason in batch.unreadable]
            yield contents, rows, unreadable


class _Writer:
    """Writes features to a project in batches; without a project, or after a reported write error, it does nothing."""

    def __init__(self, project_dir: Path | None, kind: FeatureKind, job: JobContext) -> None:
        self.kind = kind
        self._project_dir, self._job = project_dir, job
        self._contents: list[str] = []
        self._rows: list[np.ndarray] = []
        self._has_room = False  # whether older features have made room

    def add(self, contents: Sequence[str], rows: np.ndarray) -> None:
        """Add (B, D) rows, and write them if there are enough."""
        if self._project_dir is None:
            return
        self._contents += contents
        self._rows.append(rows)
        if len(self._contents) >= _IMAGES_PER_WRITE:
            self.flush()

    def note_speed(self, milliseconds: float) -> None:
        """Store the time per image."""
        if self._project_dir is not None:
            note_speed(self._project_dir, self.kind, milliseconds)

    def flush(self) -> None:
        """Write the rows that were added since the last write."""
        if not self._contents or self._project_dir is None:
            return
        try:
            if not self._has_room:
                make_room(self._project_dir, keeps=self.kind.folder_name)
                self._has_room = True
            store = self.kind.store(self._project_dir)
            # The record may be missing, damaged, or from another version.
            if self.kind not in stored_kinds(self._project_dir):
                note_kind(self._project_dir, self.kind)
            store.append(self._contents, np.concatenate(self._rows))
        except (VisionFTError, OSError) as error:
            self._project_dir = None
            logger.warning("features are not kept: %s", error)
            message = Message("The features cannot be kept, and are computed again next time: {reason}", reason=error)
            self._job.report(Notice(message=message, level="warning"))
        self._contents, self._rows = [], []


def ensure_network(spec: FeatureSpec, *, accepted: str = "", job: JobContext) -> bool:
    """Download the pretrained weights of a feature extractor if they are missing; return False when cancelled.

    `accepted` is the licence that the user accepts, if the weights require it.
    """
    if spec.weights != PRETRAINED:
        return True
    is_main = os.environ.get("RANK", "0") == "0"  # in distributed training only the main process reports progress
    job = job if is_main else job.without_events()
    return fetch(spec.backbone_row, accepted=accepted, with_text=False, job=job) is not None


@contextlib.contextmanager
def frozen_network(
    spec: FeatureSpec, *, device: str = "auto", precision: str = "auto", job: JobContext = SILENT_JOB
) -> "Iterator[tuple[TrainableClassifier, Autocast]]":
    """Load the network of a spec for computing features, and free its memory at the end.

    Args:
        spec: The network and its input, with a known aspect ratio.
        device: `auto`, `cuda`, `mps` or `cpu`.
        precision: Precision of the computation: `auto`, `fp32`, `bf16` or `fp16`.
        job: Receives the progress of a download.

    Yields:
        The network on the device, in evaluation mode, and the mixed-precision context of its forward pass.

    Raises:
        ConfigError: This computer has no such device.
        JobCancelled: The user cancelled the download of the weights.
        WeightsError: The weights are not available.
    """
    import torch

    from models.classifier import build_classifier
    from models.weights.weights_loading import weights_loader

    if not ensure_network(spec, job=job):
        raise JobCancelled
    picked = pick_device(device)
    precision = picked.precision if precision == "auto" else precision
    classifier = build_classifier(
        spec.backbone_row,
        LinearProbe(),
        classes=1,
        options=LinearOptions(),
        weights=weights_loader(spec.weights),
        shape=spec.input_shape,
        seed=spec.seed,
    )
    is_mixed = precision in ("bf16", "fp16")
    dtype = torch.bfloat16 if precision == "bf16" else torch.float16
    if is_mixed and precision == "bf16" and picked.kind == "cuda":
        classifier.shrink_frozen(dtype)
    classifier.to_device(picked.kind, precision=precision).eval()
    try:
        yield classifier, partial(torch.autocast, picked.kind, dtype) if is_mixed else contextlib.nullcontext
    finally:
        classifier.release()
        return_freed_memory()  # a forward pass at 640 px takes gigabytes
