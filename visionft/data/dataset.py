"""Datasets and loaders: reproducible batches of tensors from a snapshot's images.

Nothing here keeps random state. Order derives from (seed, epoch), augmentation from (seed, epoch, image id), so a
resumed run gets the same batches as an uninterrupted one, with any number of loader processes.

Augmentation presets are ordered mappings {albumentations transform: its parameters}.
"""

import contextlib
import hashlib
import math
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch  # noqa: TID253
from torch import Tensor  # noqa: TID253
from torch.utils.data import DataLoader, Dataset, Sampler  # noqa: TID253

from models.shapes import InputShape
from visionft.core.errors import ImageError
from visionft.data.decode import DecodedImage
from visionft.data.image_cache import ImageCache
from visionft.data.limits import image_limit
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import SnapshotImage, Task

MAX_WORKERS = 8  # each takes 0.25 GB for torch and OpenCV, before it loads any image
WORKER_START_S = 5.0  # startup time of a loader process, which imports torch
# Images that `seconds_to_decode` looks up in the cache and, of the missing ones, decodes: few, because the run waits.
_SAMPLED_IMAGES = 64
_TIMED_IMAGES = 4
# Loader processes ignore Ctrl-C and SIGTERM and end with the process that started them. Terminals send Ctrl-C, and
# `timeout` and many schedulers send SIGTERM, to the whole process group, but the main process needs the loaders to stop
# cleanly. They start by forkserver or spawn, because a fork of a threaded process can deadlock (pytorch issue 75147).
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_base_context: Any = multiprocessing.get_context("forkserver" if sys.platform == "linux" else "spawn")


class SampleKey(NamedTuple):
    epoch: int
    position: int


class Sample(NamedTuple):
    # Augmented uint8 (H, W, 3), or normalised (3, H, W); None if the image cannot be decoded.
    pixels: Tensor | None
    target: Tensor
    position: int
    reason: str  # the reason for missing `pixels`; otherwise empty


class Batch(NamedTuple):
    images: Tensor  # normalised (B, 3, H, W) images
    # (B,) class indices, or (B, C) zeros and ones for a multi-label task; (B, 0) for a data set without targets.
    targets: Tensor
    indices: Tensor  # (B,) positions in the sequence
    unreadable: tuple[tuple[int, str], ...]  # (position, reason) of images that cannot be decoded

    @property
    def requested(self) -> int:
        return len(self.indices) + len(self.unreadable)


