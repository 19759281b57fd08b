"""The project database: its tables, its numbered migrations and the setup of connections.

Owns every `CREATE`, every pragma and the meaning of `user_version`. Independent of changes, images and folders.
"""

import os
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from itertools import chain
from pathlib import Path
from typing import get_args
from urllib.parse import quote

from visionft.core.errors import NextStep, ProjectError
from visionft.core.messages import Message, listed
from visionft.data.types import Task
from visionft.project.db.sqlite_errors import damage_error

APPLICATION_ID = 0x56465450  # "VFTP": distinguishes a project from any other SQLite file
BUSY_TIMEOUT_S = 10.0  # for the lock of another connection: longer than any single change of a project holds it
_PRAGMAS = (
    "foreign_keys = ON",
    "trusted_schema = OFF",
    "cell_size_check = ON",
    "temp_store = MEMORY",
    "cache_size = -65536",  # KiB: a million images' indexes stay in memory
)

# Times are whole milliseconds since the epoch: the journal keeps deleted rows as JSON, which would round a REAL.
# A migration is never edited after a release: append a new one. tests/fixtures keeps a
# database of each version.
_VERSION_1 = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE setting (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    # Folders of images. `path` is the last known absolute one; `relative` is relative to the project folder, to find
    # them after a move of the project together with its images.
    "CREATE TABLE root (id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, relative TEXT)",
    """CREATE TABLE image (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        root_id INTEGER NOT NULL REFERENCES root(id),
        path TEXT NOT NULL,
        name TEXT,
        sha256 TEXT NOT NULL,
        bytes INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        format TEXT NOT NULL,
        split TEXT CHECK (split IN ('train', 'val', 'test')),
        review TEXT CHECK (review IN ('done', 'later')),
        note TEXT,
        added_at INTEGER NOT NULL,
        removed_at INTEGER,
        UNIQUE (root_id, path))""",
    "CREATE INDEX image_by_content ON image (sha256)",
    "CREATE INDEX image_by_split ON image (split, id) WHERE removed_at IS NULL",
    "CREATE INDEX image_by_review ON image (review, id) WHERE review IS NOT NULL",
    "CREATE INDEX image_removed ON image (id) WHERE removed_at IS NOT NULL",
    # name_key is the NFC form, to compare names; `name` is kept as entered.
    """CREATE TABLE class (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL,
        name_key TEXT NOT NULL UNIQUE,
        color TEXT,
        shortcut TEXT,
        position INTEGER NOT NULL)""",
    """CREATE TABLE label (
        image_id INTEGER NOT NULL REFERENCES image(id),
        class_id INTEGER NOT NULL REFERENCES class(id),
        source TEXT NOT NULL CHECK (source IN ('person', 'import', 'suggestion')),
        labelled_at INTEGER NOT NULL,
        PRIMARY KEY (image_id, class_id)) WITHOUT ROWID""",
    "CREATE INDEX label_by_class ON label (class_id)",
    "CREATE TABLE tag (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE)",
    """CREATE TABLE image_tag (
        image_id INTEGER NOT NULL REFERENCES image(id),
        tag_id INTEGER NOT NULL REFERENCES tag(id),
        PRIMARY KEY (image_id, tag_id)) WITHOUT ROWID""",
    "CREATE INDEX image_tag_by_tag ON image_tag (tag_id)",
    # The history: a step is one entry of the undo menu, its journal rows undo it (or redo it, when it is undone).
    """CREATE TABLE step (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        title TEXT NOT NULL,
        at INTEGER NOT NULL,
        undone INTEGER NOT NULL DEFAULT 0)""",
    """CREATE TABLE journal (
        id INTEGER PRIMARY KEY,
        step_id INTEGER NOT NULL REFERENCES step(id),
        op TEXT NOT NULL CHECK (op IN ('insert', 'update', 'delete')),
        target TEXT NOT NULL,
        key,
        key2,
        old)""",
    "CREATE INDEX journal_by_step ON journal (step_id, id)",
)
# label_count is derived from `label` by triggers, so that "not labelled yet" is an index range and not a search.
_VERSION_2 = (
    "ALTER TABLE image ADD COLUMN label_count INTEGER NOT NULL DEFAULT 0",
    """UPDATE image SET label_count = (SELECT count(*) FROM label WHERE image_id = image.id)
        WHERE id IN (SELECT image_id FROM label)""",
    "DROP INDEX image_by_split",
    "DROP INDEX image_by_review",
    "CREATE INDEX image_by_state ON image (split, review, label_count) WHERE removed_at IS NULL",
    "CREATE INDEX image_unlabelled ON image (id) WHERE label_count = 0 AND removed_at IS NULL",
    """CREATE TRIGGER label_added AFTER INSERT ON label BEGIN
        UPDATE image SET label_count = label_count + 1 WHERE id = NEW.image_id; END""",
    """CREATE TRIGGER label_taken AFTER DELETE ON label BEGIN
        UPDATE image SET label_count = label_count - 1 WHERE id = OLD.image_id; END""",
)
# Filters by the source of a label, and text search in names and notes, without reading every image.
_VERSION_3 = (
    "CREATE INDEX label_by_source ON label (source)",
    "CREATE INDEX image_named ON image (name) WHERE name IS NOT NULL",
    "CREATE INDEX image_noted ON image (note) WHERE note IS NOT NULL",
)
# Images in a label conflict: the candidates, each with its file as origin. Any label of the image
# ends it. `alias`: former or source names of a class renamed, merged or mapped by a person.
_VERSION_4 = (
    """CREATE TABLE conflict (
        image_id INTEGER NOT NULL REFERENCES image(id),
        class_id INTEGER NOT NULL REFERENCES class(id),
        origin TEXT NOT NULL,
        PRIMARY KEY (image_id, class_id)) WITHOUT ROWID""",
    "CREATE INDEX conflict_by_class ON conflict (class_id)",
    """CREATE TRIGGER label_decides AFTER INSERT ON label BEGIN
        DELETE FROM conflict WHERE image_id = NEW.image_id; END""",
    """CREATE TABLE alias (
        name_key TEXT PRIMARY KEY,
        class_id INTEGER NOT NULL REFERENCES class(id)) WITHOUT ROWID""",
)
# A person's verdicts "fine" on findings of a check: an image (`finding` is the check's name), or a pair
# (the image with the lower id; `finding` is the check's name, a colon and the other id).
_VERSION_5 = (
    """CREATE TABLE verdict (
        image_id INTEGER NOT NULL REFERENCES image(id),
        finding TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (image_id, finding)) WITHOUT ROWID""",
    # Audits of bulk-accepted labels, failed ones too: a random sample was checked. Shares are millionths
    # (a REAL would be rounded). `certified`: the labels covered by an accepted audit, `classes`
    # their ids as JSON: a class may have been deleted since.
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at INTEGER NOT NULL,
        source TEXT NOT NULL,
        threshold INTEGER NOT NULL,
        accepted INTEGER NOT NULL,
        sample INTEGER NOT NULL,
        wrong INTEGER NOT NULL,
        allowed INTEGER NOT NULL,
        rightness INTEGER NOT NULL,
        confidence INTEGER NOT NULL,
        most_wrong INTEGER NOT NULL,
        number INTEGER NOT NULL,
        seed INTEGER NOT NULL,
        is_passed INTEGER NOT NULL)""",
    """CREATE TABLE certified (
        audit_id INTEGER NOT NULL REFERENCES audit(id),
        image_id INTEGER NOT NULL REFERENCES image(id),
        classes TEXT NOT NULL,
        PRIMARY KEY (audit_id, image_id)) WITHOUT ROWID""",
)
# A person's prompts for a class, line by line, for image-text models; no line means its name.
_VERSION_6 = (
    """CREATE TABLE prompt (
        class_id INTEGER NOT NULL REFERENCES class(id),
        place INTEGER NOT NULL,
        text TEXT NOT NULL,
        PRIMARY KEY (class_id, place)) WITHOUT ROWID""",
)
# Audits are facts without undo, and are no longer journaled: those removed by undo are restored from the
# journal. A new audit is written before its sample is shown: `audit_image` holds its images, a row for each
# suggested class (`place`: in the order of the sample). They have no reference to `image`, since undo may remove an
# import; `sha256` identifies the content. Failed audits of older versions count for all unlabelled images.
_VERSION_7 = (
    "ALTER TABLE audit ADD COLUMN is_finished INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE audit ADD COLUMN planned REAL NOT NULL DEFAULT 0.95",
    """CREATE TABLE audit_image (
        audit_id INTEGER NOT NULL REFERENCES audit(id),
        image_id INTEGER NOT NULL,
        class_name TEXT NOT NULL,
        sha256 TEXT NOT NULL,
        place INTEGER,
        PRIMARY KEY (audit_id, image_id, class_name)) WITHOUT ROWID""",
    """INSERT OR IGNORE INTO audit (id, at, source, threshold, accepted, sample, wrong, allowed, rightness, confidence,
            most_wrong, number, seed, is_passed)
        SELECT json_extract(old, '$.id'), json_extract(old, '$.at'), json_extract(old, '$.source'),
            json_extract(old, '$.threshold'), json_extract(old, '$.accepted'), json_extract(old, '$.sample'),
            json_extract(old, '$.wrong'), json_extract(old, '$.allowed'), json_extract(old, '$.rightness'),
            json_extract(old, '$.confidence'), json_extract(old, '$.most_wrong'), json_extract(old, '$.number'),
            json_extract(old, '$.seed'), json_extract(old, '$.is_passed')
        FROM journal WHERE target = 'audit' AND op = 'delete' AND json_valid(old)""",
    "DELETE FROM journal WHERE target = 'audit'",
    "DELETE FROM step WHERE id NOT IN (SELECT step_id FROM journal)",
    """INSERT INTO audit_image (audit_id, image_id, class_name, sha256)
        SELECT audit.id, image.id, '', sha256 FROM audit, image
        WHERE NOT is_passed AND audit.id > (SELECT coalesce(max(audit_id), 0) FROM certified)
            AND label_count = 0 AND removed_at IS NULL""",
)
# The contents of window.json and framing.json moved to `setting`, journaled: `migrate` reads the files. The tables are
# the same; the number makes an older program refuse the project, which would read its images as they are stored.
_VERSION_8 = ()
# The group of images that look alike or belong together: a name, '' for an image on its own, NULL before the images are
# compared. Splits, folds and intervals keep a group together.
_VERSION_9 = (
    "ALTER TABLE image ADD COLUMN group_key TEXT",
    "CREATE INDEX image_by_group ON image (group_key, id) WHERE group_key > '' AND removed_at IS NULL",
)
DERIVED_COLUMNS = frozenset({"image.label_count"})  # never journaled: derived from other rows
MIGRATIONS: tuple[tuple[str, ...], ...] = (
    *(_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6, _VERSION_7, _VERSION_8, _VERSION_9),
)
SCHEMA_VERSION = len(MIGRATIONS)
SETTINGS_FROM = 8  # since this version all settings of a project are in the database


def connect(database: Path, *, writable: bool) -> sqlite3.Connection:
    """Open a database with every pragma set, since builds differ; transactions are explicit, threads take turns."""
    uri = _uri(database, "rw" if writable else "ro")
    connection = sqlite3.connect(uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (*_PRAGMAS, *(() if writable else ("query_only = ON",))):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def make_durable(connection: sqlite3.Connection, *, journal_mode: str = "WAL") -> None:
    """Set the pragmas for commits that survive a power cut: WAL with a sync per commit, and F_FULLFSYNC on macOS."""
    connection.execute(f"PRAGMA journal_mode = {journal_mode}").fetchone()
    connection.execute("PRAGMA synchronous = FULL")
    if sys.platform == "darwin":
        connection.execute("PRAGMA fullfsync = ON")
        connection.execute("PRAGMA checkpoint_fullfsync = ON")


def create_database(database: Path, meta: dict[str, str]) -> None:
    """Create a durable database of the newest version with its `meta` rows; unseen, it needs one sync at the end."""
    database.touch(exist_ok=False)
    with closing(connect(database, writable=True)) as connection:
        connection.execute("PRAGMA journal_mode = MEMORY").fetchone()
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(connection)
        connection.executemany("INSERT INTO meta (key, value) VALUES (?, ?)", list(meta.items()))
    with database.open("rb+") as handle:
        os.fsync(handle.fileno())


def copy_into(source: sqlite3.Connection, target: Path) -> None:
    """Copy the state seen by `source` (its open read transaction, if any) into a new database file."""
    with closing(sqlite3.connect(target, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = FULL")
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchone()  # one file, without a log beside it


def version_of(connection: sqlite3.Connection) -> int:
    """Return a database's schema version; a `ProjectError` for no project, and for one of a newer program."""
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        message = Message("project.db is damaged or is not a project of this program.")
        raise ProjectError(message, "Restore a backup, or choose another folder.", NextStep("restore"))
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        message = Message(
            "The project was written by a newer VisionFT (schema {version}, this one knows {SCHEMA_VERSION}).",
            version=version,
            SCHEMA_VERSION=SCHEMA_VERSION,
        )
        raise ProjectError(message, "Install the newer version; nothing was changed.")
    return version


