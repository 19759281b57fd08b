"""The bar along the bottom of every page: what runs now, how far it is, and Stop. Knows Qt and plain data only."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QFrame, QProgressBar, QSizePolicy

from gui.kit import theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, ElidedLabel, IconLabel, row, text


class JobBar(QFrame):
    """One line: idle facts, or the running job."""

    stop_requested = Signal()
    job_chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("jobBar")
        self._icon = IconLabel("check-circle", size=16, tone="muted")
        self._idle = ElidedLabel("", "small")
        self.job_button = Button("", role="quiet", on_click=self.job_chosen.emit)
        self.job_button.setToolTip(tr("Show the page of this job"))
        self._progress = QProgressBar()
        self._progress.setTextVisible(False)
        self._progress.setFixedWidth(220)
        self._progress.setAccessibleName(tr("Progress of the running job"))
        self._stage = ElidedLabel("", "small")
        self._stage.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._fact = text("", "small")
        self.stop_button = Button("Stop", "stop", on_click=self.stop_requested.emit)
        self.stop_button.setToolTip(tr("End the job well; what it has done so far is kept"))
        layout = row(self._icon, self._idle, self.job_button, self._progress, self._stage, self.stop_button, self._fact)
        layout.setStretch(1, 1)
        layout.setStretch(4, 1)
        layout.setContentsMargins(theme.LARGE, theme.TIGHT, theme.LARGE, theme.TIGHT)
        layout.setSpacing(theme.MEDIUM)
        self.setLayout(layout)
        self.setMinimumHeight(theme.scaled(44))
        self.show_idle("")

    def show_idle(self, message: str, *, icon_name: str = "info") -> None:
        """Show that nothing runs."""
        self._set_busy(False)
        self._idle.setText(message)
        self._icon.setVisible(bool(message))
        self._icon.show_icon(icon_name, "muted")

    def show_job(self, title: str) -> None:
        """Show a job that has just started."""
        self._set_busy(True)
        self._icon.setVisible(True)
        self._icon.show_icon("clock", "accent")
        self.job_button.setText(tr(title))
        self._stage.setText(tr("Starting"))
        self._progress.setRange(0, 0)
        self.stop_button.setEnabled(True)
        self.stop_button.setText(tr("Stop"))

    def show_progress(self, done: int, total: int, stage: str) -> None:
        """Show how far the job is; `total` 0 means unknown."""
        self._progress.setRange(0, total)
        self._progress.setValue(done)
        self._stage.setText(stage)

    def show_stopping(self) -> None:
        """Show that the stop was heard."""
        self.stop_button.setEnabled(False)
        self.stop_button.setText(tr("Stopping"))

    def show_fact(self, fact: str) -> None:
        """Show a lasting fact at the right end, such as *Saved*."""
        self._fact.setText(fact)

    def _set_busy(self, is_busy: bool) -> None:
        self._idle.setVisible(not is_busy)
        for widget in (self.job_button, self._progress, self._stage, self.stop_button):
            widget.setVisible(is_busy)
