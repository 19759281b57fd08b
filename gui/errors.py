"""What happens to a bug: it is logged, and shown in a dialog with a report that can be copied. Nothing is lost.

Installs the hooks of Python, of threads and of Qt. Knows nothing of projects or pages.
"""

import logging
import sys
import threading
import traceback
from collections.abc import Iterable
from types import TracebackType

from PySide6.QtCore import QMessageLogContext, QObject, QtMsgType, Signal, Slot, qInstallMessageHandler, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QCheckBox, QDialog, QPlainTextEdit, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text

logger = logging.getLogger(__name__)
_qt_logger = logging.getLogger("qt")
_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


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
        self._dialog = BugDialog(QApplication.activeWindow(), trace)
        self._dialog.open()


class ReportDialog(QDialog):
    """Shows what "Copy report" copies, to the letter; names of files, projects and classes only where the user agrees.

    Args:
        trace: The traceback of the fault that it is about; empty for none.
        names: Names that are known, to be taken out as well.
    """

    def __init__(self, parent: QWidget | None, trace: str = "", *, names: Iterable[str] = ()) -> None:
        super().__init__(parent)
        self._trace, self._names = trace, tuple(names)
        self.setMinimumSize(640, 380)
        self._report = QPlainTextEdit()
        self._report.setReadOnly(True)
        self._report.setAccessibleName(tr("Report"))
        self.names_box = QCheckBox(tr("With the names of files, projects and classes"))
        self.names_box.toggled.connect(self._show)
        self.copy_button = Button("Copy report", "copy", on_click=self._copy)
        close = self._close_button()
        close.setDefault(True)
        layout = column(
            *self._lead(), self._report, self.names_box, row(None, self.copy_button, close), spacing=theme.MEDIUM
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self._show()

    def report(self) -> str:
        """Return what is shown, and copied."""
        return self._report.toPlainText()

    def _lead(self) -> tuple[QWidget, ...]:
        self.setWindowTitle(tr("Copy report"))
        return (
            text("A report for whoever helps you", "title", wrap=True),
            text(
                "Versions, this computer and the newest lines of the log. It is copied as you see it; nothing is sent.",
                wrap=True,
            ),
        )

    def _close_button(self) -> Button:
        return Button("Close", role="primary", on_click=self.accept)

    @Slot()
    def _show(self) -> None:
        from visionft.support import report_text

        told = report_text(
            self._trace, with_names=self.names_box.isChecked(), names=self._names, toolkit=f"Qt {qVersion()}"
        )
        self._report.setPlainText(told)
        self.copy_button.setText(tr("Copy report"))

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.report())
        self.copy_button.setText(tr("Copied"))


class BugDialog(ReportDialog):
    """Says that something went wrong inside, that nothing is lost, and offers the report."""

    def _lead(self) -> tuple[QWidget, ...]:
        self.setWindowTitle(tr("Something went wrong"))
        return (
            text("Something went wrong inside VisionFT", "title", wrap=True),
            text(
                "This is a fault of the program, not yours. Your labels are saved; you can go on. "
                "The report below helps whoever mends it.",
                wrap=True,
            ),
        )

    def _close_button(self) -> Button:
        return Button("Go on", role="primary", on_click=self.accept)


def _log_qt_message(kind: QtMsgType, _context: QMessageLogContext, message: str) -> None:
    _qt_logger.log(_LEVELS.get(kind, logging.INFO), "%s", message)
