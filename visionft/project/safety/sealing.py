"""The seal on a closed project: the SHA-256 of `project.db` beside it, in the form that `sha256sum --check` reads.

It is written when the database was closed cleanly and taken away before anything is written again. What changes the
file in between (a bit that flips on the disk, another program) is seen at the next opening, which SQLite's own checks
cannot promise: they know how rows hang together, not what a value was. After a kill there is no seal, and no claim.
"""

from pathlib import Path
from typing import Literal

from visionft.files import fsync_folder, sha256_file, write_text

Seal = Literal["whole", "none", "broken"]


def seal_of(database: Path) -> str:
    """Return the name of a database's seal."""
    return f"{database.name}.sha256"


def has_log(database: Path) -> bool:
    """Say whether what is in the database is not all there is. (Those who only read leave an empty log behind.)"""
    logs = [database.with_name(f"{database.name}-{kind}") for kind in ("wal", "journal")]
    return any(log.exists() and log.stat().st_size for log in logs)


def read_seal(database: Path) -> Seal:
    """Compare a database with its seal. Call it before SQLite opens the file: closing it again would free its locks."""
    try:
        noted = database.with_name(seal_of(database)).read_text(encoding="utf-8").split()
        if not noted:
            return "none"
        is_same = not has_log(database) and sha256_file(database) == noted[0]
        return "whole" if is_same else "broken"
    except (OSError, UnicodeError):
        return "none"


def write_seal(database: Path, sha256: str) -> None:
    """Note the hash of a closed database, durably."""
    write_text(database.with_name(seal_of(database)), f"{sha256} *{database.name}\n")


def break_seal(database: Path) -> None:
    """Take the seal away, durably, before the database is written to."""
    seal = database.with_name(seal_of(database))
    if seal.exists():
        seal.unlink()
        fsync_folder(seal.parent)
