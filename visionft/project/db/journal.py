"""The history of a project: the rows altered by each change, for undo and redo.

Temporary triggers on the writer's connection record every insert, update and delete of the journaled tables during a
step. So no change can lack its inverse: replaying a step's rows backwards undoes it, and because the triggers record
the replay too, replaying those rows redoes it. The rows are stored in the database, in the same transaction as the
change, so that undo works after a restart and after a crash.
"""

import sqlite3
from dataclasses import dataclass
from itertools import groupby

from visionft.core.errors import ProjectError
from visionft.core.files import parse_json
from visionft.core.messages import Message, load_message, store_message
from visionft.project.db.schema import DERIVED_COLUMNS
from visionft.project.db.sqlite_errors import damage_error

JOURNALED_TABLES = (
    *("setting", "root", "image", "class", "label", "tag", "image_tag", "conflict", "alias"),
    *("verdict", "certified", "prompt"),
)  # audits are facts: not undoable
_CHUNK = 20_000  # rows in memory at a time: an import of 100,000 images has several for each


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """The effects of a change, an undo or a redo, for a partial refresh of the screens."""

    title: str = ""  # the step's name in the undo menu; empty without a change
    step_id: int = 0  # the step in the history; 0 without a change
    # Images added, removed or altered, including their labels, tags and verdicts.
    image_ids: frozenset[int] = frozenset()
    class_ids: frozenset[int] = frozenset()  # classes altered, including their labels and prompts
    # The altered tables and columns: "label", "image", "image.split", "class.name", "image_tag" ...
    targets: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.targets)

    def __or__(self, later: "Effects") -> "Effects":
        """Return the combined effects of two steps, under the name of the later one."""
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
    def has_new_classes(self) -> bool:
        """Whether a class was added, deleted, renamed, reordered or restyled."""
        return any(target.split(".")[0] == "class" for target in self.targets)

    @property
    def has_new_settings(self) -> bool:
        """Whether a setting of the project changed, such as how its images are read."""
        return any(target.split(".")[0] == "setting" for target in self.targets)

    @property
    def has_new_images(self) -> bool:
        """Whether images came or went (import, removal, restoration)."""
        return not self.targets.isdisjoint({"image", "image.removed_at"})


@dataclass(frozen=True, slots=True)
class Step:
    """One entry of the history. `at` is milliseconds since the epoch; an undone step can be redone."""

    step_id: int
    title: str
    at: int
    is_undone: bool


def install(connection: sqlite3.Connection) -> None:
    """Create the triggers that record a key per insert, the old value per update and the old row per delete."""
    connection.execute("CREATE TEMP TABLE recording (step_id INTEGER NOT NULL)")
    for table in JOURNALED_TABLES:
        columns, keys = journaled_columns(connection, table)
        whole_row = "json_object(" + ", ".join(f"'{name}', OLD.{name}" for name in columns) + ")"
        updates = [("update", name) for name in columns if name not in keys]
        for number, (op, column) in enumerate([("insert", ""), ("delete", ""), *updates]):
            event = f"AFTER {op} OF {column}" if column else f"AFTER {op}"
            condition = f"WHEN OLD.{column} IS NOT NEW.{column}" if column else ""
            row = "OLD" if op == "delete" else "NEW"
            key2 = f"{row}.{keys[1]}" if len(keys) > 1 else "NULL"
            old = {"insert": "NULL", "delete": whole_row}.get(op, f"OLD.{column}")
            connection.execute(
                f"""CREATE TEMP TRIGGER journal_{table}_{number} {event} ON main.{table} {condition} BEGIN
                    INSERT INTO journal (step_id, op, target, key, key2, old)
                    SELECT step_id, '{op}', '{f"{table}.{column}" if column else table}', {row}.{keys[0]}, {key2}, {old}
                    FROM recording; END"""
            )


def journaled_columns(connection: sqlite3.Connection, table: str) -> tuple[list[str], list[str]]:
    """Return the journaled columns of a table, and the columns of its primary key."""
    info = connection.execute(f"PRAGMA main.table_info({table})").fetchall()
    columns = [row[1] for row in info if f"{table}.{row[1]}" not in DERIVED_COLUMNS]
    return columns, [row[1] for row in sorted(info, key=lambda row: row[5]) if row[5]]


