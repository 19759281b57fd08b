"""Measure the label page on 100,000 images: `python tests/benchmarks/gui_label.py [COUNT [FOLDER]]`.

The images are made in FOLDER, if it does not hold them yet, and stay there: a million take minutes to make.

Prints frame times while scrolling from end to end, filter and sort times, memory, and the time from a key press to a
painted and durably stored label, alone and while a job in the background keeps the interpreter busy. Each figure is
given as wall time and as CPU time of the main thread: on a shared machine the first one holds other programs' work.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)
# ruff: noqa: E402

import numpy as np
from PIL import Image
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gui.app import create_application, create_window
from gui.kit.thumbnails import MEMORY_MB
from gui.kit.workers import MainThreadCollector
from gui.label.label_page import LabelPage
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.project.edits.import_changes import AddImages, FileFacts, FileLocation, NewImage, SourceFacts
from visionft.project.store import Project

CLASSES = tuple(f"class {number:02d}" for number in range(12))


def make_project(folder: Path, count: int) -> Path:
    """Make a project of `count` images: hard links to 60 real files, added through the store's own change."""
    images_folder = folder / "images"
    if images_folder.exists():
        return folder / "project"
    images_folder.mkdir(parents=True)
    source = np.random.default_rng(0)
    for number in range(60):
        pixels = source.integers(0, 255, (120, 160, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((640, 480)).save(folder / f"{number}.jpg")
    images = []
    for number in range(count):
        name = f"{number:06d}.jpg"
        os.link(folder / f"{number % 60}.jpg", images_folder / name)
        file = FileFacts(sha256=f"{number:064x}", bytes=1, mtime_ns=1, width=640, height=480, format="JPEG")
        facts = SourceFacts(labels=(CLASSES[number % 12],) if number % 10 else (), split="train")
        images.append(NewImage(place=FileLocation(images_folder, name), file=file, facts=facts))
    with Project.create(folder / "project") as project:
        step_id = 0
        for start in range(0, count, 5000):  # one step, as an import is: no backup between its parts
            change = AddImages(images=tuple(images[start : start + 5000]), title="Import")
            step_id = project.apply(change, continues=step_id).step_id
    return folder / "project"


Times = tuple[float, float]  # ms of wall time, ms of the main thread's CPU time


def percentiles(name: str, times: list[Times]) -> None:
    """Print the middle, the 99th percentile and the worst."""
    for kind, values in zip(("wall", "cpu"), zip(*times, strict=True), strict=True):
        middle, late = np.percentile(values, [50, 99])
        print(f"{name} ({kind}): p50 {middle:.1f} ms, p99 {late:.1f} ms, max {max(values):.1f} ms (n={len(values)})")


def timed(act) -> Times:
    """Return how long `act` took."""
    began, cpu_began = time.perf_counter(), time.thread_time()
    act()
    return (time.perf_counter() - began) * 1000, (time.thread_time() - cpu_began) * 1000


def memory_mb() -> float:
    """Return the resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def scroll(app, page: LabelPage, steps: int) -> list[Times]:
    """Scroll from top to bottom in `steps` frames and return each frame's time."""
    bar, frames = page.grid.verticalScrollBar(), []
    for step in range(steps):
        value = round(bar.maximum() * step / steps)
        frames.append(timed(lambda value=value: (bar.setValue(value), page.grid.viewport().repaint())))
        app.processEvents()
    return frames


def fill_cache(app, page: LabelPage) -> None:
    """Show images until the thumbnail cache is full, or for ten seconds."""
    bar, began, value = page.grid.verticalScrollBar(), time.perf_counter(), 0
    while page.thumbnails.bytes_kept < (MEMORY_MB - 1) << 20 and time.perf_counter() - began < 10:
        value += page.grid.viewport().height()
        bar.setValue(value)
        for _ in range(20):
            app.processEvents()
            time.sleep(0.001)


def glide(app, page: LabelPage, frames: int) -> list[Times]:
    """Scroll as a wheel does: 40 pixels a frame."""
    bar, times = page.grid.verticalScrollBar(), []
    bar.setValue(0)
    for _ in range(frames):
        times.append(timed(lambda: (bar.setValue(bar.value() + 40), page.grid.viewport().repaint())))
        app.processEvents()
    return times


def wait_for_images(app, page: LabelPage) -> None:
    """Wait until the page, reading in the background, shows its images."""
    while not page.grid.count():
        app.processEvents()
        time.sleep(0.001)
    app.processEvents()


def label_keys(app, page: LabelPage, count: int) -> list[Times]:
    """Press class keys and return the time until each label is stored and painted."""

    def press(key: Qt.Key) -> None:
        QTest.keyClick(page.grid, key)
        app.processEvents()  # draws the effect of the key

    times = []
    for _ in range(count):
        tile = page.grid.tile(page.grid.selection.current_id())
        other = (CLASSES.index(tile.title) + 1) % 9 if tile is not None and tile.title in CLASSES else 0
        times.append(timed(lambda other=other: press(getattr(Qt.Key, f"Key_{other + 1}"))))
    return times


def busy(*, job) -> None:
    """Keep numpy and the interpreter busy, as a training loop does."""
    weights = np.random.default_rng(0).random((512, 512))
    while not job.is_cancelled:
        weights = weights @ weights
        weights /= weights.max()
        sum(index * index for index in range(2000))


def main(count: int, kept: Path | None) -> None:
    """Run all measurements and print them."""
    with tempfile.TemporaryDirectory() as name:
        for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"):
            os.environ[variable] = name
        path = make_project(kept or Path(name), count)
        app = create_application()
        state = AppState()
        window = create_window(app, state)
        collector = MainThreadCollector(app)  # as in the program: no garbage collection in the middle of a frame
        collector.start()
        window.show()
        state.open_project(path)
        wall, cpu = timed(lambda: (window.show_page("label"), app.processEvents()))
        print(f"open the label page: {wall:.0f} ms ({cpu:.0f} ms cpu)")
        page = window.page("label")
        assert isinstance(page, LabelPage)
        wall, cpu = timed(lambda: wait_for_images(app, page))
        print(f"until its images are there: {wall:.0f} ms ({cpu:.0f} ms cpu)")
        percentiles("scrolling 40 px a frame", glide(app, page, 400))
        before = memory_mb()
        percentiles("scrolling end to end in jumps", scroll(app, page, 600))
        middle = memory_mb()
        scroll(app, page, 600)
        print(f"memory: {before:.0f} MB, after one pass {middle:.0f} MB, after two {memory_mb():.0f} MB")
        fill_cache(app, page)
        full = memory_mb()
        scroll(app, page, 600)
        kept = page.thumbnails.bytes_kept / 2**20
        print(
            f"with all {MEMORY_MB} MB of thumbnails in memory: {full:.0f} MB, after another pass {memory_mb():.0f} MB"
        )
        print(f"thumbnails in memory: {kept:.0f} MB")
        filters = page.filters
        for label, act in (
            ("filter by class", lambda: filters.show_only_class(CLASSES[2])),
            ("filter without label", lambda: filters.label_chip.choose(1)),
            ("show all", filters.clear),
            ("newest first", lambda: filters.order_chip.choose(1)),
            ("sort by name (first)", lambda: filters.order_chip.choose(2)),
            ("sort by class", lambda: filters.order_chip.choose(3)),
            ("import order", lambda: filters.order_chip.choose(0)),
        ):
            wall, cpu = timed(lambda act=act: (act(), page.grid.viewport().repaint()))
            print(f"{label}: {wall:.0f} ms ({cpu:.0f} ms cpu)")
        page.grid.setFocus()
        percentiles("key to stored and painted", label_keys(app, page, 300))
        task = Task(title="Busy", work=busy, lane=Lane.COMPUTE, page="label")
        state.tasks.run(task, owner=window, on_done=lambda _result: None)
        percentiles("the same beside a busy task", label_keys(app, page, 300))
        wall, cpu = timed(lambda: QTest.keyClick(page.grid, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier))
        print(f"next without a label: {wall:.0f} ms ({cpu:.0f} ms cpu)")
        wall, cpu = timed(lambda: (page.labels.selection.select_all(), page.grid.viewport().repaint()))
        print(f"select all: {wall:.0f} ms ({cpu:.0f} ms cpu)")
        wall, cpu = timed(page.labels.read)
        print(f"count anew: {wall:.0f} ms ({cpu:.0f} ms cpu)")
        state.tasks.end(lambda _handle: True)
        collector.stop()
        window.close()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, Path(sys.argv[2]) if len(sys.argv) > 2 else None)
