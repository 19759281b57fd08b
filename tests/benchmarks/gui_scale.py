"""Measure the whole journey in the window: `python tests/benchmarks/gui_scale.py [--count 100000] [--folder FOLDER]`.

Imports, labels, curates and trains on `count` small images in class folders, made in FOLDER if it does not hold them
yet. Prints for each step its time, the delays of the event loop (a timer with a period of 16 ms), and the memory of the
process. Finding issues and training are cut off after `seconds`; during both, images are scrolled and labelled.
"""

import io
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench import CLASSES, Times, heading, memory_mb, open_window, read_options, row, timed
from gui_label import label_keys, scroll
from gui_responsiveness import TICK_MS, spin
from PIL import Image

from gui.label.label_page import LabelPage
from gui.train.train_page import TrainPage
from visionft.project.store import Project


def make_images(folder: Path, count: int) -> Path:
    """Make a folder of class folders; the files differ in their bytes, their pixels repeat."""
    images, source = folder / "images", np.random.default_rng(0)
    if images.exists():
        return images
    contents = []
    for _ in range(60):
        written = io.BytesIO()
        Image.fromarray(source.integers(0, 255, (15, 20, 3), dtype=np.uint8)).resize((160, 120)).save(written, "jpeg")
        contents.append(written.getvalue())
    for name in CLASSES:
        (images / name).mkdir(parents=True)
    for number in range(count):
        path = images / CLASSES[number % len(CLASSES)] / f"{number:06d}.jpg"
        path.write_bytes(contents[number % 60] + number.to_bytes(4))  # ignored after the end of the picture
    return images


class Journey:
    """The window, with a row of the table for each step."""

    def __init__(self, app: Any, state: Any, window: Any) -> None:
        self.app, self.state, self.window = app, state, window
        heading("step", "s", "delay p99, ms", "worst, ms", "MB")

    def until(self, step: str, begin: Callable[[], object], ended: Callable[[], object]) -> None:
        """Begin a step and run the event loop until it has ended; print its row."""
        began = time.perf_counter()
        delays = [Times(max(0.0, timed(begin).wall - TICK_MS), 0.0)]
        while not ended():
            delays += spin(0.1)
        self._show(step, began, [delay.wall for delay in delays])

    def acts(self, step: str, act: Callable[[], list[Times]]) -> None:
        """Act as a user does; print the row of the times until painted."""
        began = time.perf_counter()
        self._show(step, began, [each.wall for each in act()])

    def _show(self, step: str, began: float, walls: list[float]) -> None:
        figures = f"{time.perf_counter() - began:.1f}", f"{np.percentile(walls, 99):.0f}", f"{max(walls):.0f}"
        row(step, *figures, f"{memory_mb():.0f}")

    def label(self, beside: str = "") -> None:
        """Scroll and label."""
        page = self.window.page("label")
        assert isinstance(page, LabelPage)
        self.until(f"open Label{beside}", lambda: self.window.show_page("label"), page.grid.count)
        self.acts(f"a frame of scrolling{beside}", lambda: scroll(self.app, page, 300))
        page.grid.selection.set_current(0)
        page.grid.setFocus()
        self.acts(f"a label, stored and painted{beside}", lambda: label_keys(self.app, page, 100))


def measure(images: Path, project: Path, seconds: float) -> None:
    """Take the journey."""
    Project.create(project).close()
    with open_window() as (app, state, window):
        journey, tasks = Journey(app, state, window), state.tasks
        state.open_project(project)
        home = window.page("project")
        panel = home.imports.panel
        journey.until("preview", lambda: home.take_source(images), lambda: not tasks.pending)
        journey.until("import", panel.import_button.click, lambda: not tasks.pending)
        journey.label()
        window.show_page("curate")
        end = time.monotonic() + seconds
        journey.until("find issues", lambda: state.actions.run("curate.find_issues"), lambda: time.monotonic() > end)
        journey.label(" while finding issues")
        tasks.end(lambda _task: True)
        window.show_page("train")
        page = window.page("train")
        assert isinstance(page, TrainPage)
        config = replace(page.config(), method="lora", framing="centre")
        page.draft.take(replace(config, workers=0))
        end = time.monotonic() + seconds
        journey.until("train", page.start, lambda: time.monotonic() > end)
        journey.label(" while training")
        print(f"training: {page.monitor.line.words()}")
        journey.until("stop", lambda: tasks.end(lambda _task: True), lambda: not tasks.pending)
        window.show_page("project")

        def is_shown() -> object:
            return window.page("project").overview.sheet.grid.count()

        journey.until("open the project again", lambda: state.open_project(project), is_shown)


if __name__ == "__main__":
    options = read_options(__doc__, count=100_000, folder=None, seconds=60.0)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        measure(make_images(folder, options.count), Path(temporary) / "project", options.seconds)
