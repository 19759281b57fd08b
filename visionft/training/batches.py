"""Where a run's batches come from: pictures loaded anew each epoch, or features of a frozen network computed once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253

from visionft.errors import RunError
from visionft.events import Progress
from visionft.images.loading import Batch, EpochSampler, PictureDataset, choose_workers, make_loader
from visionft.images.preprocess import Preprocessing
from visionft.project.snapshot import Snapshot, SnapshotImage
from visionft.training.config import TrainConfig


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

    def __init__(self, loader: Any, sampler: EpochSampler) -> None:
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
            chosen = torch.tensor([key.position for key in keys], device=cached.images.device)
            yield Batch(cached.images[chosen], cached.targets[chosen], cached.indices[chosen], ())


def picture_batches(
    config: TrainConfig, images: Snapshot, chosen: Sequence[SnapshotImage], *, accelerator: Any, training: bool
) -> PictureBatches:
    """Return the batches of `chosen` on the accelerator's device: shuffled and augmented for training, else plain."""
    dataset = PictureDataset(
        chosen,
        Preprocessing.for_backbone(config.backbone_row, config.input_size),
        task=images.task,
        classes=len(images.class_names),
        augmentation=config.augmentation if training else "none",
        seed=config.seed,
    )
    device = accelerator.device.type
    sampler = EpochSampler(len(chosen), config.batch_size, seed=config.seed, shuffle=training)
    workers = choose_workers(config.workers, device=device, images=len(chosen))
    loader = make_loader(dataset, sampler, workers=workers, pin_memory=device == "cuda")
    return PictureBatches(accelerator.prepare_data_loader(loader), sampler)


@torch.no_grad()
def cached_features(
    source: BatchSource,
    extract: Callable[[Tensor], Tensor],
    config: TrainConfig,
    *,
    stage: str,
    shuffle: bool,
    on_event: Callable[[Progress], None],
    on_batch: Callable[[Batch], None],
) -> FeatureBatches:
    """Run every batch of `source` through `extract` once and return the features as a source of their own.

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
        raise RunError("None of the pictures can be read.", "Check that their disk is connected, then `visionft info`.")
    joined = Batch(*(torch.cat([part[field] for part in parts]) for field in range(3)), ())  # type: ignore[arg-type]
    sampler = EpochSampler(len(joined.images), config.batch_size, seed=config.seed, shuffle=shuffle)
    return FeatureBatches(joined, sampler)
