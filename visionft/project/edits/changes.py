"""What can be done to a project: each change is a frozen dataclass with a title for the undo menu and its SQL.

A change writes inside the transaction that `Project.apply` opens; the journal notes its inverse by itself. A change
raises `ProjectError` when it does not fit the project, and then nothing is written at all.
"""

import json
import sqlite3
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from visionft.data.types import SPLITS, Split
from visionft.errors import ProjectError
from visionft.project.names import clean_name, count_of, name_key

BULK_PICTURES = 100
LabelSource = Literal["person", "import", "suggestion"]


class Change(Protocol):
    """A mutation of the project: applied whole or not at all, and undone whole."""

    @property
    def title(self) -> str:
        """Name the step as the undo menu and the history show it."""
        ...

    @property
    def is_bulk(self) -> bool:
        """Whether it touches so much that a backup is made first."""
        ...

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the change inside the open transaction."""
        ...


class Edit(ABC):
    """What most changes share: a title, and whether they are bulk by the number of pictures that they touch."""

    __slots__ = ()

    @property
    def title(self) -> str:
        """Name the step."""
        return self._title()

    @property
    def is_bulk(self) -> bool:
        """Whether a backup comes first."""
        return self._touched() >= BULK_PICTURES

    @abstractmethod
    def _title(self) -> str: ...

    def _touched(self) -> int:
        return 0

    @abstractmethod
    def write(self, connection: sqlite3.Connection) -> None:
        """Write the change inside the open transaction."""


class BulkEdit(Edit):
    """A change that may touch every picture."""

    __slots__ = ()

    def _touched(self) -> int:
        return BULK_PICTURES


@dataclass(frozen=True, slots=True)
class ImagesEdit(Edit):
    """A change to the pictures that are named."""

    image_ids: tuple[int, ...]

    def _touched(self) -> int:
        return len(self.image_ids)


@dataclass(frozen=True, slots=True)
class AddClass(Edit):
    """Add a class at the end of the list."""

    name: str

    def _title(self) -> str:
        return f"Add class “{self.name}”"

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the class.

        Raises:
            ProjectError: There is such a class already.
        """
        if find_class(connection, self.name) is not None:
            raise ProjectError(f"There is a class “{self.name}” already.", "Choose another name.")
        forget_alias(connection, self.name)
        ensure_class(connection, self.name)


@dataclass(frozen=True, slots=True)
class LabelImages(ImagesEdit):
    """Give pictures a class, which is created when it is new.

    In a single-label project the class replaces the one a picture had; in a multi-label project it is added.
    """

    class_name: str
    source: LabelSource = "person"

    def _title(self) -> str:
        return f"Label {count_of(len(self.image_ids), 'picture')} “{self.class_name}”"

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the labels; a label that is there already only takes the new source."""
        give_class(connection, self.image_ids, self.class_name, self.source)


@dataclass(frozen=True, slots=True)
class AcceptSuggestions(Edit):
    """Give each picture the classes that were suggested for it: {image id: class names}."""

    classes: Mapping[int, tuple[str, ...]]

    def _title(self) -> str:
        return f"Accept {count_of(len(self.classes), 'suggestion')}"

    def _touched(self) -> int:
        return len(self.classes)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the labels, class by class; in a single-label project the first class counts."""
        by_class: dict[str, list[int]] = {}
        is_single = task_of(connection) == "single"
        for image_id, names in self.classes.items():
            for name in names[:1] if is_single else names:
                by_class.setdefault(name, []).append(image_id)
        for name, image_ids in by_class.items():
            give_class(connection, image_ids, name, "suggestion")


@dataclass(frozen=True, slots=True)
class UnlabelImages(ImagesEdit):
    """Take a class off pictures, or all their classes when `class_name` is None.

    In a conflict it is no candidate any more; the one that is left then becomes the label.
    """

    class_name: str | None = None

    def _title(self) -> str:
        what = "all labels" if self.class_name is None else f"“{self.class_name}”"
        return f"Remove {what} from {count_of(len(self.image_ids), 'picture')}"

    def write(self, connection: sqlite3.Connection) -> None:
        """Delete the labels and the candidates."""
        ids = picked(connection, self.image_ids)
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
    """Put pictures into splits: {image id: split, or None to unassign}."""

    splits: Mapping[int, Split | None]

    def _title(self) -> str:
        return f"Split {count_of(len(self.splits), 'picture')}"

    def _touched(self) -> int:
        return len(self.splits)

    def write(self, connection: sqlite3.Connection) -> None:
        """Update the pictures, one statement per split."""
        for split in (None, *SPLITS):
            chosen = [image_id for image_id, value in self.splits.items() if value == split]
            if chosen:
                connection.execute(
                    "UPDATE image SET split = ? WHERE id IN (SELECT value FROM json_each(?))",
                    (split, picked(connection, chosen)),
                )


