"""Parts of the benchmarks: command line, divisions of image folders, projects, the window, clocks and tables.

Figures of one call are comparable with one another only: other machines and other load give others.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from visionft.core.files import sha256_file
from visionft.data.decode import IMAGE_SUFFIXES
from visionft.data.types import Snapshot, SnapshotImage, Split

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")


def read_options(text: str, **defaults: Any) -> argparse.Namespace:
    """Read the command line: one option for each default, which gives its type; a list takes several values.

    Args:
        text: Text of the help.
        defaults: Default of each option; None for a path. `folders` takes the words without an option.
    """
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    if "folders" in defaults:
        parser.add_argument("folders", nargs=defaults.pop("folders"), type=Path)
    for name, default in defaults.items():
        how: dict[str, Any] = {"type": Path if default is None else type(default)}
        if isinstance(default, list):
            how = {"nargs": "*", "type": type(default[0]) if default else str}
        elif default is False:
            how = {"action": "store_true"}
        parser.add_argument(f"--{name}", default=default, **how)
    return parser.parse_args()


def heading(*columns: str) -> None:
    """Print the first rows of a table."""
    row(*columns)
    row(*["---"] * len(columns))


def row(*cells: object) -> None:
    """Print a row of a table."""
    print(f"| {' | '.join(map(str, cells))} |", flush=True)


class Times(NamedTuple):
    """Milliseconds of wall time, and of processor time: on a shared machine, wall time holds other programs' work."""

    wall: float
    cpu: float

    def __str__(self) -> str:
        """Show both."""
        return f"{self.wall:.1f} ms ({self.cpu:.1f} ms of processor)"


def timed(act: Callable[[], object], clock: Callable[[], float] = time.thread_time) -> Times:
    """Return the times of a call; processor time is of this thread alone, unless another clock is given."""
    began, cpu_began = time.perf_counter(), clock()
    act()
    return Times((time.perf_counter() - began) * 1000, (clock() - cpu_began) * 1000)


def percentiles(name: str, times: Sequence[Times]) -> None:
    """Print the median, the 99th percentile and the maximum."""
    for kind, values in zip(Times._fields, zip(*times, strict=True), strict=True):
        middle, late = np.percentile(values, [50, 99])
        print(f"{name} ({kind}): p50 {middle:.1f} ms, p99 {late:.1f} ms, max {max(values):.1f} ms (n={len(values)})")


def memory_mb() -> float:
    """Return the resident memory of this process."""
    import psutil

    return psutil.Process().memory_info().rss / 2**20


def class_files(folder: Path) -> tuple[tuple[str, ...], list[list[Path]]]:
    """Return the names of class folders, and the image files of each."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    return tuple(names), [
        sorted(path for path in (folder / name).iterdir() if path.suffix.lower() in IMAGE_SUFFIXES) for name in names
    ]


def divide(folder: Path, *, image_count: int, test: int, seed: int) -> Snapshot:
    """Return a division of class folders: each class has its share of the images, at least two, and of validation.

    Validation has a fifth as many images as training.
    """
    names, files = class_files(folder)
    total, generator = sum(map(len, files)), np.random.default_rng([7, seed])
    images: list[SnapshotImage] = []
    first = 0
    for index, paths in enumerate(files):
        share = len(paths) / total
        counts = {"train": max(2, round(image_count * share)), "val": max(2, round(image_count * share / 5))}
        counts["test"] = round(test * share)
        splits: list[Split] = [name for name, count in counts.items() for _ in range(count)]  # type: ignore[misc]
        for split, place in zip(splits, generator.permutation(len(paths)).tolist(), strict=False):
            digest = sha256_file(paths[place])
            images.append(SnapshotImage(first + place, paths[place], digest, (index,), split))
        first += len(paths)
    return Snapshot("single", names, tuple(sorted(images, key=lambda image: image.image_id)))


CLASSES = tuple(f"class {number:02d}" for number in range(int(os.environ.get("BENCH_CLASSES", "12"))))


def linked_project(folder: Path, count: int, class_of: Callable[[int], str] | None = None) -> Path:
    """Return a project of `count` images: hard links to 60 real files, added through the store's own change.

    One that is in the folder is used again. `class_of` names the label of an image by its number, empty for none; by
    default nine of ten images have one of `CLASSES`.
    """
    from PIL import Image

    from visionft.project.edits.import_changes import AddImages, FileFacts, FileLocation, ImportedImage
    from visionft.project.formats.image_table import ImportRow
    from visionft.project.store import ProjectStore

    class_of = class_of or (lambda number: CLASSES[number % len(CLASSES)] if number % 10 else "")

    place = folder / "images"
    if place.exists():
        return folder / "project"
    place.mkdir(parents=True)
    source = np.random.default_rng(0)
    for number in range(60):
        pixels = source.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((640, 480)).save(folder / f"{number}.jpg")
    images = []
    for number in range(count):
        name = f"{number:06d}.jpg"
        (place / name).hardlink_to(folder / f"{number % 60}.jpg")
        file = FileFacts(sha256=f"{number:064x}", bytes=1, mtime_ns=1, width=640, height=480, format="JPEG")
        name_of_class = class_of(number)
        record = ImportRow(place / name, name, (name_of_class,) if name_of_class else (), "train")
        location = FileLocation(place, name)
        images.append(ImportedImage(source=record, sha256=file.sha256, file=file, place=location))
    with ProjectStore.create(folder / "project") as project:
        step_id = 0
        for start in range(0, count, 5000):  # one step, as an import is: no backup between its parts
            change = AddImages(images=tuple(images[start : start + 5000]), title="Import")
            step_id = project.apply(change, continues=step_id).step_id
    return folder / "project"


@contextmanager
def open_window() -> Iterator[tuple[Any, Any, Any]]:
    """Yield the application, its state and the shown window, as the program makes them, in a temporary home."""
    from gui.app import create_application, create_window
    from gui.kit.workers import MainThreadCollector, work_let_go
    from gui.state import AppState

    with tempfile.TemporaryDirectory() as home:
        for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"):
            os.environ[variable] = home
        app, state = create_application(), AppState()
        window = create_window(app, state)
        collector = MainThreadCollector(app)  # no garbage collection in the middle of a frame
        collector.start()
        window.resize(1440, 900)
        window.show()
        yield app, state, window
        state.jobs.stop_and_wait(lambda _job: True)
        collector.stop()
        window.close()
        wait(work_let_go())


def wait_until(app: Any, condition: Callable[[], object]) -> float:
    """Let the window work until a condition holds; return the longest standstill in milliseconds."""
    longest = 0.0
    while not condition():
        longest = max(longest, timed(app.processEvents).wall)
        time.sleep(0.001)
    return longest
