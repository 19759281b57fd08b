"""Actions on the whole open project: label export, history, backups, a duplicate, deletion.

Restoring a backup, checks and lost images are steps of the project page (`gui.home.recovery`), the target of errors.
"""

import shutil
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QFile
from PySide6.QtWidgets import QAbstractItemView, QButtonGroup, QGridLayout, QHeaderView, QWidget

from gui.export.export_page import EXPORTS_FOLDER
from gui.home.new_project import free_path
from gui.jobs import Job, Lane, Work, short_work
from gui.kit import dialogs, theme
from gui.kit.dialogs import Dialog
from gui.kit.folders import show_folder
from gui.kit.lazy_function import lazy_function
from gui.kit.parts import Button, ElidedLabel, row, text
from gui.kit.tiles import ActionTile
from gui.kit.translation import tr
from gui.kit.value_table import ValueTable
from gui.preferences import without_recent
from gui.runner import UNFINISHED_FILE
from gui.shell.window_dialog import WindowDialog
from gui.state import AppState
from visionft.core.amounts import size_text
from visionft.core.errors import NextStep, VisionFTError
from visionft.core.files import write_error
from visionft.core.foreign_text import printable
from visionft.core.messages import Message
from visionft.project import earlier_files, label_files
from visionft.project.db.database import DATABASE
from visionft.project.db.journal import Step
from visionft.project.edits.image_changes import RestoreImages
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.formats.registry import FORMATS
from visionft.project.importing.sample_projects import SAMPLE_FOLDER
from visionft.project.importing.sources import UNPACKED_PREFIX
from visionft.project.queries import ImageFilter, ImageRow, find_images, image_rows
from visionft.project.safety.backups import Backup, folder_bytes
from visionft.project.store import PROJECT_FOLDERS

if TYPE_CHECKING:
    from visionft.project.formats.exporting import LabelExport
    from visionft.project.store import ProjectCopy, ProjectStore


_BEGINNING = 0  # before the first known step
_FIRST = ("csv", "jsonl", "folders")  # the most frequent formats


