"""Backups of the project database: verified before they count, thinned with age, readable without this program.

A backup is a folder `backups/<time> <reason>/` with `project.db`, the same labels as `labels.jsonl` (which can be
imported again, and read by anyone) and `backup.json`. It is written under a hidden name and renamed once it was opened,
checked and counted, so that what is listed is good. The pictures are not in it: they are never changed.

Those that the user asked for stay until the user deletes them. The automatic ones are thinned with age and take at most
2 GB together; the newest stays whatever its size.
"""

import logging
import math
import re
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from visionft.errors import ProjectError
from visionft.files import fsync_folder, read_json, sha256_file, write_error, write_json
from visionft.project.db import schema
from visionft.project.db.sqlite_errors import expected_errors
from visionft.project.formats.labels_file import write_labels

logger = logging.getLogger(__name__)

BACKUPS_FOLDER = "backups"
PARTIAL_PREFIX = ".partial-"  # of folders that are being written or deleted; `check` clears them away
_COUNTED = ("image", "class", "label", "tag", "image_tag", "step")
_DAY_S = 86_400
# As Anki thins: everything of the last two days, then one a day, a week, a month.
KEEP_ALL_S, KEEP_ALL_AT_MOST = 2 * _DAY_S, 50
KEEP_DAYS, KEEP_WEEKS, KEEP_MONTHS = 12, 10, 9
KEEP_BYTES = 2 * 10**9
_ON_REQUEST = "on request"
_YEAR_9999 = 253_370_764_800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A verified backup.

    Attributes:
        name: Its folder's.
        reason: Why it was made, for people.
        created: Seconds since the epoch, by this computer's clock, which may have been wrong.
        rows: How many rows each table has.
        sha256: The hash of its `project.db`.
        schema_version: The version of that database.
        number: Counts the project's backups, so that their order depends on no clock; 0 for those of older programs.
        is_own: Whether the user asked for it; such a one is never thinned.
    """

    name: str
    reason: str
    created: float
    rows: dict[str, int]
    sha256: str
    schema_version: int
    number: int = 0
    is_own: bool = False


def make_backup(database: Path, project_folder: Path, *, reason: str, is_own: bool = False) -> Backup:
    """Back up the committed state of a database, verify the copy, and thin older backups.

    Raises:
        ProjectError: The copy could not be written or does not verify; nothing is left of it.
    """
    with expected_errors(database):
        source = schema.connect(database, writable=False)
        try:
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # pins what is backed up
            return backup_pinned(source, project_folder, reason=reason, is_own=is_own)
        finally:
            source.close()


def backup_pinned(source: sqlite3.Connection, project_folder: Path, *, reason: str, is_own: bool = False) -> Backup:
    """Back up what the open read transaction of `source` sees; see `make_backup`."""
    folder = project_folder / BACKUPS_FOLDER
    created = time.time()
    try:
        folder.mkdir(exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=PARTIAL_PREFIX, dir=folder))
        try:
            target = _free_name(folder, created, reason)
            backup = _write(source, partial, target, reason=reason, created=created, is_own=is_own)
            fsync_folder(partial)
            partial.rename(target)
            fsync_folder(folder)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        thin(project_folder, now=created)
    except OSError as error:
        raise write_error(folder, error) from error
    return backup


def _write(
    source: sqlite3.Connection, partial: Path, target: Path, *, reason: str, created: float, is_own: bool
) -> Backup:
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
        number=max((backup.number for backup in list_backups(target.parents[1])), default=0) + 1,
        is_own=is_own,
    )
    write_json(partial / "backup.json", asdict(backup))
    return backup


def list_backups(project_folder: Path) -> tuple[Backup, ...]:
    """Return the backups, newest first. Folders that are not whole backups are left out.

    Where programs that did not number them left several, those dated in the future come last: their clock was wrong.
    """
    now = time.time()
    found: list[Backup] = []
    for file in (project_folder / BACKUPS_FOLDER).glob("[!.]*/backup.json"):
        try:
            found.append(_read(file))
        except (OSError, ValueError, TypeError, KeyError) as error:
            logger.warning("%s is not a backup: %s", file.parent, error)
    return tuple(sorted(found, key=lambda each: _place(each, now), reverse=True))


def _read(file: Path) -> Backup:
    """Read a `backup.json`; what newer programs added is passed over.

    Raises:
        OSError: It cannot be read.
        ValueError, TypeError, KeyError: It is something else.
    """
    noted: Any = read_json(file)
    values: dict[str, Any] = {each.name: noted[each.name] for each in fields(Backup) if each.name in noted}
    if not 0 <= values["created"] < _YEAR_9999:
        raise ValueError(f"created is {values['created']!r}")
    if not (isinstance(values["reason"], str) and isinstance(values.get("number", 0), int)):
        raise TypeError("its reason is no text, or its number none")
    values.setdefault("is_own", values["reason"] == _ON_REQUEST)  # as older programs called them
    values["name"] = file.parent.name
    return Backup(**values)


def _place(backup: Backup, now: float) -> tuple[int, float]:
    return backup.number, backup.created if backup.created <= now + _DAY_S else -backup.created


def is_intact(project_folder: Path, backup: Backup) -> bool:
    """Say whether a backup's database still has the bytes that were verified."""
    try:
        return sha256_file(project_folder / BACKUPS_FOLDER / backup.name / "project.db") == backup.sha256
    except OSError:
        return False


