"""Measure start-up, opening pages, and how late the event loop is while a real training runs beside it.

`python tests/benchmarks/gui_responsiveness.py`. All figures come from one run on one machine: read them as ratios to
the bare interpreter, to importing Qt alone, and to the idle loop.
"""

import compileall
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)
# ruff: noqa: E402

import numpy as np
from PIL import Image
from PySide6.QtCore import QEventLoop, QTimer
from PySide6.QtWidgets import QApplication

from gui.app import create_application, create_window
from gui.kit.workers import MainThreadCollector
from gui.shell.window import MainWindow
from gui.state import AppState
from gui.train.train_page import TrainPage
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project
from visionft.training.config.checks import config_problems

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


class Lateness:
    """A timer with a period of 16 ms; records the delay of each tick."""

    def __init__(self) -> None:
        self.values_ms: list[float] = []
        self._due = time.perf_counter()
        self._timer = QTimer(interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.values_ms.append(max(0.0, (now - self._due) * 1000))
        self._due = now + TICK_MS / 1000

    def take(self, name: str) -> None:
        """Print the records since the last call, and clear them."""
        values, self.values_ms = self.values_ms, []
        if values:
            middle, late = np.percentile(values, [50, 99])
            print(
                f"lateness {name}: p50 {middle:.1f} ms, p99 {late:.1f} ms, max {max(values):.1f} ms (n={len(values)})"
            )


def start_up(repeats: int = 5) -> None:
    """Time whole processes from the command to the exit; the fastest of some.

    Modules are compiled first, as in an installation: some environments forbid Python to write compiled files.
    """
    for folder in ("gui", "visionft", "models", "resources"):
        compileall.compile_dir(ROOT / folder, quiet=2)
    times = {}
    for name, story in STORIES.items():
        runs = []
        for _ in range(repeats if "torch" not in name else 1):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", story], cwd=ROOT, check=True, capture_output=True)
            runs.append(time.perf_counter() - began)
        times[name] = min(runs)
        print(f"start: {name}: {times[name]:.2f} s ({times[name] / times['bare Python']:.1f} x bare Python)")


def make_project(folder: Path) -> Path:
    """Make a small project of 90 images in three classes."""
    source = np.random.default_rng(0)
    for place, name in enumerate(("red", "green", "blue")):
        (folder / "images" / name).mkdir(parents=True)
        for number in range(30):
            pixels = source.integers(0, 90, (96, 96, 3), dtype=np.uint8)
            pixels[..., place] += 120
            Image.fromarray(pixels).save(folder / "images" / name / f"{number}.png")
    with Project.create(folder / "project") as project:
        import_source(project, folder / "images")
        assign_splits(project)
    return folder / "project"


def spin(seconds: float) -> None:
    """Run the event loop for a while."""
    loop = QEventLoop()
    QTimer.singleShot(round(seconds * 1000), loop.quit)
    loop.exec()


def open_pages(window: MainWindow, how: str) -> None:
    """Print the time until each page is shown."""
    times: list[str] = []
    for name in window.entries:
        began = time.perf_counter()
        window.show_page(name)
        QApplication.processEvents()
        times.append(f"{name} {(time.perf_counter() - began) * 1000:.0f}")
    print(f"open a page, {how}: {', '.join(times)} ms")


def main() -> None:
    """Run all measurements and print them."""
    start_up()
    with tempfile.TemporaryDirectory() as name:
        for variable in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "HOME"):
            os.environ[variable] = name
        app = create_application()
        state = AppState()
        window = create_window(app, state)
        window.show()
        collector = MainThreadCollector(app)
        collector.start()
        state.open_project(make_project(Path(name)))
        assert state.session is not None
        open_pages(window, "before it is built")
        state.open_project(Path(name) / "project")  # its pages are new
        window.build_pages_when_idle()
        spin(4)
        open_pages(window, "built in idle moments")
        window.show_page("train")
        page = window.page("train")
        assert isinstance(page, TrainPage)
        page.draft.take(replace(page.config(), method="lora", epochs=40, batch_size=8, workers=0))
        lateness = Lateness()
        spin(3)
        lateness.take("idle")
        page.start()
        assert state.tasks.pending, config_problems(page.config(), state.session.snapshot())
        state.tasks.reported.connect(lambda _handle, _event: None)
        while state.tasks.pending and not page.monitor.chart.point_counts()["steps"]:
            spin(0.2)
        lateness.take("while the learning libraries load")
        spin(12)
        lateness.take("while training")
        state.tasks.end(lambda _handle: True)
        print(f"the run ended as {page.monitor.state()} after {page.monitor.chart.point_counts()}")
        collector.stop()
        window.close()


if __name__ == "__main__":
    main()
