"""Progress in words and as a bar; one module, so that every screen shows both alike."""

import time

from PySide6.QtWidgets import QProgressBar

from gui.kit import theme
from gui.kit.translation import tr
from visionft.core.amounts import rough_duration_text, size_text
from visionft.core.events import Progress, StepDone
from visionft.core.messages import Message, Text

_MIN_FORECAST_S, _MIN_FORECAST_SHARE = 3.0, 0.03  # earlier forecasts are unreliable
_MIN_SHARE, _MIN_SPENT_S = 0.1, 30.0  # either is needed: jobs that take minutes show a forecast before a tenth is done
# An export showed "about 6 min left", then "about 7", and took one minute. If a new forecast differs from the first one
# by more than this factor, no time is shown any more.
_MAX_ERROR_FACTOR = 1.5


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
    """The finished share of a job and its remaining time, or of the current stage if the job does not report its total.

    The share never decreases within a job, or within a stage if only stages are known. When the forecast of the total
    time differs from the first one by more than a factor of 1.5, no time is shown any more.
    """

    def __init__(self) -> None:
        self.share: float | None = None  # None while nothing is known
        self.left_s: float | None = None
        self.was_wrong = False  # whether the first forecast turned out wrong
        self._first_forecast_s: float | None = None  # total time
        self._stage: str | None = None
        self._start = (time.monotonic(), 0.0)  # start time of the stage, and the share at that time

    def take(self, event: Progress | StepDone) -> None:
        share = event.share
        stage = "" if event.share is not None or isinstance(event, StepDone) else event.stage
        if share is None and isinstance(event, Progress) and event.total:
            share = event.done / event.total
        now = time.monotonic()
        if stage != self._stage:
            self._stage, self._start, self.share = stage, (now, share or 0.0), None
            self._first_forecast_s = None
        self.share = share if share is None or self.share is None else max(share, self.share)
        start_s, start_share = self._start
        gained = (self.share or 0.0) - start_share
        self.left_s = None
        spent_s = now - start_s
        is_late = (self.share or 0.0) >= _MIN_SHARE or spent_s >= _MIN_SPENT_S
        if not (is_late and spent_s >= _MIN_FORECAST_S and gained >= _MIN_FORECAST_SHARE):
            return
        total_s = spent_s * (1 - start_share) / gained
        if self._first_forecast_s is None:
            self._first_forecast_s = total_s
        first_s = self._first_forecast_s
        self.was_wrong |= not first_s / _MAX_ERROR_FACTOR <= total_s <= first_s * _MAX_ERROR_FACTOR
        if not self.was_wrong:
            self.left_s = total_s - spent_s

    def words(self) -> str:
        """Return the translated remaining time, or an empty string while it is not known."""
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
        """Show the finished share, or a busy bar if `total` is 0."""
        self.show_share(done / total if total else None)

    def show_share(self, share: float | None) -> None:
        """Show a share (0 to 1), or a busy bar for None. In thousandths, because Qt's range is too small for bytes."""
        self.setRange(0, 0 if share is None else 1000)
        self.setValue(round(1000 * (share or 0.0)))
