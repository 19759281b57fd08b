"""The open database of a project: one writer under the lock, and a read-only connection per reading thread.

Owns opening (checks before the first write, migration after a backup, a private copy for a file unreadable in place),
transactions and closing. Independent of the meaning of changes.

A clean close writes a seal: the SHA-256 of `project.db` beside it, in the format of `sha256sum --check`; it is removed
before the next write. Any change of the file in between (a flipped bit on the disk, another program) is detected at the
next opening. SQLite's own checks verify the structure of the rows, not their values. After a kill there is no seal.
"""

import shutil
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Literal

from visionft.core.errors import NextStep, ProjectError, VisionFTError
from visionft.core.events import Notice
from visionft.core.files import fsync_folder, sha256_file, write_text
from visionft.core.messages import Message
from visionft.project.db import journal, schema
from visionft.project.db.locking import ProjectLock, network_file_system
from visionft.project.db.roots import remember_folder
from visionft.project.db.sqlite_errors import code_of, damage_error, expected_errors
from visionft.project.earlier_files import file_notices, settings_in_files
from visionft.project.safety import backups

DATABASE = "project.db"
CHANGED_OUTSIDE_MESSAGE = Message("project.db is not as it was left: another program or the disk changed it.")
DEFAULT_UNDO_STEPS = 1000  # fewer than a person labels in a day: undo reaches back some hours
_PATIENCE_S = 5.0  # for the end of a query of another thread; a connection that is busy longer stays open
Seal = Literal["whole", "none", "broken"]


class RollBack(Exception):
    """Leave `Database.transaction` without a trace: no error, the change altered nothing."""


