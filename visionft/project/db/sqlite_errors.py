"""Turning what a full disk, a missing permission or a damaged file does to SQLite into advice for a person."""

import logging
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from visionft.errors import NextStep, ProjectError

logger = logging.getLogger(__name__)

_RESTORE = "Restore a backup."
_ADVICE = {
    sqlite3.SQLITE_FULL: ("the disk is full", "Free some space and try again; what was saved is kept."),
    sqlite3.SQLITE_READONLY: ("it cannot be written", "Check the permissions of the project folder."),
    sqlite3.SQLITE_PERM: ("it cannot be written", "Check the permissions of the project folder."),
    sqlite3.SQLITE_BUSY: ("another program holds the database", "Close that program and try again."),
    sqlite3.SQLITE_LOCKED: ("another program holds the database", "Close that program and try again."),
    sqlite3.SQLITE_IOERR: ("the disk failed to read or write", "Check the disk and its free space, then try again."),
    sqlite3.SQLITE_CANTOPEN: ("the database cannot be opened", "Check the permissions of the project folder."),
    sqlite3.SQLITE_CORRUPT: ("the database is damaged", _RESTORE),
    sqlite3.SQLITE_NOTADB: ("the database is damaged", _RESTORE),
}
# What SQLite and its Python module say of damaged content without a code of its own: in the schema, in JSON, in texts.
_DAMAGE = ("malformed", "unsupported file format", "Could not decode to UTF-8")


def code_of(error: sqlite3.Error) -> int:
    """Return the primary SQLite result code of an error, -1 when it has none."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return -1 if code is None else code & 0xFF


def damage_error(fault: str) -> ProjectError:
    """Return the error that says what is damaged in a database, with the way out."""
    return ProjectError(f"The database is damaged: {fault}.", _RESTORE, NextStep("restore"))


@contextmanager
def expected_errors(database: Path) -> Generator[None]:
    """Raise `ProjectError` for what the disk or a damaged file does; programming errors pass through."""
    try:
        yield
    except UnicodeDecodeError as error:  # met in SQLite's own message about a damaged name
        raise ProjectError(f"{database}: the database is damaged.", _RESTORE, NextStep("restore")) from error
    except sqlite3.DatabaseError as error:
        advice = _ADVICE.get(code_of(error))
        if advice is None and any(words in str(error) for words in _DAMAGE):
            advice = _ADVICE[sqlite3.SQLITE_CORRUPT]
        if advice is None:
            raise
        logger.warning("SQLite: %s", error)
        step = NextStep("restore") if advice[1] is _RESTORE else None
        raise ProjectError(f"{database}: {advice[0]}.", advice[1], step) from error
