"""The window follows its settings, and with the theme "system" the computer's own colours, while it runs."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QStyleHints
from PySide6.QtWidgets import QApplication

from gui.kit.theme import DARK, LIGHT, colours

pytestmark = pytest.mark.usefixtures("styled")


@pytest.fixture
def change_scheme(qapp, monkeypatch):
    """Return a function to change the computer's colour scheme: the offscreen platform has none of its own."""

    def change(scheme: Qt.ColorScheme) -> None:
        monkeypatch.setattr(QStyleHints, "colorScheme", lambda _self: scheme)
        qapp.styleHints().colorSchemeChanged.emit(scheme)

    return change


def test_system_follows_the_computer_while_the_window_is_open(qtbot, window, change_scheme):
    window.state.change_settings(theme="system")
    change_scheme(Qt.ColorScheme.Dark)
    qtbot.waitUntil(lambda: colours() is DARK)
    change_scheme(Qt.ColorScheme.Light)
    qtbot.waitUntil(lambda: colours() is LIGHT)
    window.state.change_settings(theme="dark")  # a chosen one stays
    change_scheme(Qt.ColorScheme.Light)
    QApplication.processEvents()
    assert colours() is DARK
