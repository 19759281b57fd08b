"""The line that says how far a look through the pictures is, or that pictures came since the last. Knows Qt only."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressBar

from gui.kit import theme
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, restyle, row
from gui.kit.progress_text import progress_text
from visionft.events import Progress


class LookLine(Card):
    """One line over a view; hidden while there is nothing to say."""

    def __init__(self, *, on_stop: Callable[[], object], on_look: Callable[[], object]) -> None:
        super().__init__(margin=theme.SMALL)
        self._icon = IconLabel("info", size=17)
        self._words = ElidedLabel("", mode=Qt.TextElideMode.ElideRight)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(theme.scaled(160))
        self.stop_button = Button("Stop", "stop", on_click=on_stop)
        self.look_button = Button("Look again", "refresh", on_click=on_look)
        line = row(self._icon, self._words, self._bar, self.stop_button, self.look_button, spacing=theme.MEDIUM)
        line.setStretch(1, 1)
        line.setContentsMargins(theme.TIGHT, 0, 0, 0)
        self.body.addLayout(line)
        self.hide()

    def show_progress(self, progress: Progress, *, is_stopping: bool) -> None:
        """Show how far it is."""
        self._show(progress_text(progress), "search", "accent", "info")
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)
        self._bar.setAccessibleName(progress_text(progress))
        self._bar.show()
        self.stop_button.show()
        self.stop_button.setEnabled(not is_stopping)
        self.look_button.hide()

    def show_words(self, words: str, *, is_bad: bool = False) -> None:
        """Say something, with the button to look again; nothing hides the line."""
        tone = "bad" if is_bad else "warn"
        self._show(words, "error" if is_bad else "info", tone, tone)
        self._bar.hide()
        self.stop_button.hide()
        self.look_button.show()

    def words(self) -> str:
        """Return what it says; empty while it is hidden."""
        return "" if self.isHidden() else self._words.text()

    def _show(self, words: str, icon: str, ink: str, tone: str) -> None:
        self._words.setText(words)
        self._icon.show_icon(icon, ink)
        restyle(self, tone=tone)
        self.setVisible(bool(words))
