"""The bars around the pages: the navigation rail on the left; below, the guide and the bar of the running jobs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from gui.jobs import Job
from gui.kit import theme
from gui.kit.icons import pixmap
from gui.kit.parts import Button, ElidedLabel, IconButton, IconLabel, column, row, text, widget_of
from gui.kit.progress import JobShare, ProgressBar, progress_text
from gui.kit.translation import tr
from gui.page import Page
from visionft.core.events import Event, Progress, RunStarted, StepDone
from visionft.core.messages import Message, Text

WIDTH_PX, FOLDED_PX = 188, 66


class Rail(QFrame):
    """The pages to choose from; `page_chosen` carries the page's name."""

    page_chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("rail")
        mark = text()
        mark.setPixmap(pixmap("visionft", "#000000", size=30))
        self._project = ElidedLabel(tr("No project open"), "small")
        self._names = widget_of(column(text("VisionFT", "heading"), self._project, spacing=0))
        head = row(mark, self._names, grows=1)
        self._buttons: dict[str, Button] = {}
        self._titles: dict[str, str] = {}
        self._group = QButtonGroup(self)
        self._top, self._bottom = column(spacing=theme.HAIR), column(spacing=theme.HAIR)
        layout = column(head, theme.LARGE, self._top, None, self._bottom)
        layout.setContentsMargins(theme.MEDIUM, theme.LARGE, theme.MEDIUM, theme.MEDIUM)
        self.setLayout(layout)
        self.fold(False)

    def fold(self, is_folded: bool) -> None:
        """Show icons alone, or icons with names; folded, names are tooltips."""
        self._names.setHidden(is_folded)
        for name, button in self._buttons.items():
            button.setText("" if is_folded else self._titles[name])
        self.setFixedWidth(theme.scaled(FOLDED_PX if is_folded else WIDTH_PX))

    def add_page(self, name: str, title: str, icon_name: str, *, at_bottom: bool = False) -> None:
        button = Button("", icon_name, role="rail", on_click=lambda: self.page_chosen.emit(name))
        button.setText(tr(title))
        button.setAccessibleName(tr(title))
        self._group.addButton(button)
        self._buttons[name] = button
        self._titles[name] = tr(title)
        (self._bottom if at_bottom else self._top).addWidget(button)

    def show_page(self, name: str) -> None:
        self._buttons[name].setChecked(True)

    def show_project(self, name: str) -> None:
        self._project.setText(name or tr("No project open"))

    def button(self, name: str) -> Button:
        return self._buttons[name]


GUIDE_STEPS: dict[str, Text] = {  # {page: its purpose}
    "project": Message("These images have their classes already."),
    "train": Message("A network learns the classes from the images."),
    "results": Message("This is how often the model is right, and where it is wrong."),
    "export": Message("The model becomes one file, compared with the trained network."),
    "try": Message("The file sorts new images: drop one here, or choose it."),
}


def step_of(folder: Path, page: str) -> str:
    """Return the page of the next step in a project, with `page` in front."""
    from gui.export.export_page import EXPORTS_FOLDER  # after the start of the window
    from visionft.training.runs.run_folder import list_runs

    if next((folder / EXPORTS_FOLDER).glob("*/model.onnx"), None) is not None:
        return "try"

    if any(not (run.is_going or run.is_unfinished) for run in list_runs(folder)):
        return "export" if page == "export" else "results"
    return "train" if page == "train" else "project"


class Guide(QFrame):
    """One line; `begin` shows it, its button leaves it. `step_wanted` asks for `show_step`, now and every second."""

    page_chosen = Signal(str)
    step_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("guide")
        self._place = text("", "caption")
        self.words = ElidedLabel("")
        self.page_button = Button("", role="quiet", on_click=lambda: self.page_chosen.emit(self._step))
        self.close_button = IconButton("close", "Leave the guide", on_click=self.hide)
        self._step = ""
        self._clock = QTimer(self, interval=1000)
        self._clock.timeout.connect(self.step_wanted)
        parts = (IconLabel("sample", tone="accent"), self._place, self.words, self.page_button, self.close_button)
        line = row(*parts, spacing=theme.MEDIUM, grows=2)
        line.setContentsMargins(theme.LARGE, theme.TIGHT, theme.SMALL, theme.TIGHT)
        self.setLayout(line)
        self.hide()

    def begin(self) -> None:
        self.show()
        self._clock.start()
        self.step_wanted.emit()

    def hideEvent(self, event: QHideEvent) -> None:
        self._clock.stop()
        super().hideEvent(event)

    def show_step(self, folder: Path, page: Page, titles: dict[str, str], *, is_busy: bool) -> None:
        """Show the next step: the primary button of its page, or the way to that page."""
        self._step = step_of(folder, page.name)
        place = tr("Step {place} of {count}", place=[*GUIDE_STEPS].index(self._step) + 1, count=len(GUIDE_STEPS))
        is_here = page.name == self._step
        button = next((each for each in page.findChildren(QPushButton) if _is_next(each)), None)
        parts: list[str] = [tr(GUIDE_STEPS[self._step])]
        if is_busy:
            parts.append(tr("Wait a moment: the bar below shows how far it is."))
        elif is_here and button is not None:
            parts.append(tr("Press “{button}”.", button=button.text()))
        self._place.setText(place)
        self.words.setText(" ".join(parts))
        self.page_button.setText(tr("Go to {page}", page=titles[self._step]))
        self.page_button.setVisible(not is_here and not is_busy)
        self.setAccessibleName(f"{place}: {self.words.text()}")


