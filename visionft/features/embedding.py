"""Computing the embeddings of a project's images: one pass of a frozen network over all images without one.

Images are read through the image cache. Rows are written as they come; a cancelled job or a crash loses a few
seconds of work. Several processes may share the work, each with a part of the images.
"""

import contextlib
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.catalog import DEFAULT_BACKBONE
from models.messages import Message
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import nothing_readable
from visionft.events import Notice, Progress
from visionft.features.feature_store import (
    CURRENT,
    FOLDER,
    FeatureKind,
    Features,
    current_kind,
    features_of,
    known_kind,
    latest_kind,
    load_features,
    make_current,
    note_kind,
)
from visionft.features.row_store import RowStore
from visionft.jobs import SILENT, JobCancelled, JobContext
from visionft.training.base_weights import ensure_network
from visionft.training.config.feature_spec import FeatureSpec
from visionft.training.framing import with_aspect
from visionft.weights.locations import PRETRAINED, local_file
from visionft.weights.records import checked_sha256

if TYPE_CHECKING:
    from visionft.training.loop.run_context import RunContext

STAGE = Message("Looking at the images")
BATCH, _WRITTEN = 32, 512  # images at a time; after how many they are written


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedReport:
    backbone: str  # the feature extractor
    size: int  # side of its input, in pixels
    width: int  # numbers an image
    known: int  # images with features from before
    added: int  # images with new features
    unreadable: tuple[tuple[str, str], ...]  # (path, reason) of unreadable images
    stopped: bool  # whether the user cancelled it; computed features are kept


def embed(
    project_dir: Path,
    images: Snapshot,
    *,
    backbone: str = "",
    size: int = 0,
    device: str = "auto",
    part: tuple[int, int] = (1, 1),
    job: JobContext = SILENT,
) -> EmbedReport:
    """Compute missing features of images, and make them the project's current features.

    Args:
        project_dir: The project's folder.
        images: Its images.
        backbone: Of the catalog; empty takes the one of the project's features, or the default.
        size: Side of the input in pixels; 0 takes that of the project's features, or the backbone's own.
        device: Where to compute.
        part: (K, N): only the K-th of N parts of the images, 1 to N, by content, for one of several processes.
        job: Cancelled during the download of weights, it raises `JobCancelled`; later, what was computed is kept.

    Raises:
        ConfigError: There is no such backbone or device.
        WeightsError: Its weights cannot be had.
        RunError: None of the images can be read.
    """
    current = latest_kind(project_dir)
    spec = FeatureSpec(backbone=backbone or DEFAULT_BACKBONE, image_size=size)
    if current is not None and backbone in ("", current.backbone):
        spec = replace(current.spec, image_size=size or current.size)
    elif not backbone and current is None and (project_dir / FOLDER / CURRENT).exists():
        message = Message("The backbone of the features cannot be read: they are computed again.")
        job.report(Notice(message=message, level="warning"))
    spec = replace(spec, image_reading=images.image_reading)
    number, parts = part
    mine = [each for each in images.images if parts == 1 or zlib.crc32(each.sha256.encode()) % parts == number - 1]
    kind, before, unreadable, is_cancelled = _compute(project_dir, mine, spec, device, job)
    make_current(project_dir, kind)
    store = kind.store(project_dir)
    if unreadable and not len(store):
        raise nothing_readable("images")
    return EmbedReport(
        backbone=kind.backbone,
        size=kind.size,
        width=sum(kind.widths),
        known=before,
        added=len(features_of(kind, store, mine)) - before,
        unreadable=tuple((str(image.path), reason) for image, reason in unreadable),
        stopped=is_cancelled,
    )


def embedded(project_dir: Path, images: Snapshot, *, job: JobContext = SILENT) -> Features:
    """Return the features of all images; missing ones are computed first, as by `embed`.

    Raises:
        JobCancelled: The user cancelled; computed features are kept.
    """
    kind = current_kind(project_dir, images.image_reading)
    if kind is not None:
        known = features_of(kind, kind.store(project_dir), images.images)
        if not known.missing:
            return known
    if embed(project_dir, images, job=job).stopped:
        raise JobCancelled
    return load_features(project_dir, images)


