"""Repairing a project: restoring a backup, checking it, relocating its images."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtWidgets import QListWidget, QWidget

from gui.jobs import Job, Lane, Work, short_work
from gui.kit import dialogs
from gui.kit.dialogs import Dialog
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button
from gui.kit.translation import tr
from gui.state import AppState
from visionft.core.amounts import size_text
from visionft.core.errors import NextStep
from visionft.core.messages import Message
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.backups import Backup, folder_bytes, list_backups

if TYPE_CHECKING:
    from gui.session import ProjectSession
    from visionft.project.importing.relinking import RelinkReport
    from visionft.project.safety.checking import CheckReport

check_project = lazy_function("visionft.project.safety.checking:check_project", uses_torch=False)
relink_images = lazy_function("visionft.project.importing.relinking:relink_images", uses_torch=False)

_MAX_NAMED_FILES = 20  # files in the details of a message


class RestoreDialog(Dialog):
    """The backups of a project, newest first, to choose from."""

    def __init__(self, parent: QWidget, project: Path, backups: Sequence[Backup]) -> None:
        about = Message(
            "The project goes back to it. What it holds now is kept among its backups; images are not touched."
        )
        super().__init__(parent, Message("Restore a backup"), about, width=560)
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Backups, newest first"))
        for each in backups:
            size = size_text(folder_bytes(project, each))
            self.list.addItem(f"{_when(each)}   {tr(each.reason)}   {size}")
        self.list.setCurrentRow(0)
        self.restore_button = Button("Restore", role="primary")
        self.lay_out(self.list, accept=self.restore_button)


def _when(backup: Backup) -> str:
    return f"{datetime.fromtimestamp(backup.created):%Y-%m-%d %H:%M}"


class Recovery:
    """Recovery actions of the project page, for a damaged project or missing images."""

    def __init__(self, state: AppState, session: "ProjectSession | None", parent: QWidget) -> None:
        self._state, self._session, self._parent = state, session, parent

    def restore(self, project: Path | None) -> None:
        """Let the user choose a backup of a project, possibly the open one, and restore it."""
        path = project or self._state.path
        if path is None:
            return
        found = list_backups(path)
        if not found:
            words = tr("{project} has no backups.", project=path)
            self._state.show_message(words, tr("Import the images and their labels into a new project."), tone="bad")
            return
        dialog = RestoreDialog(self._parent, path, found)
        if dialog.ask():
            _restore(self._state, path, found[dialog.list.currentRow()])

    def check(self) -> None:
        if self._session is not None:
            title = tr("Checking {project}", project=self._session.path.name)
            self._run(title, partial(check_project, self._session.project), self._on_checked)

    def relink(self) -> None:
        if self._session is None:
            return
        folder = dialogs.ask_folder(self._parent, tr("Where the images are now, or a folder above"))
        if folder is not None:
            title = tr("Looking for images in {folder}", folder=folder.name)
            self._run(title, partial(relink_images, self._session.project, folder), self._on_relinked)

    def _run(self, title: str, work: Work[Any], on_done: Callable[[Any], object]) -> None:
        job = Job(title=title, work=work, lane=Lane.DISK, page="project", writes=True)
        self._state.jobs.run(job, owner=self._parent, on_done=on_done)

    def _on_checked(self, report: "CheckReport") -> None:
        missing, repaired = len(report.missing), len(report.repaired)
        gone = tr("The file of {count} image is gone.", "The files of {count} images are gone.", count=missing)
        facts = [tr("Repaired: {count}.", count=repaired)] if repaired else []
        if missing:
            facts.append(gone)
        if report.closed:
            facts.append(tr("Folders without read permission: {count}.", count=len(report.closed)))
        is_changed = report.seal == "broken"
        if is_changed:
            facts.append(tr("Another program or the disk changed the project; a value may be wrong."))
        lines = [*report.repaired, *map(str, (*report.missing, *report.closed)[:_MAX_NAMED_FILES])]
        step = NextStep("relink") if missing else NextStep("restore") if is_changed else None
        message = tr("The project was checked.") if facts else tr("The project is in order.")
        tone = "warn" if step or report.closed else "good"
        self._state.show_message(message, " ".join(facts), tone=tone, details="\n".join(lines), next_step=step)

    def _on_relinked(self, report: "RelinkReport") -> None:
        left = len(report.missing)
        words = tr("{count} image was found again.", "{count} images were found again.", count=report.relinked)
        gone = tr("The file of {count} image is gone.", "The files of {count} images are gone.", count=left)
        details = "\n".join(str(each.path) for each in report.missing[:_MAX_NAMED_FILES])
        step = NextStep("relink") if left else None
        self._state.show_message(
            words, gone if left else "", tone="warn" if left else "good", details=details, next_step=step
        )


def _restore(state: AppState, path: Path, backup: Backup) -> None:
    """Close the project, restore it, open it again. The page is gone by then: the state receives the result."""
    is_open = state.path is not None and state.path.resolve() == path.resolve()
    if is_open and not state.close_project():
        return

    def reopen(restored: Backup) -> None:
        if state.open_project(path):
            words = tr("The project is as it was on {when}.", when=_when(restored))
            state.show_message(words, tr("Its previous content is kept among its backups."), tone="good")

    title = tr("Restoring {project}", project=path.name)
    work = short_work(Message("Restoring"), partial(restore_backup, path, backup.name))
    job = Job(title=title, work=work, lane=Lane.DISK, page="project", outlives_project=True, writes=True)
    state.jobs.run(job, owner=state, on_done=reopen)
