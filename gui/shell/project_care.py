"""Actions on the whole open project: label export, history, backups, a duplicate, deletion.

Restoring a backup, checks and lost images are steps of the project page (`gui.home.recovery`), the target of errors.
"""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QFile
from PySide6.QtWidgets import QWidget

from gui.export.export_page import EXPORTS_FOLDER
from gui.home.new_project import free_path
from gui.kit import dialogs
from gui.kit.folders import show_folder
from gui.kit.lazy_function import lazy_function
from gui.kit.translation import tr
from gui.preferences import without_recent
from gui.shell.project_dialogs import HistoryDialog, LabelExportDialog, RemovedDialog
from gui.shell.window_dialog import WindowDialog
from gui.state import AppState
from gui.tasks import Lane, Task, Work, short_work
from gui.unfinished_runs import FILE_NAME as UNFINISHED_FILE
from visionft.core.amounts import size_text
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.files import write_error
from visionft.core.messages import Message
from visionft.project import earlier_files, label_files
from visionft.project.db.database import DATABASE
from visionft.project.edits.image_changes import RestoreImages
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.importing.sample_projects import FOLDER as SAMPLE_FOLDER
from visionft.project.importing.sources import UNPACKED_PREFIX
from visionft.project.queries import ImageFilter, find_images, image_rows
from visionft.project.safety.backups import Backup, folder_bytes
from visionft.project.store import FOLDERS

if TYPE_CHECKING:
    from visionft.project.formats.exporting import LabelExport
    from visionft.project.store import Duplicate, Project

export_labels = lazy_function("visionft.project.formats.exporting:export_labels", uses_torch=False)
duplicate_project = lazy_function("visionft.project.store:duplicate_project", uses_torch=False)

_STEPS, _REMOVED = 500, 10_000  # maximum length of a list
# The program's files in a project folder.
# `external` holds evaluations of models from outside a project, which version 0.2 wrote.
_OURS = (*FOLDERS, EXPORTS_FOLDER, UNFINISHED_FILE, SAMPLE_FOLDER, "external", ".lock", ".lock.json")


