"""The open database of a project: one writer under the lock, a read-only connection per thread that reads.

Owns opening (checks before anything is written, migration after a backup, a private copy where the file cannot be read
in place), transactions and closing. Knows nothing of what the changes mean.
"""

import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from visionft.errors import NextStep, ProjectError, VisionFTError
from visionft.events import Notice
from visionft.files import sha256_file
from visionft.project.db import journal, schema
from visionft.project.db.filesystems import network_file_system
from visionft.project.db.locking import ProjectLock
from visionft.project.db.roots import remember_folder
from visionft.project.db.sqlite_errors import code_of, damage_error, expected_errors
from visionft.project.safety import backups
from visionft.project.safety.sealing import Seal, break_seal, has_log, read_seal, write_seal

DATABASE = "project.db"
CHANGED_OUTSIDE = "project.db is not as it was left: another program or the disk changed it."
DEFAULT_UNDO_STEPS = 1000


def _warning(message: str, next_step: NextStep | None = None) -> Notice:
    return Notice(message=message, level="warning", next_step=next_step)


class RollBack(Exception):
    """Leave `Database.transaction` without a trace: no error, the change altered nothing."""


class Database:
    """The connections of one open project.

    Attributes:
        read_only_reason: Empty when it can be written, else why not.
        seal: Whether the file was as the last session left it when it was opened; see `sealing`.
        notices: What the user should know about how it was opened.
    """

    def __init__(self, folder: Path, *, writable: bool) -> None:
        """Open `folder/project.db`; it is checked through a read-only connection before anything may write to it."""
        self.file = folder / DATABASE
        self.read_only_reason = "it was opened for reading"
        self.seal: Seal = "none"
        self.notices: list[Notice] = []
        self._lock = ProjectLock(folder)
        self._writing = threading.RLock()
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        self._copy: Path | None = None
        self._identity = (0, 0)  # of the file the writer has open
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
            self.notices.append(_warning(CHANGED_OUTSIDE, NextStep("check", project=folder)))
        try:
            version = verify(self.file, may_recover=not self.read_only_reason, is_known=self.seal == "whole")
        except sqlite3.OperationalError as error:
            if not self.read_only_reason or code_of(error) not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                raise
            self._read_a_copy(folder)  # what a killed process left can only be read by one that may write
            version = verify(self.read_file, may_recover=True)
        if not self.read_only_reason:
            self._open_for_writing(folder, version)
        elif version < schema.SCHEMA_VERSION:
            self._migrate_a_copy()

    def _migrate_a_copy(self) -> None:
        """Read a project of an older version, which must not be written, through a migrated copy."""
        if self._copy is None:
            self._copy = Path(tempfile.mkdtemp(prefix="visionft-"))
            source = schema.connect(self.file, writable=False)
            try:
                schema.copy_into(source, self.read_file)
            finally:
                source.close()
        connection = schema.connect(self.read_file, writable=True)
        try:
            schema.migrate(connection)
        finally:
            connection.close()

    def _open_for_writing(self, folder: Path, version: int) -> None:
        if self.seal != "broken":  # a broken one stays until `check` has told
            break_seal(self.file)
        kind = network_file_system(folder)
        if kind:
            self.notices.append(
                _warning(
                    f"The project lies on a network file system ({kind}), where no database is safe from a broken "
                    "connection. Keep it on a local disk; the pictures may stay on the network."
                )
            )
        if version < schema.SCHEMA_VERSION:
            backups.make_backup(self.file, folder, reason=f"before the update from version {version}")
        self._writer = schema.connect(self.file, writable=True)
        self._identity = _identity(self.file)
        schema.make_durable(self._writer, journal_mode="DELETE" if kind else "WAL")
        schema.migrate(self._writer)
        journal.install(self._writer)
        remember_folder(self._writer, folder)
        with self.transaction() as connection:
            row = connection.execute("SELECT value FROM setting WHERE key = 'undo_steps'").fetchone()
            journal.trim(connection, int(row[0]) if row else DEFAULT_UNDO_STEPS)

    @property
    def read_file(self) -> Path:
        """The database that is read: the project's, or a private copy of it."""
        return self._copy / DATABASE if self._copy else self.file

    def _read_a_copy(self, folder: Path) -> None:
        """Copy the database and its logs to a temporary folder and read that. Only done where nobody writes."""
        self._copy = Path(tempfile.mkdtemp(prefix="visionft-"))
        for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-journal"):
            if (folder / name).exists():
                shutil.copyfile(folder / name, self._copy / name)

    def reader(self) -> sqlite3.Connection:
        """Return this thread's read-only connection; it sees what is committed."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = schema.connect(self.read_file, writable=False)
            self._local.connection = connection
            self._readers.append(connection)
        return connection

    @contextmanager
    def transaction(self) -> Generator[sqlite3.Connection]:
        """Yield the writer inside a transaction that is committed durably at the end, or rolled back whole."""
        with self._writing, expected_errors(self.file):
            if self._writer is None:
                reason = self.read_only_reason or "it is closed"
                raise ProjectError(f"The project cannot be changed: {reason}.", "Close it there, then open it again.")
            if _identity(self.file) != self._identity:  # SQLite would go on writing into a file nobody can find
                hint = "Put it back where it was, close the project and open it again; until then nothing can be saved."
                raise ProjectError(f"The project folder is gone or was replaced: {self.file.parent}.", hint)
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException as error:
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                if not isinstance(error, RollBack):
                    raise

    def accept_outside_changes(self) -> None:
        """Take the file for good as it is, once the user was told that it was changed outside; it is sealed again."""
        if self.seal == "broken":
            self.seal = "none"
            break_seal(self.file)

    def _close_writer(self, writer: sqlite3.Connection) -> None:
        """Close the writer and seal the file, unless a log says that somebody else has it open."""
        writer.close()
        with suppress(OSError, VisionFTError):  # without one a check sees less; nothing is lost
            if self.seal != "broken" and not has_log(self.file) and _identity(self.file) == self._identity:
                write_seal(self.file, sha256_file(self.file))

    def close(self) -> None:
        """Fold the log into the database file and free the lock, whatever fails. Closing twice is harmless."""
        with self._writing, ExitStack() as last_to_first:
            if self._copy is not None:
                last_to_first.callback(shutil.rmtree, self._copy, ignore_errors=True)
            last_to_first.callback(self._lock.release)
            if self._writer is not None:
                last_to_first.callback(self._close_writer, self._writer)
            elif self._copy is None and self._readers:
                last_to_first.callback(_remove_empty_log, self.file)
            for reader in self._readers:
                last_to_first.callback(reader.close)
            self._writer = self._copy = None
            self._readers.clear()
            self._local = threading.local()


def _remove_empty_log(file: Path) -> None:
    """Let SQLite delete the `-wal` and `-shm` that reading makes, unless somebody else has the database open.

    A connection that may only read cannot do that. One that may write does when it is the last to close, and SQLite's
    locks tell it so; with an empty log it has nothing to write into the database.
    """
    is_there = file.with_name(f"{file.name}-wal").exists()
    if is_there and not has_log(file):
        with suppress(sqlite3.Error):  # the folder may be read-only: then the files stay
            connection = schema.connect(file, writable=True)
            try:
                connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            finally:
                connection.close()


def _identity(file: Path) -> tuple[int, int]:
    """Return device and number of a file, which stay when it is moved; (-1, -1) when there is none."""
    try:
        facts = file.stat()
    except OSError:
        return -1, -1
    return facts.st_dev, facts.st_ino


def verify(database: Path, *, may_recover: bool, is_known: bool = False) -> int:
    """Check a database without a chance to write to it, so that opening never makes a damaged one worse.

    One exception: a process killed in the middle of a transaction may have left a rollback journal, without which the
    file is half old and half new. SQLite takes that transaction back when it opens the file for writing.

    Args:
        database: The file; nobody else may be writing when `may_recover` is set.
        may_recover: Whether such a transaction may be taken back.
        is_known: Whether every byte of it is known to be right, so that only its version is asked for.

    Returns:
        Its schema version.

    Raises:
        ProjectError: It is damaged, no project, or of a newer program.
        sqlite3.Error: It cannot be read, or not without the recovery that was not allowed.
    """
    try:
        return _verify(database, writable=False, is_known=is_known)
    except sqlite3.OperationalError as error:
        if not may_recover or code_of(error) != sqlite3.SQLITE_READONLY:
            raise
    return _verify(database, writable=True, is_known=False)


def _verify(database: Path, *, writable: bool, is_known: bool) -> int:
    """Check the file's structure and the layout of its version; a writable connection recovers, and writes no more."""
    connection = schema.connect(database, writable=writable)
    try:
        connection.execute("PRAGMA query_only = ON")
        version = schema.version_of(connection)
        if not is_known:
            fault = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            if fault != "ok":
                raise damage_error(fault)
            schema.check_layout(connection)
            schema.check_kinds(connection)
    finally:
        connection.close()
    return version
