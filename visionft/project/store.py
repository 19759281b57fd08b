"""The project: created or opened once for writing, changed only through `ProjectStore.apply`, read from any thread.

A project is a folder: `project.db` (the user's decisions), `images/` (copied images), `runs/` (one folder per training
run) and `backups/`. The original images are never written to.
"""

import logging
import os
import shutil
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection, IntegrityError
from types import TracebackType
from typing import Any, Self, get_args

from visionft.core.errors import NextStep, ProjectError
from visionft.core.events import Notice, Progress
from visionft.core.files import fsync_folder, fsync_tree, list_folder, publish_folder, temporary_folder, write_error
from visionft.core.jobs import SILENT_JOB, JobContext
from visionft.core.messages import Message, Text, sentences
from visionft.core.names import project_path
from visionft.data.image_reading import AS_STORED, ImageReading
from visionft.data.types import Snapshot, Task
from visionft.project.db import journal, schema
from visionft.project.db.database import DATABASE, Database, RollBack
from visionft.project.db.journal import Effects, Step
from visionft.project.db.roots import IMAGES_FOLDER, Roots
from visionft.project.db.sqlite_errors import expected_errors
from visionft.project.earlier_files import FRAMING_SETTING, WINDOW_SETTING
from visionft.project.edits.changes import Change, now_ms, task_of
from visionft.project.image_window import WindowChoice, read_window
from visionft.project.safety import backups
from visionft.project.safety.backup_schedule import BackupSchedule
from visionft.project.safety.backups import BACKUPS_FOLDER
from visionft.project.summary import ProjectStatus, ProjectSummary, read_snapshot, read_status, read_summary

logger = logging.getLogger(__name__)

_WINDOW_FAULT = sentences(
    Message("The image values of this project are damaged: images of more than 8 bits are read as they are stored."),
    Message("Choose the image values of this project again."),
)
PROJECT_FOLDERS = (IMAGES_FOLDER, "runs", BACKUPS_FOLDER)


