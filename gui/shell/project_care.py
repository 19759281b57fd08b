"""What is done with the open project as a whole: its labels handed out, its past, backups, a duplicate, its end.

Going back to a backup, checks and lost pictures are steps of the project page (`gui.home.recovery`), where errors lead.
"""

import shutil
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QFile, QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QWidget

from gui.export.page import EXPORTS_FOLDER
from gui.home.new_project import free_path
from gui.kit import dialogs
from gui.kit.i18n import tr
from gui.preferences import without_recent
from gui.run_queue import FILE_NAME as QUEUE_FILE
from gui.shell.history_dialog import HistoryDialog
from gui.shell.label_export_dialog import LabelExportDialog, LabelExportWish
from gui.shell.removed_dialog import RemovedDialog
from gui.state import AppState
from gui.tasks import Lane, Task
from visionft.amounts import size_text
from visionft.errors import NextStep, VisionFTError
from visionft.events import OnEvent, Progress, ShouldStop
from visionft.files import write_error
from visionft.project.db.database import DATABASE
from visionft.project.edits.image_changes import RestoreImages
from visionft.project.importing.sources import UNPACKED_PREFIX
from visionft.project.queries import ImageFilter, find_images, image_rows
from visionft.project.safety.backups import Backup, folder_bytes
from visionft.project.store import FOLDERS
from visionft.samples import FOLDER as SAMPLE_FOLDER

if TYPE_CHECKING:
    from visionft.project.duplicating import Duplicate
    from visionft.project.formats.exporting import LabelExport
    from visionft.project.store import Project

PAGE = "project"
_STEPS, _REMOVED = 500, 10_000  # the most that a list shows
_OURS = (
    *FOLDERS,
    EXPORTS_FOLDER,
    QUEUE_FILE,
    SAMPLE_FOLDER,
    ".lock",
    ".lock.json",
)  # what the program keeps in a project's folder


