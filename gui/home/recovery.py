"""Mending a project: going back to a backup, checking it, finding its pictures again."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QDialog, QListWidget, QWidget

from gui.kit import dialogs, theme
from gui.kit.i18n import tr
from gui.kit.parts import Button, column, row, text
from gui.session import ProjectSession
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.amounts import size_text
from visionft.errors import NextStep
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.project.safety.backups import Backup, folder_bytes, list_backups

if TYPE_CHECKING:
    from visionft.project.importing.relinking import RelinkReport
    from visionft.project.safety.checking import CheckReport
    from visionft.project.store import Project

PAGE = "project"
_NAMED = 20  # files in the details of a message


class RestoreDialog(QDialog):
    """The backups of a project, newest first, to choose one."""

    def __init__(self, parent: QWidget, project: Path, backups: Sequence[Backup]) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Restore a backup"))
        self.setMinimumWidth(theme.scaled(560))
        self._backups = backups
        self.list = QListWidget()
        self.list.setAccessibleName(tr("Backups, newest first"))
        self.list.addItems([_backup_words(project, each) for each in backups])
        self.list.setCurrentRow(0)
        self.restore_button = Button("Restore", role="primary", on_click=self.accept)
        self.restore_button.setDefault(True)
        note = "The project goes back to it. What it holds now is kept among its backups; pictures are not touched."
        layout = column(
            text("Restore a backup", "title"),
            text(note, "muted", wrap=True),
            theme.SMALL,
            self.list,
            theme.LARGE,
            row(None, Button("Cancel", on_click=self.reject), self.restore_button),
        )
        layout.setContentsMargins(theme.HUGE, theme.HUGE, theme.HUGE, theme.HUGE)
        self.setLayout(layout)

    def chosen(self) -> Backup:
        """Return the backup that is marked."""
        return self._backups[self.list.currentRow()]


def _backup_words(project: Path, backup: Backup) -> str:
    return f"{_when(backup)}   {backup.reason}   {size_text(folder_bytes(project, backup))}"


def _when(backup: Backup) -> str:
    return f"{datetime.fromtimestamp(backup.created):%Y-%m-%d %H:%M}"


class Recovery:
    """What the project page does for a project that is damaged, or whose pictures are gone."""

    def __init__(self, state: AppState, session: ProjectSession | None, parent: QWidget) -> None:
        self._state, self._session, self._parent = state, session, parent

    def restore(self, project: Path | None) -> None:
        """Let the user choose a backup of a project, which may be the open one, and go back to it."""
        path = project or self._state.path
        if path is None:
            return
        found = list_backups(path)
        if not found:
            words = tr("{project} has no backups.", project=path)
            self._state.say(words, tr("Import the pictures and their labels into a new project."), tone="bad")
            return
        dialog = RestoreDialog(self._parent, path, found)
        is_accepted, backup = dialog.exec() == QDialog.DialogCode.Accepted, dialog.chosen()
        dialog.deleteLater()
        if is_accepted:
            _restore(self._state, path, backup)

    def check(self) -> None:
        """Check the open project, and repair what can be repaired."""
        if self._session is not None:
            title = tr("Checking {project}", project=self._session.path.name)
            work = partial(check_project, self._session.project)
            task = Task(title=title, work=work, lane=Lane.DISK, page=PAGE, writes=True)
            self._state.tasks.run(task, owner=self._parent, on_done=self._on_checked)

    def relink(self) -> None:
        """Let the user say where the missing pictures are now."""
        if self._session is None:
            return
        folder = dialogs.ask_folder(self._parent, tr("Where the pictures are now, or a folder above"))
        if folder is not None:
            work = partial(relink_pictures, self._session.project, folder)
            title = tr("Looking for pictures in {folder}", folder=folder.name)
            task = Task(title=title, work=work, lane=Lane.DISK, page=PAGE, writes=True)
            self._state.tasks.run(task, owner=self._parent, on_done=self._on_relinked)

    def _on_checked(self, report: "CheckReport") -> None:
        missing, repaired = len(report.missing), len(report.repaired)
        facts = [tr("Repaired: {count}.", count=repaired)] if repaired else []
        facts += [tr("The files of {count} pictures are gone.", count=f"{missing:,}")] if missing else []
        facts += [tr("Folders that may not be entered: {count}.", count=len(report.closed))] if report.closed else []
        is_changed = report.seal == "broken"
        facts += [tr("Another program or the disk changed the project; a value may be wrong.")] if is_changed else []
        lines = [*report.unexplained, *report.repaired, *map(str, (*report.missing, *report.closed)[:_NAMED])]
        step = NextStep("relink") if missing else NextStep("restore") if is_changed else None
        message = tr("The project was checked.") if facts else tr("The project is in order.")
        tone = "warn" if step or report.closed else "good"
        self._state.say(message, " ".join(facts), tone=tone, details="\n".join(lines), next_step=step)

    def _on_relinked(self, report: "RelinkReport") -> None:
        left = len(report.missing)
        words = tr("{count} pictures were found again.", count=f"{report.relinked:,}")
        hint = tr("The files of {count} pictures are gone.", count=f"{left:,}") if left else ""
        details = "\n".join(str(each.path) for each in report.missing[:_NAMED])
        step = NextStep("relink") if left else None
        self._state.say(words, hint, tone="warn" if left else "good", details=details, next_step=step)


def _restore(state: AppState, path: Path, backup: Backup) -> None:
    """Close the project, restore it, open it again. The page that asked is gone by then: the state hears of it."""
    is_open = state.path is not None and state.path.resolve() == path.resolve()
    if is_open and not state.close_project():
        return

    def reopen(restored: Backup) -> None:
        if state.open_project(path):
            words = tr("The project is as it was on {when}.", when=_when(restored))
            state.say(words, tr("What it held before is kept among its backups."), tone="good")

    title = tr("Restoring {project}", project=path.name)
    work = partial(restore_project, path, backup.name)
    task = Task(title=title, work=work, lane=Lane.DISK, page=PAGE, outlives_project=True)
    state.tasks.run(task, owner=state, on_done=reopen)


def restore_project(path: Path, name: str, *, on_event: OnEvent, should_stop: ShouldStop) -> Backup:
    """Go back to a backup, in a task; takes a moment and cannot be stopped."""
    from visionft.project.safety.restoring import restore_backup

    on_event(Progress(stage="Restoring", done=0, total=0))
    return restore_backup(path, name)


def check_project(project: "Project", *, on_event: OnEvent, should_stop: ShouldStop) -> "CheckReport":
    """Check and repair a project, in a task."""
    from visionft.project.safety import checking

    return checking.check_project(project, on_event=on_event, should_stop=should_stop)


def relink_pictures(project: "Project", folder: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> "RelinkReport":
    """Look below a folder for missing pictures, in a task."""
    from visionft.project.importing.relinking import relink_images

    return relink_images(project, folder, on_event=on_event, should_stop=should_stop)