class ProjectStore:
    """An open project, from `create` or `open`; close it, or use it as a context manager."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        """Open the project in `path`; use `ProjectStore.open`, with its check of the path."""
        self.path = path  # the project folder, absolute
        self.database = Database(path, writable=writable)
        # Messages to the user: a network file system, a failed backup ...; see `forward_notices`.
        self.notices = self.database.notices
        self._tell: Callable[[Notice], object] | None = None
        self._is_open = True
        self._changes = 0  # number of writes to the history
        self._status: tuple[int, ProjectStatus] | None = None  # with the value of `_changes` at its reading
        self._schedule: BackupSchedule | None = None
        try:
            with self.reading() as connection:
                # "single" (one class per image) or "multi" (any number).
                self.task: Task = "multi" if task_of(connection) == "multi" else "single"
            self._note_damage()
            if not self.is_read_only:
                self._schedule = BackupSchedule(self.database.file, path, on_failure=self._note_failure)
        except BaseException:
            self.close()
            raise
        logger.info("project opened: %s", self.read_only_reason or f"{self.task}-label")

    @classmethod
    def create(cls, path: Path, *, task: Task = "single") -> Self:
        """Create a project in a new (or empty) folder and open it. Nothing is left behind on failure."""
        path = project_path(path)
        if task not in get_args(Task):
            raise ProjectError(Message("There is no task “{task}”.", task=task), "Use “single” or “multi”.")
        if path.exists() and not path.is_dir():
            raise ProjectError(Message("{out_dir} is a file.", out_dir=path), "Choose a new folder for the project.")
        if (path / DATABASE).exists():
            step = NextStep("open_project", project=path)
            message = Message("{path} is a project already.", path=path)
            raise ProjectError(message, "Open it, or choose a new folder.", step)
        if path.is_dir() and any(path.iterdir()):
            hint = Message("Choose a new folder; the images may stay where they are.")
            raise ProjectError(Message("{path} is not empty.", path=path), hint)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(path) as folder, expected_errors(path / DATABASE):
                folder.chmod(0o700)  # the project's content is private to its owner
                for name in PROJECT_FOLDERS:
                    (folder / name).mkdir()
                schema.create_database(folder / DATABASE, {"task": task})
                fsync_folder(folder)
                publish_folder(folder, path)
        except OSError as error:
            raise write_error(path, error) from error
        logger.info("project created")
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open a project.

        If another process has it open for writing, or its folder cannot be written, it is opened for reading:
        `is_read_only` is set, and `read_only_reason` gives the reason.

        Raises:
            ProjectError: There is no project, it is damaged, or a newer program wrote it. Nothing was changed.
        """
        path = project_path(path)
        if path.is_file():
            message = Message("{path} is a file, not a project folder.", path=path)
            raise ProjectError(message, "Give the folder that holds project.db.")
        if not (path / DATABASE).is_file():
            if backups.list_backups(path):
                step = NextStep("restore", project=path)
                raise ProjectError(Message("{path} has lost its project.db.", path=path), "Restore a backup.", step)
            message = Message("{path} is not a project." if path.is_dir() else "{path} does not exist.", path=path)
            if list_folder(path):  # no project can be created there, as among images
                raise ProjectError(message, "Give the folder that holds project.db.")
            raise ProjectError(message, "Create a project first.", NextStep("create_project", project=path))
        return cls(path, writable=not read_only)

    def close(self) -> None:
        """Finish the backups, checkpoint the log into the database file, release the lock. May be called twice."""
        schedule, self._schedule = self._schedule, None
        try:
            if schedule is not None:
                schedule.finish()
        finally:
            self.database.close()
            if self._is_open:
                logger.info("project closed")
            self._is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_read_only(self) -> bool:
        return bool(self.read_only_reason)

    @property
    def read_only_reason(self) -> str:
        """The reason for refusing changes, as the end of a sentence; empty for a writable project."""
        return self.database.read_only_reason

    def forward_notices(self, tell: Callable[[Notice], object]) -> None:
        """Report each further notice at once, possibly from a backup's thread; `notices` holds the earlier ones."""
        self._tell = tell

    def _note_damage(self) -> None:
        """Note a setting that cannot be read; it may come from a stranger."""
        try:
            read_window(self.setting(WINDOW_SETTING))
        except ValueError as error:
            logger.warning("the image values of %s cannot be read: %s", self.path, error)
            self.notices.append(Notice(message=_WINDOW_FAULT, level="warning"))

    def _note_failure(self, message: str) -> None:
        notice = Notice(message=message, level="warning")
        self.notices.append(notice)
        if self._tell is not None:
            self._tell(notice)

    def apply(self, change: Change, *, continues: int = 0) -> Effects:
        """Write a change and its inverse in one durable transaction, and return its effects.

        On return, the change survives a crash and a power cut. Any thread may call it; changes queue. The state before
        a bulk change becomes a backup, unless the change altered nothing. `continues` is the `step_id` of the import to
        continue with another batch; it stays one step in the history.

        Raises:
            ProjectError: The change does not fit the project, or the project cannot be written. Nothing was changed.
        """
        schedule = self._schedule
        pinned = schedule.pin(change.title, is_bulk=change.is_bulk and not continues) if schedule is not None else None
        effects = Effects()
        try:
            with self.database.transaction() as connection:
                step_id = journal.begin_step(connection, now_ms(), continues=continues)
                last = journal.last_row(connection)
                change.write(connection)
                effects = journal.end_step(connection, step_id, last, title=change.title)
                if not effects:  # leave no empty step, and keep the undone steps
                    raise RollBack
        except BaseException:
            if pinned is not None:
                pinned.close()
            raise
        if pinned is not None and schedule is not None:
            schedule.keep(pinned) if effects else pinned.close()
        if effects:
            self._note_change()
        return effects

    def undo(self) -> Effects:
        """Undo the newest step, also one of an earlier session."""
        return self._replay(journal.undo)

    def redo(self) -> Effects:
        """Redo the last undone step."""
        return self._replay(journal.redo)

    def go_to(self, step_id: int) -> Effects:
        """Undo or redo, in one transaction, until a step of the history is the newest done one; 0 undoes all."""
        return self._replay(lambda connection: journal.go_to(connection, step_id))

    def _replay(self, steps: Callable[[Connection], Effects]) -> Effects:
        try:
            with self.database.transaction() as connection:
                effects = steps(connection)
        except IntegrityError as error:  # the step would revert a repair, or is damaged
            hint = "Nothing was changed. To go back further, restore a backup."
            raise ProjectError(
                "The project would contradict itself after this step.", hint, NextStep("restore")
            ) from error
        self._note_change()
        return effects

    @property
    def status(self) -> ProjectStatus:
        """The facts for enabling commands, cached until the next change: read on every key press."""
        changes, kept = self._changes, self._status
        if kept is None or kept[0] != changes or self.is_read_only:  # another process may write a read-only project
            with self.reading() as connection:
                kept = self._status = (changes, read_status(connection))
        return kept[1]

    @property
    def undo_title(self) -> str | None:
        return self.status.undo_title

    @property
    def redo_title(self) -> str | None:
        return self.status.redo_title

    def history(self, limit: int = 100) -> tuple[Step, ...]:
        """Return the newest steps, newest first, undone ones included."""
        with self.reading() as connection:
            return journal.history(connection, limit)

    def snapshot(self) -> Snapshot:
        """Return the project's current images, labels and splits, as input of jobs."""
        with self.reading() as connection:
            found = read_snapshot(connection, Roots(connection, self.path), self.task)
        return replace(found, image_reading=self.image_reading, framing=self.setting(FRAMING_SETTING) or "")

    def setting(self, key: str) -> str | None:
        """Return a setting of the project as it is stored, or None."""
        rows = self.fetch("SELECT value FROM setting WHERE key = ?", key)
        return str(rows[0][0]) if rows else None

    @property
    def window(self) -> WindowChoice | None:
        """How the images are read, with its evidence; None as they are stored, or where it cannot be read."""
        with suppress(ValueError):
            return read_window(self.setting(WINDOW_SETTING))
        return None

    @property
    def image_reading(self) -> ImageReading:
        """How the images are read."""
        choice = self.window
        return choice.reading if choice is not None else AS_STORED

    def summary(self) -> ProjectSummary:
        """Return the counts of `visionft project info`."""
        with self.reading() as connection:
            return read_summary(connection, self.task, self.path / "runs")

    def roots(self) -> Roots:
        with self.reading() as connection:
            return Roots(connection, self.path)

    def back_up(self, reason: Text = "on request") -> backups.Backup:
        """Make a verified backup now and return it. As the user's own, it is only deleted by the user."""
        backup = backups.make_backup(self.database.read_file, self.path, reason=reason, is_own=True)
        if self._schedule is not None:
            self._schedule.note_backup()
        return backup

    def wait_for_backups(self) -> None:
        if self._schedule is not None:
            self._schedule.wait()

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Yield this thread's read-only connection; for the modules of this package."""
        with expected_errors(self.database.file), self.database.reading() as connection:
            yield connection

    def fetch(self, query: str, *values: object) -> list[Any]:
        """Return the rows of a query; for the modules of this package."""
        with self.reading() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def repairing(self) -> Generator[Connection]:
        """Yield the writer in a transaction outside the history, for repairs."""
        with self.database.transaction() as connection:
            yield connection
        self._note_change()

    def _note_change(self) -> None:
        self._changes += 1
        if self._schedule is not None:
            self._schedule.note_change()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectCopy:
    """The duplicate of a project, with its path."""

    path: Path
    files: int
    stopped: bool = False


