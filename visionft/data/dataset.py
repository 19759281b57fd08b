"""Datasets and loaders: batches of tensors from a snapshot's pictures, the same whoever asks and however often.

Nothing here keeps random state. Order derives from (seed, epoch), augmentation from (seed, epoch, image id), so a
continued run sees what the uninterrupted one would have seen, with any number of loader processes.
"""

import contextlib
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253
from torch.utils.data import DataLoader, Dataset, Sampler  # noqa: TID253

from visionft.data.augment import Augment, build_augment
from visionft.data.decode import Decoded
from visionft.data.limits import picture_limit
from visionft.data.picture_cache import PictureCache
from visionft.data.preprocess import Preprocessing
from visionft.data.types import SnapshotImage, Task
from visionft.errors import ImageError

MOST_WORKERS = 8
START_S = 5.0  # of loader processes, until they load: each imports torch
_LOOKED_AT, _TRIED = 64, 4  # pictures


class SampleKey(NamedTuple):
    """Which picture (its place in the sequence), in which epoch."""

    epoch: int
    position: int


class Sample(NamedTuple):
    """One loaded picture.

    Attributes:
        pixels: Augmented bytes (S, S, 3), or normalised (3, S, S); None where it cannot be decoded.
        reason: Why it cannot be.
        not_kept: See `Batch`.
    """

    pixels: Tensor | None
    target: Tensor
    position: int
    reason: str
    not_kept: str = ""


class Batch(NamedTuple):
    """Loaded pictures.

    Attributes:
        images: Normalised (B, 3, S, S) pictures.
        targets: (B,) class indices, or (B, C) zeros and ones for a multi-label task; (B, 0) of pictures alone.
        indices: (B,) places in the sequence that was loaded.
        unreadable: (place, reason) of pictures that are not in the batch because they cannot be decoded.
        not_kept: Why a picture that was decoded could not be kept for the next time; empty while all goes well.
    """

    images: Tensor
    targets: Tensor
    indices: Tensor
    unreadable: tuple[tuple[int, str], ...]
    not_kept: str = ""


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
        near_side: int | None = None,
        cache: PictureCache | None = None,
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
            near_side: About how many pixels of the shorter side are looked at, as `decode` takes it; twice the input's
                side when None. Always, so that what is learnt does not depend on what is kept.
            cache: Where decoded pictures are kept; the user's own when None.
        """
        self._size_at = size_at
        self._near_side = near_side or 2 * preprocessing.size
        self._cache = PictureCache.usual() if cache is None else cache
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

    def seconds_to_decode(self) -> float:
        """Return about how long one process would decode the pictures that are not kept, measured on a few of them."""
        looked_at = range(0, len(self), max(1, len(self) // _LOOKED_AT))
        missing = [place for place in looked_at if not self._cache.holds(self._paths[place], self._near_side)]
        tried = missing[:: max(1, len(missing) // _TRIED)][:_TRIED]
        began = time.perf_counter()
        for place in tried:
            with contextlib.suppress(ImageError):
                self._cache.load(self._paths[place], self._near_side, limit=self._limit)
        each_s = (time.perf_counter() - began) / max(1, len(tried))
        return each_s * len(self) * len(missing) / max(1, len(looked_at))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_augments": {}}

    def __getitem__(self, key: SampleKey) -> Sample:
        """Load one picture; a damaged one comes back as a reason, never as an exception."""
        target = torch.as_tensor(self._targets[key.position])
        try:
            decoded = self._cache.load(self._paths[key.position], self._near_side, limit=self._limit)
        except ImageError as error:
            return Sample(None, target, key.position, error.message)
        return Sample(self._to_input(decoded, key), target, key.position, "", self._cache.not_kept)

    def _to_input(self, decoded: Decoded, key: SampleKey) -> Tensor:
        size = self._size_at(key.epoch) if self._size_at else self._preprocessing.size
        if self._augmentation == "none":
            return replace(self._preprocessing, size=size).apply_reduced(decoded)
        if size not in self._augments:
            self._augments[size] = build_augment(self._augmentation, size)
        seed = derived_seed(self._seed, key.epoch, self._image_ids[key.position])
        return torch.from_numpy(self._augments[size](decoded.pixels, seed))

    def to_input(self, batch: Batch, device: torch.device | str = "cpu") -> Batch:
        """Return a loaded batch on `device`, normalised; bytes travel there, and between processes."""
        images, targets, indices = (tensor.to(device, non_blocking=True) for tensor in batch[:3])
        if images.dtype == torch.uint8:
            images = self._preprocessing.normalise_batch(images)
        return batch._replace(images=images, targets=targets, indices=indices)


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
    not_kept = next((sample.not_kept for sample in samples if sample.not_kept), "")
    unreadable = tuple((sample.position, sample.reason) for sample in samples if sample.pixels is None)
    if not loaded:
        empty = torch.empty(0, dtype=torch.long)
        return Batch(torch.empty(0, 3, 1, 1), empty, empty, unreadable, not_kept)
    images = torch.stack([sample.pixels for sample in loaded if sample.pixels is not None])
    targets = torch.stack([sample.target for sample in loaded])
    return Batch(images, targets, torch.tensor([sample.position for sample in loaded]), unreadable, not_kept)


class PictureLoader:
    """Batches of pictures on a device, normalised there: what is sent between processes and to a GPU are bytes."""

    def __init__(
        self, dataset: PictureDataset, sampler: EpochSampler, *, workers: int, device: torch.device | str
    ) -> None:
        """Describe the loader; it is safe to use from a background thread of a Qt program.

        Loader processes start by forkserver or spawn: a fork of a threaded process can deadlock (pytorch issue 75147).
        """
        self._dataset, self._device = dataset, torch.device(device)
        context = None
        if workers:
            context = "forkserver" if sys.platform == "linux" else "spawn"
        self._loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_sampler=sampler,  # type: ignore[arg-type]
            collate_fn=collate,
            num_workers=workers,
            pin_memory=self._device.type == "cuda",
            persistent_workers=workers > 0,
            multiprocessing_context=context,
        )

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the sampler's batches."""
        for batch in self._loader:
            yield self._dataset.to_input(batch, self._device)


def choose_workers(wanted: int, dataset: PictureDataset, *, device: str) -> int:
    """Return the number of loader processes: `wanted`, or for -1 what pays off here.

    A small set is read before processes have started. On the CPU the network needs the cores itself, and what is kept
    is read in next to no time: processes pay where much is still to be decoded, which is measured on a few pictures.
    """
    if wanted >= 0:
        return wanted
    cores = os.cpu_count() or 1
    if device != "cpu":
        return min(MOST_WORKERS, cores - 1) if len(dataset) >= 256 else 0
    processes = min(MOST_WORKERS, cores)
    saved_s = dataset.seconds_to_decode() * (1 - 1 / processes)
    return processes if saved_s > 2 * START_S else 0
