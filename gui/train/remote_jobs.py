"""The jobs of a project on other computers: rows below the queue. Depends on Qt and sent jobs only."""

from collections.abc import Mapping, Sequence
from typing import Final

from PySide6.QtCore import Signal

from gui.kit import theme
from gui.kit.parts import Button, Card, row, text
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from models.messages import Message
from visionft.remote.ssh import Phase, SentJob

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

    def __init__(self) -> None:
        super().__init__()
        self._jobs: tuple[SentJob, ...] = ()
        self._phases: Mapping[str, Phase] = {}
        headers = (Message("Computer"), Message("Job"), Message("State"))
        self.table = ValueTable(headers, name=Message("Jobs on other computers"), is_of_texts=True, is_sortable=False)
        self.follow_button = Button("Follow", "play", on_click=lambda: self.followed.emit(self.chosen()))
        self.stop_button = Button("Stop", "stop", on_click=lambda: self.stopped.emit(self.chosen()))
        self.remove_button = Button("Remove", "trash", on_click=lambda: self.removed.emit(self.chosen()))
        self.table.currentCellChanged.connect(self._show_step)
        self.follow_button.setToolTip(tr("Show its curves here, and take its result into the project at its end"))
        self.stop_button.setToolTip(tr("Stop it there after its current step; it can go on later"))
        self.remove_button.setToolTip(tr("Delete its files there, and this row"))
        self.body.addWidget(text("On other computers", "heading"))
        self.body.addWidget(self.table)
        self.body.addLayout(row(self.follow_button, self.stop_button, None, self.remove_button))

    def show_jobs(self, jobs: Sequence[SentJob], phases: Mapping[str, Phase], *, followed: str = "") -> None:
        """Show the jobs.

        Args:
            jobs: In their order.
            phases: The phase of a job by its number; it was not looked at where there is none.
            followed: The number of the one that the live view shows.
        """
        chosen, self._jobs, self._phases = self.table.currentRow(), tuple(jobs), phases
        rows = []
        for each in jobs:
            words = tr(_PHASES[phases[each.job]]) if each.job in phases else tr("not looked at yet")
            words = tr("is followed") if each.job == followed else words
            rows.append([(each.host.address, ""), (each.job[:8], each.job), (words, "")])
        self.table.show_rows(rows)
        self.table.setFixedHeight(theme.scaled(34) * (min(len(rows), 6) + 1))
        self.table.selectRow(min(max(0, chosen), len(rows) - 1))
        for button in (self.follow_button, self.remove_button):
            button.setEnabled(not followed)
        self._show_step()

    def _show_step(self) -> None:
        phase = self._phases.get(self.chosen().job, "running") if self._jobs else "unknown"
        self.follow_button.setText(tr("Continue") if phase == "ended" else tr("Follow"))
        self.stop_button.setEnabled(phase == "running")

    def chosen(self) -> SentJob:
        return self._jobs[max(0, self.table.currentRow())]
