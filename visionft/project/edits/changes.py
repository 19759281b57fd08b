"""Changes of a project: each is a frozen dataclass with a title for the undo menu and its SQL.

A change writes inside the transaction of `Project.apply`; the journal records its inverse automatically. A change
raises `ProjectError` when it does not fit the project, and then nothing is written.
"""

import json
import re
import sqlite3
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, Protocol, TypeVar

from visionft.core.errors import ProjectError
from visionft.core.messages import Message
from visionft.core.names import clean_name, count_of, name_key
from visionft.data.types import SPLITS, Split

BULK_IMAGES = 100  # affected by a change that a backup precedes: more than anybody would do again by hand
LabelSource = Literal["person", "import", "suggestion"]
Key = TypeVar("Key")


class Change(Protocol):
    """A mutation of the project, applied and undone whole; `title` names its step, a backup precedes a bulk change."""

    @property
    def title(self) -> str: ...

    @property
    def is_bulk(self) -> bool: ...

    def write(self, connection: sqlite3.Connection) -> None: ...


class Edit(ABC):
    """Base of most changes; `is_bulk` by the number of affected images.

    The placeholders of `TITLE` are fields, or `{counted}`: the number of affected images, in words with `NOUN`.
    """

    __slots__ = ()
    TITLE: ClassVar = Message("")
    NOUN: ClassVar = "image"

    @property
    def title(self) -> str:
        return Message(self.TITLE, **{name: getattr(self, name) for name in re.findall(r"\{(\w+)\}", self.TITLE)})

    @property
    def counted(self) -> str:
        return count_of(self._touched(), self.NOUN)

    @property
    def is_bulk(self) -> bool:
        return self._touched() >= BULK_IMAGES

    def _touched(self) -> int:
        return 0

    @abstractmethod
    def write(self, connection: sqlite3.Connection) -> None:
        """Write the change inside the open transaction."""


class BulkEdit(Edit):
    """A change with an effect on possibly every image."""

    __slots__ = ()

    def _touched(self) -> int:
        return BULK_IMAGES


@dataclass(frozen=True, slots=True)
class ImagesEdit(Edit):
    """A change to a list of images."""

    image_ids: tuple[int, ...]

    def _touched(self) -> int:
        return len(self.image_ids)


@dataclass(frozen=True, slots=True)
class AddClass(Edit):
    """Add a class at the end of the list."""

    TITLE = Message("Add class “{name}”")
    name: str

    def write(self, connection: sqlite3.Connection) -> None:
        if find_class(connection, self.name) is not None:
            raise ProjectError(Message("There is a class “{name}” already.", name=self.name), "Choose another name.")
        forget_alias(connection, self.name)
        ensure_class(connection, self.name)


@dataclass(frozen=True, slots=True)
class LabelImages(ImagesEdit):
    """Give images a class, new or not: their only one in a single-label project; a present label gets the source."""

    TITLE = Message("Label {counted} “{class_name}”")
    class_name: str
    source: LabelSource = "person"

    def write(self, connection: sqlite3.Connection) -> None:
        ids = require_images(connection, self.image_ids)
        class_id = ensure_class(connection, self.class_name)
        if task_of(connection) == "single":
            statement = "DELETE FROM label WHERE image_id IN (SELECT value FROM json_each(?)) AND class_id != ?"
            connection.execute(statement, (ids, class_id))
        connection.execute(
            """INSERT INTO label (image_id, class_id, source, labelled_at)
                SELECT value, ?, ?, ? FROM json_each(?) WHERE true
                ON CONFLICT DO UPDATE SET source = excluded.source, labelled_at = excluded.labelled_at
                WHERE source != excluded.source""",
            (class_id, self.source, now_ms(), ids),
        )


