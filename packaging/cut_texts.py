"""Finds truncated texts: for the tests of the window and for `layout_check.py`."""

import time

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QAbstractButton, QApplication, QLabel, QScrollArea, QWidget

from gui.kit.parts import ElidedLabel

_SECONDS = 1.0  # a new text from a thread gets its room in the next round of the event loop


def is_cut(widget: QLabel | QAbstractButton) -> bool:
    """Return whether a text has less room than it needs; elided labels never count."""
    if isinstance(widget, ElidedLabel) or not widget.text():
        return False
    if isinstance(widget, QLabel) and widget.wordWrap():
        return widget.height() + 1 < widget.heightForWidth(widget.width())
    needed = widget.sizeHint() if isinstance(widget, QLabel) else widget.minimumSizeHint()
    return widget.width() + 1 < needed.width() or widget.height() + 1 < needed.height()


def cut_texts(root: QWidget) -> list[str]:
    """Return the truncated visible texts in `root` after a short wait, with their actual and needed sizes.

    Also the contents of scroll areas that are wider than these and cannot be scrolled sideways.
    """
    end = time.monotonic() + _SECONDS
    while (found := _cut_now(root)) and time.monotonic() < end:
        QApplication.processEvents()
    return found


def _cut_at_side(area: QScrollArea) -> str:
    """Return how wide the content of an area is if it is cut at a side, else an empty text."""
    never, content = Qt.ScrollBarPolicy.ScrollBarAlwaysOff, area.widget()
    if area.horizontalScrollBarPolicy() != never or content is None or content.width() <= area.viewport().width():
        return ""
    return f"a column of {content.width()} px has {area.viewport().width()}"


def _cut_now(root: QWidget) -> list[str]:
    visible = [widget for widget in root.findChildren(QWidget) if widget.isVisible()]
    texts = [each for each in visible if isinstance(each, QLabel | QAbstractButton) and is_cut(each)]
    sides = [words for each in visible if isinstance(each, QScrollArea) and (words := _cut_at_side(each))]
    return sides + [f"{each.text()!r} has {each.size().toTuple()} of {each.sizeHint().toTuple()}" for each in texts]
