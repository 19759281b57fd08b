"""Computing the features of a project's pictures: one pass of a frozen network over those that have none yet.

What a network sees of a picture comes through the picture cache. Rows are written as they come, so that a stop or a
crash loses a few seconds of work.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from models.catalog import DEFAULT_BACKBONE, Backbone
from visionft.data.preprocess import Preprocessing
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import StoppedError, nothing_readable
from visionft.events import Notice, OnEvent, Progress, ShouldStop, ignore_event, never_stop
from visionft.features.feature_store import (
    FeatureKind,
    Features,
    current_kind,
    features_of,
    known_kind,
    make_current,
    note_kind,
)
from visionft.features.row_store import RowStore
from visionft.training.base_weights import ensure_weights
from visionft.training.config.train_config import TrainConfig
from visionft.weights.locations import PRETRAINED, local_file
from visionft.weights.records import checked_sha256

if TYPE_CHECKING:
    from visionft.training.loop.run_context import RunContext

STAGE = "Looking at the pictures"
_BATCH, _WRITTEN = 32, 512  # pictures at a time; after how many they are written


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedReport:
    """What became of it.

    Attributes:
        backbone: Whose features they are.
        size: Side of its input, in pixels.
        width: Numbers a picture.
        known: Pictures that had them before.
        added: Pictures that have them now.
        unreadable: (path, reason) of those that cannot be read.
        stopped: Whether the user stopped it; what was computed is kept.
    """

    backbone: str
    size: int
    width: int
    known: int
    added: int
    unreadable: tuple[tuple[str, str], ...]
    stopped: bool


def embed(
    project_dir: Path,
    images: Snapshot,
    *,
    backbone: str = "",
    size: int = 0,
    device: str = "auto",
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> EmbedReport:
    """Compute the features of the pictures that have none, and let everybody read them.

    Args:
        project_dir: The project's folder.
        images: Its pictures.
        backbone: Of the catalog; empty takes the one that the project has features of, or the default.
        size: Side of the input in pixels; 0 takes what the project has, or the backbone's own.
        device: Where to compute.
        on_event: Receives how far it is.
        should_stop: Asked before every batch.

    Raises:
        ConfigError: There is no such backbone or device.
        WeightsError: Its weights cannot be had.
        RunError: None of the pictures can be read.
        StoppedError: The user stopped while the weights were fetched.
    """
    from visionft.training.loop.run_context import RunContext, release

    current = current_kind(project_dir)
    if current is not None and backbone in ("", current.backbone):
        backbone, size = current.backbone, size or current.size
    config = TrainConfig(backbone=backbone or DEFAULT_BACKBONE, method="linear", image_size=size, device=device)
    if not ensure_weights(config, on_event=on_event, should_stop=should_stop):
        raise StoppedError("The weights were not fetched.", "Start again to go on.")
    context = RunContext(config, classes=1)
    try:
        kind = _kind(config, context)
        store = kind.store(project_dir)
        features = features_of(kind, store, images.images)
        todo = _one_of_each(features.missing)
        unreadable, is_stopped = _fill(store, todo, config, context, on_event, should_stop)
        make_current(project_dir, kind)
    finally:
        release(context.classifier, None)
    if unreadable and not len(store):
        raise nothing_readable("pictures")
    known = features_of(kind, store, images.images)
    return EmbedReport(
        backbone=kind.backbone,
        size=kind.size,
        width=sum(kind.widths),
        known=len(features),
        added=len(known) - len(features),
        unreadable=tuple((str(image.path), reason) for image, reason in unreadable),
        stopped=is_stopped,
    )


def embedded(
    project_dir: Path, images: Snapshot, *, on_event: OnEvent = ignore_event, should_stop: ShouldStop = never_stop
) -> Features:
    """Return the features of all pictures; those that are missing are computed first.

    Raises:
        StoppedError: The user stopped; what was computed is kept.
        VisionFTError: As `embed`.
    """
    kind = current_kind(project_dir)
    if kind is not None:
        known = features_of(kind, kind.store(project_dir), images.images)
        if not known.missing:
            return known
    report = embed(project_dir, images, on_event=on_event, should_stop=should_stop)
    if report.stopped:
        raise StoppedError("The pictures were not all looked at.", "Start again to go on where it stopped.")
    kind = current_kind(project_dir)
    assert kind is not None
    return features_of(kind, kind.store(project_dir), images.images)


def features_under(
    project_dir: Path,
    images: Sequence[SnapshotImage],
    config: TrainConfig,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Features:
    """Return the features of pictures by the frozen network of a run's settings; those that are missing are computed.

    What everybody reads (`make_current`) stays what it is.

    Raises:
        StoppedError: The user stopped; what was computed is kept.
        WeightsError: The network's weights cannot be had.
    """
    from visionft.training.loop.run_context import RunContext, release

    if (known := _known_under(project_dir, images, config)) is not None:
        return known
    if not ensure_weights(config, on_event=on_event, should_stop=should_stop):
        raise StoppedError("The weights were not fetched.", "Start again to go on.")
    config = TrainConfig(
        backbone=config.backbone,
        method="linear",
        image_size=config.image_size,
        device=config.device,
        weights=config.weights,
        seed=config.seed,
    )
    context = RunContext(config, classes=1)
    try:
        kind = _kind(config, context)
        store = kind.store(project_dir)
        todo = _one_of_each(features_of(kind, store, images).missing)
        unreadable, is_stopped = _fill(store, todo, config, context, on_event, should_stop)
    finally:
        release(context.classifier, None)
    if is_stopped:
        raise StoppedError("The pictures were not all looked at.", "Start again to go on where it stopped.")
    for image, reason in unreadable:
        on_event(Notice(message=f"Left out {image.path}: {reason}.", level="warning"))
    note_kind(project_dir, kind)
    return features_of(kind, store, images)


def embedded_by(
    project_dir: Path,
    images: Snapshot,
    backbone: Backbone,
    *,
    on_event: OnEvent = ignore_event,
    should_stop: ShouldStop = never_stop,
) -> Features:
    """Return the features of pictures by a backbone with its own weights, as `features_under`."""
    config = TrainConfig(backbone=backbone.name, method="linear")
    return features_under(project_dir, images.images, config, on_event=on_event, should_stop=should_stop)


def _known_under(project_dir: Path, images: Sequence[SnapshotImage], config: TrainConfig) -> Features | None:
    """Return the features of pictures where all have them, without loading the network."""
    path = local_file(config.backbone_row) if config.weights == PRETRAINED else None
    if path is None:
        return None
    sha256 = checked_sha256(config.backbone_row, path)
    kind = known_kind(project_dir, config.backbone, config.input_size, sha256)
    found = features_of(kind, kind.store(project_dir), images) if kind else None
    return found if found is not None and not found.missing else None


def _kind(config: TrainConfig, context: "RunContext") -> FeatureKind:
    loaded = context.classifier.loaded
    preprocessing = Preprocessing.for_backbone(config.backbone_row, config.input_size)
    return FeatureKind(
        backbone=config.backbone,
        size=config.input_size,
        weights=loaded.sha256 if loaded is not None else f"random {config.seed}",
        preprocessing=repr(preprocessing),
        widths=tuple(context.classifier.head_parts),
    )


def _one_of_each(images: tuple[SnapshotImage, ...]) -> list[SnapshotImage]:
    """Return one picture of each content."""
    return list({image.sha256: image for image in images}.values())


def _fill(
    store: RowStore,
    todo: list[SnapshotImage],
    config: TrainConfig,
    context: "RunContext",
    on_event: OnEvent,
    should_stop: ShouldStop,
) -> tuple[list[tuple[SnapshotImage, str]], bool]:
    """Compute and keep the features of pictures; return those that cannot be read, and whether it was stopped."""
    import torch

    from visionft.data.dataset import EpochSampler, PictureDataset, PictureLoader, choose_workers
    from visionft.data.picture_cache import not_kept_text

    unreadable: list[tuple[SnapshotImage, str]] = []
    if not todo:
        return unreadable, False
    preprocessing = Preprocessing.for_backbone(config.backbone_row, config.input_size)
    dataset = PictureDataset(todo, preprocessing, task=None, near_side=config.near_side)
    workers = choose_workers(-1, dataset, device=context.device.kind)
    sampler = EpochSampler(len(todo), _BATCH, seed=0, shuffle=False)
    loader = PictureLoader(dataset, sampler, workers=workers, device=context.accelerator.device)
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
            done += len(batch.images) + len(batch.unreadable)
            on_event(Progress(stage=STAGE, done=done, total=len(todo)))
            if batch.not_kept and not not_kept:
                not_kept = batch.not_kept
                on_event(Notice(message=not_kept_text(not_kept), level="warning"))
            if len(waiting) >= _WRITTEN:
                write()
            if should_stop():
                return unreadable, done < len(todo)
    return unreadable, False
