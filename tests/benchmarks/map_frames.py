"""Frame time of the map with 10,000, 30,000 and 100,000 points: processor time, offscreen.

A frame is a user's event (wheel turned, map dragged, pointer moved) and the following repaint. Run: `python
tests/benchmarks/map_frames.py`.
"""

import os
import time
from collections.abc import Callable

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

import numpy as np
from PySide6.QtCore import QPointF
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from gui.curate.map.canvas import MarkLook
from gui.curate.map.input import MapWidget
from gui.kit import theme
from gui.kit.thumbnails import ThumbnailStore

SIZE = (1440, 900)
FRAMES = 40
CLASSES = 12


def points_of(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return (N, 2) points in groups, and the (N,) group of each."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(60, 2)) * 30
    of = random.integers(0, len(centres), count)
    return (centres[of] + random.normal(size=(count, 2)) * 3).astype(np.float32), of % CLASSES


def timed(widget: MapWidget, act: Callable[[int], None]) -> tuple[float, float]:
    """Return the median and the 95th percentile of processor milliseconds a frame."""
    taken: list[float] = []
    for frame in range(FRAMES):
        began = time.process_time()
        act(frame)
        widget.repaint()
        taken.append((time.process_time() - began) * 1000)
    return float(np.median(taken)), float(np.percentile(taken, 95))


def main() -> None:
    """Print a row for each size and action."""
    app = QApplication([])
    theme.apply_theme(app, "light")
    thumbnails = ThumbnailStore()
    middle = QPointF(SIZE[0] / 2, SIZE[1] / 2)
    print(f"{'points':>8}  {'done':<18}{'median ms':>10}{'p95 ms':>9}{'frames/s':>10}")
    for count in (10_000, 30_000, 100_000):
        points, groups = points_of(count)
        widget = MapWidget(thumbnails, lambda _ids: ())
        widget.resize(*SIZE)
        widget.show()
        widget.set_points(np.arange(1, count + 1), points)
        widget.set_groups(groups, [MarkLook(theme.CLASS_COLOURS[each], each % 4) for each in range(CLASSES)])
        QTest.qWait(20)
        acts: dict[str, Callable[[int], None]] = {
            "pull, all in view": lambda frame, w=widget: w.move_by(7 if frame % 20 < 10 else -7, 3),
            "wheel, in and out": lambda frame, w=widget: w.zoom_by(1.2 if frame % 20 < 10 else 1 / 1.2, middle),
        }
        for name, act in acts.items():
            widget.fit()
            median, late = timed(widget, act)
            print(f"{count:>8,}  {name:<18}{median:>10.1f}{late:>9.1f}{1000 / late:>10.0f}")
        widget.catch(range(1, count, 2))
        widget.fit()
        median, late = timed(widget, acts["wheel, in and out"])
        print(f"{count:>8,}  {'wheel, half caught':<18}{median:>10.1f}{late:>9.1f}{1000 / late:>10.0f}")
        widget.close()
    thumbnails.close()


if __name__ == "__main__":
    main()
