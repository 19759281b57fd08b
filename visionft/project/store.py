"""The project on disk: opened once for writing, changed only through `Project.apply`, read from any thread.

A project is a folder: `project.db` (everything the user decided), `images/` (pictures that were copied in), `runs/`
(one folder per training run) and `backups/`. One connection writes, under a lock; every thread that reads has its own
read-only connection and sees whole changes only. The pictures themselves are never written to.
"""

import logging
import sqlite3
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, get_args

from visionft.errors import ProjectError
from visionft.files import temporary_folder, write_error
from visionft.project import journal, schema
from visionft.project.changes import Change, now_ms, task_of
from visionft.project.journal import Effects, Step
from visionft.project.locking import ProjectLock
from visionft.project.reading import ProjectSummary, read_snapshot, read_summary
from visionft.project.roots import IMAGES_FOLDER, Roots
from visionft.project.snapshot import Snapshot, Task

logger = logging.getLogger(__name__)

DATABASE = "project.db"
FOLDERS = (IMAGES_FOLDER, "runs", "backups")
DEFAULT_UNDO_STEPS = 1000


class Project:
    """An open project. Use `Project.create` or `Project.open`, and close it (or use it as a context manager).

    Attributes:
        path: The project folder, absolute.
        task: "single" (one class per picture) or "multi" (any number).
        read_only_reason: Empty when the project can be changed, else why it cannot.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.path = path
        self.read_only_reason = "it was opened for reading"
        self._lock = ProjectLock(path)
        self._writing = threading.RLock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        if writable:
            self.read_only_reason = self._lock.acquire()
        try:
            with expected_errors(path):
                _verify(path / DATABASE)
                if not self.read_only_reason:
                    self._writer = _open_writer(path / DATABASE)
                self.task: Task = "multi" if task_of(self._reader()) == "multi" else "single"
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, path: Path, *, task: Task = "single") -> Self:
        """Create a project in a new (or empty) folder and open it. Nothing is left behind when that fails."""
        path = path.absolute()
        if task not in get_args(Task):
            raise ProjectError(f"There is no task “{task}”.", "Use “single” or “multi”.")
        if path.exists() and not path.is_dir():
            raise ProjectError(f"{path} is a file.", "Choose a new folder for the project.")
        if (path / DATABASE).exists():
            raise ProjectError(f"{path} is a project already.", "Open it, or choose a new folder.")
        if path.is_dir() and any(path.iterdir()):
            raise ProjectError(f"{path} is not empty.", "Choose a new folder; the pictures may stay where they are.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with temporary_folder(path) as folder:
                _build(folder, task)
                if path.is_dir():
                    path.rmdir()
                folder.rename(path)
        except OSError as error:
            raise write_error(path, error) from error
        return cls.open(path)

    @classmethod
    def open(cls, path: Path, *, read_only: bool = False) -> Self:
        """Open a project. When another process has it open for writing, or the folder is read-only, it can only be
        read: `is_read_only` says so, and `read_only_reason` why.

        Raises:
            ProjectError: There is no project, it is damaged, or a newer program wrote it. Nothing was changed.
        """
        path = path.absolute()
        if path.is_file():
            raise ProjectError(f"{path} is a file, not a project folder.", "Give the folder that holds project.db.")
        if not (path / DATABASE).is_file():
            what = "is not a project" if path.is_dir() else "does not exist"
            raise ProjectError(f"{path} {what}.", f"Create a project with: visionft new {path}")
        return cls(path, writable=not read_only)

    def close(self) -> None:
        """Write what the log still holds into the database file and free the lock. Closing twice is harmless."""
        with self._writing:
            for reader in self._readers:
                reader.close()
            self._readers.clear()
            self._local = threading.local()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def is_read_only(self) -> bool:
        """Whether changes are refused."""
        return bool(self.read_only_reason)

    def apply(self, change: Change, *, continues: int = 0) -> Effects:
        """Write a change and its inverse in one durable transaction, and return what it altered.

        When this returns, the change survives a crash and a power cut. Any thread may call it; changes queue.

        Args:
            change: What to do.
            continues: The `step_id` of an import whose next batch this is; it stays one step in the history.

        Raises:
            ProjectError: The change does not fit the project, or the project cannot be written. Nothing was changed.
        """
        with self._transaction() as connection:
            step_id = journal.begin_step(connection, change.title, now_ms(), continues=continues)
            last = journal.last_row(connection)
            change.write(connection)
            effects = journal.end_step(connection, step_id, last)
            if not effects:
                raise _NothingToDo
        return effects

    def undo(self) -> Effects:
        """Take back the newest step, also one of an earlier session."""
        with self._transaction() as connection:
            return journal.undo(connection)

    def redo(self) -> Effects:
        """Bring back the step that was undone last."""
        with self._transaction() as connection:
            return journal.redo(connection)

    @property
    def undo_title(self) -> str | None:
        """The title of the step that `undo` would take back; None when there is none."""
        return journal.undo_title(self._reader())

    @property
    def redo_title(self) -> str | None:
        """The title of the step that `redo` would bring back; None when there is none."""
        return journal.redo_title(self._reader())

    def history(self, limit: int = 100) -> tuple[Step, ...]:
        """Return the newest steps, newest first, those that can be redone included."""
        return journal.history(self._reader(), limit)

    def snapshot(self) -> Snapshot:
        """Return the project's pictures, labels and splits as they are now, for jobs to read."""
        return read_snapshot(self._reader(), self.roots(), self.task)

    def summary(self) -> ProjectSummary:
        """Return the counts that `visionft info` shows."""
        return read_summary(self._reader(), self.task, self.path / "runs")

    def roots(self) -> Roots:
        """Return where the project's pictures lie now."""
        return Roots(self._reader(), self.path)

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Yield this thread's read-only connection, for the modules of this package."""
        with expected_errors(self.path):
            yield self._reader()

    def _reader(self) -> sqlite3.Connection:
        """Return this thread's read-only connection; it sees what is committed."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = schema.connect(self.path / DATABASE, writable=False)
            self._local.connection = connection
            self._readers.append(connection)
        return connection

    @contextmanager
    def _transaction(self) -> Generator[sqlite3.Connection]:
        """Yield the writer inside a transaction that is committed at the end, or rolled back whole."""
        with self._writing, expected_errors(self.path):
            if self._writer is None:
                reason = self.read_only_reason or "it is closed"
                raise ProjectError(f"The project cannot be changed: {reason}.", "Close it there, then open it again.")
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if not isinstance(error, _NothingToDo):
                    raise


class _NothingToDo(Exception):  # noqa: N818  (not an error: it rolls back a step that altered nothing)
    """Roll back a change that altered nothing, so that it leaves no empty step and keeps what could be redone."""


@dataclass(frozen=True, slots=True)
class _Advice:
    message: str
    hint: str


_ADVICE = {
    sqlite3.SQLITE_FULL: _Advice("the disk is full", "Free some space and try again; nothing was changed."),
    sqlite3.SQLITE_READONLY: _Advice("it cannot be written", "Check the permissions of the project folder."),
    sqlite3.SQLITE_BUSY: _Advice("another program holds the database", "Close that program and try again."),
    sqlite3.SQLITE_IOERR: _Advice("reading or writing failed", "Check the disk; nothing was changed."),
    sqlite3.SQLITE_CANTOPEN: _Advice("the database cannot be opened", "Check the permissions of the project folder."),
    sqlite3.SQLITE_CORRUPT: _Advice("the database is damaged", "Restore a backup: visionft restore PROJECT."),
    sqlite3.SQLITE_NOTADB: _Advice("the database is damaged", "Restore a backup: visionft restore PROJECT."),
}


@contextmanager
def expected_errors(path: Path) -> Generator[None]:
    """Turn what the disk or a damaged file does to SQLite into advice; programming errors pass through."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        advice = _ADVICE.get(getattr(error, "sqlite_errorcode", -1) & 0xFF)
        if advice is None:
            raise
        logger.warning("SQLite: %s", error)
        raise ProjectError(f"{path / DATABASE}: {advice.message}.", advice.hint) from error


