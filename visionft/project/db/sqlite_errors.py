"""Convert SQLite errors of a full disk, a missing permission or a damaged file into advice for the user."""

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from visionft.core.errors import NextStep, ProjectError
from visionft.core.messages import Message

logger = logging.getLogger(__name__)

_RESTORE = Message("Restore a backup.")
_ADVICE = {
    sqlite3.SQLITE_FULL: ("the disk is full", Message("Free some space and try again; what was saved is kept.")),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "Check the permissions of the project folder."),
    sqlite3.SQLITE_PERM: ("it cannot be written", "Check the permissions of the project folder."),
    sqlite3.SQLITE_BUSY: ("another program holds the database", "Close that program and try again."),
    sqlite3.SQLITE_LOCKED: ("another program holds the database", "Close that program and try again."),
    sqlite3.SQLITE_IOERR: ("the disk failed to read or write", "Check the disk and its free space, then try again."),
    sqlite3.SQLITE_CANTOPEN: ("the database cannot be opened", "Check the permissions of the project folder."),
    sqlite3.SQLITE_CORRUPT: ("the database is damaged", _RESTORE),
    sqlite3.SQLITE_INTERRUPT: ("it was closed meanwhile", Message("Open the project again.")),
    sqlite3.SQLITE_NOTADB: ("the database is damaged", _RESTORE),
}
# Messages of SQLite and its Python module about damaged content without an error code: in the schema, JSON or text.
_DAMAGE = ("malformed", "unsupported file format", "Could not decode to UTF-8")


def code_of(error: sqlite3.Error) -> int:
    """Return the primary SQLite result code of an error, -1 when it has none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF


def damage_error(fault: str) -> ProjectError:
    """Return the error about a damaged database, with a suggested action."""
    return ProjectError(Message("The database is damaged: {reason}.", reason=fault), _RESTORE, NextStep("restore"))


@contextmanager
def expected_errors(database: Path) -> Generator[None]:
    """Raise `ProjectError` for errors of the disk or a damaged file; programming errors pass through."""
    try:
        yield
    except UnicodeDecodeError as error:  # raised by SQLite's own message about a damaged name
        message = Message("{database}: the database is damaged.", database=database)
        raise ProjectError(message, _RESTORE, NextStep("restore")) from error
    except sqlite3.DatabaseError as error:
        advice = _ADVICE.get(code_of(error))
        if advice is None and any(words in str(error) for words in _DAMAGE):
            advice = _ADVICE[sqlite3.SQLITE_CORRUPT]
        if advice is None:
            raise
        logger.warning("SQLite: %s", error)
        message = Message("{database}: {advice}.", database=database, advice=advice[0])
        raise ProjectError(message, advice[1], NextStep("restore") if advice[1] is _RESTORE else None) from error
