"""Finds texts that have less room than they need: for the tests of the window and for `layout_check.py`."""

import time

from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QWidget

from gui.kit.parts import ElidedLabel

_SECONDS = 1.0  # a text that a thread has brought just now gets its room in the next round of the event loop


def is_cut(widget: QLabel | QAbstractButton) -> bool:
    """Tell whether a text has less room than it asks for; what shortens itself on purpose never is."""
    if isinstance(widget, ElidedLabel) or not widget.text():
        return False
    if isinstance(widget, QLabel) and widget.wordWrap():
        return widget.height() + 1 < widget.heightForWidth(widget.width())
    needed = widget.sizeHint() if isinstance(widget, QLabel) else widget.minimumSizeHint()
    return widget.width() + 1 < needed.width() or widget.height() + 1 < needed.height()


def cut_texts(root: QWidget) -> list[str]:
    """Return what is cut, and stays so, of the visible texts in `root`, with its room and what it needs."""
    end = time.monotonic() + _SECONDS
    while (found := _cut_now(root)) and time.monotonic() < end:
        QApplication.processEvents()
    return found


def _cut_now(root: QWidget) -> list[str]:
    visible = [widget for widget in root.findChildren(QWidget) if widget.isVisible()]
    texts = [each for each in visible if isinstance(each, QLabel | QAbstractButton) and is_cut(each)]
    return [f"{each.text()!r} has {each.size().toTuple()} of {each.sizeHint().toTuple()}" for each in texts]
