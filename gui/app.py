"""Start the window; the only module that connects its parts.

The order: first the preparations (worker processes of a frozen program, the log, the crash trace), then Qt with the
theme, then the state with the requested project, then the window, shown at once; last, in idle moments, the pages that
are not yet open. Learning libraries are imported by the jobs that need them.
"""

import ctypes
import logging
import multiprocessing
import sys
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Slot, qVersion
from PySide6.QtWidgets import QApplication

from gui.curate.curate_actions import curate_actions
from gui.errors import BugReporter
from gui.export.export_actions import export_actions
from gui.home.home_actions import home_actions
from gui.kit.icons import app_icon
from gui.kit.theme import ThemeName, apply_theme
from gui.kit.workers import MainThreadCollector, exit_process, share_interpreter
from gui.label.label_actions import label_actions
from gui.predict.predict_actions import try_actions
from gui.preferences import apply_settings
from gui.results.results_actions import results_actions
from gui.settings.settings_actions import settings_actions
from gui.shell.window import MainWindow, PageEntry
from gui.state import AppState
from gui.train.train_actions import train_actions
from visionft import __version__
from visionft.core.log import start_log

logger = logging.getLogger(__name__)

# Pages are given as `module:class`, imported when first shown or in an idle moment after the start.
PAGES = (
    PageEntry("project", "Project", "project", "gui.home.home_page:ProjectPage", home_actions),
    PageEntry("label", "Label", "label", "gui.label.label_page:LabelPage", label_actions),
    PageEntry("curate", "Curate", "curate", "gui.curate.curate_page:CuratePage", curate_actions),
    PageEntry("train", "Train", "train", "gui.train.train_page:TrainPage", train_actions),
    PageEntry("results", "Results", "results", "gui.results.results_page:ResultsPage", results_actions),
    PageEntry("export", "Export", "export", "gui.export.export_page:ExportPage", export_actions),
    PageEntry("try", "Try", "try", "gui.predict.predict_page:TryPage", try_actions),
    PageEntry(
        "settings",
        "Settings",
        "settings",
        "gui.settings.settings_page:SettingsPage",
        settings_actions,
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
    window.deleteLater()
    state.deleteLater()
    collector.stop()
    reporter.uninstall()
    logger.info("The window ends with status %d", status)
    return exit_process(status)


def create_application() -> QApplication:
    """Return the application object with the program's name, version and icon."""
    set_taskbar_identity()
    app = QApplication.instance() or QApplication(sys.argv[:1])
    assert isinstance(app, QApplication)
    share_interpreter()
    app.setApplicationName("VisionFT")
    app.setApplicationVersion(__version__)
    app.setDesktopFileName("visionft")
    app.setWindowIcon(app_icon())
    return app


def set_taskbar_identity() -> None:
    """Set the taskbar identity on Windows: otherwise the window shares the button and icon of Python."""
    if sys.platform == "win32":
        ctypes.windll.shell32.SetCurrentProcessExplicitAppUserModelID("VisionFT")


def create_window(app: QApplication, state: AppState) -> MainWindow:
    """Return the main window for `state`, with the settings applied."""
    SettingsApplier(app, state)
    return MainWindow(state, PAGES, bottom_pages=("settings",))


class SettingsApplier(QObject):
    """Applies the settings at the start, and whenever they or the colour scheme of the system change."""

    def __init__(self, app: QApplication, state: AppState) -> None:
        super().__init__(state)
        self._app, self._state = app, state
        self._applied: tuple[object, ...] = ()  # theme, font scale and colour scheme
        self._theme_timer = QTimer(self, singleShot=True)  # merges repeated changes into one restyling
        self._theme_timer.timeout.connect(self._apply_theme)
        state.settings_changed.connect(self._on_changed)
        app.styleHints().colorSchemeChanged.connect(self._on_changed)  # the theme "system" follows it at once
        apply_settings(state.settings)
        self._apply_theme()

    @Slot()
    def _on_changed(self) -> None:
        apply_settings(self._state.settings)
        self._theme_timer.start()

    @Slot()
    def _apply_theme(self) -> None:
        theme: ThemeName = self._state.settings.theme  # type: ignore[assignment]
        scheme = self._app.styleHints().colorScheme() if theme == "system" else None
        requested = (theme, self._state.settings.font_scale, scheme)
        if self._applied != requested:  # a new style sheet restyles every widget, so other settings do not cause one
            self._applied = requested
            apply_theme(self._app, theme, font_scale=self._state.settings.font_scale)