def check_objects(connection: sqlite3.Connection) -> set[tuple[str, str, str | None]]:
    """Raise a `ProjectError` for a trigger, view, index or table that does not belong to the database's version.

    SQLite would run the foreign ones of a stranger's project with each of our statements, for as long as they take. No
    table is read. Return (type, name, SQL) of all objects.
    """
    found = set(connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall())
    version = version_of(connection)
    if version < 1:
        raise damage_error(f"its schema version is {version}")
    odd = {each for each in found - _layout(version) if not _is_internal(*each)}
    if odd and odd & _layout(SCHEMA_VERSION):
        raise damage_error(f"its schema version is {version}, and its tables are of another one")
    if foreign := sorted(f"{kind} {name}" for kind, name, _ in odd):
        message = Message(
            "The database contains objects that do not belong to a project: {names}.", names=listed(foreign, most=3)
        )
        hint = "No code in it was run. Restore a backup, or ask for the labels as a file and import it."
        raise ProjectError(message, hint, NextStep("restore"))
    return found


def _is_internal(kind: str, name: str, _sql: str | None) -> bool:
    """Return whether an object is one that SQLite itself makes: of indexes, counters and statistics."""
    return kind in ("table", "index") and str(name).startswith("sqlite_")


def check_layout(connection: sqlite3.Connection) -> None:
    """Raise a `ProjectError` unless every table, index and trigger of the database's version exists, and its task.

    It is raised, too, for a value not of its column's type: a flipped bit may turn a text into bytes.
    """
    found = check_objects(connection)
    lost = sorted(f"{kind} {name}" for kind, name, _ in _layout(version_of(connection)) - found)
    if not lost:
        row = connection.execute("SELECT value FROM meta WHERE key = 'task'").fetchone()
        lost = [] if row and row[0] in get_args(Task) else ["the project's task"]
    if lost:
        raise damage_error(f"{', '.join(lost[:3])} missing or changed")
    for table in _tables(connection):
        columns = [(row[1], row[2].lower()) for row in connection.execute(f"PRAGMA table_info({table})") if row[2]]
        wrong = " OR ".join(f"typeof({name}) NOT IN ('{kind}', 'null')" for name, kind in columns)
        if wrong and connection.execute(f"SELECT EXISTS (SELECT 1 FROM {table} WHERE {wrong})").fetchone()[0]:
            raise damage_error(f"a value in {table} is of another kind than its column")