def features_under(
    project_dir: Path,
    images: Sequence[SnapshotImage],
    spec: FeatureSpec,
    *,
    device: str = "auto",
    job: JobContext = SILENT,
) -> Features:
    """Return the features of images by a frozen network; missing ones are computed.

    The project's current features (`make_current`) stay.

    Raises:
        JobCancelled: The user cancelled; computed features are kept.
        WeightsError: The network's weights cannot be had.
    """
    spec = with_aspect(spec, images)
    path = local_file(spec.backbone_row) if spec.weights == PRETRAINED else None
    if path is not None:  # without loading the network where all images have features
        sha256 = checked_sha256(spec.backbone_row, path)
        kind = known_kind(project_dir, spec.backbone, spec.preprocessing.key, sha256)
        known = features_of(kind, kind.store(project_dir), images) if kind else None
        if known is not None and not known.missing:
            return known
    kind, _, unreadable, is_cancelled = _compute(project_dir, images, spec, device, job)
    if is_cancelled:
        raise JobCancelled
    for image, reason in unreadable:
        message = Message("Left out {path}: {reason}.", path=image.path, reason=reason)
        job.report(Notice(message=message, level="warning"))
    note_kind(project_dir, kind)
    return features_of(kind, kind.store(project_dir), images)


def _compute(
    project_dir: Path, images: Sequence[SnapshotImage], spec: FeatureSpec, device: str, job: JobContext
) -> tuple[FeatureKind, int, list[tuple[SnapshotImage, str]], bool]:
    """Compute and store the missing features of images, one of each content.

    Returns:
        The kind; the number of images with features before; unreadable images; whether the job was cancelled.
    """
    from visionft.training.loop.run_context import RunContext, release

    if not ensure_network(spec, job=job):
        raise JobCancelled
    context = RunContext.of_features(spec, device=device)
    try:
        loaded = context.classifier.loaded
        kind = FeatureKind(
            backbone=spec.backbone,
            size=spec.input_size,
            weights=loaded.sha256 if loaded is not None else f"random {spec.seed}",
            preprocessing=spec.preprocessing.key,
            widths=tuple(context.classifier.head_parts),
            framing=spec.framing,
            aspect=spec.aspect,
            region=spec.region,
            image_reading=spec.image_reading,
        )
        store = kind.store(project_dir)
        features = features_of(kind, store, images)
        todo = list({image.sha256: image for image in features.missing}.values())
        unreadable, is_cancelled = _fill(store, todo, spec, context, job)
    finally:
        release(context.classifier, None)
    return kind, len(features), unreadable, is_cancelled


def _fill(
    store: RowStore, todo: list[SnapshotImage], spec: FeatureSpec, context: "RunContext", job: JobContext
) -> tuple[list[tuple[SnapshotImage, str]], bool]:
    """Compute and keep the features of images; return the unreadable ones, and whether it was cancelled."""
    import torch

    from visionft.data.dataset import EpochSampler, ImageDataset, ImageLoader, choose_workers
    from visionft.data.image_cache import not_kept_text

    unreadable: list[tuple[SnapshotImage, str]] = []
    if not todo:
        return unreadable, False
    dataset = ImageDataset(todo, spec.preprocessing, task=None, near_side=spec.near_side())
    workers = choose_workers(-1, dataset, device=context.device.kind)
    sampler = EpochSampler(len(todo), BATCH, seed=0, shuffle=False)
    loader = ImageLoader(dataset, sampler, workers=workers, device=context.accelerator.device)
    waiting: list[tuple[str, np.ndarray]] = []
    done, not_kept = 0, ""

    def write() -> None:
        if waiting:
            store.append([content for content, _ in waiting], np.stack([row for _, row in waiting]))
            waiting.clear()

    context.classifier.eval()
    with contextlib.ExitStack() as stack:
        stack.callback(write)  # whatever ends it
        stack.enter_context(torch.inference_mode())
        for batch in loader:
            unreadable += [(todo[place], reason) for place, reason in batch.unreadable]
            if len(batch.images):
                with context.accelerator.autocast():
                    rows = context.classifier.features(batch.images)
                rows = rows.float().cpu().numpy().astype(np.float16)
                waiting += [(todo[place].sha256, row) for place, row in zip(batch.indices.tolist(), rows, strict=True)]
            done += batch.requested
            job.report(Progress(stage=STAGE, done=done, total=len(todo), unit="images"))
            if batch.not_kept and not not_kept:
                not_kept = batch.not_kept
                job.report(Notice(message=not_kept_text(not_kept), level="warning"))
            if len(waiting) >= _WRITTEN:
                write()
            if job.is_cancelled:
                return unreadable, done < len(todo)
    return unreadable, False
