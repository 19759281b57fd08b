"""What happens to a bug: it is logged, and shown in a dialog with a report that can be copied. Nothing is lost.

Installs the hooks of Python, of threads, of Qt and of the interpreter's crashes. Knows nothing of projects or pages.
"""

import faulthandler
import logging
import logging.handlers
import platform
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType
from typing import TextIO

import platformdirs
from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, Slot, qInstallMessageHandler, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QDialog, QPlainTextEdit, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text
from visionft import __version__

logger = logging.getLogger(__name__)
_qt_logger = logging.getLogger("qt")
_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def log_folder() -> Path:
    """Return the folder of the program's log files."""
    return platformdirs.user_log_path("visionft", appauthor=False)


def start_logging() -> TextIO | None:
    """Log to a rotating file and let the interpreter's own crashes leave a trace; return the crash file.

    A folder that cannot be written costs the log, not the program.
    """
    try:
        folder = log_folder()
        folder.mkdir(parents=True, exist_ok=True)
        handler = logging.handlers.RotatingFileHandler(
            folder / "window.log", maxBytes=1_000_000, backupCount=3, encoding="utf-8", delay=True
        )
        crashes = (folder / "crash.log").open("a", encoding="utf-8")
    except OSError:
        faulthandler.enable()
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    faulthandler.enable(crashes)
    return crashes


def report_text(trace: str) -> str:
    """Return a report of a bug for whoever mends it: versions, system, traceback; no paths of the user's pictures."""
    facts = f"VisionFT {__version__}, Python {platform.python_version()}, Qt {qVersion()}, {platform.platform()}"
    return f"{facts}\n\n{trace}"


class BugReporter(QObject):
    """Takes every exception nobody expected, from any thread, and shows it on the main thread."""

    _caught = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._previous = (sys.excepthook, threading.excepthook)
        self._dialog: BugDialog | None = None
        self._caught.connect(self._on_caught)

    def install(self) -> None:
        """Take the hooks over."""
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception
        qInstallMessageHandler(_log_qt_message)

    def uninstall(self) -> None:
        """Give the hooks back."""
        sys.excepthook, threading.excepthook = self._previous
        qInstallMessageHandler(None)

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        logger.error("A bug", exc_info=(kind, error, trace))
        self._caught.emit("".join(traceback.format_exception(kind, error, trace)))

    def _on_thread_exception(self, caught: threading.ExceptHookArgs) -> None:
        if caught.exc_value is not None:
            self._on_exception(caught.exc_type, caught.exc_value, caught.exc_traceback)

    @Slot(str)
    def _on_caught(self, trace: str) -> None:
        if self._dialog is not None and self._dialog.isVisible():
            return  # one dialog at a time: a bug in a paint event comes back sixty times a second
        self._dialog = BugDialog(QApplication.activeWindow(), report_text(trace))
        self._dialog.open()


class BugDialog(QDialog):
    """Says that something went wrong inside, that nothing is lost, and offers the report."""

    def __init__(self, parent: QWidget | None, report: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Something went wrong"))
        self.setMinimumSize(640, 380)
        self._report = QPlainTextEdit(report)
        self._report.setReadOnly(True)
        self._report.setAccessibleName(tr("Report"))
        self.copy_button = Button("Copy report", "copy", on_click=self._copy)
        close = Button("Go on", role="primary", on_click=self.accept)
        close.setDefault(True)
        layout = column(
            text("Something went wrong inside VisionFT", "title", wrap=True),
            text(
                "This is a fault of the program, not yours. Your labels are saved; you can go on. "
                "The report below helps whoever mends it.",
                wrap=True,
            ),
            self._report,
            row(None, self.copy_button, close),
            spacing=theme.MEDIUM,
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._report.toPlainText())
        self.copy_button.setText(tr("Copied"))


def _log_qt_message(kind: QtMsgType, _context: QMessageLogContext, message: str) -> None:
    _qt_logger.log(_LEVELS.get(kind, logging.INFO), "%s", message)
