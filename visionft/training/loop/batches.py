"""Where a run's batches come from: pictures loaded anew each epoch, or features of a frozen network computed once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.data.dataset import Batch, EpochSampler, PictureDataset, PictureLoader, choose_workers
from visionft.data.preprocess import Preprocessing
from visionft.data.types import Snapshot, SnapshotImage
from visionft.errors import nothing_readable
from visionft.events import Progress
from visionft.training.config.train_config import TrainConfig


class Stopped(Exception):
    """The user asked to stop; a normal end, raised and caught inside the training package."""


class BatchSource(Protocol):
    """Batches on the run's device, the same for the same epoch."""

    @property
    def steps(self) -> int:
        """Return the batches of one epoch."""
        ...

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch`, the first `skip` left out."""
        ...


class PictureBatches:
    """Batches of pictures, decoded and augmented by a loader."""

    def __init__(self, loader: PictureLoader, sampler: EpochSampler) -> None:
        self._loader = loader
        self._sampler = sampler

    @property
    def steps(self) -> int:
        """Return the batches of one epoch."""
        return len(self._sampler)

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch`, the first `skip` left out."""
        self._sampler.epoch, self._sampler.skip = epoch, skip
        yield from self._loader


@dataclass(frozen=True)
class FeatureBatches:
    """Batches cut from features (N, D) that a frozen network gave once; an epoch costs milliseconds."""

    features: Batch
    sampler: EpochSampler

    @property
    def steps(self) -> int:
        """Return the batches of one epoch."""
        return len(self.sampler)

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch`, the first `skip` left out."""
        self.sampler.epoch, self.sampler.skip = epoch, skip
        cached = self.features
        for keys in self.sampler:
            chosen = torch.tensor([key.position for key in keys], dtype=torch.long, device=cached.images.device)
            yield Batch(cached.images[chosen], cached.targets[chosen], cached.indices[chosen], ())


@dataclass(frozen=True, kw_only=True)
class Sharding:
    """Where this process computes, and its place among those that train together."""

    device: torch.device
    rank: int = 0
    world: int = 1

    @property
    def alone(self) -> "Sharding":
        """Return the same device without other processes: for work that each process does whole."""
        return Sharding(device=self.device)


def training_batches(config: TrainConfig, images: Snapshot, sharding: Sharding) -> PictureBatches:
    """Return the training split, shuffled and augmented, as the settings say."""
    chosen = images.labelled("train")
    weights = sampling_weights(chosen, len(images.class_names)) if config.balance == "sampling" else None
    return _picture_batches(
        config, images, chosen, sharding, shuffle=True, augmentation=config.augmentation, weights=weights
    )


def training_workers(config: TrainConfig, images: Snapshot, device: str) -> int:
    """Return how many loader processes read the training split."""
    return choose_workers(config.workers, _dataset(config, images, images.labelled("train")), device=device)


def plain_batches(
    config: TrainConfig, images: Snapshot, chosen: Sequence[SnapshotImage], sharding: Sharding
) -> PictureBatches:
    """Return pictures in their order, as validation and export see them."""
    return _picture_batches(config, images, chosen, sharding, shuffle=False, augmentation="none")


def _picture_batches(
    config: TrainConfig,
    images: Snapshot,
    chosen: Sequence[SnapshotImage],
    sharding: Sharding,
    *,
    shuffle: bool,
    augmentation: str,
    weights: np.ndarray | None = None,
) -> PictureBatches:
    grows = shuffle and config.progressive_resizing < 1
    dataset = _dataset(config, images, chosen, augmentation, size_at=GrowingSize.of(config) if grows else None)
    sampler = EpochSampler(
        len(chosen),
        config.batch_size,
        seed=config.seed,
        shuffle=shuffle,
        weights=weights,
        rank=sharding.rank,
        world=sharding.world,
    )
    workers = choose_workers(config.workers, dataset, device=sharding.device.type)
    return PictureBatches(PictureLoader(dataset, sampler, workers=workers, device=sharding.device), sampler)


def _dataset(
    config: TrainConfig,
    images: Snapshot,
    chosen: Sequence[SnapshotImage],
    augmentation: str = "none",
    *,
    size_at: Callable[[int], int] | None = None,
) -> PictureDataset:
    return PictureDataset(
        chosen,
        Preprocessing.for_backbone(config.backbone_row, config.input_size),
        task=images.task,
        classes=len(images.class_names),
        augmentation=augmentation,
        seed=config.seed,
        size_at=size_at,
        near_side=config.near_side,
    )


@dataclass(frozen=True)
class GrowingSize:
    """The picture size of each epoch: from a share of the whole to the whole over the first two thirds of a run."""

    whole: int
    start: float
    epochs: int

    @classmethod
    def of(cls, config: TrainConfig) -> "GrowingSize":
        """Return what the settings say."""
        return cls(config.input_size, config.progressive_resizing, config.epochs)

    def __call__(self, epoch: int) -> int:
        """Return the side in `epoch` (from 1), a multiple of 32 pixels."""
        grown = min(1.0, (epoch - 1) / max(1.0, self.epochs * 2 / 3))
        share = self.start + (1 - self.start) * grown
        return min(self.whole, max(32, round(self.whole * share / 32) * 32))


def sampling_weights(chosen: Sequence[SnapshotImage], classes: int) -> np.ndarray:
    """Return (N,) weights that draw each class equally often; with several labels the rarest decides."""
    counts = np.bincount([label for image in chosen for label in image.labels], minlength=classes).clip(1)
    return np.array([max(1 / counts[label] for label in image.labels) for image in chosen])


@torch.no_grad()
def cached_features(
    source: BatchSource,
    extract: Callable[[Tensor], Tensor],
    *,
    stage: str,
    on_event: Callable[[Progress], None],
    on_batch: Callable[[Batch], None],
) -> Batch:
    """Run every batch of `source` through `extract` once and return the features (N, D) in place of the pictures.

    Args:
        on_batch: Called before each batch; raises `Stopped` when the user asked to stop.

    Raises:
        RunError: No picture can be read.
    """
    parts: list[Batch] = []
    for number, batch in enumerate(source.epoch(0), start=1):
        on_batch(batch)
        if len(batch.images):
            parts.append(batch._replace(images=extract(batch.images).float()))
        on_event(Progress(stage=stage, done=number, total=source.steps))
    if not parts:
        raise nothing_readable("pictures")
    return Batch(*(torch.cat([part[field] for part in parts]) for field in range(3)), ())  # type: ignore[arg-type]