@dataclass(frozen=True, slots=True)
class RemoveImages(ImagesEdit):
    """Take pictures out of the project. Their files, labels and notes stay; they can be restored."""

    def _title(self) -> str:
        return f"Remove {count_of(len(self.image_ids), 'picture')} from the project"

    def write(self, connection: sqlite3.Connection) -> None:
        """Mark the pictures as removed."""
        connection.execute(
            """UPDATE image SET removed_at = ? WHERE removed_at IS NULL
                AND id IN (SELECT value FROM json_each(?))""",
            (now_ms(), picked(connection, self.image_ids)),
        )


def give_class(connection: sqlite3.Connection, image_ids: Sequence[int], class_name: str, source: LabelSource) -> None:
    """Give pictures a class, which is created when it is new: their only one in a single-label project."""
    ids = picked(connection, image_ids)
    class_id = ensure_class(connection, class_name)
    if task_of(connection) == "single":
        connection.execute(
            "DELETE FROM label WHERE image_id IN (SELECT value FROM json_each(?)) AND class_id != ?", (ids, class_id)
        )
    connection.execute(
        """INSERT INTO label (image_id, class_id, source, labelled_at)
            SELECT value, ?, ?, ? FROM json_each(?) WHERE true
            ON CONFLICT DO UPDATE SET source = excluded.source, labelled_at = excluded.labelled_at
            WHERE source != excluded.source""",
        (class_id, source, now_ms(), ids),
    )


def now_ms() -> int:
    """Return the time in whole milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def picked(connection: sqlite3.Connection, image_ids: Sequence[int]) -> str:
    """Return picture ids as the JSON array that `json_each` takes, after checking that all are in the project."""
    unique = sorted(set(image_ids))
    ids = json.dumps(unique)
    known = connection.execute("SELECT count(*) FROM image WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    if known.fetchone()[0] != len(unique):
        raise ProjectError("Some of these pictures are not in the project.", "Import them first.")
    return ids


def find_class(connection: sqlite3.Connection, name: str) -> int | None:
    """Return the id of the class with this name, None when there is none."""
    row = connection.execute("SELECT id FROM class WHERE name_key = ?", (name_key(clean_name(name, "class")),))
    found = row.fetchone()
    return found[0] if found else None


def class_id_of(connection: sqlite3.Connection, name: str) -> int:
    """Return the id of the class with this name.

    Raises:
        ProjectError: There is no such class; the hint lists some that exist.
    """
    found = find_class(connection, name)
    if found is None:
        names = [row[0] for row in connection.execute("SELECT name FROM class ORDER BY position, id LIMIT 8")]
        raise ProjectError(f"There is no class “{name}”.", f"The classes are: {', '.join(names) or 'none yet'}.")
    return found


def ensure_class(connection: sqlite3.Connection, name: str) -> int:
    """Return the id of the class with this name, creating it at the end of the list when it is new."""
    found = find_class(connection, name)
    if found is not None:
        return found
    cleaned = clean_name(name, "class")
    cursor = connection.execute(
        """INSERT INTO class (name, name_key, position)
            VALUES (?, ?, (SELECT coalesce(max(position) + 1, 0) FROM class)) RETURNING id""",
        (cleaned, name_key(cleaned)),
    )
    return int(cursor.fetchall()[0][0])


def settle_conflicts(connection: sqlite3.Connection) -> None:
    """End the conflicts that have one candidate left: it becomes the label, as imported."""
    connection.execute(
        """INSERT INTO label (image_id, class_id, source, labelled_at)
            SELECT image_id, min(class_id), 'import', ? FROM conflict GROUP BY image_id HAVING count(*) = 1""",
        (now_ms(),),
    )


def remember_alias(connection: sqlite3.Connection, name: str, class_id: int) -> None:
    """Note that sources may still call a class by this name, which a person gave up for it."""
    connection.execute(
        """INSERT INTO alias (name_key, class_id) VALUES (?, ?)
            ON CONFLICT DO UPDATE SET class_id = excluded.class_id WHERE class_id != excluded.class_id""",
        (name_key(clean_name(name, "class")), class_id),
    )


def forget_alias(connection: sqlite3.Connection, name: str) -> None:
    """Let a name stand for itself again: a person gives it to a class of its own."""
    connection.execute("DELETE FROM alias WHERE name_key = ?", (name_key(clean_name(name, "class")),))


def task_of(connection: sqlite3.Connection) -> str:
    """Return the project's task: "single" or "multi"."""
    return str(connection.execute("SELECT value FROM meta WHERE key = 'task'").fetchone()[0])