def _is_next(button: QPushButton) -> bool:
    return button.property("role") == "primary" and button.isVisible() and button.isEnabled()


MAX_LINES = 4  # further jobs are only counted
LINE_PX = 36


class JobLine(QWidget):
    """The line of a job: its title, a link to its page, its progress or the reason to wait, and Stop."""

    def __init__(self, job: Job[Any]) -> None:
        super().__init__()
        self.job = job
        self.setFixedHeight(theme.scaled(LINE_PX))
        self._epochs = 0
        self._share = JobShare()
        self._icon = IconLabel("clock", size=16, tone="accent")
        self.job_button = Button("", role="quiet")
        self.job_button.setText(job.title)
        self.job_button.setToolTip(tr("Show the page of this job"))
        self._progress = ProgressBar(width=200)
        self._progress.setAccessibleName(tr("Progress of {job}", job=job.title))
        self._progress.show_share(None)
        self._stage = ElidedLabel(tr("Starting"), "small")
        self._stage.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.stop_button = Button("Stop", "stop", on_click=job.stop)
        self.stop_button.setToolTip(tr("Stop the job; its results so far are kept"))
        parts = (self._icon, self.job_button, self._progress, self._stage, self.stop_button)
        self.setLayout(row(*parts, spacing=theme.MEDIUM, grows=3))
        self._was_waiting = False

    def show_state(self) -> None:
        job = self.job
        self._progress.setVisible(not job.wait_reason)
        self._icon.show_icon("queue" if job.wait_reason else "clock", "muted" if job.wait_reason else "accent")
        if job.wait_reason:
            self._stage.setText(job.wait_reason)
        elif self._was_waiting:
            self._stage.setText(tr("Starting"))
        self._was_waiting = bool(job.wait_reason)
        self.stop_button.setEnabled(not job.is_stopping)
        self.stop_button.setText(tr("Stopping") if job.is_stopping else tr("Stop"))

    def show_event(self, event: Event) -> None:
        match event:
            case RunStarted(epochs=epochs):
                self._epochs = epochs
            case Progress():
                self._show_progress(event, progress_text(event))
            case StepDone(epoch=epoch):
                self._show_progress(event, tr("Epoch {epoch} of {epochs}", epoch=epoch, epochs=self._epochs))
            case _:
                pass

    def _show_progress(self, event: Progress | StepDone, words: str) -> None:
        self._share.take(event)
        self._progress.show_share(self._share.share)
        self._stage.setText(", ".join(filter(None, (words, self._share.words()))))

    def words(self) -> str:
        return self._stage.text()


class JobBar(QFrame):
    """Facts about the project, or a line for each job."""

    job_chosen = Signal(object)  # Job

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("jobBar")
        self.lines: list[JobLine] = []
        self._icon = IconLabel("check-circle", size=16, tone="muted")
        self.idle = ElidedLabel("", "small")
        self._idle_line = widget_of(row(self._icon, self.idle, spacing=theme.MEDIUM, grows=1))
        self._more = text("", "small")
        self._more.hide()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(theme.LARGE, theme.TIGHT, theme.LARGE, theme.TIGHT)
        self._layout.setSpacing(theme.HAIR)
        self._layout.addWidget(self._idle_line)
        self._layout.addWidget(self._more)
        self._idle_line.setFixedHeight(theme.scaled(LINE_PX))
        self.show_idle("")

    def show_idle(self, message: str, *, icon_name: str = "info") -> None:
        self.idle.setText(message)
        self._icon.setVisible(bool(message))
        self._icon.show_icon(icon_name, "muted")

    def show_jobs(self, jobs: Sequence[Job[Any]]) -> None:
        shown = jobs[:MAX_LINES]
        kept = {line.job: line for line in self.lines}
        self.lines = []
        for place, job in enumerate(shown):
            if (line := kept.pop(job, None)) is None:
                line = JobLine(job)
                line.job_button.clicked.connect(lambda _checked=False, job=job: self.job_chosen.emit(job))
            self.lines.append(line)
            self._layout.insertWidget(place, line)
            line.show_state()
            line.show()
        for line in kept.values():
            line.hide()
            self._layout.removeWidget(line)
            line.deleteLater()
        widest = max((line.job_button.sizeHint().width() for line in self.lines), default=0)
        for line in self.lines:
            line.job_button.setMinimumWidth(widest)  # aligns the progress bars
        more = len(jobs) - len(shown)
        self._more.setText(tr("and {count} more wait", count=more))
        self._more.setVisible(more > 0)
        self._idle_line.setVisible(not jobs)

    def show_event(self, job: Job[Any], event: Event) -> None:
        for line in self.lines:
            if line.job is job:
                line.show_event(event)