def thin(project_folder: Path, *, now: float) -> None:
    """Delete the automatic backups that `keep` does not name, then as many as do not fit into `KEEP_BYTES`."""
    automatic = [backup for backup in list_backups(project_folder) if not backup.is_own]
    times = keep((backup.created for backup in automatic), now=now)
    kept = [backup for number, backup in enumerate(automatic) if number == 0 or backup.created in times]
    sizes = [folder_bytes(project_folder, backup) for backup in kept]
    fitting = fit([backup.created for backup in kept], sizes, limit=KEEP_BYTES, now=now)
    names = {kept[place].name for place in fitting}
    for backup in automatic:
        if backup.name not in names:
            _delete(project_folder / BACKUPS_FOLDER / backup.name)


def folder_bytes(project_folder: Path, backup: Backup) -> int:
    """Return how many bytes a backup takes; 0 when it was deleted meanwhile."""
    try:
        return sum(file.stat().st_size for file in (project_folder / BACKUPS_FOLDER / backup.name).iterdir())
    except OSError:
        return 0


def _delete(folder: Path) -> None:
    """Delete a backup; one that is half deleted is not taken for a backup, and `check` clears it away."""
    try:
        hidden = folder.rename(folder.with_name(f"{PARTIAL_PREFIX}{folder.name}"))
    except OSError as error:
        logger.warning("%s cannot be deleted: %s", folder, error)
    else:
        shutil.rmtree(hidden, ignore_errors=True)


def keep(times: Iterable[float], *, now: float) -> set[float]:
    """Choose which backups to keep: the newest always, the last two days whole, then the newest of each of the last
    12 days, 10 weeks and 9 months that have any.

    Those dated in the future (a clock was wrong, then or now) are chosen among themselves in the same way, so that they
    push out none of the others.

    Args:
        times: When the backups were made, in seconds since the epoch.
        now: The present, in the same seconds.
    """
    newest_first = sorted(times, reverse=True)
    future = [moment for moment in newest_first if moment > now + _DAY_S]
    past = newest_first[len(future) :]
    return _keep_of(future, future[0] if future else now) | _keep_of(past, now)


def _keep_of(newest_first: list[float], now: float) -> set[float]:
    kept = set(newest_first[:1])
    kept.update([moment for moment in newest_first if now - moment < KEEP_ALL_S][:KEEP_ALL_AT_MOST])
    for name_of, limit in ((_day, KEEP_DAYS), (_week, KEEP_WEEKS), (_month, KEEP_MONTHS)):
        periods: dict[str, float] = {}
        for moment in newest_first:
            periods.setdefault(name_of(moment), moment)
        kept.update(list(periods.values())[:limit])
    return kept


def fit(times: Sequence[float], sizes: Sequence[int], *, limit: int, now: float) -> list[int]:
    """Choose backups that take at most `limit` bytes, spread over their ages; the newest stays whatever its size.

    As long as they are too many, the one goes that was made shortest before the next newer one, for its age.

    Args:
        times: When they were made, in seconds since the epoch, newest first.
        sizes: What each takes, in bytes.
        limit: What all may take together, in bytes.
        now: The present, in the same seconds.

    Returns:
        The places of those that stay, in order.
    """
    kept = list(range(len(times)))

    def gap(index: int) -> tuple[float, float]:
        age = now - times[kept[index]]
        return (times[kept[index - 1]] - times[kept[index]]) / age if age > 0 else -math.inf, -age

    while len(kept) > 1 and sum(sizes[place] for place in kept) > limit:
        del kept[min(range(1, len(kept)), key=gap)]
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
