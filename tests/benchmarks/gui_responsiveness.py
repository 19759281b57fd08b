"""Measure start-up, opening pages, and how late the event loop is while a real training runs beside it.

`python tests/benchmarks/gui_responsiveness.py [--repeats 5] [--seconds 12]`: read the figures as ratios to the bare
interpreter, to importing Qt alone, and to the idle loop.
"""

import compileall
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from bench import Times, open_window, percentiles, read_options, timed
from PIL import Image
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from gui.shell.window import MainWindow
from gui.train.train_page import TrainPage
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import ProjectStore
from visionft.training.config.checks import config_problems

ROOT = Path(__file__).resolve().parents[2]
TICK_MS = 16
SHOWN = """
from gui.app import create_application, create_window
from gui.state import AppState
app = create_application()
window = create_window(app, AppState())
window.show()
app.processEvents()
"""
STORIES = {
    "bare Python": "pass",
    "Qt alone": "from PySide6 import QtWidgets; QtWidgets.QApplication([]); QtWidgets.QMainWindow().show()",
    "the window, shown": SHOWN,
    "importing torch": "import torch",
}


def start_up(repeats: int) -> None:
    """Time whole processes from the command to the exit; the fastest of some.

    Modules are compiled first, as in an installation: some environments forbid Python to write compiled files.
    """
    for folder in ("gui", "visionft", "models", "resources"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    bare = 0.0
    for name, story in STORIES.items():
        command = [sys.executable, "-c", story]
        runs = [
            timed(lambda command=command: subprocess.run(command, cwd=ROOT, check=True, capture_output=True)).wall
            for _ in range(repeats if "torch" not in name else 1)
        ]
        bare = bare or min(runs)
        print(f"start: {name}: {min(runs) / 1000:.2f} s ({min(runs) / bare:.1f} x bare Python)")


def make_project(folder: Path) -> Path:
    """Make a small project of 90 images in three classes."""
    source = np.random.default_rng(0)
    for place, name in enumerate(("red", "green", "blue")):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(30):
            pixels = source.integers(0, 90, (96, 96, 3), dtype=np.uint8)
            pixels[..., place] += 120
            Image.fromarray(pixels).save(folder / "images" / name / f"{number}.png")
    with ProjectStore.create(folder / "project") as project:
        import_source(project, folder / "images")
        assign_splits(project)
    return folder / "project"


def spin(seconds: float) -> list[Times]:
    """Run the event loop for a while; return the delay of each tick of a timer with a period of 16 ms."""
    loop, timer, delays = QEventLoop(), QTimer(interval=TICK_MS), list[Times]()
    timer.timeout.connect(loop.quit)
    timer.start()
    spent = 0.0
    while spent < seconds * 1000:
        tick = timed(loop.exec)
        spent += tick.wall
        delays.append(Times(max(0.0, tick.wall - TICK_MS), tick.cpu))
    return delays


def open_pages(window: MainWindow, how: str) -> None:
    """Print the time until each page is shown."""
    times = [
        f"{name} {timed(lambda name=name: (window.show_page(name), QApplication.processEvents())).wall:.0f}"
        for name in window.entries
    ]
    print(f"open a page, {how}: {', '.join(times)} ms")


def measure(project: Path, seconds: float) -> None:
    """Open pages, train, and print the delays."""
    with open_window() as (_, state, window):
        state.open_project(project)
        open_pages(window, "before it is built")
        state.open_project(project)  # its pages are new
        window.build_pages_when_idle()
        spin(4)
        open_pages(window, "built in idle moments")
        window.show_page("train")
        page = window.page("train")
        assert isinstance(page, TrainPage)
        page.draft.take(replace(page.config(), method="lora", epochs=40, batch_size=8, workers=0))
        percentiles("delay, idle", spin(3))
        page.start()
        assert state.jobs.pending, config_problems(page.config(), state.session.snapshot())
        delays = spin(0.2)
        while state.jobs.pending and not len(page.monitor.chart.steps):
            delays += spin(0.2)
        percentiles("delay while the learning libraries load", delays)
        percentiles("delay while training", spin(seconds))
        state.jobs.stop_and_wait(lambda _job: True)
        print(f"the run ended as {page.monitor.state()} after {len(page.monitor.chart.steps)} steps")


if __name__ == "__main__":
    options = read_options(__doc__, repeats=5, seconds=12.0)
    start_up(options.repeats)
    with tempfile.TemporaryDirectory() as temporary:
        measure(make_project(Path(temporary)), options.seconds)
