"""The history of a project: what each change altered, row by row, and how to take it back and forth.

Temporary triggers on the writer's connection note every insert, update and delete of the journaled tables while a step
is recorded. No change can therefore forget its inverse: replaying a step's rows backwards undoes it, and because the
triggers note the replay too, replaying those rows redoes it. The rows live in the database, in the very transaction of
the change, so that undo works after a restart and after a crash.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from visionft.errors import ProjectError
from visionft.files import parse_json
from visionft.project.db.schema import DERIVED_COLUMNS
from visionft.project.db.sqlite_errors import damage_error

JOURNALED_TABLES = (
    *("setting", "root", "image", "class", "label", "tag", "image_tag", "conflict", "alias"),
    *("verdict", "audit", "certified", "prompt"),
)
_CHUNK = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """What a change, an undo or a redo altered, so that a screen refreshes only that.

    Attributes:
        title: The step's name, as the undo menu shows it; empty when nothing changed.
        step_id: The step in the history; 0 when nothing changed.
        image_ids: Pictures that were added, taken away or altered, their labels, tags and verdicts included.
        class_ids: Classes that were altered, or whose labels or prompts were.
        targets: The altered tables and columns: "label", "image", "image.split", "class.name", "image_tag" ...
    """

    title: str = ""
    step_id: int = 0
    image_ids: frozenset[int] = frozenset()
    class_ids: frozenset[int] = frozenset()
    targets: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.targets)

    def __or__(self, later: "Effects") -> "Effects":
        """Return what two steps altered together; it has the name of the later one."""
        if not later:
            return self
        return Effects(
            title=later.title,
            step_id=later.step_id,
            image_ids=self.image_ids | later.image_ids,
            class_ids=self.class_ids | later.class_ids,
            targets=self.targets | later.targets,
        )

    @property
    def has_new_labels(self) -> bool:
        """Whether any picture's labels changed, or what it might be labelled."""
        return any(target.split(".")[0] in ("label", "conflict") for target in self.targets)

    @property
    def has_new_splits(self) -> bool:
        """Whether any picture moved between train, val, test and unassigned."""
        return "image.split" in self.targets

    @property
    def has_new_classes(self) -> bool:
        """Whether a class was added, deleted, renamed, reordered or restyled."""
        return any(target.split(".")[0] == "class" for target in self.targets)

    @property
    def has_new_prompts(self) -> bool:
        """Whether what a person says of a class changed."""
        return any(target.split(".")[0] == "prompt" for target in self.targets)

    @property
    def has_new_images(self) -> bool:
        """Whether pictures came or went (import, removal, restoration)."""
        return bool(self.targets & {"image", "image.removed_at"})


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the history. `at` is milliseconds since the epoch; an undone step can be redone."""

    step_id: int
    title: str
    at: int
    is_undone: bool


def install(connection: sqlite3.Connection) -> None:
    """Create the recording triggers on the writer's connection; they vanish with it."""
    connection.execute("CREATE TEMP TABLE recording (step_id INTEGER NOT NULL)")
    for table in JOURNALED_TABLES:
        for statement in _triggers(connection, table):
            connection.execute(statement)


def _triggers(connection: sqlite3.Connection, table: str) -> Iterator[str]:
    """Yield the triggers of one table: a key for an insert, the old value for an update, the old row for a delete."""
    info = connection.execute(f"PRAGMA table_info({table})").fetchall()
    columns: list[str] = [row[1] for row in info if f"{table}.{row[1]}" not in DERIVED_COLUMNS]
    keys: list[str] = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]

    def note(op: str, target: str, row: str, old: str) -> str:
        key2 = f"{row}.{keys[1]}" if len(keys) > 1 else "NULL"
        return (
            f"BEGIN INSERT INTO journal (step_id, op, target, key, key2, old) "
            f"SELECT step_id, '{op}', '{target}', {row}.{keys[0]}, {key2}, {old} FROM recording; END"
        )

    whole_row = "json_object(" + ", ".join(f"'{name}', OLD.{name}" for name in columns) + ")"
    head = f"CREATE TEMP TRIGGER journal_{table}"
    yield f"{head}_insert AFTER INSERT ON main.{table} {note('insert', table, 'NEW', 'NULL')}"
    yield f"{head}_delete AFTER DELETE ON main.{table} {note('delete', table, 'OLD', whole_row)}"
    for name in columns:
        if name not in keys:
            yield (
                f"{head}_update_{name} AFTER UPDATE OF {name} ON main.{table} WHEN OLD.{name} IS NOT NEW.{name} "
                f"{note('update', f'{table}.{name}', 'NEW', f'OLD.{name}')}"
            )