class Database:
    """The connections of one open project."""

    def __init__(self, folder: Path, *, writable: bool) -> None:
        """Open `folder/project.db`, after a check through a read-only connection."""
        self.file = folder / DATABASE
        self.read_only_reason = "it was opened for reading"  # empty for a writable project, else the reason
        # Whether the file was unchanged since the last session when it was opened.
        self.seal: Seal = "none"
        self.notices: list[Notice] = []  # messages to the user about the opening
        self._lock = ProjectLock(folder)
        self._writing = threading.RLock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._in_use: Counter[sqlite3.Connection] = Counter()  # readers, and how often each is in use now
        self._released = threading.Condition()
        self._is_closed = False
        self._writer: sqlite3.Connection | None = None
        self._copy: Path | None = None
        self._identity = (0, 0)  # of the writer's open file
        if writable:
            self.read_only_reason = self._lock.acquire()
        try:
            with expected_errors(self.file):
                self._open(folder)
        except BaseException:
            self.close()
            raise

    def _open(self, folder: Path) -> None:
        self.seal = read_seal(self.file)
        if self.seal == "broken":
            step = NextStep("check", project=folder)
            self.notices.append(Notice(message=CHANGED_OUTSIDE_MESSAGE, level="warning", next_step=step))
        try:
            version = verify(self.file, may_recover=not self.read_only_reason, is_known=self.seal == "whole")
        except sqlite3.OperationalError as error:
            if not self.read_only_reason or code_of(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            # The leftovers of a killed process are readable only for a writer; there is no writer now.
            self._copy = Path(tempfile.mkdtemp(prefix="visionft-"))
            for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-journal"):
                if (folder / name).exists():
                    shutil.copyfile(folder / name, self._copy / name)
            version = verify(self.read_file, may_recover=True)
        if not self.read_only_reason:
            self._open_for_writing(folder, version)
        elif version < schema.SCHEMA_VERSION:  # read an unwritable project through a migrated copy
            if self._copy is None:
                self._copy = Path(tempfile.mkdtemp(prefix="visionft-"))
                with closing(schema.connect(self.file, writable=False)) as source:
                    schema.copy_into(source, self.read_file)
            with closing(schema.connect(self.read_file, writable=True)) as connection:
                schema.migrate(connection, self._earlier_settings(folder, version))

    def _open_for_writing(self, folder: Path, version: int) -> None:
        if self.seal != "broken":  # a broken seal stays until `check` has reported it
            break_seal(self.file)
        kind = network_file_system(folder)
        if kind:
            text = (
                f"The project lies on a network file system ({kind}), where no database is safe from a broken "
                "connection. Keep it on a local disk; the images may stay on the network."
            )
            self.notices.append(Notice(message=text, level="warning"))
        if version < schema.SCHEMA_VERSION:
            reason = Message("before the update from version {version}", version=version)
            backups.make_backup(self.file, folder, reason=reason)
        self._writer = schema.connect(self.file, writable=True)
        self._identity = _identity(self.file)
        schema.make_durable(self._writer, journal_mode="DELETE" if kind else "WAL")
        schema.migrate(self._writer, self._earlier_settings(folder, version))
        journal.install(self._writer)
        remember_folder(self._writer, folder)
        with self.transaction() as connection:
            row = connection.execute("SELECT value FROM setting WHERE key = 'undo_steps'").fetchone()
            journal.trim(connection, int(row[0]) if row else DEFAULT_UNDO_STEPS)

    def _earlier_settings(self, folder: Path, version: int) -> dict[str, str]:
        """Return the settings that a project of an older version keeps in files, and note damaged ones."""
        if version >= schema.SETTINGS_FROM:
            return {}
        self.notices += file_notices(folder)
        return settings_in_files(folder)

    @property
    def read_file(self) -> Path:
        """The database file to read: the project's, or a private copy of it."""
        return self._copy / DATABASE if self._copy else self.file

    @contextmanager
    def reading(self) -> Generator[sqlite3.Connection]:
        """Yield this thread's read-only connection, which sees committed data; it stays open until the block ends.

        Raises:
            ProjectError: The database is closed. A thread that still works for a closed project must not open it again:
                its folder may be moved or deleted, and it is sealed.
        """
        with self._released:
            if self._is_closed:
                raise ProjectError("The project is closed.", "Open it again.")
            connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
            if connection is None:
                connection = self._local.connection = schema.connect(self.read_file, writable=False)
                self._readers.append(connection)
            self._in_use[connection] += 1
        try:
            yield connection
        finally:
            with self._released:
                self._in_use[connection] -= 1
                self._released.notify_all()

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Yield the writer inside a transaction: committed durably at the end, or rolled back whole."""
        with self._writing, expected_errors(self.file):
            if self._writer is None:
                message = Message(
                    "The project cannot be changed: {reason}.", reason=self.read_only_reason or "it is closed"
                )
                raise ProjectError(message, "Close it there, then open it again.")
            self.check_not_moved()
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if not isinstance(error, RollBack):
                    raise

    def check_not_moved(self) -> None:
        """Raise a `ProjectError` if the open database left its folder: SQLite would go on writing into it."""
        if self._writer is not None and _identity(self.file) != self._identity:
            message = Message("The project folder is gone or was replaced: {parent}.", parent=self.file.parent)
            hint = "Put it back where it was, close the project and open it again; until then nothing can be saved."
            raise ProjectError(message, hint)

    def accept_outside_changes(self) -> None:
        """Accept the current file, after the user was informed of an outside change; it is sealed again."""
        if self.seal == "broken":
            self.seal = "none"
            break_seal(self.file)

    def _close_writer(self, writer: sqlite3.Connection) -> None:
        """Close the writer and seal the file, unless a log shows another open connection."""
        writer.close()
        with suppress(OSError, VisionFTError):  # without a seal a check covers less; nothing is lost
            if self.seal != "broken" and not has_log(self.file) and _identity(self.file) == self._identity:
                write_seal(self.file, sha256_file(self.file))

    def _close_reader(self, reader: sqlite3.Connection, *, is_own: bool) -> None:
        """Interrupt the queries of another thread, and close its connection: Python crashes where one still runs."""
        patience = time.monotonic() + _PATIENCE_S
        with self._released:
            while not is_own and self._in_use[reader]:
                if time.monotonic() > patience:
                    return
                reader.interrupt()
                self._released.wait(0.05)
            reader.close()

    def close(self) -> None:
        """Checkpoint the log into the database file and release the lock, despite any errors. May be called twice."""
        own = getattr(self._local, "connection", None)
        with self._released:
            self._is_closed = True
        with self._writing, ExitStack() as last_to_first:
            if self._copy is not None:
                last_to_first.callback(shutil.rmtree, self._copy, ignore_errors=True)
            last_to_first.callback(self._lock.release)
            if self._writer is not None:
                last_to_first.callback(self._close_writer, self._writer)
            elif self._copy is None:  # its check was a reader, too
                last_to_first.callback(_remove_empty_log, self.file)
            for reader in self._readers:
                last_to_first.callback(self._close_reader, reader, is_own=reader is own)
            self._writer = self._copy = None
            self._readers.clear()
            self._local = threading.local()


def _remove_empty_log(file: Path) -> None:
    """Let SQLite delete the `-wal` and `-shm` files of a reader, unless another process has the database open.

    A read-only connection cannot delete them. A writable one does if it is the last to close, as determined by SQLite's
    locks; with an empty log it writes nothing into the database.
    """
    if file.with_name(f"{file.name}-wal").exists() and not has_log(file):
        # The folder may be read-only: then the files stay.
        with suppress(sqlite3.Error), closing(schema.connect(file, writable=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _identity(file: Path) -> tuple[int, int]:
    """Return a file's device and inode, unchanged by a move; (-1, -1) for a missing file."""
    try:
        facts = file.stat()
    except OSError:
        return -1, -1
    return facts.st_dev, facts.st_ino


def verify(database: Path, *, may_recover: bool, is_known: bool = False, writable: bool = False) -> int:
    """Check the structure of a database and the layout of its version, and return the version.

    The check needs no write access, so that opening never makes a damaged one worse. One exception: a process killed in
    the middle of a transaction may have left a rollback journal; without it the file is half old and half new. With
    `may_recover` (no other process writes), SQLite rolls it back on opening the file again, `writable`. If every
    byte `is_known` to be right, only the version is read.

    Raises:
        ProjectError: It is damaged, no project, or one of a newer program.
        sqlite3.Error: It cannot be read, or not without the forbidden recovery.
    """
    try:
        with closing(schema.connect(database, writable=writable)) as connection:
            connection.execute("PRAGMA query_only = ON")
            version = schema.version_of(connection)
            schema.check_objects(
                connection
            )  # a stranger's project may be sealed, and the checks below run its triggers
            if not is_known:
                fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
                if fault != "ok":
                    raise damage_error(fault)
                schema.check_layout(connection)
            return version
    except sqlite3.OperationalError as error:
        if not may_recover or code_of(error) != sqlite3.SQLITE_READONLY:
            raise
    return verify(database, may_recover=False, writable=True)


def seal_of(database: Path) -> Path:
    return database.with_name(f"{database.name}.sha256")


def has_log(database: Path) -> bool:
    """Return whether a log holds further data of the database. (Readers leave an empty log behind.)"""
    logs = [database.with_name(f"{database.name}-{kind}") for kind in ("wal", "journal")]
    return any(log.exists() and log.stat().st_size for log in logs)


def read_seal(database: Path) -> Seal:
    """Compare a database with its seal. Call it before SQLite opens the file: closing it again would drop its locks."""
    try:
        noted = seal_of(database).read_text(encoding="utf-8").split()
        if not noted:
            return "none"
        is_same = not has_log(database) and sha256_file(database) == noted[0]
        return "whole" if is_same else "broken"
    except (OSError, UnicodeError):
        return "none"


def write_seal(database: Path, sha256: str) -> None:
    """Write the hash of a closed database, durably."""
    write_text(seal_of(database), f"{sha256} *{database.name}\n")


def break_seal(database: Path) -> None:
    """Remove the seal, durably, before a write to the database."""
    seal = seal_of(database)
    if seal.exists():
        seal.unlink()
        fsync_folder(seal.parent)
