"""Measure the Label page on many images: `python tests/benchmarks/gui_label.py [--count 100000] [--folder FOLDER]`.

The images are made in FOLDER, if it does not hold them yet, and stay there: a million take minutes to make.

Prints frame times while scrolling from end to end, filter and sort times, memory, and the time from a key press to a
painted and durably stored label, alone and while a job in the background keeps the interpreter busy. Processor time is
that of the main thread.
"""

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from bench import CLASSES, Times, linked_project, memory_mb, open_window, percentiles, read_options, timed, wait_until
from PySide6.QtCore import Qt, QTimer
from PySide6.QtTest import QTest

from gui.jobs import Job, Lane
from gui.kit.thumbnails import MEMORY_MB
from gui.label.label_page import LabelPage

CONTROL = Qt.KeyboardModifier.ControlModifier


def scroll(app: Any, page: LabelPage, steps: int, *, pixels: int = 0) -> list[Times]:
    """Scroll from the top in `steps` frames, to the end or as a wheel does; return the time of each frame."""
    bar, frames = page.grid.verticalScrollBar(), []
    bar.setValue(0)
    for step in range(steps):
        value = bar.value() + pixels if pixels else round(bar.maximum() * step / steps)
        frames.append(timed(lambda value=value: (bar.setValue(value), page.grid.viewport().repaint())))
        app.processEvents()
    return frames


def fill_cache(app: Any, page: LabelPage) -> None:
    """Show images until the thumbnail cache is full, or for ten seconds."""
    bar, began, value = page.grid.verticalScrollBar(), time.perf_counter(), 0
    while page.thumbnails.bytes_kept < (MEMORY_MB - 1) << 20 and time.perf_counter() - began < 10:
        value += page.grid.viewport().height()
        bar.setValue(value)
        for _ in range(20):
            app.processEvents()
            time.sleep(0.001)


def label_keys(app: Any, page: LabelPage, count: int) -> list[Times]:
    """Press class keys and return the time until each label is stored and painted."""
    times = []
    for _ in range(count):
        tile = page.grid.tile(page.grid.selection.current_id())
        other = (CLASSES.index(tile.title) + 1) % 9 if tile is not None and tile.title in CLASSES else 0
        key = getattr(Qt.Key, f"Key_{other + 1}")
        times.append(timed(lambda key=key: (QTest.keyClick(page.grid, key), app.processEvents())))
    return times


def busy(*, job: Any) -> None:
    """Keep numpy and the interpreter busy, as a training loop does."""
    weights = np.random.default_rng(0).random((512, 512))
    while not job.is_cancelled:
        weights = weights @ weights
        weights /= weights.max()
        sum(index * index for index in range(2000))


def label_many(app: Any, page: LabelPage) -> str:
    """Label ten thousand selected images with a key, and undo; return the times and the longest pauses."""
    page.labels.selection.select_places(range(min(10_000, page.grid.count())))
    ticks = [time.perf_counter()]
    clock = QTimer(page, interval=0)
    clock.timeout.connect(lambda: ticks.append(time.perf_counter()))
    clock.start()
    found = []
    for key, modifier in ((Qt.Key.Key_3, Qt.KeyboardModifier.NoModifier), (Qt.Key.Key_Z, CONTROL)):
        ticks[:] = [time.perf_counter()]
        whole = timed(lambda key=key, modifier=modifier: QTest.keyClick(page.grid, key, modifier))
        ticks.append(time.perf_counter())
        app.processEvents()
        found.append(f"{whole}, longest pause {1000 * max(np.diff(ticks)):.0f} ms")
    clock.stop()
    page.labels.selection.select_places([0])
    return ", undone ".join(found)


def measure(project: Path) -> None:
    """Run all measurements and print them."""
    with open_window() as (app, state, window):
        state.open_project(project)
        print(f"open the page: {timed(lambda: (window.show_page('label'), app.processEvents()))}")
        page = window.page("label")
        assert isinstance(page, LabelPage)
        print(f"until its images are there: {timed(lambda: wait_until(app, page.grid.count))}")
        percentiles("scrolling 40 px a frame", scroll(app, page, 400, pixels=40))
        before = memory_mb()
        percentiles("scrolling end to end in jumps", scroll(app, page, 600))
        print(f"memory: {before:.0f} MB, after one pass {memory_mb():.0f} MB", end="")
        scroll(app, page, 600)
        print(f", after two {memory_mb():.0f} MB")
        fill_cache(app, page)
        kept = page.thumbnails.bytes_kept / 2**20
        print(f"with {kept:.0f} of {MEMORY_MB} MB of thumbnails: {memory_mb():.0f} MB", end="")
        scroll(app, page, 600)
        print(f", after another pass {memory_mb():.0f} MB")
        filters = page.filters
        for label, act in {
            "filter by class": lambda: filters.show_only_class(CLASSES[2]),
            "filter without label": lambda: filters.label_chip.choose(1),
            "show all": filters.clear,
            "newest first": lambda: filters.order_chip.choose(1),
            "sort by name (first)": lambda: filters.order_chip.choose(2),
            "sort by class": lambda: filters.order_chip.choose(3),
            "import order": lambda: filters.order_chip.choose(0),
        }.items():
            print(f"{label}: {timed(lambda act=act: (act(), page.grid.viewport().repaint()))}")
        page.grid.setFocus()
        percentiles("key to stored and painted", label_keys(app, page, 300))
        print(f"key for ten thousand images: {label_many(app, page)}")
        job = Job(title="Busy", work=busy, lane=Lane.COMPUTE, page="label")
        state.jobs.run(job, owner=window, on_done=lambda _result: None)
        percentiles("the same beside a busy job", label_keys(app, page, 300))
        skip = partial(QTest.keyClick, page.grid, Qt.Key.Key_D, Qt.KeyboardModifier.ControlModifier)
        print(f"next without a label: {timed(skip)}")
        print(f"select all: {timed(lambda: (page.labels.selection.select_all(), page.grid.viewport().repaint()))}")
        print(f"count anew: {timed(page.labels.read)}")


if __name__ == "__main__":
    options = read_options(__doc__, count=100_000, folder=None)
    with tempfile.TemporaryDirectory() as temporary:
        measure(linked_project(options.folder or Path(temporary), options.count))