def read_everything(connection: sqlite3.Connection) -> None:
    """Read every value; invalid text raises `sqlite3.OperationalError`."""
    for table in _tables(connection):
        for _ in connection.execute(f"SELECT * FROM {table}"):
            pass


def _tables(connection: sqlite3.Connection) -> list[str]:
    return sorted(name for kind, name, _ in _layout(version_of(connection)) if kind == "table")


@cache
def _layout(version: int) -> frozenset[tuple[str, str, str | None]]:
    """Return type, name and SQL of all objects created by the migrations up to a version."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in chain.from_iterable(MIGRATIONS[:version]):
            connection.execute(statement)
        return frozenset(connection.execute("SELECT type, name, sql FROM sqlite_schema").fetchall())


def migrate(connection: sqlite3.Connection, settings: Mapping[str, str] | None = None) -> None:
    """Bring the database to the newest version, each migration in one transaction with its version number.

    Args:
        settings: {key: value} of the files beside a database of an older version (`project.earlier_files`).
    """
    for number in range(version_of(connection), len(MIGRATIONS)):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in MIGRATIONS[number]:
                connection.execute(statement)
            if number + 1 == SETTINGS_FROM and settings:
                statement = "INSERT OR IGNORE INTO setting (key, value) VALUES (?, ?)"
                connection.executemany(statement, list(settings.items()))
            connection.execute(f"PRAGMA user_version = {number + 1}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


def _uri(database: Path, mode: str) -> str:
    """Return a `file:` URI; drive letters and network shares need the leading slash that `Path.as_uri` may omit."""
    posix = database.absolute().as_posix()
    return f"file://{'' if posix.startswith('/') else '/'}{quote(posix, safe='/:')}?mode={mode}"
