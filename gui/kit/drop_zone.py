"""A drop target card with a button to choose a file or folder instead. Knows Qt only."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame

from gui.kit import theme
from gui.kit.parts import Button, IconLabel, column, restyle, row, text
from gui.kit.translation import tr
from models.messages import Text


class DropZone(QFrame):
    """Shows a drop target; the page itself handles the drop. `file_button` chooses a zip or a list instead."""

    def __init__(self, title: Text, words: Text, button: Text, *, takes_lists: bool = False) -> None:
        super().__init__()
        self.setProperty("role", "drop")
        self.choose_button = Button(button, "folder-open", role="primary")
        self.file_button = Button("Choose zip or list", "file")
        self.file_button.setToolTip(tr("A zip of images, or a CSV or JSONL file that lists images with their classes"))
        heading, self._words = text(title, "heading"), text(words, "muted", wrap=True)
        for label in (heading, self._words):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        image = row(None, IconLabel("pictures", size=44, tone="accent"), None)
        buttons = row(None, self.choose_button, self.file_button, None, spacing=theme.MEDIUM)
        layout = column(None, image, heading, self._words, theme.SMALL, buttons, None)
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)
        self.file_button.setVisible(takes_lists)  # only with a parent: without one it would be a window
        self.setMinimumHeight(theme.scaled(230))

    def show_words(self, words: str) -> None:
        self._words.setText(words)

    def set_active(self, is_active: bool) -> None:
        restyle(self, active="true" if is_active else "false")