def _build(folder: Path, task: Task) -> None:
    """Lay out an empty project in `folder`."""
    for name in FOLDERS:
        (folder / name).mkdir()
    schema.create_database(folder / DATABASE)
    connection = schema.connect(folder / DATABASE, writable=True)
    try:
        connection.execute("INSERT INTO meta (key, value) VALUES ('task', ?)", (task,))
    finally:
        connection.close()


def _verify(database: Path) -> None:
    """Check the file through a read-only connection, so that a damaged one is not made worse by opening it."""
    connection = schema.connect(database, writable=False)
    try:
        schema.version_of(connection)
        faults = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    finally:
        connection.close()
    if faults != "ok":
        raise ProjectError(f"{database} is damaged: {faults}.", "Restore a backup: visionft restore PROJECT.")


def _open_writer(database: Path) -> sqlite3.Connection:
    """Open the one connection that writes and checkpoints; migrate and start the journal."""
    connection = schema.connect(database, writable=True)
    try:
        schema.make_durable(connection)
        schema.migrate(connection)
        row = connection.execute("SELECT value FROM setting WHERE key = 'undo_steps'").fetchone()
        connection.execute("BEGIN IMMEDIATE")
        journal.trim(connection, int(row[0]) if row else DEFAULT_UNDO_STEPS)
        connection.execute("COMMIT")
        journal.install(connection)
    except BaseException:
        connection.close()
        raise
    return connection
