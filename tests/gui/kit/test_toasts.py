"""Toasts: no animation, success messages close once read, errors stay, and the keyboard reaches them."""

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAccessible
from PySide6.QtWidgets import QApplication, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui.kit import toasts as module
from gui.kit.toasts import Toasts


@pytest.fixture
def over(qtbot):
    host = QWidget()
    qtbot.addWidget(host)
    host.resize(900, 600)
    page = QPushButton("page")
    page.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
    layout = QVBoxLayout(host)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(page)
    host.toasts = Toasts(host, page)
    host.page = page
    host.show()
    qtbot.waitUntil(host.isActiveWindow)
    page.setFocus()
    yield host
    host.close()


@pytest.fixture
def soon(monkeypatch):
    """Let good news go at once."""
    for name in ("MIN_MS", "LETTER_MS", "ACTION_MS"):
        monkeypatch.setattr(module, name, 0)
    monkeypatch.setattr(module, "AGAIN_MS", 10)


def test_a_message_lies_over_the_corner_and_moves_nothing(qtbot, over):
    before = over.page.geometry()
    over.toasts.show_message("Saved", tone="good")
    QApplication.processEvents()
    assert over.page.geometry() == before
    assert over.toasts.geometry().bottomRight() == over.page.geometry().bottomRight()
    assert over.childAt(QPoint(20, 20)) is over.page  # the page is used everywhere else
    over.resize(700, 500)
    QApplication.processEvents()
    assert over.toasts.geometry().bottomRight() == over.page.geometry().bottomRight()


def test_good_news_goes_and_what_went_wrong_stays(qtbot, over, soon):
    over.toasts.show_message("Full", tone="bad")
    over.toasts.show_message("Choose", tone="warn", action=("Open Train", lambda: None))
    over.toasts.show_message("Saved", tone="good")
    qtbot.waitUntil(lambda: "Saved" not in over.toasts.messages())
    qtbot.wait(60)
    assert over.toasts.messages() == ["Full", "Choose"]


def test_it_takes_no_focus_and_escape_gives_it_back(qtbot, over):
    left = []
    over.toasts.focus_left.connect(lambda: left.append(True))
    over.toasts.show_message("First", tone="bad")
    toast = over.toasts.show_message("Second", tone="bad", details="Traceback", action=("Try again", lambda: None))
    assert QApplication.focusWidget() is over.page
    over.toasts.take_focus()
    assert QApplication.focusWidget() is toast.action_button
    qtbot.keyClick(toast.action_button, Qt.Key.Key_Escape)
    assert over.toasts.messages() == ["First"] and over.toasts.newest.has_focus()
    qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Escape)
    assert not over.toasts.isVisible() and left == [True]


def test_a_screen_reader_is_told(over, monkeypatch):
    told = []
    monkeypatch.setattr(QAccessible, "updateAccessibility", lambda event: told.append((event.message(), event.type())))
    over.toasts.show_message("Full", "Clean", tone="bad")
    assert ("Full Clean", QAccessible.Event.Announcement) in told