@dataclass(frozen=True, slots=True)
class AcceptSuggestions(Edit):
    """Label each image with its suggested classes, in a single-label project with the first: {image id: names}."""

    TITLE = Message("Accept {counted}")
    NOUN = "suggestion"
    SOURCE: ClassVar[LabelSource] = "suggestion"
    classes: Mapping[int, tuple[str, ...]]

    def _touched(self) -> int:
        return len(self.classes)

    def write(self, connection: sqlite3.Connection) -> None:
        most = 1 if task_of(connection) == "single" else None
        by_class = group_by_name((names[:most], image_id) for image_id, names in self.classes.items())
        for name, image_ids in by_class.items():
            LabelImages(tuple(image_ids), name, self.SOURCE).write(connection)


@dataclass(frozen=True, slots=True)
class CheckSuggestions(AcceptSuggestions):
    """Give suggestions that a person checked their right classes: {image id: names}."""

    TITLE = Message("Check {counted}")
    SOURCE = "person"


@dataclass(frozen=True, slots=True)
class DecideConflicts(AcceptSuggestions):
    """End label conflicts by a person's decision: {image id: names}."""

    TITLE = Message("Decide {counted}")
    NOUN = "label conflict"
    SOURCE = "person"


@dataclass(frozen=True, slots=True)
class UnlabelImages(ImagesEdit):
    """Take a class (None: all) off images, and off a conflict; a single remaining candidate becomes the label."""

    class_name: str | None = None

    @property
    def title(self) -> str:
        if self.class_name is None:
            return Message("Remove all labels from {counted}", counted=self.counted)
        return Message("Remove “{name}” from {counted}", name=self.class_name, counted=self.counted)

    def write(self, connection: sqlite3.Connection) -> None:
        ids = require_images(connection, self.image_ids)
        class_id = None if self.class_name is None else class_id_of(connection, self.class_name)
        for table in ("label", "conflict"):
            connection.execute(
                f"""DELETE FROM {table}
                    WHERE image_id IN (SELECT value FROM json_each(?)) AND class_id = coalesce(?, class_id)""",
                (ids, class_id),
            )
        settle_conflicts(connection)


@dataclass(frozen=True, slots=True)
class AssignSplits(Edit):
    """Put images into splits: {image id: split, or None to unassign}; and into groups: {image id: name or empty}."""

    TITLE = Message("Split {counted}")
    splits: Mapping[int, Split | None]
    groups: Mapping[int, str] = field(default_factory=dict[int, str])

    @property
    def title(self) -> str:
        return Message(self.TITLE if self.splits else "Group {counted}", counted=self.counted)

    def _touched(self) -> int:
        return len(self.splits or self.groups)

    def write(self, connection: sqlite3.Connection) -> None:
        require_images(connection, tuple(self.groups))
        rows = [(name, image_id) for image_id, name in self.groups.items()]
        connection.executemany("UPDATE image SET group_key = ? WHERE id = ?", rows)
        for split in (None, *SPLITS):
            chosen = [image_id for image_id, value in self.splits.items() if value == split]
            if chosen:
                set_column(connection, chosen, "split", split)


@dataclass(frozen=True, slots=True)
class RemoveImages(ImagesEdit):
    """Remove images from the project. Their files, labels and notes stay; they can be restored."""

    TITLE = Message("Remove {counted} from the project")

    def write(self, connection: sqlite3.Connection) -> None:
        require_images(connection, self.image_ids)
        remove_images(connection, self.image_ids)


def remove_images(connection: sqlite3.Connection, image_ids: Sequence[int]) -> None:
    """Mark images as removed; those removed before keep their time."""
    statement = "UPDATE image SET removed_at = ? WHERE removed_at IS NULL AND id IN (SELECT value FROM json_each(?))"
    connection.execute(statement, (now_ms(), json.dumps(image_ids)))


def set_column(connection: sqlite3.Connection, image_ids: Sequence[int], column: str, value: str | None) -> None:
    """Set a column of images to one value."""
    statement = f"UPDATE image SET {column} = ? WHERE id IN (SELECT value FROM json_each(?))"
    connection.execute(statement, (value, require_images(connection, image_ids)))


