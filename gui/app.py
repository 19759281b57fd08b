"""Starts the window; the only place where its parts are put together.

The story: first what must come before anything else (worker processes of a frozen program, the log, the crash trace),
then Qt with the theme, then the state with the project that was asked for, then the window, shown at once; last, in
idle moments, the pages nobody has opened yet. No learning library is loaded: a job does that when it starts.
"""

import ctypes
import logging
import multiprocessing
import sys
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Slot, qVersion
from PySide6.QtWidgets import QApplication

from gui.curate.actions import curate_actions
from gui.environment import put_into_force
from gui.errors import BugReporter
from gui.export.actions import export_actions
from gui.home.actions import home_actions
from gui.kit.icons import app_icon
from gui.kit.theme import ThemeName, apply_theme
from gui.kit.workers import MainThreadCollector, share_interpreter
from gui.label.actions import label_actions
from gui.predict.actions import try_actions
from gui.results.actions import results_actions
from gui.settings.actions import settings_actions
from gui.shell.window import MainWindow, PageEntry
from gui.state import AppState
from gui.train.actions import train_actions
from visionft import __version__
from visionft.log import start_log

logger = logging.getLogger(__name__)

# Modules and classes by name: a page is imported when it is first shown, or in an idle moment after the start.
PAGES = (
    PageEntry(
        name="project", title="Project", icon_name="project", place="gui.home.page:ProjectPage", actions=home_actions
    ),
    PageEntry(name="label", title="Label", icon_name="label", place="gui.label.page:LabelPage", actions=label_actions),
    PageEntry(
        name="curate", title="Curate", icon_name="curate", place="gui.curate.page:CuratePage", actions=curate_actions
    ),
    PageEntry(name="train", title="Train", icon_name="train", place="gui.train.page:TrainPage", actions=train_actions),
    PageEntry(
        name="results",
        title="Results",
        icon_name="results",
        place="gui.results.page:ResultsPage",
        actions=results_actions,
    ),
    PageEntry(
        name="export", title="Export", icon_name="export", place="gui.export.page:ExportPage", actions=export_actions
    ),
    PageEntry(name="try", title="Try", icon_name="try", place="gui.predict.page:TryPage", actions=try_actions),
    PageEntry(
        name="settings",
        title="Settings",
        icon_name="settings",
        place="gui.settings.page:SettingsPage",
        actions=settings_actions,
        outlives_project=True,
    ),
)


def main(project: Path | None = None) -> int:
    """Run the window until it is closed; return the exit status."""
    multiprocessing.freeze_support()
    start_log(f"window, Qt {qVersion()}")
    app = create_application()
    reporter = BugReporter(app)
    reporter.install()
    collector = MainThreadCollector(app)
    collector.start()
    state = AppState(app)
    window = create_window(app, state)
    window.restore_place()
    window.show()
    if project is not None:
        state.open_project(project)
    QTimer.singleShot(0, window, window.build_pages_when_idle)
    status = app.exec()
    collector.stop()
    reporter.uninstall()
    logger.info("ends with %d", status)
    return status


def create_application() -> QApplication:
    """Return the application object with the program's name, version and icon."""
    own_taskbar_button()
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    share_interpreter()
    app.setApplicationName("VisionFT")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("visionft")
    app.setWindowIcon(app_icon())
    return app


def own_taskbar_button() -> None:
    """Give the window a button with its own icon on Windows, which groups windows by program: here that is Python."""
    if sys.platform == "win32":
        ctypes.windll.shell32.SetCurrentProcessExplicitAppUserModelID("VisionFT")


def create_window(app: QApplication, state: AppState) -> MainWindow:
    """Return the window over `state`, in the theme and font size of the settings, following their changes."""
    SettingsKeeper(app, state).take_settings()
    return MainWindow(state, PAGES, bottom_pages=("settings",))


class SettingsKeeper(QObject):
    """Puts the settings into force, at the start and whenever they or the computer's own colours change."""

    def __init__(self, app: QApplication, state: AppState) -> None:
        super().__init__(state)
        self._app, self._state = app, state
        self._in_force: tuple[object, ...] = ()
        self._soon = QTimer(self)  # keys that are held down, and clicks meanwhile, end in one change
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._take_theme)
        state.settings_changed.connect(self._on_settings_changed)
        app.styleHints().colorSchemeChanged.connect(self._on_scheme_changed)  # the theme "system" follows at once

    @Slot()
    def take_settings(self) -> None:
        """Put all settings into force, at the start."""
        put_into_force(self._state.settings)
        self._take_theme()

    @Slot()
    def _on_settings_changed(self) -> None:
        put_into_force(self._state.settings)
        self._soon.start()

    @Slot()
    def _on_scheme_changed(self) -> None:
        self._soon.start()

    @Slot()
    def _take_theme(self) -> None:
        theme: ThemeName = self._state.settings.theme  # type: ignore[assignment]
        scheme = self._app.styleHints().colorScheme() if theme == "system" else None
        wanted = (theme, self._state.settings.font_scale, scheme)
        if self._in_force != wanted:  # other settings change too, and a new style sheet touches every widget
            self._in_force = wanted
            apply_theme(self._app, theme, font_scale=self._state.settings.font_scale)
