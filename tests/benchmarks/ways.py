"""Count the modules and types on four ways through the program: `python tests/benchmarks/ways.py [--ways label train]`.

A way is what happens between a user's act and its effect: a label key and the stored label; *Start training*, the first
point of the chart and the result; an import; an export for the web. Counted are the modules of the named packages in
which a function is called meanwhile, in any thread of Python's, and their classes of which an object is made. Threads
of Qt, in which earlier versions worked, are not seen. `--list` names them; `--root FOLDER` counts those of another
checkout, to compare two versions.
"""

import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
if "--root" in sys.argv:
    ROOT = Path(sys.argv[sys.argv.index("--root") + 1]).resolve()
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "benchmarks")]

import numpy as np  # noqa: E402
from bench import open_window, read_options, wait_until  # noqa: E402
from PIL import Image  # noqa: E402

PACKAGES = {
    "label": ("gui.label", "gui.session", "gui.image_edits", "visionft.project"),
    "train": (
        "gui.train",
        "gui.runner",
        "gui.jobs",
        "gui.session",
        "gui.kit.workers",
        "gui.kit.lazy_function",
        "gui.results",
        "visionft.core.jobs",
        "visionft.core.events",
        "visionft.training.evaluation",
        "visionft.training.runs",
        "visionft.training.loop",
    ),
    "import": ("visionft.project",),
    "export": ("visionft.export",),
}


class Count:
    """The modules and types that were used while `watched`."""

    def __init__(self, packages: tuple[str, ...]) -> None:
        self.modules: set[str] = set()
        self.types: set[str] = set()
        self._packages = packages
        self._seen: set[CodeType | tuple[CodeType, type]] = set()
        self._is_watching = False
        # From now on: a thread that begins earlier, such as that of a page which reads, has part in the way too.
        threading.setprofile(self._on_call)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Count in this thread, and in those that have begun since this object was made."""
        self._is_watching = True
        sys.setprofile(self._on_call)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
            self._is_watching = False

    def _on_call(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event != "call" or not self._is_watching:
            return
        code = frame.f_code
        if code in self._seen and code.co_name != "__init__":
            return
        self._seen.add(code)
        if self._is_on_way(name := str(frame.f_globals.get("__name__"))) and code.co_name != "<module>":
            self.modules.add(name)
        if code.co_name == "__init__" and code.co_varnames:
            made = type(frame.f_locals.get(code.co_varnames[0]))
            if (code, made) not in self._seen and self._is_on_way(made.__module__) and _is_defined(made):
                self.types.add(f"{made.__module__}.{made.__qualname__}")
            self._seen.add((code, made))

    def _is_on_way(self, module: str) -> bool:
        return any(module == each or module.startswith(f"{each}.") for each in self._packages)


def _is_defined(made: type) -> bool:
    """Whether the module of a class defines it; PySide makes enumerations in the module that imports it."""
    return hasattr(sys.modules[made.__module__], made.__qualname__.split(".")[0])


def draw_images(folder: Path, count: int = 24) -> Path:
    """Draw `count` images in each of two class folders, of colours that tell the classes apart."""
    noise = np.random.default_rng(0)
    for name, colour in (("cat", (190, 60, 40)), ("dog", (40, 70, 190))):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.clip(noise.normal(colour, 25, (40, 48, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{name}_{number:02d}.png")
    return folder


def make_project(folder: Path) -> Path:
    """Return a project with labelled images and splits."""
    from visionft.project.importing.importer import import_source
    from visionft.project.splits import assign_splits
    from visionft.project.store import ProjectStore

    with ProjectStore.create(folder / "project") as project:
        import_source(project, draw_images(folder / "images"))
        assign_splits(project)
    return folder / "project"


def label(folder: Path, count: Count) -> None:
    """Press the key of a class on the Label page."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    with open_window() as (app, state, window):
        state.open_project(make_project(folder))
        window.show_page("label")
        page = window.page("label")
        wait_until(app, page.grid.count)
        tile = page.grid.tile(page.grid.selection.current_id())
        key = Qt.Key.Key_2 if tile is not None and tile.title == "cat" else Qt.Key.Key_1
        with count.watched():
            QTest.keyClick(page.grid, key)
        state.close_project()


def train(folder: Path, count: Count) -> None:
    """Press *Start training*, and wait for the result."""
    with open_window() as (app, state, window):
        state.open_project(make_project(folder))
        window.show_page("train")
        page, ended = window.page("train"), []
        page.draft.take_preset("quick")
        wait_until(app, lambda: page.start_button.isVisible() and page.start_button.isEnabled())
        page.runner.run_ended.connect(lambda *_: ended.append(True))
        with count.watched():
            page.start_button.click()
            wait_until(app, lambda: ended)
            window.show_page("results")
            wait_until(app, lambda: not state.jobs.pending)
        state.close_project()


def import_images(folder: Path, count: Count) -> None:
    from visionft.project.importing.importer import import_source
    from visionft.project.store import ProjectStore

    images = draw_images(folder / "images", 6)
    with ProjectStore.create(folder / "project") as project, count.watched():
        import_source(project, images)


def export(folder: Path, count: Count) -> None:
    """Train by the preset Quick, then call the command."""
    from visionft.cli import main

    def call(*arguments: str) -> None:
        sys.argv = ["visionft", *arguments]
        if main():
            raise SystemExit(f"{arguments[0]} ended with an error")

    project = str(make_project(folder))
    call("train", project, "--preset", "quick")
    with count.watched():
        call("model", "export", project, "1", str(folder / "exported"), "--for", "web")


WAYS: dict[str, tuple[str, Callable[[Path, Count], None]]] = {
    "label": ("label key -> disk", label),
    "train": ("Start -> first point in the chart -> result", train),
    "import": ("import", import_images),
    "export": ("model export --for web", export),
}


def main(ways: list[str], *, lists: bool) -> None:
    for name in ways:
        title, walk = WAYS[name]
        count = Count(PACKAGES[name])
        with tempfile.TemporaryDirectory() as folder:
            walk(Path(folder), count)
        print(f"{title}: {len(count.modules)} modules, {len(count.types)} types", flush=True)
        if lists:
            print(f"  modules: {', '.join(sorted(count.modules))}\n  types: {', '.join(sorted(count.types))}")


if __name__ == "__main__":
    options = read_options(__doc__ or "", ways=["label", "train", "import", "export"], list=False, root="")
    main(options.ways, lists=options.list)
