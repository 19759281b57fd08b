"""Handling of bugs: logged, and shown in a dialog with a report to copy. No data is lost.

Installs the exception hooks of Python and of threads and the message handler of Qt. Independent of projects and pages.
"""

import logging
import sys
import threading
import traceback
from types import TracebackType

from PySide6.QtCore import QObject, QtMsgType, Signal, Slot, qInstallMessageHandler, qVersion
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QWidget

from gui.kit import theme
from gui.kit.dialogs import Dialog
from gui.kit.parts import CopyButton
from gui.kit.translation import tr
from visionft.core.messages import Message

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
    """Handles every unexpected exception, from any thread, and shows it on the main thread."""

    _caught = Signal(str)  # traceback; emitted from any thread

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._previous = (sys.excepthook, threading.excepthook)
        self._dialog: ReportDialog | None = None
        self._caught.connect(self._on_caught)

    def install(self) -> None:
        sys.excepthook = self._on_exception
        threading.excepthook = self._on_thread_exception
        qInstallMessageHandler(lambda kind, _context, message: _qt_logger.log(_LEVELS[kind], "%s", message))

    def uninstall(self) -> None:
        sys.excepthook, threading.excepthook = self._previous
        qInstallMessageHandler(None)

    def _on_exception(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        logger.error("Unexpected exception", exc_info=(kind, error, trace))
        self._caught.emit("".join(traceback.format_exception(kind, error, trace)))

    def _on_thread_exception(self, caught: threading.ExceptHookArgs) -> None:
        if caught.exc_value is not None:
            self._on_exception(caught.exc_type, caught.exc_value, caught.exc_traceback)

    @Slot(str)
    def _on_caught(self, trace: str) -> None:
        if self._dialog is not None and self._dialog.isVisible():
            return  # one dialog at a time: a bug in a paint event occurs sixty times a second
        self._dialog = ReportDialog(QApplication.activeWindow(), trace)
        self._dialog.open()


class ReportDialog(Dialog):
    """Shows the text of "Copy report" for editing: the user can delete private details before copying it.

    With the traceback of an internal error, the heading explains that no data is lost.
    """

    def __init__(self, parent: QWidget | None, trace: str = "") -> None:
        title = Message("A report for whoever helps you")
        about = Message(
            "Versions, this computer and the latest lines of the log. They may name files and classes: delete "
            "anything private here. Nothing is sent."
        )
        if trace:
            title = Message("Something went wrong inside VisionFT")
            about = Message(
                "This is a bug in the program. Your labels are saved, and you can continue. The report below helps "
                "to fix it."
            )
        super().__init__(parent, title, about, width=640, height=380)
        from visionft.core.doctor import report_text

        self._report = QPlainTextEdit(report_text(trace, toolkit=f"Qt {qVersion()}"))
        self._report.setAccessibleName(tr("Report"))
        self.copy_button = CopyButton("Copy report", self.report)
        self.lay_out(self._report, aside=(self.copy_button,), spacing=theme.MEDIUM)

    def report(self) -> str:
        return self._report.toPlainText()
