"""Datasets and loaders: batches of tensors from a snapshot's pictures, the same whoever asks and however often.

Nothing here keeps random state. Order derives from (seed, epoch), augmentation from (seed, epoch, image id), so a
continued run sees what the uninterrupted one would have seen, with any number of loader processes.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253
from torch.utils.data import DataLoader, Dataset, Sampler  # noqa: TID253

from visionft.data.augment import Augment, build_augment
from visionft.data.decode import decode
from visionft.data.limits import picture_limit
from visionft.data.preprocess import Preprocessing
from visionft.data.types import SnapshotImage, Task
from visionft.errors import ImageError


class SampleKey(NamedTuple):
    """Which picture (its place in the sequence), in which epoch."""

    epoch: int
    position: int


class Sample(NamedTuple):
    """One loaded picture; `pixels` is None and `reason` says why where it cannot be decoded."""

    pixels: Tensor | None
    target: Tensor
    position: int
    reason: str


class Batch(NamedTuple):
    """Loaded pictures.

    Attributes:
        images: Normalised (B, 3, S, S) pictures.
        targets: (B,) class indices, or (B, C) zeros and ones for a multi-label task; (B, 0) of pictures alone.
        indices: (B,) places in the sequence that was loaded.
        unreadable: (place, reason) of pictures that are not in the batch because they cannot be decoded.
    """

    images: Tensor
    targets: Tensor
    indices: Tensor
    unreadable: tuple[tuple[int, str], ...]


class PictureDataset(Dataset[Sample]):
    """Decodes, augments and normalises pictures on demand; picklable, so that loader processes can have a copy."""

    def __init__(
        self,
        images: Sequence[SnapshotImage],
        preprocessing: Preprocessing,
        *,
        task: Task | None = "single",
        classes: int = 0,
        augmentation: str = "none",
        seed: int = 0,
        size_at: Callable[[int], int] | None = None,
    ) -> None:
        """Describe the pictures.

        Args:
            images: The pictures, in the order that places count in.
            preprocessing: How they become input.
            task: What their targets are; None takes pictures alone, labelled or not, for whoever only looks at them.
            classes: How many classes there are.
            augmentation: What changes them on the way.
            seed: Decides those changes, with epoch and picture.
            size_at: Side of the input in a given epoch, in pixels; `preprocessing`'s own when None.
        """
        self._size_at = size_at
        self._paths = [image.path for image in images]
        self._image_ids = [image.image_id for image in images]
        # One array: a loader process gets each tensor as an open file, and a fork server passes on about 250 of them.
        self._targets = np.zeros((len(images), 0), np.float32) if task is None else targets_of(images, task, classes)
        self._preprocessing = preprocessing
        self._augmentation = augmentation
        self._seed = seed
        self._limit = picture_limit()  # a loader process may have an older environment
        self._augments: dict[int, Augment] = {}

    def __len__(self) -> int:
        return len(self._paths)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_augments": {}}

    def __getitem__(self, key: SampleKey) -> Sample:
        """Load one picture; a damaged one comes back as a reason, never as an exception."""
        target = torch.as_tensor(self._targets[key.position])
        try:
            pixels = decode(self._paths[key.position], limit=self._limit)
        except ImageError as error:
            return Sample(None, target, key.position, error.message)
        return Sample(self._to_input(pixels, key), target, key.position, "")

    def _to_input(self, pixels: np.ndarray, key: SampleKey) -> Tensor:
        size = self._size_at(key.epoch) if self._size_at else self._preprocessing.size
        if self._augmentation == "none":
            return replace(self._preprocessing, size=size).apply(pixels)
        if size not in self._augments:
            self._augments[size] = build_augment(self._augmentation, size)
        seed = derived_seed(self._seed, key.epoch, self._image_ids[key.position])
        changed = self._augments[size](pixels, seed)
        return self._preprocessing.normalise(torch.from_numpy(changed).permute(2, 0, 1))


def targets_of(images: Sequence[SnapshotImage], task: Task, classes: int) -> np.ndarray:
    """Return (N,) int64 class indices of labelled pictures, or (N, C) float32 zeros and ones for a multi-label task."""
    if task == "single":
        return np.array([image.labels[0] for image in images], dtype=np.int64)
    targets = np.zeros((len(images), classes), dtype=np.float32)
    for row, image in zip(targets, images, strict=True):
        row[list(image.labels)] = 1.0
    return targets


def derived_seed(*parts: int) -> int:
    """Return a 32-bit seed that depends on every part and nothing else."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=4).digest()
    return int.from_bytes(digest, "little")


