"""Backups of the project database: verified before they count, thinned with age, readable without this program.

A backup is a folder `backups/<time> <reason>/` with `project.db`, the same labels as `labels.jsonl` (which can be
imported again, and read by anyone) and `backup.json`. It is written under a hidden name and renamed once it was opened,
checked and counted, so that what is listed is good. The pictures are not in it: they are never changed.
"""

import json
import logging
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from visionft.errors import ProjectError
from visionft.files import fsync_folder, sha256_file, write_error, write_json
from visionft.project import schema
from visionft.project.labels_file import write_labels
from visionft.project.sqlite_errors import expected_errors

logger = logging.getLogger(__name__)

BACKUPS_FOLDER = "backups"
_COUNTED = ("image", "class", "label", "tag", "image_tag", "step")
_DAY_S = 86_400
# As Anki thins: everything of the last two days, then one a day, a week, a month.
KEEP_ALL_S, KEEP_ALL_AT_MOST = 2 * _DAY_S, 50
KEEP_DAYS, KEEP_WEEKS, KEEP_MONTHS = 12, 10, 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A verified backup. `created` is seconds since the epoch; `sha256` is that of its `project.db`."""

    name: str
    reason: str
    created: float
    rows: dict[str, int]
    sha256: str
    schema_version: int


def make_backup(database: Path, project_folder: Path, *, reason: str) -> Backup:
    """Back up the committed state of a database, verify the copy, and thin older backups.

    Raises:
        ProjectError: The copy could not be written or does not verify; nothing is left of it.
    """
    with expected_errors(database):
        source = schema.connect(database, writable=False)
        try:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # pins what is backed up
            return backup_pinned(source, project_folder, reason=reason)
        finally:
            source.close()


def backup_pinned(source: sqlite3.Connection, project_folder: Path, *, reason: str) -> Backup:
    """Back up what the open read transaction of `source` sees; see `make_backup`."""
    folder = project_folder / BACKUPS_FOLDER
    created = time.time()
    try:
        folder.mkdir(exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=folder))
        try:
            target = _free_name(folder, created, reason)
            backup = _write(source, partial, target, reason=reason, created=created)
            fsync_folder(partial)
            partial.rename(target)
            fsync_folder(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        thin(project_folder, now=created)
    except OSError as error:
        raise write_error(folder, error) from error
    return backup


def _write(source: sqlite3.Connection, partial: Path, target: Path, *, reason: str, created: float) -> Backup:
    """Write the three files of a backup into `partial` and check them against the source."""
    copy = partial / "project.db"
    schema.copy_into(source, copy)
    connection = schema.connect(copy, writable=False)
    try:
        rows = _count(connection)
        if rows != _count(source) or connection.execute("PRAGMA quick_check").fetchone()[0] != "ok":
            raise ProjectError("The backup does not equal the project.", "Check the disk; the project is unharmed.")
        version = schema.version_of(connection)
        write_labels(connection, target.parents[1], partial / "labels.jsonl", seen_from=target)
    finally:
        connection.close()
    backup = Backup(
        name=target.name,
        reason=reason,
        created=created,
        rows=rows,
        sha256=sha256_file(copy),
        schema_version=version,
    )
    write_json(partial / "backup.json", asdict(backup))
    return backup


def list_backups(project_folder: Path) -> tuple[Backup, ...]:
    """Return the backups, newest first. Folders that are not whole backups are left out."""
    found: list[Backup] = []
    for file in (project_folder / BACKUPS_FOLDER).glob("[!.]*/backup.json"):
        try:
            values: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            values["name"] = file.parent.name
            found.append(Backup(**values))
        except (OSError, ValueError, TypeError) as error:
            logger.warning("%s is not a backup: %s", file.parent, error)
    return tuple(sorted(found, key=lambda backup: backup.created, reverse=True))


def is_intact(project_folder: Path, backup: Backup) -> bool:
    """Say whether a backup's database still has the bytes that were verified."""
    try:
        return sha256_file(project_folder / BACKUPS_FOLDER / backup.name / "project.db") == backup.sha256
    except OSError:
        return False


def thin(project_folder: Path, *, now: float) -> None:
    """Delete the backups that `keep` does not name."""
    backups = list_backups(project_folder)
    kept = keep((backup.created for backup in backups), now=now)
    for backup in backups:
        if backup.created not in kept:
            shutil.rmtree(project_folder / BACKUPS_FOLDER / backup.name, ignore_errors=True)


def keep(times: Iterable[float], *, now: float) -> set[float]:
    """Choose which backups to keep: the newest always, the last two days whole, then the newest of each of the last
    12 days, 10 weeks and 9 months that have any.

    Args:
        times: When the backups were made, in seconds since the epoch.
        now: The present, in the same seconds.
    """
    newest_first = sorted(times, reverse=True)
    kept = set(newest_first[:1])
    kept.update([moment for moment in newest_first if now - moment < KEEP_ALL_S][:KEEP_ALL_AT_MOST])
    for name_of, limit in ((_day, KEEP_DAYS), (_week, KEEP_WEEKS), (_month, KEEP_MONTHS)):
        periods: dict[str, float] = {}
        for moment in newest_first:
            periods.setdefault(name_of(moment), moment)
        kept.update(list(periods.values())[:limit])
    return kept


def _day(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _week(moment: float) -> str:
    return time.strftime("%G-%V", time.gmtime(moment))


def _month(moment: float) -> str:
    return time.strftime("%Y-%m", time.gmtime(moment))


def _count(connection: sqlite3.Connection) -> dict[str, int]:
    return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in _COUNTED}


def _free_name(folder: Path, created: float, reason: str) -> Path:
    """Return a folder name that sorts by time and says why; safe on every file system."""
    stamp = time.strftime("%Y-%m-%d %H-%M-%S", time.gmtime(created))
    words = re.sub(r"[^\w -]", "", reason)[:40].strip()
    name = f"{stamp}.{int(created % 1 * 1000):03d} {words}"
    target, number = folder / name, 1
    while target.exists():
        number += 1
        target = folder / f"{name} {number}"
    return target
