"""The window as a whole: palette, shortcuts, settings, messages, bugs."""

import logging
import sys

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QLabel, QLineEdit

from gui import errors
from gui.errors import BugReporter
from gui.kit.theme import DARK, colours
from gui.kit.thumbnail_cache import cache_folder
from gui.shell.palette import score
from gui.state import AppState

LEFT, CONTROL = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier


def test_the_palette_finds_a_command_and_enter_does_it(qtbot, window):
    qtbot.keyClick(window, Qt.Key.Key_K, CONTROL)
    palette = window.palette_dialog
    qtbot.keyClicks(palette.field, "go res")
    assert palette.titles()[0] == "Go to Results"
    qtbot.keyClick(palette.field, Qt.Key.Key_Return)
    assert window.current_page.name == "results" and not window.findChildren(QLineEdit, "palette")


def test_the_palette_offers_only_what_is_possible(qtbot, window, project_dir):
    window.show_palette()
    assert not [title for title in window.palette_dialog.titles() if title.startswith(("Undo", "Import", "Start"))]
    window.palette_dialog.reject()
    window.state.open_project(project_dir)
    window.show_palette()
    titles = window.palette_dialog.titles()
    assert "Import pictures" in titles and "Undo: Split 25 pictures" in titles
    window.palette_dialog.reject()


def test_the_arrows_move_in_the_palette(qtbot, window):
    window.show_palette()
    palette = window.palette_dialog
    qtbot.keyClick(palette.field, Qt.Key.Key_Down)
    assert palette.list.currentRow() == 1
    qtbot.keyClick(palette.field, Qt.Key.Key_Escape)


@pytest.mark.parametrize(("typed", "fits"), [("tr", True), ("gtt", True), ("xq", False), ("", True)])
def test_letters_fit_a_title_in_their_order(typed, fits):
    assert (score("Go to Train", typed) is not None) is fits


def test_the_question_mark_shows_all_keys_except_in_a_text_field(qtbot, window, project_dir):
    window.state.open_project(project_dir)
    window.show_page("label")
    page = window.page("label")
    qtbot.keyClicks(page.panel.search_edit, "?")
    assert page.panel.search_edit.text() == "?"
    page.panel.search_edit.clear()
    page.grid.setFocus()
    qtbot.keyClick(page.grid, Qt.Key.Key_Question)
    words = [label.text() for label in window.shortcut_sheet.findChildren(QLabel)]
    assert {"Ctrl+K", "Next page", "Real pixels"} <= set(words)
    window.shortcut_sheet.reject()


def test_the_theme_changes_at_once_and_is_kept(qtbot, window, state):
    window.show_page("settings")
    page = window.page("settings")
    qtbot.mouseClick(page.theme_buttons.button(2), LEFT)
    qtbot.waitUntil(lambda: colours() is DARK)
    assert AppState().settings.theme == "dark"


def test_text_grows_at_once(qtbot, window, qapp):
    window.show_page("settings")
    window.page("settings").font_box.activated.emit(4)
    qtbot.waitUntil(lambda: qapp.font().pixelSize() == 20)
    window.page("settings").font_box.activated.emit(1)
    qtbot.waitUntil(lambda: qapp.font().pixelSize() == 13)


def test_thumbnails_can_be_cleared(qtbot, window, project_dir):
    window.state.open_project(project_dir)
    window.show_page("label")
    qtbot.waitUntil(lambda: bool(list(cache_folder().rglob("*.jpg"))))
    window.show_page("settings")
    page = window.page("settings")
    qtbot.waitUntil(page.clear_button.isEnabled)
    qtbot.mouseClick(page.clear_button, LEFT)
    qtbot.waitUntil(lambda: not list(cache_folder().rglob("*.jpg")))
    assert not page.clear_button.isEnabled()


def test_a_bug_opens_one_dialog_whose_report_can_be_copied(qtbot, qapp, window, caplog, monkeypatch):
    reporter = BugReporter()
    monkeypatch.setattr(errors, "qInstallMessageHandler", lambda handler: None)
    reporter.install()
    try:
        for _ in range(3):
            sys.excepthook(ValueError, ValueError("lost"), None)
        qtbot.waitUntil(lambda: reporter._dialog is not None)
        dialog = reporter._dialog
        qtbot.mouseClick(dialog.copy_button, LEFT)
        report = QGuiApplication.clipboard().text()
        assert "ValueError: lost" in report and "VisionFT" in report and "Qt" in report
        dialog.accept()
    finally:
        reporter.uninstall()
    assert sum(record.levelno == logging.ERROR for record in caplog.records) == 3


def test_icon_only_buttons_have_names(window, project_dir):
    window.state.open_project(project_dir)
    for name in window.entries:
        window.show_page(name)
    ours = [button for button in window.findChildren(QAbstractButton) if _is_ours(button)]
    assert len(ours) > 50
    assert not [button for button in ours if not button.text() and not button.accessibleName()]


def _is_ours(button: QAbstractButton) -> bool:
    """Leave out the buttons that Qt puts into its own fields and tables."""
    is_qt_corner = button.objectName().startswith("qt_")
    return not button.isHidden() and not is_qt_corner and not isinstance(button.parentWidget(), QLineEdit)
