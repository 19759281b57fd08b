"""Plain-text rendering of user and file names: keeps Qt from interpreting them as markup.

Qt guesses: a label, tooltip or message box with text like HTML is laid out as HTML, with images, links and headlines.
Names of classes, files, notes and runs come from elsewhere, so the application style sets every label to plain text
before its first layout, including Qt's own (tooltips, item tooltips, message boxes, input dialogs). A label with real
markup declares it with `setTextFormat`.
"""

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QLabel, QProxyStyle


class PlainTextStyle(QProxyStyle):
    """Fusion style with plain-text labels."""

    def __init__(self) -> None:
        super().__init__("Fusion")

    def polish(self, target: Any) -> Any:
        """Prepare a widget (or the application, or its palette) for display; Qt calls this before the first layout."""
        if isinstance(target, QLabel) and target.textFormat() == Qt.TextFormat.AutoText:
            target.setTextFormat(Qt.TextFormat.PlainText)
        return super().polish(target)


def use_plain_text(app: QApplication) -> None:
    """Set this style on the application; may be called repeatedly."""
    if app.findChild(PlainTextStyle) is None:  # `app.style()` is Qt's own wrapper once there is a style sheet
        app.setStyle(PlainTextStyle())


def without_markup(words: str) -> str:
    """Return text for a reader outside the window that may interpret `<` as markup and has no plain-text mode.

    Desktop notifications are such readers, and some of them do not decode `&lt;`: the angle brackets are replaced by
    similar typographic characters.
    """
    return words.translate(str.maketrans("<>", "‹›"))