class HistoryDialog(Dialog):
    """All known steps; the selection starts at the current state, undone steps are above it."""

    def __init__(self, parent: QWidget, steps: Sequence[Step]) -> None:
        about = Message(
            "The project goes to its state after the marked change. Nothing is lost: until you change something else "
            "you can go forward again."
        )
        super().__init__(parent, Message("History"), about, width=620, height=480)
        self._now = next((step.step_id for step in steps if not step.is_undone), _BEGINNING)
        self._ids = [*(step.step_id for step in steps), _BEGINNING]
        columns = (Message("What changed"), Message("When"), Message("State"))
        self.table = ValueTable(columns, name="Changes, newest first", is_sortable=False, is_of_texts=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.horizontalHeader().setStretchLastSection(False)
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        rows = []
        for step in steps:
            state = tr("now") if step.step_id == self._now else tr("undone") if step.is_undone else ""
            rows.append((tr(step.title), f"{datetime.fromtimestamp(step.at / 1000):%Y-%m-%d %H:%M}", state))
        rows.append((tr("Before all of these"), "", "" if self._now else tr("now")))
        cells = [[(words, words) for words in row] for row in rows]
        self.table.show_rows(cells, marked=[self._ids.index(self._now)])
        self.go_button = Button("Go to this point", role="primary")
        self.effect = text("", "small", wrap=True)
        self.lay_out(self.table, self.effect, accept=self.go_button)
        self.table.itemSelectionChanged.connect(self._show_effect)
        self.table.itemActivated.connect(lambda _item: self.go_button.click())
        self.table.selectRow(self._ids.index(self._now))

    def chosen(self) -> int:
        """Return the step to become the newest; 0 for none."""
        rows = self.table.selectionModel().selectedRows()
        return self._ids[rows[0].row()] if rows else self._now

    def _show_effect(self) -> None:
        far = self._ids.index(self.chosen()) - self._ids.index(self._now)
        self.go_button.setEnabled(far != 0)
        words = tr("The project is at this point.")
        if far:
            words = tr("Changes to undo: {count}.", count=far) if far > 0 else ""
            words = words or tr("Changes to redo: {count}.", count=-far)
        self.effect.setText(words)


class RemovedDialog(Dialog):
    """A table of the removed images; `chosen` are those to restore once it is accepted."""

    def __init__(self, parent: QWidget, images: Sequence[ImageRow]) -> None:
        about = Message(
            "They come back with their labels, tags and notes. All are selected; select fewer to restore only these."
        )
        super().__init__(parent, Message("Removed images"), about, width=680, height=460)
        self._images = list(images)
        columns = (Message("Image"), Message("Labels"), Message("Folder"))
        self.table = ValueTable(columns, name="Removed images", is_sortable=False, is_of_texts=True)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        rows = [(printable(e.path.name), ", ".join(e.labels), printable(str(e.path.parent))) for e in images]
        self.table.show_rows([[(word, word) for word in words] for words in rows])
        self.table.selectAll()
        self.restore_button = Button("Restore", role="primary")
        self.lay_out(self.table, accept=self.restore_button)
        self.table.itemSelectionChanged.connect(self._show_count)
        self._show_count()

    def chosen(self) -> tuple[int, ...]:
        places = sorted({item.row() for item in self.table.selectedItems()})
        return tuple(self._images[place].image_id for place in places)

    def _show_count(self) -> None:
        count = len(self.chosen())
        self.restore_button.setEnabled(count > 0)
        self.restore_button.setText(tr("Restore {count}", count=f"{count:,}"))


class LabelExportDialog(Dialog):
    """Asks for a format, then a target; it can be accepted once both are known."""

    def __init__(self, parent: QWidget, *, name: str, folder: Path) -> None:
        """Args: `name` is the project's; `folder` is the start folder of the file dialogs."""
        super().__init__(parent, Message("Export labels"), Message("The images stay where they are."), width=860)
        self._name, self._folder = name, folder
        self.target: Path | None = None
        names = dict.fromkeys((*_FIRST, *(each.name for each in FORMATS.values() if each.is_export)))
        self.tiles = {kind: ActionTile(FORMATS[kind].title, FORMATS[kind].words, checkable=True) for kind in names}
        group = QButtonGroup(self)
        grid = QGridLayout()
        grid.setSpacing(theme.MEDIUM)
        for number, tile in enumerate(self.tiles.values()):
            tile.setMinimumHeight(theme.scaled(98))
            group.addButton(tile)
            grid.addWidget(tile, *divmod(number, 3))
            tile.toggled.connect(lambda _is_on: self._show_target(None))
        self._place = ElidedLabel("", "small")
        self.place_button = Button("Choose the place", "folder-open", on_click=self.choose_place)
        self.export_button = Button("Export", role="primary")
        place = row(self.place_button, self._place, spacing=theme.MEDIUM, grows=1)
        self.lay_out(grid, theme.SMALL, place, accept=self.export_button)
        self.tiles[_FIRST[0]].setChecked(True)
        self._show_target(None)

    @property
    def export_format(self) -> str:
        return next(kind for kind, tile in self.tiles.items() if tile.isChecked())

    def choose_place(self) -> None:
        wanted = FORMATS[self.export_format]
        if not wanted.is_file:
            parent = dialogs.ask_folder(self, tr("Make the new folder in"), self._folder)
            target = free_path(parent, self._name) if parent is not None else None
        else:
            suffix = wanted.suffixes[0]
            start = self._folder / f"{self._name}{suffix}"
            target = dialogs.ask_save_file(self, tr("Export labels"), f"{tr(wanted.title)} (*{suffix})", start)
        if target is not None:
            self._show_target(target)

    def _show_target(self, target: Path | None) -> None:
        self.target = target
        self._place.setText(str(target) if target is not None else tr("No place chosen yet"))
        self.export_button.setEnabled(target is not None)
        self.export_button.setToolTip("" if target is not None else tr("Choose the place first."))


export_labels = lazy_function("visionft.project.formats.exporting:export_labels", uses_torch=False)
duplicate_project = lazy_function("visionft.project.store:duplicate_project", uses_torch=False)

_STEPS, _REMOVED = 500, 10_000  # maximum length of a list
# The program's files in a project folder.
# `external` holds evaluations of models from outside a project, which version 0.2 wrote.
_OURS = (*PROJECT_FOLDERS, EXPORTS_FOLDER, UNFINISHED_FILE, SAMPLE_FOLDER, "external", ".lock", ".lock.json")


class ProjectCare:
    """Runs the commands of the project menu."""

    def __init__(self, state: AppState, parent: QWidget) -> None:
        self._state, self._parent = state, parent

    @property
    def _project(self) -> "ProjectStore":
        assert self._state.session is not None  # the commands need an open project
        return self._state.session.project

    def export_labels(self) -> None:
        path = self._project.path
        dialog = LabelExportDialog(self._parent, name=path.name, folder=path.parent)
        if dialog.ask():
            work = partial(export_labels, self._project, dialog.target, export_format=dialog.export_format)
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
        self._state.show_message(
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
            self._state.show_message(words, tone="good", command="edit.undo")

    def show_history(self) -> None:
        dialog = HistoryDialog(self._parent, self._project.history(_STEPS))
        if dialog.ask() and self._state.session is not None and self._state.session.go_to(dialog.chosen()):
            title = self._project.undo_title
            words = tr("The newest change is now: {change}.", change=tr(title)) if title else ""
            self._state.show_message(words or tr("All known changes are undone."), tone="good")

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
            self._state.show_message(
                tr("The images are read in another way now."), hint, tone="good", command="edit.undo"
            )

    def back_up(self) -> None:
        """Make a manual backup; it stays until the user deletes it."""

        def on_done(backup: Backup) -> None:
            size = size_text(folder_bytes(self._project.path, backup))
            hint = tr("{size}; it stays until you delete it. The images are not in it.", size=size)
            self._state.show_message(tr("The project is backed up."), hint, tone="good")

        work = short_work(Message("Backing up"), self._project.back_up)
        self._run(tr("Backing up {project}", project=self._project.path.name), work, on_done)

    def duplicate(self) -> None:
        def on_done(copy: "ProjectCopy") -> None:
            if not copy.stopped:
                words = tr("The project is duplicated: {path}", path=copy.path)
                self._state.show_message(words, tone="good", next_step=NextStep("open_project", project=copy.path))

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
        hint = tr("Files of other programs stay in {folder}.", folder=path) if left else ""
        self._state.show_message(tr("{project} is in the trash.", project=path.name), hint, tone="good")

    def _run(self, title: str, work: Work[Any], on_done: Callable[[Any], object]) -> None:
        job = Job(title=title, work=work, lane=Lane.DISK, page="project", makes_files=True, owner_shows_result=True)
        self._state.jobs.run(job, owner=self._state, on_done=on_done)


def move_to_trash(path: Path) -> bool:
    """Move the program's files in a project folder to the system's trash; return whether other files are left.

    A folder without other files is moved as a whole; otherwise the program's files move in a folder of the same name.

    Raises:
        VisionFTError: There is no trash for it, or it cannot be written. The project is unchanged.
    """
    # After the start of the window.
    from visionft.analysis.check import CURATION_FOLDER
    from visionft.features.feature_store import FEATURES_FOLDER
    from visionft.training import framing_choice
    from visionft.training.remote import job_file

    starts = (DATABASE, UNPACKED_PREFIX)
    files = {
        framing_choice.FRAMING_FILE,
        label_files.LABEL_FILES_JSON,
        earlier_files.WINDOW_FILE,
        earlier_files.RECOMMENDATION_FILE,
    }
    folders = {CURATION_FOLDER, FEATURES_FOLDER, job_file.JOBS_FOLDER, earlier_files.RETRIEVAL_FOLDER}
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
