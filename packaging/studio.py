"""The window over a real project, for screenshots. The scenes are in the files named after screens."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PySide6.QtCore import QEventLoop, QSignalBlocker, QTimer
from PySide6.QtGui import QColor, QPainter
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QLineEdit
from screenshot_data import draw_images, write_runs

from gui.app import create_application, create_window
from gui.preferences import Settings
from gui.shell.window import MainWindow
from gui.state import AppState
from visionft.project.importing.importer import import_source
from visionft.project.splits import assign_splits
from visionft.project.store import Project

HOMES = ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME", "XDG_DATA_HOME")


class Studio:
    """A window over a real project, posed for each image."""

    def __init__(self, folder: Path, *, settings: Settings, is_posed: bool = True) -> None:
        """Args: `is_posed` draws the images of the scenes below."""
        self.folder = folder
        if is_posed:
            draw_images(folder / "images")
        self.app: QApplication = create_application()
        self.state = AppState()
        self.state.settings = settings
        self.dialog: QDialog | None = None
        self.window: MainWindow = create_window(self.app, self.state)

    def open(self, name: str, *, is_filled: bool) -> None:
        """Create (or open again) a project."""
        path = self.folder / "projects" / name
        if path.exists():
            self.state.open_project(path)
            return
        with Project.create(path) as project:
            if is_filled:
                import_source(project, self.folder / "images")
                assign_splits(project)
                write_runs(path, project.snapshot())
        self.state.open_project(path)

    def photograph(self, target: Path, *, width: int, height: int) -> None:
        """Write one image of the window."""
        self.settle(width, height)
        if self.window.current_page.name in ("label", "curate", "try", "results"):
            self.wait_for_images(400)
        shown = self.window.grab()
        for dialog in self.dialogs():
            painter = QPainter(shown)
            painter.fillRect(shown.rect(), QColor(0, 0, 0, 90))
            image = dialog.grab()
            painter.drawPixmap((width - image.width()) // 2, (height - image.height()) // 2, image)
            painter.end()
        shown.save(str(target))

    def settle(self, width: int, height: int) -> None:
        """Show the window, and the dialog over it, at their sizes and let the layouts come to rest."""
        self.window.resize(width, height)
        self.window.show()
        self.window.activateWindow()
        for dialog in self.dialogs():
            dialog.adjustSize()
            dialog.show()
        self.name_places()
        for _ in range(6):
            self.app.processEvents()

    def name_places(self) -> None:
        """Show the places of a person's computer where the temporary folder's are shown."""
        names = {self.folder / "projects": "~/VisionFT", self.folder: "~/Images", self.folder.parent: "~"}
        for widget in (*self.window.findChildren(QLabel), *self.window.findChildren(QLineEdit)):
            shown = widget.text()
            for folder, name in names.items():
                shown = shown.replace(str(folder), name)
            if shown != widget.text():
                with QSignalBlocker(widget):
                    widget.setText(shown)

    def dialogs(self) -> list[QDialog]:
        """Return the dialog open over this window."""
        dialogs = [widget for widget in self.app.topLevelWidgets() if isinstance(widget, QDialog)]
        shown = [dialog for dialog in dialogs if dialog.isVisible() and dialog.parentWidget() is self.window]
        return [self.dialog] if self.dialog is not None else shown[-1:]

    def wait_for_images(self, milliseconds: int = 900) -> None:
        """Wait for thumbnails and images."""
        loop = QEventLoop()
        QTimer.singleShot(milliseconds, loop.quit)
        loop.exec()

    def close(self) -> None:
        """Let go of everything."""
        self.state.tasks.end(lambda _task: True)
        if self.dialog is not None:
            self.dialog.close()
        self.window.close()
        self.window.deleteLater()
        self.app.processEvents()


@contextmanager
def temporary_home() -> Iterator[Path]:
    """Redirect settings, projects and caches to a temporary folder."""
    with tempfile.TemporaryDirectory() as home:
        for name in HOMES:
            os.environ[name] = home
        yield Path(home)
