"""The seal of a closed project: the SHA-256 of `project.db` beside it, in the format of `sha256sum --check`.

It is written after a clean close and removed before the next write. Any change of the file in between (a flipped bit
on the disk, another program) is detected at the next opening. SQLite's own checks cannot guarantee this: they verify
the structure of the rows, not their values. After a kill there is no seal, and no such guarantee.
"""

from pathlib import Path
from typing import Literal

from visionft.files import fsync_folder, sha256_file, write_text

Seal = Literal["whole", "none", "broken"]


def seal_of(database: Path) -> str:
    return f"{database.name}.sha256"


def has_log(database: Path) -> bool:
    """Return whether a log holds further data of the database. (Readers leave an empty log behind.)"""
    logs = [database.with_name(f"{database.name}-{kind}") for kind in ("wal", "journal")]
    return any(log.exists() and log.stat().st_size for log in logs)


def read_seal(database: Path) -> Seal:
    """Compare a database with its seal. Call it before SQLite opens the file: closing it again would drop its locks."""
    try:
        noted = database.with_name(seal_of(database)).read_text(encoding="utf-8").split()
        if not noted:
            return "none"
        is_same = not has_log(database) and sha256_file(database) == noted[0]
        return "whole" if is_same else "broken"
    except (OSError, UnicodeError):
        return "none"


def write_seal(database: Path, sha256: str) -> None:
    """Write the hash of a closed database, durably."""
    write_text(database.with_name(seal_of(database)), f"{sha256} *{database.name}\n")


def break_seal(database: Path) -> None:
    """Remove the seal, durably, before a write to the database."""
    seal = database.with_name(seal_of(database))
    if seal.exists():
        seal.unlink()
        fsync_folder(seal.parent)
