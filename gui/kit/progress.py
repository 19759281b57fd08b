"""Progress in words and as a bar; one module, so that every screen shows both alike."""

import time

from PySide6.QtWidgets import QProgressBar

from gui.kit import theme
from gui.kit.translation import tr
from visionft.core.amounts import rough_duration_text, size_text
from visionft.core.events import Progress, StepDone
from visionft.core.messages import Message, Text

_TELLING_S, _TELLING_SHARE = 3.0, 0.03  # an earlier forecast is unreliable
_TENTH, _LONG_S = 0.1, 30.0  # so is one before a tenth of the work, but for a job that takes minutes at least
# A forecast of an export said "about 6 min left", then "about 7", and it took one. Beyond this factor of what was told
# first, the user learns more from no number.
_MOST_WRONG = 1.5


def progress_text(progress: Progress) -> str:
    """Return stage and progress, in the language of the window: "Import: 200 of 1,000"."""
    stage = tr(progress.stage)
    done = progress.done
    total = progress.total
    if not done and not total:
        return stage
    write = size_text if progress.unit == "bytes" else "{:,}".format
    words = Message("{stage}: {done} of {total}") if total else Message("{stage}: {done} so far")
    return tr(words, stage=stage, done=write(done), total=write(total))


def left_text(seconds: float) -> str:
    """Return the time left in words: "about 3 min left"."""
    return tr("about {time} left", time=rough_duration_text(seconds))


class JobShare:
    """The share of a job that is done, over all its stages, and the time left; of a stage where the job knows no more.

    It never falls, except where a job that does not know its stages begins another one. Once the forecast of the whole
    time is 1.5 times what was told first, or less than that part of it, no time is told any more.
    """

    def __init__(self) -> None:
        self.share: float | None = None  # None while nothing is known
        self.left_s: float | None = None
        self.was_wrong = False  # whether a time that was told turned out wrong
        self._told_s: float | None = None  # the whole time that was told first
        self._stage: str | None = None
        self._began = (time.monotonic(), 0.0)  # and the share at that time

    def take(self, event: Progress | StepDone) -> None:
        share = event.share
        stage = "" if event.share is not None or isinstance(event, StepDone) else event.stage
        if share is None and isinstance(event, Progress) and event.total:
            share = event.done / event.total
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._began, self.share = stage, (now, share or 0.0), None
            self._told_s = None
        self.share = share if share is None or self.share is None else max(share, self.share)
        began_s, first = self._began
        gained = (self.share or 0.0) - first
        self.left_s = None
        spent_s = now - began_s
        is_late = (self.share or 0.0) >= _TENTH or spent_s >= _LONG_S
        if not (is_late and spent_s >= _TELLING_S and gained >= _TELLING_SHARE):
            return
        whole_s = spent_s * (1 - first) / gained
        if self._told_s is None:
            self._told_s = whole_s
        self.was_wrong |= not self._told_s / _MOST_WRONG <= whole_s <= self._told_s * _MOST_WRONG
        if not self.was_wrong:
            self.left_s = whole_s - spent_s

    def words(self) -> str:
        """Return the time left in words, translated; empty while it is not known."""
        if self.was_wrong:
            return tr("still working")
        return "" if self.left_s is None else left_text(self.left_s)


class ProgressBar(QProgressBar):
    """A bar without text; `name` is its accessible name, `width` its width at the normal text size."""

    def __init__(self, name: Text = "Progress", *, width: int = 0) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setAccessibleName(tr(name))
        if width:
            self.setFixedWidth(theme.scaled(width))

    def show_progress(self, done: int, total: int) -> None:
        """Show the share done, busy without a total."""
        self.show_share(done / total if total else None)

    def show_share(self, share: float | None) -> None:
        """Show a share of 1, busy while it is not known; in thousandths, as Qt cannot hold the bytes of large files."""
        self.setRange(0, 0 if share is None else 1000)
        self.setValue(round(1000 * (share or 0.0)))