def begin_step(connection: sqlite3.Connection, at: int, *, continues: int = 0) -> int:
    """Drop undone steps, start recording in the open transaction, and return the id of the new or continued step."""
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
    """Stop recording, name the step, and return the effects in the journal rows after `after`."""
    connection.execute("DELETE FROM recording")
    stored = store_message(title)
    connection.execute("UPDATE step SET title = ? WHERE id = ? AND title != ?", (stored, step_id, stored))
    query = "SELECT DISTINCT target, key, key2 FROM journal WHERE id > ? AND step_id = ?"
    rows = connection.execute(query, (after, step_id)).fetchall()
    if not rows:
        return Effects()
    links = ("label", "conflict")
    class_ids = {key for target, key, _ in rows if target.startswith(("class", "prompt"))}
    return Effects(
        title=title,
        step_id=step_id,
        image_ids=frozenset(key for target, key, _ in rows if target.startswith(("image", "verdict", *links))),
        class_ids=frozenset(class_ids | {key2 for target, _, key2 in rows if target.startswith(links)}),
        targets=frozenset(target for target, _, _ in rows),
    )


def last_row(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM journal").fetchone()[0])


def undo(connection: sqlite3.Connection) -> Effects:
    """Undo the newest done step, in the open transaction."""
    return _replay(connection, "SELECT max(id) FROM step WHERE undone = 0", undone=True)


def redo(connection: sqlite3.Connection) -> Effects:
    """Redo the oldest undone step, in the open transaction."""
    return _replay(connection, "SELECT min(id) FROM step WHERE undone = 1", undone=False)


def go_to(connection: sqlite3.Connection, step_id: int) -> Effects:
    """Undo or redo, in the open transaction, until a step is the newest done one; 0 undoes all steps."""
    known, newest = "SELECT 1 FROM step WHERE id = ?", "SELECT coalesce(max(id), 0) FROM step WHERE undone = 0"
    if step_id and not connection.execute(known, (step_id,)).fetchone():
        message = Message("The history has no step {step_id}.", step_id=step_id)
        raise ProjectError(message, "It may have been forgotten, or undone and replaced.")
    effects = Effects()
    while (now := int(connection.execute(newest).fetchone()[0])) != step_id:
        effects |= undo(connection) if now > step_id else redo(connection)
    return effects


def history(connection: sqlite3.Connection, limit: int) -> tuple[Step, ...]:
    rows = connection.execute("SELECT id, title, at, undone FROM step ORDER BY id DESC LIMIT ?", (limit,))
    return tuple(Step(step_id, load_message(title), at, bool(undone)) for step_id, title, at, undone in rows)


def drop_steps(connection: sqlite3.Connection, condition: str) -> None:
    """Delete the steps under an SQL condition, with their journal rows."""
    if connection.execute(f"SELECT 1 FROM step WHERE {condition} LIMIT 1").fetchone():
        connection.execute(f"DELETE FROM journal WHERE step_id IN (SELECT id FROM step WHERE {condition})")
        connection.execute(f"DELETE FROM step WHERE {condition}")


def trim(connection: sqlite3.Connection, keep: int) -> None:
    drop_steps(connection, f"id <= (SELECT id FROM step ORDER BY id DESC LIMIT 1 OFFSET {int(keep)})")


def _record_into(connection: sqlite3.Connection, step_id: int) -> None:
    connection.execute("DELETE FROM recording")
    connection.execute("INSERT INTO recording (step_id) VALUES (?)", (step_id,))


def _replay(connection: sqlite3.Connection, step: str, *, undone: bool) -> Effects:
    """Apply the rows of a step (a query) backwards; the triggers record the inverse as the step's new rows."""
    step_id = connection.execute(step).fetchone()[0]
    last = last_row(connection)
    if step_id is None:
        raise ProjectError("There is nothing to undo." if undone else "There is nothing to redo.")
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
    return end_step(connection, step_id, last, title=load_message(title))


def _revert(connection: sqlite3.Connection, op: str, target: str, rows: list[tuple[object, ...]]) -> None:
    """Revert journal rows of one kind: (id, op, target, key, key2, old)."""
    table, _, column = target.partition(".")
    columns, keys = journaled_columns(connection, table) if table in JOURNALED_TABLES else ([], [])
    if not columns or (op == "update") != (column in columns):
        raise damage_error(f"its history names “{target}”")
    where = " AND ".join(f"{name} = ?" for name in keys)
    if op == "insert":
        connection.executemany(f"DELETE FROM {table} WHERE {where}", [row[3 : 3 + len(keys)] for row in rows])
    elif op == "update":
        values = [(row[5], *row[3 : 3 + len(keys)]) for row in rows]
        connection.executemany(f"UPDATE {table} SET {column} = ? WHERE {where}", values)
    else:
        try:
            old: list[dict[str, object]] = [dict(parse_json(str(row[5]))) for row in rows]
        except (ValueError, TypeError):
            old = [{}]
        if any(set(row) != set(columns) for row in old):
            raise damage_error("its history holds a row that is none")
        statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
        connection.executemany(statement, [tuple(row[name] for name in columns) for row in old])