def duplicate_project(project: ProjectStore, target: Path, *, job: JobContext = SILENT_JOB) -> ProjectCopy:
    """Copy a project into a new or empty folder; both share the images outside it. Cancelled, it leaves nothing."""
    target = project_path(target)
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ProjectError(Message("{target} exists already.", target=target), "Choose a new folder.")
    if target.is_relative_to(project.path):
        message = Message("{target} lies in the project itself.", target=target)
        raise ProjectError(message, "Choose a folder outside it.")
    files = _copied_files(project.path)
    done = 0
    total = sum(size for _, size in files)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary_folder(target) as partial:
            partial.chmod(0o700)
            for name in PROJECT_FOLDERS:
                (partial / name).mkdir()
            for path, size in files:
                if job.is_cancelled:
                    return ProjectCopy(path=target, files=0, stopped=True)
                place = partial / path.relative_to(project.path)
                place.parent.mkdir(parents=True, exist_ok=True)
                if path.is_symlink() and not path.resolve().is_relative_to(project.path.resolve()):
                    place.symlink_to(path.resolve())  # outside files are not copied: the copy may be shared
                else:
                    shutil.copy2(path, place)
                done += size
                job.report(Progress(stage="Copying the project", done=done, total=max(done, total), unit="bytes"))
            with project.reading() as connection:  # one transaction: the original may stay open and change meanwhile
                schema.copy_into(connection, partial / DATABASE)
            fsync_tree(partial)
            publish_folder(partial, target)
    except OSError as error:
        raise write_error(target, error) from error
    return ProjectCopy(path=target, files=len(files))


def _copied_files(folder: Path) -> list[tuple[Path, int]]:
    """Return the files to copy unchanged, with their sizes: all but the database, copied through SQLite."""
    own = (BACKUPS_FOLDER, ".lock", ".lock.json")
    found: list[tuple[Path, int]] = []
    for parent, folders, names in os.walk(folder):
        if Path(parent) == folder:
            folders[:] = [name for name in folders if name not in own]
            names = [name for name in names if name not in own and not name.startswith(DATABASE)]
        paths = [Path(parent, name) for name in names]
        found += [(path, path.stat().st_size) for path in paths if path.is_file() and path.suffix != ".lock"]
    return found
