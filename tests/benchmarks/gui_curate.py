"""Measure the Curate page on 100,000 findings: `python tests/benchmarks/gui_curate.py [COUNT [FOLDER]]`.

Images and findings are generated (`gui_label.make_project`); every image is flagged by one check. Prints the time until
the page shows the findings, frame times while scrolling, and the time until painted of a threshold step, of excluding
an image and of its undo: wall time and CPU time of the main thread, because wall time on a shared machine includes
other programs' work.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)
sys.path.append(str(Path(__file__).parent))
# ruff: noqa: E402

from gui_label import make_project, memory_mb, percentiles, timed
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gui.app import create_application, create_window
from gui.curate import curate_views
from gui.curate.curate_page import CuratePage
from gui.state import AppState
from visionft.curation.check import Check, CheckResult, Inputs, Issue, write_result
from visionft.curation.table import CHECKS
from visionft.project.store import Project


class MadeUp(Check):
    """A check; only its result matters here."""

    name, title, summary = "made-up", "Made up", "Every image of the project."

    def find_issues(self, inputs: Inputs) -> CheckResult:
        """Flag every image."""
        images, count = inputs.images.images, len(inputs.images.images)
        findings = tuple(
            Issue(
                image_id=image.image_id, sha256=image.sha256, score=1 - place / count,
                kind=("dark", "light")[place % 2],
                reason=f"Brightness {place / count:.3f} of 1.",
            )
            for place, image in enumerate(images)
        )  # fmt: skip
        return CheckResult(check=self.name, issues=findings, threshold=0.0, checked=count, newest=1 << 60)


def main(count: int, folder: Path) -> None:
    """Measure and print."""
    path = make_project(folder, count)
    CHECKS.clear()
    CHECKS[MadeUp.name] = check = MadeUp()
    curate_views.VIEWS = ()
    with Project.open(path) as project:
        write_result(path, check.find_issues(Inputs(path, project.snapshot())))
    app = create_application()
    state = AppState()
    window = create_window(app, state)
    window.resize(1440, 900)
    window.show()
    state.open_project(path)
    began = time.perf_counter()
    window.show_page("curate")
    page = window.page("curate")
    assert isinstance(page, CuratePage)
    longest = 0.0
    while not page.grid.count():
        step = time.perf_counter()
        app.processEvents()
        longest = max(longest, time.perf_counter() - step)
        time.sleep(0.001)
    print(f"{page.grid.count():,} findings shown after {time.perf_counter() - began:.2f} s; the window stood still for")
    print(f"  {longest * 1000:.0f} ms at most; memory {memory_mb():.0f} MB")
    bar = page.grid.verticalScrollBar()
    frames = [
        timed(lambda step=step: (bar.setValue(bar.maximum() * step // 200), page.grid.viewport().repaint()))
        for step in range(200)
    ]
    percentiles("a frame, scrolling from end to end", frames)
    slider = page.view.controls.slider  # type: ignore[union-attr]
    steps = [timed(lambda value=value: (slider.setValue(value), app.processEvents())) for value in range(100, 900, 20)]
    percentiles("a step of the threshold", steps)
    slider.setValue(0)
    page.grid.selection.set_current(0)
    page.grid.setFocus()
    taken = [timed(lambda: (QTest.keyClick(page.grid, Qt.Key.Key_Delete), app.processEvents())) for _ in range(20)]
    percentiles("taking an image out", taken)
    undone = [timed(lambda: (state.session.undo(), app.processEvents())) for _ in range(20)]  # type: ignore[union-attr]
    percentiles("undoing it", undone)
    window.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary)
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000, place)