def begin_step(connection: sqlite3.Connection, at: int, *, continues: int = 0) -> int:
    """Start to record, in the open transaction, and return the step's id. Steps that could be redone are dropped.

    A long import continues its step batch by batch, as long as nothing else happened in between.
    """
    drop_steps(connection, "undone = 1")
    newest = connection.execute("SELECT max(id) FROM step").fetchone()[0]
    if continues and continues == newest:
        step_id = continues
    else:
        cursor = connection.execute("INSERT INTO step (title, at) VALUES ('', ?) RETURNING id", (at,))
        step_id = int(cursor.fetchall()[0][0])
    _record_into(connection, step_id)
    return step_id


def end_step(connection: sqlite3.Connection, step_id: int, after: int, *, title: str) -> Effects:
    """Stop recording, name the step, and return what the journal rows behind row `after` say was altered."""
    connection.execute("DELETE FROM recording")
    connection.execute("UPDATE step SET title = ? WHERE id = ? AND title != ?", (title, step_id, title))
    return _effects(connection, title, step_id, after)


def last_row(connection: sqlite3.Connection) -> int:
    """Return the id of the newest journal row, 0 when there is none."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()[0])


def undo_title(connection: sqlite3.Connection) -> str | None:
    """Return the title of the step that undo would take back."""
    row = connection.execute("SELECT title FROM step WHERE undone = 0 ORDER BY id DESC LIMIT 1").fetchone()
    return row[0] if row else None


def redo_title(connection: sqlite3.Connection) -> str | None:
    """Return the title of the step that redo would bring back."""
    row = connection.execute("SELECT title FROM step WHERE undone = 1 ORDER BY id LIMIT 1").fetchone()
    return row[0] if row else None


def undo(connection: sqlite3.Connection) -> Effects:
    """Take back the newest done step, in the open transaction."""
    row = connection.execute("SELECT max(id) FROM step WHERE undone = 0").fetchone()
    if row[0] is None:
        raise ProjectError("There is nothing to undo.", "")
    return _replay(connection, int(row[0]), undone=True)


def redo(connection: sqlite3.Connection) -> Effects:
    """Bring back the oldest undone step, in the open transaction."""
    row = connection.execute("SELECT min(id) FROM step WHERE undone = 1").fetchone()
    if row[0] is None:
        raise ProjectError("There is nothing to redo.", "")
    return _replay(connection, int(row[0]), undone=False)


def go_to(connection: sqlite3.Connection, step_id: int) -> Effects:
    """Undo or redo, in the open transaction, until a step is the newest that is done; 0 undoes all that is known."""
    known, newest = "SELECT 1 FROM step WHERE id = ?", "SELECT coalesce(max(id), 0) FROM step WHERE undone = 0"
    if step_id and not connection.execute(known, (step_id,)).fetchone():
        raise ProjectError(f"The history has no step {step_id}.", "It may have been forgotten, or undone and replaced.")
    effects = Effects()
    while (now := int(connection.execute(newest).fetchone()[0])) != step_id:
        effects |= undo(connection) if now > step_id else redo(connection)
    return effects


def history(connection: sqlite3.Connection, limit: int) -> tuple[Step, ...]:
    """Return the newest `limit` steps, newest first."""
    rows = connection.execute("SELECT id, title, at, undone FROM step ORDER BY id DESC LIMIT ?", (limit,))
    return tuple(Step(step_id, title, at, bool(undone)) for step_id, title, at, undone in rows)


def drop_steps(connection: sqlite3.Connection, condition: str) -> None:
    """Forget the steps that meet an SQL condition, with their journal rows."""
    if connection.execute(f"SELECT 1 FROM step WHERE {condition} LIMIT 1").fetchone():
        connection.execute(f"DELETE FROM journal WHERE step_id IN (SELECT id FROM step WHERE {condition})")
        connection.execute(f"DELETE FROM step WHERE {condition}")


def trim(connection: sqlite3.Connection, keep: int) -> None:
    """Forget all but the newest `keep` steps."""
    drop_steps(connection, f"id <= (SELECT id FROM step ORDER BY id DESC LIMIT 1 OFFSET {int(keep)})")


def _record_into(connection: sqlite3.Connection, step_id: int) -> None:
    connection.execute("DELETE FROM recording")
    connection.execute("INSERT INTO recording (step_id) VALUES (?)", (step_id,))


def _replay(connection: sqlite3.Connection, step_id: int, *, undone: bool) -> Effects:
    """Apply a step's rows backwards; the triggers note the way back as the step's new rows."""
    last = last_row(connection)
    connection.execute("PRAGMA defer_foreign_keys = ON")
    _record_into(connection, step_id)
    below = last + 1
    while rows := connection.execute(
        "SELECT id, op, target, key, key2, old FROM journal WHERE step_id = ? AND id < ? ORDER BY id DESC LIMIT ?",
        (step_id, below, _CHUNK),
    ).fetchall():
        for (op, target), group in groupby(rows, key=lambda row: (row[1], row[2])):
            _revert(connection, op, target, list(group))
        below = rows[-1][0]
    connection.execute("DELETE FROM journal WHERE step_id = ? AND id <= ?", (step_id, last))
    connection.execute("UPDATE step SET undone = ? WHERE id = ?", (int(undone), step_id))
    title = connection.execute("SELECT title FROM step WHERE id = ?", (step_id,)).fetchone()[0]
    return end_step(connection, step_id, last, title=title)


def _revert(connection: sqlite3.Connection, op: str, target: str, rows: list[tuple[object, ...]]) -> None:
    """Revert journal rows of one kind: (id, op, target, key, key2, old).

    Raises:
        ProjectError: They name something that no change alters; the database is damaged.
    """
    table, _, column = target.partition(".")
    info = connection.execute(f"PRAGMA table_info({table})").fetchall() if table in JOURNALED_TABLES else []
    columns: set[str] = {row[1] for row in info}
    if not info or (op == "update") != (column in columns):
        raise damage_error(f"its history names “{target}”")
    keys: list[str] = [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]
    where = " AND ".join(f"{name} = ?" for name in keys)
    if op == "insert":
        connection.executemany(f"DELETE FROM {table} WHERE {where}", [row[3 : 3 + len(keys)] for row in rows])
    elif op == "update":
        values = [(row[5], *row[3 : 3 + len(keys)]) for row in rows]
        connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {where}", values)
    else:
        old = [_old_row(row[5], columns) for row in rows]
        names = list(old[0])
        marks = ", ".join("?" * len(names))
        statement = f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})"
        connection.executemany(statement, [tuple(row[name] for name in names) for row in old])


def _old_row(text: object, columns: set[str]) -> dict[str, object]:
    """Return a deleted row as the journal keeps it: {column: value}."""
    try:
        row: dict[str, object] = dict(parse_json(str(text)))
    except (ValueError, TypeError):
        row = {}
    if set(row) != columns - {each.partition(".")[2] for each in DERIVED_COLUMNS}:
        raise damage_error("its history holds a row that is none")
    return row


def _effects(connection: sqlite3.Connection, title: str, step_id: int, after: int) -> Effects:
    query = "SELECT DISTINCT target, key, key2 FROM journal WHERE id > ? AND step_id = ?"
    rows = connection.execute(query, (after, step_id)).fetchall()
    if not rows:
        return Effects()
    links = ("label", "conflict")
    image_ids = frozenset(key for target, key, _ in rows if target.startswith(("image", "verdict", *links)))
    class_ids = frozenset(key for target, key, _ in rows if target.startswith(("class", "prompt")))
    class_ids |= {key2 for target, _, key2 in rows if target.startswith(links)}
    targets = frozenset(target for target, _, _ in rows)
    return Effects(title=title, step_id=step_id, image_ids=image_ids, class_ids=class_ids, targets=targets)
