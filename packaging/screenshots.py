"""Save screenshots of the window's pages with a real project: `python packaging/screenshots.py [OUT]`.

README and manual show them, in English and the light theme, with a run of the preset Balanced.

The script creates the sample project, trains a run in the window, evaluates and exports it, and runs the checks of
Curate. So every number in a screenshot was measured on the computer that made it.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # not `packaging/`: it would shadow the library of the same name
# ruff: noqa: E402

from PySide6.QtCore import QEventLoop, QSignalBlocker, QTimer
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit

from gui.app import PAGES, create_application, create_window
from gui.kit.banner import Banner
from gui.kit.translation import tr
from gui.preferences import Settings
from gui.state import AppState
from models.catalog import DEFAULT_BACKBONE
from visionft.core.errors import NextStep
from visionft.training.config.train_config import TrainConfig
from visionft.training.run_settings import preset_of_project
from visionft.training.runs.run_folder import list_runs

SIZE = (1280, 800)
TIMEOUT_S = 3600


class Studio:
    """The window with its project."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.app = create_application()
        self.state = AppState()
        self.state.settings = Settings(theme="light")
        self.window = create_window(self.app, self.state)
        self.window.resize(*SIZE)
        self.window.show()

    @property
    def session(self) -> Any:
        """The open project."""
        return self.state.session

    def show(self, name: str) -> Any:
        """Show a page and return it."""
        self.window.show_page(name)
        self.rest(3000)
        return self.window.page(name)

    def press(self, page: Any, words: Any) -> None:
        """Press the visible button with this text."""
        buttons = page.findChildren(QAbstractButton)
        next(button for button in buttons if button.text() == tr(words) and button.isVisible()).click()
        self.wait_for_jobs()

    def rest(self, milliseconds: int) -> None:
        """Let thumbnails and layouts settle."""
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def wait_until(self, is_done: Callable[[], bool]) -> None:
        """Wait for a condition, up to an hour."""
        deadline = time.monotonic() + TIMEOUT_S
        while not is_done():
            self.rest(50)
            if time.monotonic() > deadline:
                raise SystemExit("Nothing more happened for an hour.")

    def wait_for_jobs(self) -> None:
        """Wait for the end of all jobs."""
        self.wait_until(lambda: not self.state.jobs.pending)

    def save_screenshot(self, target: Path) -> None:
        """Save a screenshot of the window, with `~` for the temporary home folder."""
        for banner in self.window.findChildren(Banner):
            banner.hide()
        for widget in (*self.window.findChildren(QLabel), *self.window.findChildren(QLineEdit)):
            with QSignalBlocker(widget):
                if str(self.home) in widget.text():
                    widget.setText(widget.text().replace(str(self.home), "~"))
        self.rest(400)
        self.window.grab().save(str(target))

    def close(self) -> None:
        """Close the window."""
        self.state.jobs.stop_and_wait(lambda _job: True)
        self.window.close()
        self.window.deleteLater()
        self.app.processEvents()


def make_project(studio: Studio, config: TrainConfig | None) -> None:
    """Create the sample project, train a run in the window with `config` or the preset Balanced, and export it.

    The accuracy of each run is printed, and the check for issues is started.
    """
    from visionft.export.exporter import export_run
    from visionft.training.evaluation.report import evaluate_run

    studio.show("project").try_sample()
    studio.wait_for_jobs()
    snapshot, folder, ended = studio.session.snapshot(), studio.session.path, []
    preset = "" if config else "balanced"
    chosen = config or preset_of_project(preset, snapshot, folder, backbone=DEFAULT_BACKBONE)
    studio.session.runner.run_ended.connect(lambda how, _run, _unseen, message: ended.append((how, message)))
    page = studio.show("train")
    studio.session.runner.start(chosen, preset)
    studio.press(page, "Live run")
    studio.wait_until(lambda: bool(ended))
    studio.wait_for_jobs()
    if ended[0][0] != "finished":
        raise SystemExit(f"The run {ended[0][0]}: {ended[0][1]}")
    studio.press(page, "Details")  # shows the accuracy over time
    for run in list_runs(folder):
        for split in ("val", "test"):
            print(f"{run.name}: {evaluate_run(run.path, snapshot, split).top1:.1%} of the {split} images")
    newest = list_runs(folder)[-1]
    export_run(newest.path, snapshot, folder / "exports" / newest.name)
    studio.press(studio.show("curate"), "Find issues")


def prepare_page(studio: Studio, name: str) -> None:
    """Show a page with content worth a screenshot."""
    page = studio.show(name)
    images, run = studio.session.snapshot().images, list_runs(studio.session.path)[-1]
    match name:
        case "label":  # select the first images of the last class, so that two classes are visible
            index = next(index for index, image in enumerate(images) if image.labels == images[-1].labels)
            page.grid.selection.set_current(index)
            page.grid.selection.set_current(index + 2, extend=True)
        case "curate":
            page.show_view("map")
            studio.wait_for_jobs()
        case "results":
            page.table.select([run.name])
            page.images.explain.strip.selection.set_current(0)
            studio.press(page, "Explain")
        case "export":
            page.take_step(NextStep("export", run=run.name))
        case "try":
            page.classify([image.path for image in studio.session.snapshot().labelled("test")])
    studio.rest(3000)
    studio.wait_for_jobs()


def main(out: Path, config: TrainConfig | None = None) -> None:
    """Save a screenshot of every page except the settings in `out`; `config` replaces the preset Balanced."""
    with tempfile.TemporaryDirectory() as temporary:
        for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME"):
            os.environ[name] = temporary
        studio = Studio(Path(temporary))
        make_project(studio, config)
        out.mkdir(parents=True, exist_ok=True)
        for page in PAGES:
            if page.name != "settings":  # README does not show the settings
                prepare_page(studio, page.name)
                studio.save_screenshot(out / f"{page.name}.png")
        studio.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT / "resources" / "screenshots")
