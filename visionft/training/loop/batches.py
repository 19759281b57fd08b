"""Where a run's batches come from: images loaded anew each epoch, or features of a frozen network computed once."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch  # noqa: TID253

from visionft.data.dataset import Batch, EpochSampler, ImageDataset, ImageLoader, choose_workers
from visionft.data.types import Snapshot, SnapshotImage
from visionft.training.config.train_config import TrainConfig


class Batches:
    """Batches on the run's device, the same for the same epoch: from a loader of images, or of known features (N, D).

    With features an epoch costs milliseconds.
    """

    def __init__(self, sampler: EpochSampler, loader: Iterable[Batch] = (), *, features: Batch | None = None) -> None:
        self.sampler, self._loader, self.features = sampler, loader, features

    @property
    def steps(self) -> int:
        return len(self.sampler)

    def epoch(self, epoch: int, *, skip: int = 0) -> Iterator[Batch]:
        """Yield the batches of `epoch`, the first `skip` left out."""
        self.sampler.epoch, self.sampler.skip = epoch, skip
        if (known := self.features) is None:
            yield from self._loader
            return
        for keys in self.sampler:
            chosen = torch.tensor([key.position for key in keys], dtype=torch.long, device=known.images.device)
            yield Batch(known.images[chosen], known.targets[chosen], known.indices[chosen], ())


def training_batches(config: TrainConfig, images: Snapshot, accelerator: Any) -> Batches:
    """Return the training split, shuffled and augmented, as the settings say."""
    chosen = images.labelled("train")
    weights = sampling_weights(chosen, len(images.class_names)) if config.balance == "sampling" else None
    dataset = _dataset(config, images, chosen, augmentation=config.augmentation)
    return _image_batches(config, dataset, accelerator, shuffle=True, weights=weights)


def training_workers(config: TrainConfig, images: Snapshot, device: str) -> int:
    return choose_workers(config.workers, _dataset(config, images, images.labelled("train")), device=device)


def plain_batches(
    config: TrainConfig,
    images: Snapshot,
    chosen: Sequence[SnapshotImage],
    accelerator: Any,
    *,
    is_shared: bool = True,
) -> Batches:
    """Return images in their order, as validation and export see them; `is_shared` between the processes of a run."""
    return _image_batches(config, _dataset(config, images, chosen), accelerator, is_shared=is_shared)


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


def _image_batches(config: TrainConfig, dataset: ImageDataset, accelerator: Any, **options: Any) -> Batches:
    sampler = epoch_sampler(config, len(dataset), accelerator, **options)
    device = accelerator.device
    workers = choose_workers(config.workers, dataset, device=device.type)
    return Batches(sampler, ImageLoader(dataset, sampler, workers=workers, device=device))


def epoch_sampler(
    config: TrainConfig,
    count: int,
    accelerator: Any,
    *,
    shuffle: bool = False,
    weights: np.ndarray | None = None,
    is_shared: bool = True,
) -> EpochSampler:
    """Return a sampler of `count` images in the batches of the settings; `weights` (N,) draws some more often."""
    part = {"rank": accelerator.process_index, "world_size": accelerator.num_processes} if is_shared else {}
    return EpochSampler(count, config.batch_size, seed=config.seed, shuffle=shuffle, weights=weights, **part)


def sampling_weights(chosen: Sequence[SnapshotImage], classes: int) -> np.ndarray:
    """Return (N,) weights to draw each class equally often; with several labels the rarest decides."""
    counts = np.bincount([label for image in chosen for label in image.labels], minlength=classes).clip(1)
    return np.array([max(1 / counts[label] for label in image.labels) for image in chosen])


def joined(batches: Sequence[Batch]) -> Batch:
    """Return several batches as one."""
    return Batch(*(torch.cat([batch[field] for batch in batches]) for field in range(3)), ())  # type: ignore[arg-type]