class EpochSampler(Sampler[list[SampleKey]]):
    """Batches of keys for one epoch at a time; set `epoch` and `skip` before iterating.

    When shuffled, a last batch of one picture joins the one before it: batch norm cannot learn from a single picture.

    Attributes:
        skip: Leading batches to leave out: those a continued run has already trained on.
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        *,
        seed: int,
        shuffle: bool,
        weights: np.ndarray | None = None,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        """Describe the epochs.

        Args:
            length: Pictures there are.
            batch_size: Pictures of a batch, over all processes.
            seed: Decides the order, with the epoch.
            shuffle: False keeps the order of the pictures.
            weights: Relative frequency of each picture, drawn with replacement; None takes each once.
            rank: This process's number.
            world: How many processes share each batch. A shuffled batch too small for all is left out.
        """
        self.epoch = 0
        self.skip = 0
        self._length, self._seed, self._shuffle = length, seed, shuffle
        self._weights = None if weights is None else weights / weights.sum()
        self._rank, self._world = rank, world
        ends = [*range(batch_size, length, batch_size), length]
        if shuffle and len(ends) > 1 and ends[-1] - ends[-2] == 1:
            del ends[-2]
        bounds = list(zip([0, *ends[:-1]], ends, strict=True))
        self._bounds = [(start, end) for start, end in bounds if not shuffle or end - start >= world]

    def __len__(self) -> int:
        """Return the batches of a whole epoch."""
        return len(self._bounds)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """Yield this process's part of the epoch's batches, the first `skip` left out."""
        order = self._order()
        for start, end in self._bounds[self.skip :]:
            yield [SampleKey(self.epoch, position) for position in order[start:end][self._rank :: self._world]]

    def _order(self) -> list[int]:
        if not self._shuffle:
            return list(range(self._length))
        generator = np.random.default_rng([self._seed, self.epoch])
        if self._weights is not None:
            return generator.choice(self._length, self._length, p=self._weights).tolist()
        return generator.permutation(self._length).tolist()


def collate(samples: list[Sample]) -> Batch:
    """Stack what could be loaded and list what could not."""
    loaded = [sample for sample in samples if sample.pixels is not None]
    unreadable = tuple((sample.position, sample.reason) for sample in samples if sample.pixels is None)
    if not loaded:
        empty = torch.empty(0, dtype=torch.long)
        return Batch(torch.empty(0, 3, 1, 1), empty, empty, unreadable)
    images = torch.stack([sample.pixels for sample in loaded if sample.pixels is not None])
    targets = torch.stack([sample.target for sample in loaded])
    return Batch(images, targets, torch.tensor([sample.position for sample in loaded]), unreadable)


def make_loader(dataset: PictureDataset, sampler: EpochSampler, *, workers: int, pin_memory: bool) -> DataLoader[Batch]:
    """Return a loader over `sampler`'s batches, safe to use from a background thread of a Qt program.

    Loader processes start by forkserver or spawn: a fork of a threaded process can deadlock (pytorch issue 75147).
    """
    context = None
    if workers:
        context = "forkserver" if sys.platform == "linux" else "spawn"
    return DataLoader(
        dataset,
        batch_sampler=sampler,  # type: ignore[arg-type]
        collate_fn=collate,
        num_workers=workers,
        pin_memory=pin_memory,
        persistent_workers=workers > 0,
        multiprocessing_context=context,
    )


def choose_workers(wanted: int, *, device: str, images: int) -> int:
    """Return the number of loader processes: `wanted`, or for -1 what pays off here.

    On the CPU the network needs the cores itself; a small set is read before processes have started.
    """
    if wanted >= 0:
        return wanted
    cores = os.cpu_count() or 1
    return min(8, cores - 1) if device != "cpu" and images >= 256 else 0
