"""Where a run's batches come from: images loaded anew each epoch, or features of a frozen network computed once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.core.errors import nothing_readable
from visionft.core.events import Progress
from visionft.core.jobs import JobContext
from visionft.data.dataset import Batch, EpochSampler, ImageDataset, ImageLoader, choose_workers
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.config.train_config import TrainConfig


class BatchSource:
    """Batches on the run's device, the same for the same epoch: from a loader of images, unless it is a subclass."""

    def __init__(self, sampler: EpochSampler, loader: Iterable[Batch] = ()) -> None:
        self.sampler, self._loader = sampler, loader

    @property
    def steps(self) -> int:
        return len(self.sampler)

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch`, the first `skip` left out."""
        self.sampler.epoch, self.sampler.skip = epoch, skip
        yield from self._load()

    def _load(self) -> Iterator[Batch]:
        return iter(self._loader)


class FeatureBatches(BatchSource):
    """Batches of features (N, D), computed once by a frozen network; an epoch costs milliseconds."""

    def __init__(self, features: Batch, sampler: EpochSampler) -> None:
        super().__init__(sampler)
        self.features = features

    def _load(self) -> Iterator[Batch]:
        cached = self.features
        for keys in self.sampler:
            chosen = torch.tensor([key.position for key in keys], dtype=torch.long, device=cached.images.device)
            yield Batch(cached.images[chosen], cached.targets[chosen], cached.indices[chosen], ())


@dataclass(frozen=True, kw_only=True)
class ProcessShard:
    """The device of this process and its rank in distributed training."""

    device: torch.device
    rank: int = 0
    world: int = 1


def training_batches(config: TrainConfig, images: Snapshot, sharding: ProcessShard) -> BatchSource:
    """Return the training split, shuffled and augmented, as the settings say."""
    chosen = images.labelled("train")
    weights = sampling_weights(chosen, len(images.class_names)) if config.balance == "sampling" else None
    dataset = _dataset(config, images, chosen, augmentation=config.augmentation)
    return _image_batches(config, dataset, sharding, shuffle=True, weights=weights)


def training_workers(config: TrainConfig, images: Snapshot, device: str) -> int:
    return choose_workers(config.workers, _dataset(config, images, images.labelled("train")), device=device)


def plain_batches(
    config: TrainConfig, images: Snapshot, chosen: Sequence[SnapshotImage], sharding: ProcessShard
) -> BatchSource:
    """Return images in their order, as validation and export see them."""
    return _image_batches(config, _dataset(config, images, chosen), sharding)


def _dataset(config: TrainConfig, images: Snapshot, chosen: Sequence[SnapshotImage], **options: Any) -> ImageDataset:
    return ImageDataset(
        chosen,
        config.preprocessing,
        task=images.task,
        classes=len(images.class_names),
        seed=config.seed,
        near_side=config.near_side,
        **options,
    )


def _image_batches(config: TrainConfig, dataset: ImageDataset, sharding: ProcessShard, **options: Any) -> BatchSource:
    sampler = epoch_sampler(config, len(dataset), sharding, **options)
    workers = choose_workers(config.workers, dataset, device=sharding.device.type)
    return BatchSource(sampler, ImageLoader(dataset, sampler, workers=workers, device=sharding.device))


def epoch_sampler(
    config: TrainConfig, count: int, sharding: ProcessShard, *, shuffle: bool = False, weights: np.ndarray | None = None
) -> EpochSampler:
    """Return a sampler of `count` images in the batches of the settings; `weights` (N,) draws some more often."""
    shard = {"rank": sharding.rank, "world": sharding.world}
    return EpochSampler(count, config.batch_size, seed=config.seed, shuffle=shuffle, weights=weights, **shard)


def sampling_weights(chosen: Sequence[SnapshotImage], classes: int) -> np.ndarray:
    """Return (N,) weights to draw each class equally often; with several labels the rarest decides."""
    counts = np.bincount([label for image in chosen for label in image.labels], minlength=classes).clip(1)
    return np.array([max(1 / counts[label] for label in image.labels) for image in chosen])


@torch.no_grad()
def cached_features(
    source: BatchSource,
    extract: Callable[[Tensor], Tensor],
    *,
    total: int,
    stage: str,
    job: JobContext,
    on_batch: Callable[[Batch], None],
) -> Batch:
    """Run all batches of `source` once through `extract`, (B, 3, H, W) -> (B, D): features in place of the images."""
    parts = list[Batch]()
    done = 0
    for batch in source.epoch(0):
        on_batch(batch)
        if len(batch.images):
            parts.append(batch._replace(images=extract(batch.images).float()))
        done += batch.requested
        job.report(Progress(stage=stage, done=done, total=total, unit="images"))
    if not parts:
        raise nothing_readable("images")
    return Batch(*(torch.cat([part[field] for part in parts]) for field in range(3)), ())  # type: ignore[arg-type]