class ImageDataset(Dataset[Sample]):
    """Images that are decoded, augmented and normalised on demand; picklable, for loader processes."""

    def __init__(
        self,
        images: Sequence[SnapshotImage],
        preprocessing: PreprocessConfig,
        *,
        task: Task | None = "single",
        classes: int = 0,
        augmentation: str = "none",
        seed: int = 0,
        near_side: int | None = None,
        cache: ImageCache | None = None,
        requires_contents: bool = False,
    ) -> None:
        """Create the data set.

        Without a `task` there are no targets. `augmentation` is a key of `PRESETS`. `near_side` is the length in pixels
        of the shorter side after decoding (see `decode`; None: twice the input's longer side); it applies with and
        without a cache, so that results do not depend on the cache. With `requires_contents`, an image that was changed
        after its import counts as damaged.
        """
        self._near_side = near_side or 2 * max(preprocessing.shape)
        self._cache = ImageCache.default() if cache is None else cache
        self._paths = [image.path for image in images]
        self._hashes = [image.sha256 for image in images] if requires_contents else [""] * len(images)
        self._image_ids = [image.image_id for image in images]
        # A single array, because a loader process gets each tensor as an open file, of which a fork server passes on
        # only about 250.
        self._targets = np.zeros((len(images), 0), np.float32)
        if task is not None:
            self._targets = targets_of(images, task, classes)
        self._preprocessing = preprocessing
        self._reading = preprocessing.image_reading
        self._augmentation = augmentation
        self._seed = seed
        self._limit = image_limit()  # read here, because a loader process may have older environment variables
        self._augment: Augment | None = None

    def __len__(self) -> int:
        return len(self._paths)

    def seconds_to_decode(self) -> float:
        """Estimate the seconds that one process needs to decode all uncached images, from a small sample of them."""
        sampled = range(0, len(self), max(1, len(self) // _SAMPLED_IMAGES))
        uncached = [index for index in sampled if not self._is_cached(index)]
        timed = uncached[:: max(1, len(uncached) // _TIMED_IMAGES)][:_TIMED_IMAGES]
        start = time.perf_counter()
        for index in timed:
            with contextlib.suppress(ImageError):
                self._load(index)
        seconds_per_image = (time.perf_counter() - start) / max(1, len(timed))
        return seconds_per_image * len(self) * len(uncached) / max(1, len(sampled))

    def _is_cached(self, index: int) -> bool:
        return self._cache.holds(self._paths[index], self._near_side, self._reading)

    def _load(self, index: int) -> DecodedImage:
        return self._cache.load(
            self._paths[index],
            self._near_side,
            limit=self._limit,
            reading=self._reading,
            sha256=self._hashes[index],
        )

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_augment": None}

    def __getitem__(self, key: SampleKey) -> Sample:
        """Load one image; one that cannot be read gives a sample with a reason in place of pixels, without an error."""
        target = torch.as_tensor(self._targets[key.position])
        try:
            decoded = self._load(key.position)
        except ImageError as error:
            return Sample(None, target, key.position, error.message)
        if self._augmentation == "none":
            pixels = self._preprocessing.apply_reduced(decoded)
        else:
            if self._augment is None:
                self._augment = build_augment(self._augmentation, self._preprocessing.shape)
            seed = derived_seed(self._seed, key.epoch, self._image_ids[key.position])
            pixels = torch.from_numpy(self._augment(self._preprocessing.crop_to_region(decoded.pixels), seed))
        return Sample(pixels, target, key.position, "")

    def to_input(self, batch: Batch, device: torch.device | str = "cpu") -> Batch:
        """Move a loaded batch to `device` and normalise it there, because bytes are faster to transfer than floats."""
        images, targets, indices = (tensor.to(device, non_blocking=True) for tensor in batch[:3])
        if images.dtype == torch.uint8:
            images = self._preprocessing.normalise_batch(images)
        return batch._replace(images=images, targets=targets, indices=indices)


def targets_of(images: Sequence[SnapshotImage], task: Task, classes: int) -> np.ndarray:
    """Return (N,) int64 class indices of labelled images, or (N, C) float32 zeros and ones for a multi-label task."""
    if task == "single":
        return np.array([image.labels[0] for image in images], dtype=np.int64)
    targets = np.zeros((len(images), classes), dtype=np.float32)
    for row, image in zip(targets, images, strict=True):
        row[list(image.labels)] = 1.0
    return targets


def derived_seed(*parts: int) -> int:
    return int.from_bytes(hashlib.blake2b(repr(parts).encode(), digest_size=4).digest(), "little")


class EpochSampler(Sampler[list[SampleKey]]):
    """Batches of keys for one epoch; set `epoch` and `skip` before iterating.

    When shuffled, a last batch of one image joins the previous batch, because batch norm needs more than one image.
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
        world_size: int = 1,
    ) -> None:
        """Create a sampler for `length` images in batches of `batch_size`, shared by `world_size` processes.

        `weights` are relative sampling frequencies, with replacement; None takes each image once. Shuffled batches that
        have too few images for all processes are left out.
        """
        self.epoch = 0
        self.skip = 0  # number of leading batches to skip, on which a resumed run was already trained
        self._length, self._seed, self._shuffle = length, seed, shuffle
        self._weights = None if weights is None else weights / weights.sum()
        self._rank, self._world_size = rank, world_size
        ends = [*range(batch_size, length, batch_size), length]
        if shuffle and len(ends) > 1 and ends[-1] - ends[-2] == 1:
            del ends[-2]
        bounds = list(zip([0, *ends[:-1]], ends, strict=True))
        self._bounds = [(start, end) for start, end in bounds if not shuffle or end - start >= world_size]

    def __len__(self) -> int:
        return len(self._bounds)

    def __iter__(self) -> Iterator[list[SampleKey]]:
        """Yield this process's share of each batch of the epoch, skipping the first `skip` batches."""
        order = np.arange(self._length)
        if self._shuffle:
            generator = np.random.default_rng([self._seed, self.epoch])
            if self._weights is None:
                order = generator.permutation(self._length)
            else:
                order = generator.choice(self._length, self._length, p=self._weights)
        for start, end in self._bounds[self.skip :]:
            share = order[start:end][self._rank :: self._world_size].tolist()
            yield [SampleKey(self.epoch, position) for position in share]


def collate(samples: list[Sample]) -> Batch:
    """Stack the readable images, and list the unreadable ones."""
    loaded = [(sample, sample.pixels) for sample in samples if sample.pixels is not None]
    unreadable = tuple((sample.position, sample.reason) for sample in samples if sample.pixels is None)
    indices = torch.tensor([sample.position for sample, _ in loaded], dtype=torch.long)
    if not loaded:
        return Batch(torch.empty(0, 3, 1, 1), indices, indices, unreadable)
    images = torch.stack([pixels for _, pixels in loaded])
    return Batch(images, torch.stack([sample.target for sample, _ in loaded]), indices, unreadable)


class ImageLoader:
    """Batches of images, normalised on their device; loader processes and GPU receive bytes."""

    def __init__(
        self, dataset: ImageDataset, sampler: EpochSampler, *, workers: int, device: torch.device | str
    ) -> None:
        """Create the loader, which may be used from a background thread of a Qt program."""
        self._dataset = dataset
        self._device = torch.device(device)
        self._loader: DataLoader[Batch] = DataLoader(
            dataset,
            batch_sampler=sampler,  # type: ignore[arg-type]
            collate_fn=collate,
            num_workers=workers,
            pin_memory=self._device.type == "cuda",
            persistent_workers=workers > 0,
            multiprocessing_context=CONTEXT if workers else None,
            worker_init_fn=begin,
        )

    def __len__(self) -> int:
        return len(self._loader)

    def __iter__(self) -> Iterator[Batch]:
        with shielded_start():
            batches = iter(self._loader)
        for batch in batches:
            yield self._dataset.to_input(batch, self._device)


def choose_workers(workers: int, dataset: ImageDataset, *, device: str) -> int:
    """Return the number of loader processes: `workers`, or an automatic choice for -1.

    A small data set is read before processes would have started. On the CPU the network needs the cores itself, so
    processes only pay off if many images still have to be decoded, as estimated from a few of them.
    """
    if workers >= 0:
        return workers
    cores = os.cpu_count() or 1
    if device != "cpu":
        return min(MAX_WORKERS, cores - 1) if len(dataset) >= 256 else 0
    processes = min(MAX_WORKERS, cores)
    saved_s = dataset.seconds_to_decode() * (1 - 1 / processes)
    return processes if saved_s > 2 * WORKER_START_S else 0


class _Process(_base_context.Process):
    """A process that is killed instead of terminated: workers ignore SIGTERM, with which torch ends slow ones."""

    def terminate(self) -> None:
        self.kill()


class _Context(type(_base_context)):
    Process = _Process


CONTEXT = _Context()


@contextmanager
def shielded_start() -> Generator[None]:
    """Block stop signals for processes started within the context, which inherit this thread's signal mask.

    The fork server inherits the mask too, so its later children are shielded as well. Windows has no signal masks;
    there `begin` shields a process after its imports.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its first start would reset the mask (Python 3.11 to 3.13)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def begin(_worker: int) -> None:
    """Initialise a loader process: ignore stop signals, and exit when the process that started it is gone.

    torch's own watchdog watches the parent process, which is the fork server, and every loader process keeps it alive.
    """
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def end_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)  # a normal exit would wait until its queued batches are read

    threading.Thread(target=end_with_parent, name="parent watch", daemon=True).start()


os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # otherwise its import checks for updates online


_REFLECT = 4  # cv2.BORDER_REFLECT_101
_COLOUR_JITTER = dict.fromkeys(("brightness", "contrast", "saturation"), (0.7, 1.3))

PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "none": {},
    "light": {
        "RandomResizedCrop": {"scale": (0.6, 1.0), "ratio": (0.8, 1.25), "area_for_downscale": "image"},
        "HorizontalFlip": {"p": 0.5},
    },
    "medium": {
        "RandomResizedCrop": {"scale": (0.4, 1.0), "ratio": (0.75, 1.333), "area_for_downscale": "image"},
        "HorizontalFlip": {"p": 0.5},
        "Rotate": {"limit": 15, "border_mode": _REFLECT, "p": 0.5},
        "ColorJitter": {"p": 0.8, **_COLOUR_JITTER, "hue": (-0.05, 0.05)},
        "GaussianBlur": {"blur_limit": 0, "sigma_limit": (0.3, 1.2), "p": 0.15},
    },
}

Augment = Callable[[np.ndarray, int], np.ndarray]


def build_augment(preset: str, shape: InputShape) -> Augment:
    """Return a function (uint8 (H, W, 3) pixels, seed) -> uint8 (height, width, 3) pixels, for any preset but `none`.

    The aspect ratio of random crops is relative to the aspect ratio of `shape`.
    """
    import albumentations as A
    import cv2

    cv2.setNumThreads(0)  # otherwise loader processes would compete for the cores
    steps = {name: dict(values) for name, values in PRESETS[preset].items()}
    crop, aspect = steps["RandomResizedCrop"], shape[1] / shape[0]
    crop |= {"size": shape, "ratio": tuple(ratio * aspect for ratio in crop["ratio"])}
    transforms = [getattr(A, name)(**values) for name, values in steps.items()]
    compose = A.Compose(transforms, seed=0)

    min_side = math.ceil(2 * max(aspect, 1 / aspect))  # pixels per side that are large enough for a crop

    def augment(pixels: np.ndarray, seed: int) -> np.ndarray:
        if (times := -(-min_side // min(pixels.shape[:2]))) > 1:
            pixels = pixels.repeat(times, axis=0).repeat(times, axis=1)
        # One random stream for all steps. `set_random_seed` gives each step a copy of the same stream, which correlates
        # the steps: mirrored crops would be smaller.
        compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
        return compose(image=pixels)["image"]

    return augment
