"""Frame time of the map on many points: `python tests/benchmarks/map_frames.py [--counts 10000 30000 100000]`.

A frame is a user's event (wheel turned, map dragged) and the following repaint; processor time, offscreen.
"""

import time
from collections.abc import Callable

import numpy as np
from bench import heading, read_options, row, timed
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


def measure(count: int, thumbnails: ThumbnailStore) -> None:
    """Print a row for each action."""
    points, groups = points_of(count)
    widget, middle = MapWidget(thumbnails, lambda _ids: ()), QPointF(SIZE[0] / 2, SIZE[1] / 2)
    widget.resize(*SIZE)
    widget.show()
    widget.set_points(np.arange(1, count + 1), points)
    widget.set_groups(groups, [MarkLook(theme.CLASS_COLOURS[each], each % 4) for each in range(CLASSES)])
    QTest.qWait(20)

    def move(back: bool) -> None:
        widget.move_by(-7 if back else 7, 3)

    def zoom(back: bool) -> None:
        widget.zoom_by(1 / 1.2 if back else 1.2, middle)

    acts: list[tuple[str, Callable[[bool], None]]] = [("pull, all in view", move), ("wheel, in and out", zoom)]
    for name, act in [*acts, ("wheel, half caught", zoom)]:
        if "caught" in name:
            widget.catch(range(1, count, 2))
        widget.fit()
        frames = [
            timed(lambda act=act, back=frame % 20 >= 10: (act(back), widget.repaint()), time.process_time).cpu
            for frame in range(FRAMES)
        ]
        late = float(np.percentile(frames, 95))
        row(f"{count:,}", name, f"{np.median(frames):.1f}", f"{late:.1f}", f"{1000 / late:.0f}")
    widget.close()


if __name__ == "__main__":
    options = read_options(__doc__, counts=[10_000, 30_000, 100_000])
    app, store = QApplication([]), ThumbnailStore()
    theme.apply_theme(app, "light")
    heading("points", "done", "median ms", "p95 ms", "frames/s")
    for count in options.counts:
        measure(count, store)
    store.close()
