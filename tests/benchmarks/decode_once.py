"""Loading speed for training: ours, decoded once, against torchvision's ImageFolder. Ratios from one process.

    python tests/benchmarks/decode_once.py ../shared/data/trashnet
    python tests/benchmarks/decode_once.py ../shared/data/trashnet --many 100000    # memory, on generated images

Both read with two running loader processes, crop at random to 224 pixels, mirror, and normalise. The peer is a careful
script: ImageFolder, PIL, `RandomResizedCrop`, DataLoader. The 12-megapixel photographs are images of the given folder,
enlarged, with noise (`--keep FOLDER` reuses them). The rounds alternate, so a noisy machine disturbs both; files are in
the system's cache for both. In brackets: per second of processor time.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
import psutil
import torch
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from visionft.data.cache_space import cache_use
from visionft.data.dataset import ImageDataset, ImageLoader, SampleKey
from visionft.data.image_cache import ImageCache
from visionft.data.preprocess import PreprocessConfig
from visionft.data.types import SnapshotImage

SIZE, WORKERS = 224, 2
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
PLAIN = PreprocessConfig(size=SIZE, crop_share=0.95, interpolation="bicubic", mean=MEAN, std=STD)


class Rate(NamedTuple):
    """Images per second, and per second of processor time (less disturbed by other programs)."""

    wall: float
    cpu: float

    def over(self, other: "Rate") -> "Rate":
        """Return both ratios."""
        return Rate(self.wall / other.wall, self.cpu / other.cpu)

    def __str__(self) -> str:
        """Show both."""
        return f"{self.wall:.1f} ({self.cpu:.1f})"


class Places:
    """A batch sampler with replaceable indices between passes; the processes stay."""

    def __init__(self, batch_size: int, *, keyed: bool) -> None:
        self.batch_size, self.keyed, self.chosen = batch_size, keyed, list[int]()
        self.epoch = 0

    def __iter__(self) -> Iterator[list[Any]]:
        self.epoch += 1
        for batch in self._cut():
            yield [SampleKey(self.epoch, place) if self.keyed else place for place in batch]

    def _cut(self) -> Iterator[list[int]]:
        for start in range(0, len(self.chosen), self.batch_size):
            yield self.chosen[start : start + self.batch_size]

    def __len__(self) -> int:
        return math.ceil(len(self.chosen) / self.batch_size)


def cpu_s() -> float:
    """Return the processor time of this process and its children."""
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def pass_rate(loader: Any, places: Places, chosen: list[int]) -> Rate:
    """Read `chosen` once."""
    places.chosen = chosen
    began, worked, seen = time.perf_counter(), cpu_s(), 0
    for batch in loader:
        images = batch[0]
        assert images.shape[1:] == (3, SIZE, SIZE) and images.dtype == torch.float32
        seen += len(images)
    assert seen == len(chosen)
    return Rate(seen / (time.perf_counter() - began), seen / (cpu_s() - worked))


def peer(folder: Path, batch_size: int) -> tuple[Any, Places]:
    """Return torchvision's loader."""
    steps = [transforms.RandomResizedCrop(SIZE), transforms.RandomHorizontalFlip(), transforms.ToTensor()]
    data = ImageFolder(str(folder), transforms.Compose([*steps, transforms.Normalize(MEAN, STD)]))
    places = Places(batch_size, keyed=False)
    loader = DataLoader(
        data,
        batch_sampler=places,  # type: ignore[arg-type]
        num_workers=WORKERS,
        persistent_workers=True,
        multiprocessing_context="forkserver",
    )
    return loader, places


def ours(files: list[Path], batch_size: int, cache: Path) -> tuple[ImageLoader, Places]:
    """Return our loader, with a cache of its own."""
    images = [SnapshotImage(number, path, "", (0,), "train") for number, path in enumerate(files)]
    kept = ImageCache(cache, limit=50 * 10**9)
    data = ImageDataset(images, PLAIN, classes=1, augmentation="light", cache=kept)
    places = Places(batch_size, keyed=True)
    return ImageLoader(data, places, workers=WORKERS, device="cpu"), places  # type: ignore[arg-type]


