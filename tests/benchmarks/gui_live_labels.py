"""Measure labelling with live suggestions: `python tests/benchmarks/gui_live_labels.py [COUNT [WIDTH]]`.

A project of COUNT images (10,000) with generated features of WIDTH numbers (896) is labelled by keys in the window,
while a worker learns each label. Prints, as processor time, so other programs do not lengthen it: the cost of a key and
of showing the new suggestions in the window's thread, and the cost of learning in the worker. Wall times are printed,
too.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # as processor time of one thread
ROOT = Path(__file__).resolve().parents[2]
sys.path[0] = str(ROOT)
sys.path.append(str(Path(__file__).parent))
# ruff: noqa: E402

import numpy as np
from gui_label import make_project, percentiles, timed
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from gui.app import create_application, create_window
from gui.label import live
from gui.label.label_page import LabelPage
from gui.state import AppState
from visionft.features.feature_store import FeatureKind, make_current
from visionft.project.edits.changes import LabelImages, UnlabelImages
from visionft.project.store import Project

CLASSES, LABELLED = 12, 20  # classes, and images of each with a label at first
KEYS = 40


def give_features(path: Path, width: int) -> None:
    """Give all images features about the centres of classes, and a few images of each class a label."""
    source = np.random.default_rng(0)
    centres = source.normal(size=(CLASSES, width)).astype(np.float32)
    kind = FeatureKind(backbone="made_up", size=64, weights="", preprocessing="", widths=(width,))
    with Project.open(path) as project:
        images = project.snapshot().images
        project.apply(UnlabelImages(tuple(image.image_id for image in images if image.labels)))
        rows = centres[np.arange(len(images)) % CLASSES] + 2 * source.normal(size=(len(images), width))
        kind.store(path).append([image.sha256 for image in images], rows.astype(np.float16))
        make_current(path, kind)
        for number in range(CLASSES):
            ids = [image.image_id for image in images[number::CLASSES][:LABELLED]]
            project.apply(LabelImages(tuple(ids), f"class {number:02d}"))


def wait_until(app, condition, seconds: float = 120) -> None:
    """Let the window work until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError
        app.processEvents()
        time.sleep(0.001)


def main(count: int, width: int) -> None:
    """Run the measurements."""
    learnt: list[tuple[float, float]] = []
    learn = live.Learner.__call__

    def measured(learner, question):
        began, cpu = time.perf_counter(), time.thread_time()
        answer = learn(learner, question)
        if question.kind == "learn":
            learnt.append(((time.perf_counter() - began) * 1000, (time.thread_time() - cpu) * 1000))
        return answer

    live.Learner.__call__ = measured
    with tempfile.TemporaryDirectory() as folder:
        path = make_project(Path(folder), count)
        give_features(path, width)
        app, state = create_application(), AppState()
        window = create_window(app, state)
        window.resize(1440, 900)
        window.show()
        state.open_project(path)
        window.show_page("label")
        page = window.page("label")
        assert isinstance(page, LabelPage)
        suggesting = page.labels.suggesting
        wait_until(app, lambda: suggesting.learnt is not None and len(suggesting.found) > 0)
        print(f"{count:,} images, {width} features: {len(suggesting.found):,} suggestions; first {learnt[0][0]:.0f} ms")
        learnt.clear()
        places = [at for at, key in enumerate(page.grid.images.ids) if key in suggesting.found][:KEYS]
        keys, shown, delays = [], [], []
        suggesting.changed.disconnect()
        suggesting.changed.connect(
            lambda: shown.append(timed(lambda: (page._show_suggestions(), page.grid.viewport().repaint())))
        )
        for place in places:
            page.grid.selection.set_current(place)
            app.processEvents()
            before = suggesting.learnt
            began = time.perf_counter()
            keys.append(timed(lambda: QTest.keyClick(page.grid, Qt.Key.Key_1)))
            wait_until(app, lambda before=before: suggesting.learnt is not before)
            delays.append(((time.perf_counter() - began) * 1000, 0.0))
        percentiles("a key in the window's thread", keys)
        percentiles("showing the new suggestions", shown)
        percentiles("learning, in the worker", learnt)
        print(f"from the key to new suggestions (wall): p50 {np.median([each for each, _ in delays]):.0f} ms")
        state.tasks.end(lambda _handle: True)
        window.close()
        state.close_project()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, int(sys.argv[2]) if len(sys.argv) > 2 else 896)