class ProjectCare:
    """Does what the commands of the project menu ask for."""

    def __init__(self, state: AppState, parent: QWidget) -> None:
        self._state, self._parent = state, parent

    @property
    def _project(self) -> "Project":
        assert self._state.session is not None  # the commands need an open project
        return self._state.session.project

    # -- labels and pictures ------------------------------------------------------------------------------------

    def export_labels(self) -> None:
        """Ask for a format and a place, and write the labels there."""
        path = self._project.path
        dialog = LabelExportDialog(self._parent, name=path.name, folder=path.parent)
        if _is_accepted(dialog):
            wish = dialog.wish()
            title = tr("Exporting the labels of {project}", project=path.name)
            self._run(title, partial(export_labels, self._project, wish), self._on_labels_exported)

    def _on_labels_exported(self, export: "LabelExport") -> None:
        if export.stopped:
            return
        words = tr("The labels of {count} pictures were exported.", count=f"{export.pictures:,}")
        missing = tr("The files of {count} pictures are gone.", count=len(export.missing)) if export.missing else ""
        if export.left_out:
            left_out = tr("The format has no place for {count} pictures.", count=f"{export.left_out:,}")
            missing = f"{left_out} {missing}".rstrip()
        if export.outside:
            words_ = "{count} pictures lie outside the folder of this file, where other programs hardly find them."
            missing = f"{tr(words_, count=export.outside)} {missing}".rstrip()
        tone, details = "warn" if missing else "good", "\n".join(export.missing)
        self._state.say(words, f"{export.path} {missing}".rstrip(), tone=tone, details=details)

    def restore_pictures(self) -> None:
        """Let the user choose among the pictures that were taken out, and bring them back."""
        removed = find_images(self._project, ImageFilter(is_removed=True), limit=_REMOVED)
        dialog = RemovedDialog(self._parent, image_rows(self._project, removed))
        chosen = dialog.chosen() if _is_accepted(dialog) else ()
        if chosen and self._state.session is not None and self._state.session.apply(RestoreImages(chosen)):
            words = tr("Pictures that are back in the project: {count}.", count=f"{len(chosen):,}")
            self._state.say(words, tone="good", command="edit.undo")

    # -- past ---------------------------------------------------------------------------------------------------

    def show_history(self) -> None:
        """Show all changes, and go to the point that the user chooses."""
        dialog = HistoryDialog(self._parent, self._project.history(_STEPS))
        if _is_accepted(dialog) and self._state.session is not None and self._state.session.go_to(dialog.chosen()):
            title = self._project.undo_title
            words = tr("The newest change is now: {change}.", change=tr(title)) if title else ""
            self._state.say(words or tr("All known changes are undone."), tone="good")

    def back_up(self) -> None:
        """Make a backup of the user's own, which stays until they delete it."""
        title = tr("Backing up {project}", project=self._project.path.name)
        self._run(title, partial(back_up, self._project), self._on_backed_up)

    def _on_backed_up(self, backup: Backup) -> None:
        size = size_text(folder_bytes(self._project.path, backup))
        hint = tr("{size}; it stays until you delete it. The pictures are not in it.", size=size)
        self._state.say(tr("The project is backed up."), hint, tone="good")

    # -- the folder ---------------------------------------------------------------------------------------------

    def duplicate(self) -> None:
        """Ask for a folder and copy the project into it."""
        path = self._project.path
        parent = dialogs.ask_folder(self._parent, tr("Make the duplicate in"), path.parent)
        if parent is not None:
            target = free_path(parent, tr("{project} copy", project=path.name))
            title = tr("Duplicating {project}", project=path.name)
            self._run(title, partial(duplicate_project, self._project, target), self._on_duplicated)

    def _on_duplicated(self, copy: "Duplicate") -> None:
        if not copy.stopped:
            words = tr("The project is duplicated: {path}", path=copy.path)
            self._state.say(words, tone="good", next_step=NextStep("open_project", project=copy.path))

    def open_folder(self) -> None:
        """Show the project's folder in the system's file manager."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self._project.path)))

    def delete(self) -> None:
        """Ask, close the project and move what the program keeps in its folder to the trash; never other files."""
        path, summary = self._project.path, self._project.summary()
        facts = tr("Pictures: {pictures}, training runs: {runs}.", pictures=summary.images, runs=len(summary.runs))
        note = tr("Labels, runs, exports and backups go to the trash, and copies of pictures that were made on import.")
        rest = tr("The pictures you imported from, and everything else in the folder, stay where they are.")
        title = tr("Move {project} to the trash?", project=path.name)
        if not dialogs.ask_yes(self._parent, title, f"{facts}\n\n{note} {rest}", yes=tr("Move to the trash")):
            return
        if not self._state.close_project():
            return
        try:
            left = move_to_trash(path)
        except VisionFTError as error:
            self._state.report(error, path)
            return
        self._state.change_settings(without_recent(self._state.settings, path))
        hint = tr("What is not the program's stays in {folder}.", folder=path) if left else ""
        self._state.say(tr("{project} is in the trash.", project=path.name), hint, tone="good")

    # -- tasks --------------------------------------------------------------------------------------------------

    def _run(self, title: str, work: partial, on_done) -> None:
        task = Task(title=title, work=work, lane=Lane.DISK, page=PAGE)
        self._state.tasks.run(task, owner=self._state, on_done=on_done)


def _is_accepted(dialog: QDialog) -> bool:
    is_accepted = dialog.exec() == QDialog.DialogCode.Accepted
    dialog.deleteLater()
    return is_accepted


def move_to_trash(path: Path) -> bool:
    """Move what the program keeps in a project's folder to the system's trash; return whether anything else is left.

    A folder that holds nothing else goes as it is; else what is the program's goes in a folder of the same name.

    Raises:
        VisionFTError: There is no trash for it, or it cannot be written. The project stays as it was.
    """
    ours = [entry for entry in path.iterdir() if _is_ours(entry.name)]
    others = len(ours) < sum(1 for _ in path.iterdir())
    parcel = path if not others else free_path(path, path.name)
    try:
        if others:
            parcel.mkdir()
            _move(ours, parcel)
        if not QFile.moveToTrash(str(parcel)):
            if others:
                _move(list(parcel.iterdir()), path)
                parcel.rmdir()
            message = tr("The system has no trash for {path}.", path=path)
            hint = tr("It is closed and stays as it was. Delete its folder yourself if you do not need it.")
            raise VisionFTError(message, hint, NextStep("open_project", project=path))
    except OSError as error:
        raise write_error(path, error) from error
    return others


def _is_ours(name: str) -> bool:
    return name in _OURS or name.startswith((DATABASE, UNPACKED_PREFIX))


def _move(entries: list[Path], folder: Path) -> None:
    for entry in entries:
        shutil.move(entry, folder / entry.name)


def export_labels(
    project: "Project", wish: LabelExportWish, *, on_event: OnEvent, should_stop: ShouldStop
) -> "LabelExport":
    """Write labels for other programs, in a task."""
    from visionft.project.formats import exporting

    return exporting.export_labels(
        project,
        wish.target,
        export_format=wish.export_format,
        for_spreadsheets=wish.for_spreadsheets,
        on_event=on_event,
        should_stop=should_stop,
    )


def back_up(project: "Project", *, on_event: OnEvent, should_stop: ShouldStop) -> Backup:
    """Make a backup, in a task; takes a moment and cannot be stopped."""
    on_event(Progress(stage="Backing up", done=0, total=0))
    return project.back_up()


def duplicate_project(project: "Project", target: Path, *, on_event: OnEvent, should_stop: ShouldStop) -> "Duplicate":
    """Copy a project, in a task."""
    from visionft.project import duplicating

    return duplicating.duplicate_project(project, target, on_event=on_event, should_stop=should_stop)