class ProjectCare:
    """Runs the commands of the project menu."""

    def __init__(self, state: AppState, parent: QWidget) -> None:
        self._state, self._parent = state, parent

    @property
    def _project(self) -> "Project":
        assert self._state.session is not None  # the commands need an open project
        return self._state.session.project

    def export_labels(self) -> None:
        path = self._project.path
        dialog = LabelExportDialog(self._parent, name=path.name, folder=path.parent)
        if dialog.ask():
            work = partial(
                export_labels,
                self._project,
                dialog.target,
                export_format=dialog.export_format,
                for_spreadsheets=dialog.for_spreadsheets,
            )
            self._run(tr("Exporting the labels of {project}", project=path.name), work, self._on_labels_exported)

    def _on_labels_exported(self, export: "LabelExport") -> None:
        if export.stopped:
            return
        counted = (
            (
                export.outside,
                Message(
                    "{count} image lies outside the folder of this file, where other programs hardly find it.",
                    "{count} images lie outside the folder of this file, where other programs hardly find them.",
                ),
            ),
            (
                export.left_out,
                Message("The format has no place for {count} image.", "The format has no place for {count} images."),
            ),
            (
                len(export.missing),
                Message("The file of {count} image is gone.", "The files of {count} images are gone."),
            ),
        )
        notes = [tr(message, count=count) for count, message in counted if count]
        done = Message("The labels of {count} image were exported.", "The labels of {count} images were exported.")
        self._state.say(
            tr(done, count=export.images),
            " ".join((str(export.path), *notes)),
            tone="warn" if notes else "good",
            details="\n".join(export.missing),
        )

    def restore_images(self) -> None:
        removed = find_images(self._project, ImageFilter(is_removed=True), limit=_REMOVED)
        dialog = RemovedDialog(self._parent, image_rows(self._project, removed))
        chosen = dialog.chosen() if dialog.ask() else ()
        if chosen and self._state.session is not None and self._state.session.apply(RestoreImages(chosen)):
            words = tr("Images that are back in the project: {count}.", count=f"{len(chosen):,}")
            self._state.say(words, tone="good", command="edit.undo")

    def show_history(self) -> None:
        dialog = HistoryDialog(self._parent, self._project.history(_STEPS))
        if dialog.ask() and self._state.session is not None and self._state.session.go_to(dialog.chosen()):
            title = self._project.undo_title
            words = tr("The newest change is now: {change}.", change=tr(title)) if title else ""
            self._state.say(words or tr("All known changes are undone."), tone="good")

    def choose_window(self) -> None:
        """Let the user see and change how the images are read: window, plane and channels."""
        session = self._state.session
        assert session is not None
        paths = [image.path for image in session.snapshot().images]
        dialog = WindowDialog(self._parent, paths, session.project.window)
        if not dialog.ask() or not dialog.is_changed:
            return
        if session.apply(ChooseWindow(dialog.choice)):
            hint = tr("Runs and exports keep the reading that they were trained with. Train again to use this one.")
            self._state.say(tr("The images are read in another way now."), hint, tone="good", command="edit.undo")

    def back_up(self) -> None:
        """Make a manual backup; it stays until the user deletes it."""

        def on_done(backup: Backup) -> None:
            size = size_text(folder_bytes(self._project.path, backup))
            hint = tr("{size}; it stays until you delete it. The images are not in it.", size=size)
            self._state.say(tr("The project is backed up."), hint, tone="good")

        work = short_work(Message("Backing up"), self._project.back_up)
        self._run(tr("Backing up {project}", project=self._project.path.name), work, on_done)

    def duplicate(self) -> None:
        def on_done(copy: "Duplicate") -> None:
            if not copy.stopped:
                words = tr("The project is duplicated: {path}", path=copy.path)
                self._state.say(words, tone="good", next_step=NextStep("open_project", project=copy.path))

        path = self._project.path
        if (parent := dialogs.ask_folder(self._parent, tr("Make the duplicate in"), path.parent)) is not None:
            target = free_path(parent, tr("{project} copy", project=path.name))
            work = partial(duplicate_project, self._project, target)
            self._run(tr("Duplicating {project}", project=path.name), work, on_done)

    def open_folder(self) -> None:
        show_folder(self._project.path)

    def delete(self) -> None:
        """Ask, close the project and move the program's files in its folder to the trash; never other files."""
        path = self._project.path
        summary = self._project.summary()
        facts = tr("Images: {images}, training runs: {runs}.", images=summary.images, runs=len(summary.runs))
        note = tr("Labels, runs, exports and backups go to the trash, and copies of images that were made on import.")
        rest = tr("The images you imported from, and everything else in the folder, stay where they are.")
        title = tr("Move {project} to the trash?", project=path.name)
        question = f"{facts}\n\n{note} {rest}"
        is_sure = dialogs.ask_yes(self._parent, title, question, yes=tr("Move to the trash"))
        if not is_sure or not self._state.close_project():
            return
        try:
            left = move_to_trash(path)
        except VisionFTError as error:
            self._state.report(error, path)
            return
        self._state.change_settings(without_recent(self._state.settings, path))
        hint = tr("What is not the program's stays in {folder}.", folder=path) if left else ""
        self._state.say(tr("{project} is in the trash.", project=path.name), hint, tone="good")

    def _run(self, title: str, work: Work[Any], on_done: Callable[[Any], object]) -> None:
        task = Task(title=title, work=work, lane=Lane.DISK, page="project", makes_files=True, tells_result=True)
        self._state.tasks.run(task, owner=self._state, on_done=on_done)


def move_to_trash(path: Path) -> bool:
    """Move the program's files in a project folder to the system's trash; return whether other files are left.

    A folder without other files is moved as a whole; otherwise the program's files move in a folder of the same name.

    Raises:
        VisionFTError: There is no trash for it, or it cannot be written. The project is unchanged.
    """
    # After the start of the window.
    from visionft.analysis import check
    from visionft.features import feature_store
    from visionft.training import framing_choice
    from visionft.training.remote import job_file

    starts = (DATABASE, UNPACKED_PREFIX)
    files = {each.FILE for each in (framing_choice, label_files)} | {
        earlier_files.WINDOW_FILE,
        earlier_files.RECOMMENDATION_FILE,
    }
    folders = {each.FOLDER for each in (check, feature_store, job_file)} | {earlier_files.RETRIEVAL_FOLDER}
    names = {*_OURS, *files, *folders}
    ours = [entry for entry in path.iterdir() if entry.name in names or entry.name.startswith(starts)]
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


def _move(entries: list[Path], folder: Path) -> None:
    for entry in entries:
        shutil.move(entry, folder / entry.name)
