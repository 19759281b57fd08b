"""The jobs of a project on other computers: rows below the queue. Depends on Qt and sent jobs only."""

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import Signal

from gui.kit import theme
from gui.kit.parts import Button, Card, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.messages import Message
from visionft.remote.sent_jobs import SentJob
from visionft.remote.ssh import Phase

_PHASES: Final[dict[Phase, Message]] = {
    "running": Message("is training"),
    "finished": Message("has finished"),
    "ended": Message("has ended without a result"),
    "unknown": Message("is no longer there"),
}


class RemoteJobs(Card):
    """A row for each job whose result is not in the project yet; the buttons act on the selected one."""

    followed = Signal(object)  # SentJob
    stopped = Signal(object)
    removed = Signal(object)
    confirm_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._jobs: tuple[SentJob, ...] = ()
        self._phases: Mapping[str, Phase] = {}
        self._followed = ""
        headers = (Message("Computer"), Message("Job"), Message("State"))
        self.table = ValueTable(headers, name=Message("Jobs on other computers"), is_of_texts=True, is_sortable=False)
        self.follow_button = Button("Follow", "play", on_click=lambda: self.followed.emit(self.chosen()))
        self.stop_button = Button("Stop", "stop", on_click=lambda: self.stopped.emit(self.chosen()))
        self.remove_button = Button("Remove", "trash", on_click=lambda: self.removed.emit(self.chosen()))
        self.confirm_button = Button(
            "Confirm address…", "check", on_click=lambda: self.confirm_requested.emit(self.chosen())
        )
        self.note = text("", "muted", wrap=True)
        self.table.currentCellChanged.connect(self._show_step)
        self.follow_button.setToolTip(tr("Show its curves here, and take its result into the project at its end"))
        self.stop_button.setToolTip(tr("Stop it there after its current step; it can go on later"))
        self.remove_button.setToolTip(tr("Delete its files there, and this row"))
        self.confirm_button.setToolTip(tr("It was sent from another computer, or by somebody else"))
        self.body.addWidget(text("On other computers", "heading"))
        self.body.addWidget(self.table)
        self.body.addWidget(self.note)
        self.body.addLayout(row(self.confirm_button, self.follow_button, self.stop_button, None, self.remove_button))

    def show_jobs(self, jobs: Sequence[SentJob], phases: Mapping[str, Phase], *, followed: str = "") -> None:
        """Show the jobs.

        Args:
            jobs: In their order.
            phases: The phase of a job by its number; it was not looked at where there is none.
            followed: The number of the one that the live view shows.
        """
        chosen = self.table.currentRow()
        self._jobs = tuple(jobs)
        self._phases = phases
        self._followed = followed
        self.table.show_rows(
            [[(each.host.name, ""), (each.job[:8], each.job), (self._state(each), "")] for each in jobs]
        )
        rows = len(jobs)
        self.table.setFixedHeight(theme.scaled(34) * (min(rows, 6) + 1))
        self.table.selectRow(min(max(0, chosen), rows - 1))
        self._show_step()

    def _state(self, sent: SentJob) -> str:
        if not sent.is_confirmed:
            return tr("was sent from elsewhere")
        if sent.job == self._followed:
            return tr("is followed")
        return tr(_PHASES[self._phases[sent.job]]) if sent.job in self._phases else tr("not looked at yet")

    def _show_step(self) -> None:
        ignored = self.chosen().ignored if self._jobs else ()
        words = tr("Not used from the project: {names}. Set such things in ~/.ssh/config.", names=", ".join(ignored))
        self.note.setText(words if ignored else "")
        self.note.setVisible(bool(ignored))
        is_confirmed = not self._jobs or self.chosen().is_confirmed
        phase = self._phases.get(self.chosen().job, "running") if self._jobs and is_confirmed else "unknown"
        self.follow_button.setText(tr("Continue") if phase == "ended" else tr("Follow"))
        self.confirm_button.setVisible(not is_confirmed)
        self.follow_button.setEnabled(is_confirmed and not self._followed)
        self.remove_button.setEnabled(not self._followed)
        self.stop_button.setEnabled(phase == "running")

    def chosen(self) -> SentJob:
        return self._jobs[max(0, self.table.currentRow())]
