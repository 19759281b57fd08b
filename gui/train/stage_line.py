"""What a run does while it takes no steps, how far it is, and how long that still takes. Knows Qt and events only."""

import time

from PySide6.QtWidgets import QProgressBar, QWidget

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import column, row, text
from visionft.amounts import rough_duration_text
from visionft.events import Progress

_TELLING_S = 1.0  # a speed of less is a guess


class StageLine(QWidget):
    """One stage with its bar; hidden while there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._words, self._left = text(role="strong"), text(role="muted")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setAccessibleName(tr("Progress"))
        self._stage, self._began_s, self._first = "", 0.0, 0
        self.pace = 0.0  # of this stage, in what it counts a second; 0 while it cannot be told
        self.setLayout(column(row(self._words, None, self._left), self._bar, spacing=theme.TIGHT))
        self.hide()

    def show_progress(self, progress: Progress) -> None:
        """Show how far a stage is."""
        done, total = progress.done, progress.total
        if progress.stage != self._stage:
            self._stage, self._began_s, self._first = progress.stage, time.monotonic(), done
        spent = time.monotonic() - self._began_s
        self.pace = (done - self._first) / spent if spent >= _TELLING_S else 0.0
        stage = tr(progress.stage)
        words = tr("{stage}: {done} of {total}", stage=stage, done=f"{done:,}", total=f"{total:,}") if total else stage
        left = tr("about {time} left", time=rough_duration_text((total - done) / self.pace)) if self.pace > 0 else ""
        self._show(words, left, done, total)

    def show_words(self, words: str) -> None:
        """Show what is being done where nobody knows how much of it there is."""
        self._stage, self.pace = "", 0.0
        self._show(words, "", 0, 0)

    def end(self) -> None:
        """Show nothing: the run takes steps, or is over."""
        self._stage = ""
        self.hide()

    def words(self) -> str:
        """Return what is shown; empty when nothing is."""
        return "" if self.isHidden() else " ".join(filter(None, (self._words.text(), self._left.text())))

    def _show(self, words: str, left: str, done: int, total: int) -> None:
        self._words.setText(words)
        self._left.setText(left)
        self._bar.setRange(0, total)
        self._bar.setValue(done)
        self.show()