def group_by_name(pairs: Iterable[tuple[Sequence[str], Key]]) -> dict[str, list[Key]]:
    """Return the keys of each name from (names, key) pairs."""
    groups: defaultdict[str, list[Key]] = defaultdict(list)
    for names, key in pairs:
        for name in names:
            groups[name].append(key)
    return groups


def insert_labels(connection: sqlite3.Connection, rows: Iterable[tuple[int, int, str]]) -> None:
    """Insert labels (image id, class id, source); existing ones stay."""
    now = now_ms()
    statement = "INSERT INTO label (image_id, class_id, source, labelled_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
    connection.executemany(statement, [(*row, now) for row in rows])


def write_setting(connection: sqlite3.Connection, key: str, value: str | None) -> None:
    """Write a setting of the project; None deletes it."""
    if value is None:
        connection.execute("DELETE FROM setting WHERE key = ?", (key,))
        return
    connection.execute(
        """INSERT INTO setting (key, value) VALUES (?, ?)
            ON CONFLICT DO UPDATE SET value = excluded.value WHERE value != excluded.value""",
        (key, value),
    )


def now_ms() -> int:
    """Return the time in whole milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def require_images(connection: sqlite3.Connection, image_ids: Sequence[int]) -> str:
    """Return image ids as a JSON array for `json_each`, after checking that all are in the project."""
    unique = sorted(set(image_ids))
    ids = json.dumps(unique)
    known = connection.execute("SELECT count(*) FROM image WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    if known.fetchone()[0] != len(unique):
        raise ProjectError("Some of these images are not in the project.", "Import them first.")
    return ids


def find_class(connection: sqlite3.Connection, name: str) -> int | None:
    """Return the id of the class with this name, or None."""
    key = name_key(clean_name(name, "class"))
    row = connection.execute("SELECT id FROM class WHERE name_key = ?", (key,)).fetchone()
    return row[0] if row else None


def class_id_of(connection: sqlite3.Connection, name: str) -> int:
    """Return the id of the class with this name; the `ProjectError` of an unknown name lists some classes."""
    class_id = find_class(connection, name)
    if class_id is None:
        names = [row[0] for row in connection.execute("SELECT name FROM class ORDER BY position, id LIMIT 8")]
        hint = Message("The classes are: {names}.", names=", ".join(names) or "none yet")
        raise ProjectError(Message("There is no class “{name}”.", name=name), hint)
    return class_id


def ensure_class(connection: sqlite3.Connection, name: str) -> int:
    """Return the id of the class with this name, creating it at the end of the list when it is new."""
    class_id = find_class(connection, name)
    if class_id is not None:
        return class_id
    cleaned = clean_name(name, "class")
    cursor = connection.execute(
        """INSERT INTO class (name, name_key, position)
            VALUES (?, ?, (SELECT coalesce(max(position) + 1, 0) FROM class)) RETURNING id""",
        (cleaned, name_key(cleaned)),
    )
    return int(cursor.fetchall()[0][0])


def settle_conflicts(connection: sqlite3.Connection) -> None:
    """End the conflicts with a single candidate: it becomes the label, as imported."""
    connection.execute(
        """INSERT INTO label (image_id, class_id, source, labelled_at)
            SELECT image_id, min(class_id), 'import', ? FROM conflict GROUP BY image_id HAVING count(*) = 1""",
        (now_ms(),),
    )


def remember_alias(connection: sqlite3.Connection, name: str, class_id: int) -> None:
    """Record a former name of a class as its alias for later imports."""
    connection.execute(
        """INSERT INTO alias (name_key, class_id) VALUES (?, ?)
            ON CONFLICT DO UPDATE SET class_id = excluded.class_id WHERE class_id != excluded.class_id""",
        (name_key(clean_name(name, "class")), class_id),
    )


def forget_alias(connection: sqlite3.Connection, name: str) -> None:
    """Delete an alias: a person uses the name for a class of its own."""
    connection.execute("DELETE FROM alias WHERE name_key = ?", (name_key(clean_name(name, "class")),))


def task_of(connection: sqlite3.Connection) -> str:
    """Return the project's task: "single" or "multi"."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'task'").fetchone()[0])