def compare(name: str, folder: Path, *, batch_size: int, warm_up: int, rounds: int, repeats: int) -> None:
    """Print the rates of both on the images of a folder of class folders; the first `warm_up` start the processes."""
    files = [Path(path) for path, _ in ImageFolder(str(folder)).samples]
    starting, timed = list(range(warm_up)), list(range(warm_up, len(files)))
    loader, places = peer(folder, batch_size)
    pass_rate(loader, places, starting)
    first, later, theirs = [], [], []
    with tempfile.TemporaryDirectory() as caches:
        for number in range(rounds):
            mine, my_places = ours(files, batch_size, Path(caches) / str(number))
            pass_rate(mine, my_places, starting)
            theirs.append(pass_rate(loader, places, timed))
            first.append(pass_rate(mine, my_places, timed))
            later.append(pass_rate(mine, my_places, timed * repeats))
            use = cache_use(Path(caches) / str(number))
            ratios = (first[-1].over(theirs[-1]), later[-1].over(theirs[-1]))
            print(f"  {theirs[-1]}, {first[-1]}, {later[-1]}; {ratios[0]}, {ratios[1]}", flush=True)
            del mine
    first_ratio, later_ratio = (
        Rate(*(median(values) for values in zip(*(a.over(b) for a, b in zip(rates, theirs, strict=True)), strict=True)))
        for rates in (first, later)
    )
    print(f"{name}: ours first {first_ratio}, later {later_ratio} times torchvision's; "
          f"{use.bytes / use.files / 1e3:.0f} kB an image on disk")  # fmt: skip


def enlarge(sources: list[Path], folder: Path, count: int) -> None:
    """Write `count` JPEGs of 4000 x 3000, noise of two scales on them."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for number in range(count):
        with Image.open(sources[number * len(sources) // count]) as image:
            large = np.asarray(image.convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC), np.float32)
        coarse = Image.fromarray(rng.normal(0, 6, (1500, 2000)).astype(np.float32)).resize((4000, 3000))
        noise = np.asarray(coarse) + rng.normal(0, 3, (3000, 4000)).astype(np.float32)
        Image.fromarray(np.clip(large + noise[..., None], 0, 255).astype(np.uint8)).save(
            folder / f"{number:03d}.jpg", quality=88
        )


def many(folder: Path, count: int) -> None:
    """Print the memory of passes over `count` generated images, in this process, read and cached."""
    rng = np.random.default_rng(0)
    files = [folder / f"{number // 1000:03d}" / f"{number:06d}.png" for number in range(count)]
    for number, file in enumerate(files):
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (24, 24, 3), np.uint8)).resize((64, 64)).save(file, compress_level=1)
        if number % 10_000 == 0:
            print(f"  made {number}", flush=True)
    images = [SnapshotImage(number, path, "", (0,), "train") for number, path in enumerate(files)]
    cache = ImageCache(folder / "cache", limit=50 * 10**9)
    data = ImageDataset(images, PLAIN, classes=1, augmentation="light", cache=cache)
    for number in range(2):
        began = time.perf_counter()
        for place in range(count):
            assert data[SampleKey(number, place)].pixels is not None
            if place % (count // 4) == count // 4 - 1:
                rate = (place + 1) / (time.perf_counter() - began)
                print(f"  pass {number + 1}: {place + 1} images, {psutil.Process().memory_info().rss / 1e6:.0f} MB, "
                      f"{rate:.0f}/s", flush=True)  # fmt: skip
    print(cache_use(folder / "cache"))


def main() -> None:
    """Compare on 12-megapixel photographs and on the folder itself."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="class folders of images, such as trashnet")
    parser.add_argument("--photographs", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="where the photographs are made, or were")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if given.many:
            many(Path(place), given.many)
            return
        print("  torchvision, ours first, ours later; ratios of both (by wall clock; by processor time)")
        photographs = given.keep or Path(place) / "photographs"
        if not photographs.is_dir():
            enlarge(sorted(given.folder.glob("*/*.jpg")), photographs / "one", given.photographs + 8)
        compare("12 MP", photographs, batch_size=4, warm_up=8, rounds=given.rounds, repeats=20)
        compare("as they are", given.folder, batch_size=32, warm_up=64, rounds=given.rounds, repeats=3)


if __name__ == "__main__":
    main()
