"""What a person or a file named is shown letter by letter: the rule that keeps Qt from reading it as markup.

Qt guesses. A label, a tooltip or a message box whose text looks like HTML is laid out as HTML: pictures are loaded,
links and headlines drawn. Classes, files, notes and runs are named by others, so here nothing is guessed: the style of
the application makes every label plain before its first layout, also those that Qt makes itself (of a tooltip, of an
item's tooltip, of a message box, of an input dialog). A label that really holds markup says so by `setTextFormat`.
"""

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QProxyStyle

_NO_MARKUP = str.maketrans("<>", "‹›")


class PlainTextStyle(QProxyStyle):
    """Fusion, whose labels never guess."""

    def __init__(self) -> None:
        super().__init__("Fusion")

    def polish(self, target: Any) -> Any:
        """Prepare a widget (or the application, or its palette) for being shown; Qt asks before the first layout."""
        if isinstance(target, QLabel) and target.textFormat() == Qt.TextFormat.AutoText:
            target.setTextFormat(Qt.TextFormat.PlainText)
        return super().polish(target)


def use_plain_text(app: QApplication) -> None:
    """Give the application this style; safe to call again."""
    if app.findChild(PlainTextStyle) is None:  # `app.style()` is Qt's own wrapper once there is a style sheet
        app.setStyle(PlainTextStyle())


def without_markup(words: str) -> str:
    """Return words for a reader outside the window that may take `<` for markup and cannot be told not to.

    A desktop's notifications are such readers, and whether they undo `&lt;` differs from one to the next: the angle
    brackets become their typographic likenesses.
    """
    return words.translate(_NO_MARKUP)
