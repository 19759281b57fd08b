"""Backups of the project database: verified on creation, thinned with age, readable without this program.

A backup is a folder `backups/<time> <reason>/` with `project.db`, the same labels as `labels.jsonl` (importable, and
readable by anyone) and `backup.json`. It is written under a hidden name and renamed after it was opened, checked and
counted, so that every listed backup is valid. The images are not in it: they are never changed.

The user's own backups stay until the user deletes them. The automatic ones are thinned with age and take at most 2 GB
together; the newest stays whatever its size.
"""

import logging
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from itertools import accumulate
from pathlib import Path
from typing import Any

from visionft.core.errors import ProjectError
from visionft.core.files import fsync_folder, read_json, sha256_file, write_error, write_json
from visionft.core.messages import Message, Text
from visionft.project.db import schema
from visionft.project.db.sqlite_errors import expected_errors
from visionft.project.formats.labels_file import write_labels

logger = logging.getLogger(__name__)

BACKUPS_FOLDER = "backups"
PARTIAL_PREFIX = ".partial-"  # of unfinished or half deleted folders; `check` deletes them
_COUNTED_TABLES = ("image", "class", "label", "tag", "image_tag", "step")
_DAY_S = 86_400
# Thinned as in Anki: everything of the last two days, then one a day, a week, a month.
KEEP_ALL_S = 2 * _DAY_S
MAX_RECENT_BACKUPS = 50  # one every half hour, ten hours a day, makes 40 in two days
KEEP_DAYS = 12
KEEP_WEEKS = 10
KEEP_MONTHS = 9
KEEP_BYTES = 2 * 10**9  # of all automatic backups of a project
_YEAR_9999 = 253_370_764_800.0  # in seconds since 1970: later times cannot be shown as dates
STAMP = "%Y-%m-%d %H-%M-%S"


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A verified backup."""

    name: str  # name of its folder
    reason: str  # reason for the user
    created: float  # seconds since the epoch, by this computer's possibly wrong clock
    rows: dict[str, int]  # number of rows of each table
    sha256: str  # the hash of its `project.db`
    schema_version: int
    # Sequence number within the project, an order independent of the clock; 0 in backups of older programs.
    number: int = 0
    is_own: bool = False  # whether the user requested it; then it is never thinned


def make_backup(database: Path, project_folder: Path, *, reason: Text, is_own: bool = False) -> Backup:
    """Back up the committed state of a database, verify the copy, and thin older backups; nothing is left on errors."""
    with expected_errors(database), closing(schema.connect(database, writable=False)) as source:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # pins the state
        return backup_pinned(source, project_folder, reason=reason, is_own=is_own)


def backup_pinned(source: sqlite3.Connection, project_folder: Path, *, reason: str, is_own: bool = False) -> Backup:
    """Back up the state seen by the open read transaction of `source`; see `make_backup`."""
    folder = project_folder / BACKUPS_FOLDER
    created = time.time()
    try:
        folder.mkdir(exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=folder))
        try:
            words = re.sub(r"[^\w -]", "", reason)[:40].strip()  # safe on every file system
            stamp = f"{time.strftime(STAMP, time.gmtime(created))}.{int(created % 1 * 1000):03d}"
            target = unused_folder(folder, f"{stamp} {words}")
            copy = partial / "project.db"
            schema.copy_into(source, copy)
            with closing(schema.connect(copy, writable=False)) as connection:
                rows = _count(connection)
                if rows != _count(source) or connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
                    message = Message("The backup does not equal the project.")
                    raise ProjectError(message, "Check the disk; the project is unharmed.")
                version = schema.version_of(connection)
                write_labels(connection, project_folder, partial / "labels.jsonl", seen_from=target)
            backup = Backup(
                name=target.name,
                reason=reason,
                created=created,
                rows=rows,
                sha256=sha256_file(copy),
                schema_version=version,
                number=max((backup.number for backup in list_backups(project_folder)), default=0) + 1,
                is_own=is_own,
            )
            write_json(partial / "backup.json", asdict(backup))
            fsync_folder(partial)
            partial.rename(target)
            fsync_folder(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        thin(project_folder, now=created)
    except OSError as error:
        raise write_error(folder, error) from error
    return backup


def unused_folder(parent: Path, name: str) -> Path:
    """Return a path below `parent` that does not exist: `name`, or with a number after it."""
    folder, number = parent / name, 1
    while folder.exists():
        number += 1
        folder = parent / f"{name} {number}"
    return folder


def list_backups(project_folder: Path) -> tuple[Backup, ...]:
    """Return the complete backups, newest first; unnumbered ones (of older programs) dated in the future come last."""
    latest = time.time() + _DAY_S
    found: list[Backup] = []
    for file in (project_folder / BACKUPS_FOLDER).glob("[!.]*/backup.json"):
        try:
            noted: Any = read_json(file)
            values: dict[str, Any] = {each.name: noted[each.name] for each in fields(Backup) if each.name in noted}
            if not 0 <= values["created"] < _YEAR_9999:
                raise ValueError(f"created is {values['created']!r}")
            if not (isinstance(values["reason"], str) and isinstance(values.get("number", 0), int)):
                raise TypeError("its reason is no text, or its number none")
            values.setdefault("is_own", values["reason"] == "on request")  # keys of older programs
            values["name"] = file.parent.name
            found.append(Backup(**values))
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("%s is not a backup: %s", file.parent, error)

    def order(backup: Backup) -> tuple[int, float]:
        return backup.number, backup.created if backup.created <= latest else -backup.created

    return tuple(sorted(found, key=order, reverse=True))


def is_intact(project_folder: Path, backup: Backup) -> bool:
    """Return whether a backup's database still has the verified bytes."""
    try:
        return sha256_file(project_folder / BACKUPS_FOLDER / backup.name / "project.db") == backup.sha256
    except OSError:
        return False


