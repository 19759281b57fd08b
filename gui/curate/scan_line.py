"""The status line of the checks: their progress, or a notice about new images. Knows Qt only."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QProgressBar

from gui.kit import theme
from gui.kit.parts import Button, Card, ElidedLabel, IconLabel, restyle, row
from gui.kit.progress_text import progress_text
from visionft.events import Progress


class ScanLine(Card):
    """A status line above a view; hidden while empty."""

    def __init__(self, *, on_stop: Callable[[], object], on_run: Callable[[], object]) -> None:
        super().__init__(margin=theme.SMALL)
        self._icon = IconLabel("info", size=17)
        self._words = ElidedLabel("", mode=Qt.TextElideMode.ElideRight)
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(theme.scaled(160))
        self.stop_button = Button("Stop", "stop", on_click=on_stop)
        self.run_button = Button("Find issues", "refresh", on_click=on_run)
        line = row(self._icon, self._words, self._bar, self.stop_button, self.run_button, spacing=theme.MEDIUM, grows=1)
        line.setContentsMargins(theme.TIGHT, 0, 0, 0)
        self.body.addLayout(line)
        self.hide()

    def show_progress(self, progress: Progress, *, is_stopping: bool) -> None:
        self._show(progress_text(progress), "search", "accent", "info", is_running=True)
        self._bar.setRange(0, progress.total)
        self._bar.setValue(progress.done)
        self._bar.setAccessibleName(progress_text(progress))
        self.stop_button.setEnabled(not is_stopping)

    def show_words(self, words: str, *, is_bad: bool = False) -> None:
        """Show a message, with the button to run the checks again; an empty one hides the line."""
        tone = "bad" if is_bad else "warn"
        self._show(words, "error" if is_bad else "info", tone, tone, is_running=False)

    def words(self) -> str:
        return "" if self.isHidden() else self._words.text()

    def _show(self, words: str, icon: str, ink: str, tone: str, *, is_running: bool) -> None:
        for widget in (self._bar, self.stop_button):
            widget.setVisible(is_running)
        self.run_button.setVisible(not is_running)
        self._words.setText(words)
        self._icon.show_icon(icon, ink)
        restyle(self, tone=tone)
        self.setVisible(bool(words))
