"""The window as a whole: shortcuts, settings, messages, bugs."""

import logging
import sys

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QApplication, QLabel

from gui import errors
from gui.errors import BugReporter, ReportDialog
from gui.kit.theme import DARK, colours
from gui.state import AppState

LEFT = Qt.MouseButton.LeftButton


def test_the_question_mark_shows_all_keys_except_in_a_text_field(qtbot, window, open_page):
    page = open_page("label")
    qtbot.keyClicks(page.panel.search_edit, "?")
    assert page.panel.search_edit.text() == "?"
    page.panel.search_edit.clear()
    page.grid.setFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_Question)
    words = {label.text() for label in window.shortcut_sheet.findChildren(QLabel)}
    assert {"F1", *(window.state.actions[each].title for each in ("view.next_page", "viewer.real_pixels"))} <= words
    window.shortcut_sheet.reject()


def test_the_theme_changes_at_once_and_is_kept(qtbot, window, state):
    window.show_page("settings")
    page = window.page("settings")
    qtbot.mouseClick(page.theme_switch.buttons["dark"], LEFT)
    qtbot.waitUntil(lambda: colours() is DARK)
    assert AppState().settings.theme == "dark"


def test_a_bug_opens_one_dialog_whose_report_can_be_copied(qtbot, qapp, window, caplog, monkeypatch):
    reporter = BugReporter()
    monkeypatch.setattr(errors, "qInstallMessageHandler", lambda handler: None)
    reporter.install()
    try:
        for _ in range(3):
            sys.excepthook(ValueError, ValueError("lost"), None)
        qtbot.waitUntil(lambda: isinstance(QApplication.activeModalWidget(), ReportDialog))
        dialog = QApplication.activeModalWidget()
        qtbot.mouseClick(dialog.copy_button, LEFT)
        report = QGuiApplication.clipboard().text()
        assert "ValueError: lost" in report and "VisionFT" in report and "Qt" in report
        dialog.accept()
    finally:
        reporter.uninstall()
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 3
