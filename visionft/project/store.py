"""The project: created or opened once for writing, changed only through `Project.apply`, read from any thread.

A project is a folder: `project.db` (everything the user decided), `images/` (pictures that were copied in), `runs/`
(one folder per training run) and `backups/`. The pictures themselves are never written to.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection, IntegrityError
from types import TracebackType
from typing import Self, get_args

from visionft.data.types import Snapshot, Task
from visionft.errors import NextStep, ProjectError
from visionft.events import Notice
from visionft.files import fsync_folder, publish_folder, temporary_folder, write_error
from visionft.project.db import journal, schema
from visionft.project.db.database import DATABASE, Database, RollBack
from visionft.project.db.journal import Effects, Step
from visionft.project.db.roots import IMAGES_FOLDER, Roots
from visionft.project.db.sqlite_errors import expected_errors
from visionft.project.edits.changes import Change, now_ms, task_of
from visionft.project.names import project_path
from visionft.project.safety import backups
from visionft.project.safety.backup_schedule import BackupSchedule
from visionft.project.safety.sealing import Seal
from visionft.project.summary import ProjectSummary, read_snapshot, read_summary

logger = logging.getLogger(__name__)

FOLDERS = (IMAGES_FOLDER, "runs", backups.BACKUPS_FOLDER)


class Project:
    """An open project. Use `Project.create` or `Project.open`, and close it (or use it as a context manager).

    Attributes:
        path: The project folder, absolute.
        task: "single" (one class per picture) or "multi" (any number).
        notices: What the user should know: a network file system, a backup that failed ...; see `tell_notices`.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        """Open the project in `path`; use `Project.open`, which checks the path first."""
        self.path = path
        self._database = Database(path, writable=writable)
        self.notices = self._database.notices
        self._tell: Callable[[Notice], object] | None = None
        self._is_open = True
        self._changes = 0  # how often the history was written to
        self._titles: tuple[int, str | None, str | None] = (-1, None, None)  # as of which change; of undo, of redo
        self._schedule: BackupSchedule | None = None
        try:
            with self.reading() as connection:
                self.task: Task = "multi" if task_of(connection) == "multi" else "single"
            if not self.is_read_only:
                self._schedule = BackupSchedule(self._database.file, path, on_failure=self._note_failure)
        except BaseException:
            self.close()
            raise
        logger.info("project opened: %s", self.read_only_reason or f"{self.task}-label")

    @classmethod
    def create(cls, path: Path, *, task: Task = "single") -> Self:
        """Create a project in a new (or empty) folder and open it. Nothing is left behind when that fails."""
        path = project_path(path)
        if task not in get_args(Task):
            raise ProjectError(f"There is no task “{task}”.", "Use “single” or “multi”.")
        if path.exists() and not path.is_dir():
            raise ProjectError(f"{path} is a file.", "Choose a new folder for the project.")
        if (path / DATABASE).exists():
            step = NextStep("open_project", project=path)
            raise ProjectError(f"{path} is a project already.", "Open it, or choose a new folder.", step)
        if path.is_dir() and any(path.iterdir()):
            raise ProjectError(f"{path} is not empty.", "Choose a new folder; the pictures may stay where they are.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(path) as folder, expected_errors(path / DATABASE):
                folder.chmod(0o700)  # what a project holds is its owner's alone
                _build(folder, task)
                publish_folder(folder, path)
        except OSError as error:
            raise write_error(path, error) from error
        logger.info("project created")
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open a project.

        When another process has it open for writing, or its folder cannot be written, it is opened for reading:
        `is_read_only` says so, and `read_only_reason` why.

        Raises:
            ProjectError: There is no project, it is damaged, or a newer program wrote it. Nothing was changed.
        """
        path = project_path(path)
        if path.is_file():
            raise ProjectError(f"{path} is a file, not a project folder.", "Give the folder that holds project.db.")
        if not (path / DATABASE).is_file():
            if backups.list_backups(path):
                step = NextStep("restore", project=path)
                raise ProjectError(f"{path} has lost its project.db.", "Restore a backup.", step)
            what = "is not a project" if path.is_dir() else "does not exist"
            raise ProjectError(f"{path} {what}.", "Create a project first.", NextStep("create_project", project=path))
        return cls(path, writable=not read_only)

    def close(self) -> None:
        """Finish the backups, fold the log into the database file, free the lock. Closing twice is harmless."""
        schedule, self._schedule = self._schedule, None
        try:
            if schedule is not None:
                schedule.finish()
        finally:
            self._database.close()
            if self._is_open:
                logger.info("project closed")
            self._is_open = False

    def __enter__(self) -> Self:
        """Return the project, to be closed at the end of the `with` block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the project."""
        self.close()

    @property
    def is_read_only(self) -> bool:
        """Whether changes are refused."""
        return bool(self.read_only_reason)

    @property
    def read_only_reason(self) -> str:
        """Why changes are refused, as the end of a sentence; empty when they are not."""
        return self._database.read_only_reason

    @property
    def seal(self) -> Seal:
        """Whether the database was, when it was opened, as the last session had left it; see `sealing`."""
        return self._database.seal

    @property
    def read_file(self) -> Path:
        """Where the database is read: the project's file, or a private copy of one that cannot be opened in place."""
        return self._database.read_file

    def tell_notices(self, tell: Callable[[Notice], object]) -> None:
        """Have each notice from now on told at once, maybe from the thread of a backup; `notices` holds the others."""
        self._tell = tell

    def accept_outside_changes(self) -> None:
        """Take the database for good as it is, once the user was told that it was changed outside."""
        self._database.accept_outside_changes()

    def apply(self, change: Change, *, continues: int = 0) -> Effects:
        """Write a change and its inverse in one durable transaction, and return what it altered.

        When this returns, the change survives a crash and a power cut. Any thread may call it; changes queue. The state
        before a bulk change becomes a backup, unless the change altered nothing.

        Args:
            change: What to do.
            continues: The `step_id` of an import whose next batch this is; it stays one step in the history.

        Raises:
            ProjectError: The change does not fit the project, or the project cannot be written. Nothing was changed.
        """
        schedule = self._schedule
        pinned = schedule.pin(change.title, is_bulk=change.is_bulk and not continues) if schedule is not None else None
        try:
            effects = self._write(change, continues)
        except BaseException:
            if pinned is not None:
                pinned.close()
            raise
        if pinned is not None and schedule is not None:
            schedule.keep(pinned) if effects else pinned.close()
        if effects:
            self._note_change()
        return effects

    def _write(self, change: Change, continues: int) -> Effects:
        """Write a change as a step of the history, in a transaction of its own."""
        effects = Effects()
        with self._database.transaction() as connection:
            step_id = journal.begin_step(connection, now_ms(), continues=continues)
            last = journal.last_row(connection)
            change.write(connection)
            effects = journal.end_step(connection, step_id, last, title=change.title)
            if not effects:  # leave no empty step, and keep what could be redone
                raise RollBack
        return effects

    def undo(self) -> Effects:
        """Take back the newest step, also one of an earlier session."""
        with _replaying(), self._database.transaction() as connection:
            effects = journal.undo(connection)
        self._note_change()
        return effects

    def redo(self) -> Effects:
        """Bring back the step that was undone last."""
        with _replaying(), self._database.transaction() as connection:
            effects = journal.redo(connection)
        self._note_change()
        return effects

    def go_to(self, step_id: int) -> Effects:
        """Undo or redo, in one transaction, until a step of the history is the newest that is done; 0 undoes all."""
        with _replaying(), self._database.transaction() as connection:
            effects = journal.go_to(connection, step_id)
        self._note_change()
        return effects

    @property
    def undo_title(self) -> str | None:
        """The title of the step that `undo` would take back; None when there is none."""
        return self._read_titles()[1]

    @property
    def redo_title(self) -> str | None:
        """The title of the step that `redo` would bring back; None when there is none."""
        return self._read_titles()[2]

    def _read_titles(self) -> tuple[int, str | None, str | None]:
        """Return what undo and redo would do, kept until the next change: every menu and button asks, at every key."""
        changes = self._changes
        if self._titles[0] != changes or self.is_read_only:  # another process may write what is only read here
            with self.reading() as connection:
                self._titles = (changes, journal.undo_title(connection), journal.redo_title(connection))
        return self._titles

    def history(self, limit: int = 100) -> tuple[Step, ...]:
        """Return the newest steps, newest first, those that can be redone included."""
        with self.reading() as connection:
            return journal.history(connection, limit)

    def snapshot(self) -> Snapshot:
        """Return the project's pictures, labels and splits as they are now, for jobs to read."""
        with self.reading() as connection:
            return read_snapshot(connection, Roots(connection, self.path), self.task)

    def summary(self) -> ProjectSummary:
        """Return the counts that `visionft info` shows."""
        with self.reading() as connection:
            return read_summary(connection, self.task, self.path / "runs")

    def roots(self) -> Roots:
        """Return where the project's pictures lie now."""
        with self.reading() as connection:
            return Roots(connection, self.path)

    def back_up(self, reason: str = "on request") -> backups.Backup:
        """Make a verified backup now and return it. It is the user's own: only the user deletes it."""
        backup = backups.make_backup(self._database.read_file, self.path, reason=reason, is_own=True)
        if self._schedule is not None:
            self._schedule.note_backup()
        return backup

    def wait_for_backups(self) -> None:
        """Wait until the backups that bulk changes started are done."""
        if self._schedule is not None:
            self._schedule.wait()

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Yield this thread's read-only connection; for the modules of this package."""
        with expected_errors(self._database.file):
            yield self._database.reader()

    @contextmanager
    def repairing(self) -> Generator[Connection]:
        """Yield the writer in a transaction whose changes enter no history: for what `check` repairs beside it."""
        with self._database.transaction() as connection:
            yield connection
        self._note_change()

    def _note_failure(self, message: str) -> None:
        notice = Notice(message=message, level="warning")
        self.notices.append(notice)
        if self._tell is not None:
            self._tell(notice)

    def _note_change(self) -> None:
        self._changes += 1
        if self._schedule is not None:
            self._schedule.note_change()


@contextmanager
def _replaying() -> Generator[None]:
    """Say in words when a step does not fit the project: it would bring back what a repair put right, or is damaged."""
    try:
        yield
    except IntegrityError as error:
        hint = "Nothing was changed. To go back further, restore a backup."
        raise ProjectError("The project would contradict itself after this step.", hint, NextStep("restore")) from error


def _build(folder: Path, task: Task) -> None:
    """Lay out an empty project in `folder`."""
    for name in FOLDERS:
        (folder / name).mkdir()
    schema.create_database(folder / DATABASE, {"task": task})
    fsync_folder(folder)