def thin(project_folder: Path, *, now: float) -> None:
    """Delete the automatic backups not selected by `keep`, then the oldest in excess of `KEEP_BYTES`."""
    automatic = [backup for backup in list_backups(project_folder) if not backup.is_own]
    times = keep((backup.created for backup in automatic), now=now)
    kept = [backup for number, backup in enumerate(automatic) if number == 0 or backup.created in times]
    sizes = accumulate(folder_bytes(project_folder, backup) for backup in kept)
    names = {
        backup.name
        for place, (backup, size) in enumerate(zip(kept, sizes, strict=True))
        if not place or size <= KEEP_BYTES
    }
    for backup in automatic:
        if backup.name not in names:
            folder = project_folder / BACKUPS_FOLDER / backup.name
            try:  # under a hidden name first: a half deleted one is not listed, and `check` removes it
                hidden = folder.rename(folder.with_name(f"{PARTIAL_PREFIX}{folder.name}"))
            except OSError as error:
                logger.warning("%s cannot be deleted: %s", folder, error)
            else:
                shutil.rmtree(hidden, ignore_errors=True)


def folder_bytes(project_folder: Path, backup: Backup) -> int:
    """Return a backup's size in bytes; 0 when it was deleted meanwhile."""
    try:
        return sum(file.stat().st_size for file in (project_folder / BACKUPS_FOLDER / backup.name).iterdir())
    except OSError:
        return 0


def keep(times: Iterable[float], *, now: float) -> set[float]:
    """Return the backups to keep: the newest, all of the last two days, and the newest of each later period.

    The periods are the last 12 days, 10 weeks and 9 months with any backup. Backups dated in the future (a clock was
    wrong, then or now) are selected separately by the same rules, so that they displace none of the others. Times are
    seconds since the epoch.
    """
    newest_first = sorted(times, reverse=True)
    future = [moment for moment in newest_first if moment > now + _DAY_S]
    past = newest_first[len(future) :]
    return _keep_of(future, future[0] if future else now) | _keep_of(past, now)


def _keep_of(newest_first: list[float], now: float) -> set[float]:
    kept = set(newest_first[:1])
    kept.update([moment for moment in newest_first if now - moment < KEEP_ALL_S][:MAX_RECENT_BACKUPS])
    for period, limit in (("%Y-%m-%d", KEEP_DAYS), ("%G-%V", KEEP_WEEKS), ("%Y-%m", KEEP_MONTHS)):
        newest: dict[str, float] = {}
        for moment in newest_first:
            newest.setdefault(time.strftime(period, time.gmtime(moment)), moment)
        kept.update(list(newest.values())[:limit])
    return kept


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _COUNTED_TABLES}
