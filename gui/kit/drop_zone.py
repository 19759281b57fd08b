"""A card that invites something to be dropped, with the button that chooses it. Knows Qt only."""

from typing import LiteralString

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QVBoxLayout

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, IconLabel, restyle, row, text


class DropZone(QFrame):
    """Invites something to be dropped; the page itself takes the drop.

    Attributes:
        file_button: Chooses a zip or a list instead; hidden where nothing takes those.
    """

    def __init__(
        self, title: LiteralString, words: LiteralString, button: LiteralString, *, takes_lists: bool = False
    ) -> None:
        super().__init__()
        self.setProperty("role", "drop")
        self.choose_button = Button(button, "folder-open", role="primary")
        self.file_button = Button("Choose zip or list", "file")
        self.file_button.setToolTip(
            tr("A zip of pictures, or a CSV or JSONL file that lists pictures with their classes")
        )
        picture = IconLabel("pictures", size=44, tone="accent")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        layout.setSpacing(theme.SMALL)
        layout.addStretch(1)
        layout.addWidget(picture, 0, Qt.AlignmentFlag.AlignHCenter)
        self._words = text(words, "muted", wrap=True)
        for label in (text(title, "heading"), self._words):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            layout.addWidget(label)
        layout.addSpacing(theme.SMALL)
        buttons = row(None, self.choose_button, self.file_button, None, spacing=theme.MEDIUM)
        layout.addLayout(buttons)
        self.file_button.setVisible(takes_lists)  # once it has a parent: without one it would be a window
        layout.addStretch(1)
        self.setMinimumHeight(theme.scaled(230))

    def show_words(self, words: str) -> None:
        """Say something else below the title."""
        self._words.setText(words)

    def set_active(self, is_active: bool) -> None:
        """Light up while something is dragged over the window."""
        restyle(self, active="true" if is_active else "false")
