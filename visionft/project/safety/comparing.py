"""What differs from the newest backup must stand in the history; what does not was changed by nobody.

Every change notes in the journal which rows it altered. A row that differs from its backup without such a note was
therefore altered outside: a bit that flipped on the disk, or another program. This finds the very row.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from visionft.project.db import schema
from visionft.project.db.database import DATABASE
from visionft.project.db.journal import JOURNALED_TABLES
from visionft.project.db.schema import DERIVED_COLUMNS, SCHEMA_VERSION
from visionft.project.safety.backups import BACKUPS_FOLDER, is_intact, list_backups

_LOOKED_AT = 5  # backups: those of a time before a restore have another history


def unexplained_changes(database: Path, project_folder: Path) -> tuple[str, ...]:
    """Return the rows that differ from the newest backup though no step of the history altered them.

    Args:
        database: Where the project is read (`Project.read_file`), of the newest schema version.
        project_folder: Where its backups are.

    Returns:
        A sentence for each row and value; nothing where no intact backup has a history that goes on in this one.
    """
    for backup in list_backups(project_folder)[:_LOOKED_AT]:
        if backup.schema_version == SCHEMA_VERSION and is_intact(project_folder, backup):
            with closing(schema.connect(database, writable=False)) as connection:
                schema.attach(connection, project_folder / BACKUPS_FOLDER / backup.name / DATABASE, "backup")
                since = _last_common_row(connection)
                if since is not None:
                    return tuple(
                        sentence for table in JOURNALED_TABLES for sentence in _differences(connection, table, since)
                    )
    return ()


def _last_common_row(connection: sqlite3.Connection) -> int | None:
    """Return the last journal row of the backup's newest step, behind which all later ones lie; None when that step is
    no longer in the history, so that it cannot tell what followed.
    """
    step = connection.execute(
        "SELECT id, title, at FROM backup.step WHERE undone = 0 ORDER BY id DESC LIMIT 1"
    ).fetchone()
    same = "SELECT 1 FROM main.step WHERE id = ? AND title = ? AND at = ? AND undone = 0"
    if step is None or connection.execute(same, step).fetchone() is None:
        return None
    row = connection.execute("SELECT max(id) FROM backup.journal WHERE step_id = ?", step[:1]).fetchone()
    return row[0]


def _differences(connection: sqlite3.Connection, table: str, since: int) -> Iterator[str]:
    """Yield what differs in one table, rows that were altered behind journal row `since` left out."""
    info = connection.execute(f"PRAGMA main.table_info({table})").fetchall()
    columns: list[str] = [row[1] for row in info if f"{table}.{row[1]}" not in DERIVED_COLUMNS]
    keys: list[str] = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
    names, key = ", ".join(columns), ", ".join(keys)
    noted = ", ".join(("key", "key2")[: len(keys)])
    query = f"""
        SELECT {key} FROM (
            SELECT * FROM (SELECT {names} FROM main.{table} EXCEPT SELECT {names} FROM backup.{table})
            UNION ALL
            SELECT * FROM (SELECT {names} FROM backup.{table} EXCEPT SELECT {names} FROM main.{table}))
        WHERE ({key}) NOT IN (
            SELECT {noted} FROM main.journal WHERE id > ? AND (target = ? OR target GLOB ?) AND key IS NOT NULL)
        GROUP BY {key}"""
    for place in connection.execute(query, (since, table, f"{table}.*")).fetchall():
        where = " AND ".join(f"{name} = ?" for name in keys)
        now, then = (
            connection.execute(f"SELECT {names} FROM {base}.{table} WHERE {where}", place).fetchone()
            for base in ("main", "backup")
        )
        yield from _sentences(f"{table} {' '.join(str(each) for each in place)}", columns, now, then)


def _sentences(
    what: str, columns: list[str], now: tuple[object, ...] | None, then: tuple[object, ...] | None
) -> Iterator[str]:
    if now is None or then is None:
        yield f"{what} {'is lost' if now is None else 'came from nowhere'}"
        return
    for column, present, before in zip(columns, now, then, strict=True):
        if present != before:
            yield f"{what}: {column} is {present!r} and was {before!r}"
