"""Measure the Curate page on many findings: `python tests/benchmarks/gui_curate.py [--count 100000] [--folder FOLDER]`.

Images and findings are generated; one check flags every image. Prints the time until the page shows the findings, frame
times while scrolling, and the time until painted of a threshold step, of excluding an image and of its undo. Processor
time is that of the main thread.
"""

import tempfile
import time
from pathlib import Path

from bench import linked_project, memory_mb, open_window, percentiles, read_options, timed, wait_until
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gui.curate import curate_views
from gui.curate.curate_page import CuratePage
from visionft.analysis.check import Check, CheckResult, Inputs, Issue, write_result
from visionft.analysis.scan import CHECKS
from visionft.project.store import ProjectStore


class MadeUp(Check):
    """A check; only its result matters here."""

    name, title, summary = "made-up", "Made up", "Every image of the project."

    def find_issues(self, inputs: Inputs) -> CheckResult:
        """Flag every image."""
        images, count = inputs.images.images, len(inputs.images.images)
        findings = tuple(
            Issue(
                image_id=image.image_id,
                sha256=image.sha256,
                score=1 - place / count,
                kind=("dark", "light")[place % 2],
                reason=f"Brightness {place / count:.3f} of 1.",
            )
            for place, image in enumerate(images)
        )
        return CheckResult(check=self.name, issues=findings, threshold=0.0, checked=count, newest=1 << 60)


def measure(path: Path) -> None:
    """Measure and print."""
    CHECKS.clear()
    CHECKS[MadeUp.name] = check = MadeUp()
    curate_views.VIEWS = ()
    with ProjectStore.open(path) as project:
        write_result(path, check.find_issues(Inputs(path, project.snapshot())))
    with open_window() as (app, state, window):
        state.open_project(path)
        began = time.perf_counter()
        window.show_page("curate")
        page = window.page("curate")
        assert isinstance(page, CuratePage)
        longest = wait_until(app, page.grid.count)
        print(f"{page.grid.count():,} findings shown after {time.perf_counter() - began:.2f} s, ", end="")
        print(f"standing still for {longest:.0f} ms at most; memory {memory_mb():.0f} MB")
        bar, slider = page.grid.verticalScrollBar(), page.view.controls.slider  # type: ignore[union-attr]
        for name, act, values in (
            ("a frame, scrolling from end to end", bar.setValue, range(0, bar.maximum(), max(1, bar.maximum() // 200))),
            ("a step of the threshold", slider.setValue, range(100, 900, 20)),
        ):
            percentiles(name, [timed(lambda v=value, act=act: (act(v), app.processEvents())) for value in values])
        slider.setValue(0)
        page.grid.selection.set_current(0)
        page.grid.setFocus()
        for name, act in {
            "excluding an image": lambda: QTest.keyClick(page.grid, Qt.Key.Key_Delete),
            "its undo": state.session.undo,
        }.items():
            percentiles(name, [timed(lambda act=act: (act(), app.processEvents())) for _ in range(20)])


if __name__ == "__main__":
    options = read_options(__doc__, count=100_000, folder=None)
    with tempfile.TemporaryDirectory() as temporary:
        measure(linked_project(options.folder or Path(temporary), options.count))
