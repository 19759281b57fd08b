"""The window follows its settings, and with the theme "system" the computer's own colours, while it runs."""

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QStyleHints

from gui.kit.theme import DARK, LIGHT, colours


@pytest.fixture
def change_scheme(qapp, monkeypatch):
    """Return what changes the computer's colours: the offscreen platform has none of its own."""

    def change(scheme: Qt.ColorScheme) -> None:
        monkeypatch.setattr(QStyleHints, "colorScheme", lambda _self: scheme)
        qapp.styleHints().colorSchemeChanged.emit(scheme)

    return change


def test_system_follows_the_computer_while_the_window_is_open(window, change_scheme):
    window.state.change_settings(theme="system")
    change_scheme(Qt.ColorScheme.Dark)
    assert colours() is DARK
    change_scheme(Qt.ColorScheme.Light)
    assert colours() is LIGHT


def test_a_chosen_theme_stays_when_the_computer_changes_its_colours(window, change_scheme):
    window.state.change_settings(theme="dark")
    change_scheme(Qt.ColorScheme.Light)
    assert colours() is DARK
