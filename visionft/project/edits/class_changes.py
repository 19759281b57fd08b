"""Changes to the list of classes: rename, merge, delete, colour, shortcut, order. `AddClass` is in `changes`."""

import re
import sqlite3
from dataclasses import dataclass

from visionft.errors import ProjectError
from visionft.project.edits.changes import (
    BulkEdit,
    Edit,
    class_id_of,
    ensure_class,
    find_class,
    forget_alias,
    remember_alias,
    settle_conflicts,
)
from visionft.project.edits.prompts import take_over_prompts
from visionft.project.names import clean_name, name_key

COLOR = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True)
class RenameClass(Edit):
    """Give a class another name; its labels stay."""

    name: str
    new_name: str

    def _title(self) -> str:
        return f"Rename class “{self.name}” to “{self.new_name}”"

    def write(self, connection: sqlite3.Connection) -> None:
        """Update the name.

        Raises:
            ProjectError: Another class has the new name; the hint says how to merge.
        """
        class_id = class_id_of(connection, self.name)
        new_name = clean_name(self.new_name, "class")
        if find_class(connection, new_name) not in (None, class_id):
            raise ProjectError(
                f"There is a class “{new_name}” already.", "Merge the two classes, or choose another name."
            )
        connection.execute(
            "UPDATE class SET name = ?, name_key = ? WHERE id = ?", (new_name, name_key(new_name), class_id)
        )
        if name_key(new_name) != name_key(self.name):
            remember_alias(connection, self.name, class_id)
            forget_alias(connection, new_name)


@dataclass(frozen=True, slots=True)
class MergeClasses(BulkEdit):
    """Turn the labels of some classes into those of one, which is created when it is new, and delete the others."""

    names: tuple[str, ...]
    into: str

    def _title(self) -> str:
        few = len(self.names) <= 3
        others = ", ".join(f"“{name}”" for name in self.names) if few else f"{len(self.names)} classes"
        return f"Merge {others} into “{self.into}”"

    def write(self, connection: sqlite3.Connection) -> None:
        """Move the labels with their source and time; a picture that has both keeps the label it has.

        A conflict between merged classes is none any more: the picture gets the class they became. What prompts said of
        the classes they say of that one.
        """
        sources = {class_id_of(connection, name) for name in self.names}
        target = ensure_class(connection, self.into)
        for class_id in sorted(sources - {target}):
            connection.execute(
                """INSERT INTO label (image_id, class_id, source, labelled_at)
                    SELECT image_id, ?, source, labelled_at FROM label WHERE class_id = ?
                    ON CONFLICT DO NOTHING""",
                (target, class_id),
            )
            connection.execute(
                """INSERT INTO conflict (image_id, class_id, origin)
                    SELECT image_id, ?, origin FROM conflict WHERE class_id = ? ON CONFLICT DO NOTHING""",
                (target, class_id),
            )
            connection.execute("UPDATE alias SET class_id = ? WHERE class_id = ?", (target, class_id))
            take_over_prompts(connection, class_id, target)
            _delete_class(connection, class_id)
        given_up = [name for name in self.names if name_key(name.strip()) != name_key(self.into.strip())]
        for name in given_up:
            remember_alias(connection, name, target)
        if given_up:
            forget_alias(connection, self.into)
        settle_conflicts(connection)


@dataclass(frozen=True, slots=True)
class DeleteClass(BulkEdit):
    """Delete a class and its labels; its pictures stay.

    Where it was a candidate, what its source said counts no more: the other candidate becomes the label.
    """

    name: str

    def _title(self) -> str:
        return f"Delete class “{self.name}”"

    def write(self, connection: sqlite3.Connection) -> None:
        """Delete the labels, then the class."""
        _delete_class(connection, class_id_of(connection, self.name))
        settle_conflicts(connection)


@dataclass(frozen=True, slots=True)
class ColorClass(Edit):
    """Give a class a colour "#rrggbb", or none."""

    name: str
    color: str | None

    def _title(self) -> str:
        return f"Colour class “{self.name}”"

    def write(self, connection: sqlite3.Connection) -> None:
        """Update the colour."""
        if self.color is not None and not COLOR.fullmatch(self.color):
            raise ProjectError(f"“{self.color}” is not a colour.", "Write it as #rrggbb, like #e69f00.")
        connection.execute(
            "UPDATE class SET color = lower(?) WHERE id = ?", (self.color, class_id_of(connection, self.name))
        )


@dataclass(frozen=True, slots=True)
class SetShortcut(Edit):
    """Give a class the key that labels with it, or none; another class that had the key loses it."""

    name: str
    key: str | None

    def _title(self) -> str:
        return f"Shortcut of class “{self.name}”"

    def write(self, connection: sqlite3.Connection) -> None:
        """Update the shortcut: one visible character, letters compared without case."""
        class_id = class_id_of(connection, self.name)
        key = shortcut_of(self.key) if self.key else None
        if self.key and key is None:
            raise ProjectError(f"“{self.key}” is not a shortcut.", "Use one letter, digit or sign.")
        connection.execute("UPDATE class SET shortcut = NULL WHERE shortcut = ? AND id != ?", (key, class_id))
        connection.execute("UPDATE class SET shortcut = ? WHERE id = ?", (key, class_id))


@dataclass(frozen=True, slots=True)
class OrderClasses(Edit):
    """Put the classes in a new order, which is also that of the trained network's outputs. Names left out follow."""

    names: tuple[str, ...]

    def _title(self) -> str:
        return "Reorder the classes"

    def write(self, connection: sqlite3.Connection) -> None:
        """Number the classes anew."""
        named = list(dict.fromkeys(class_id_of(connection, name) for name in self.names))
        others = connection.execute("SELECT id FROM class ORDER BY position, id").fetchall()
        order = named + [class_id for (class_id,) in others if class_id not in set(named)]
        connection.executemany("UPDATE class SET position = ? WHERE id = ?", list(enumerate(order)))


def shortcut_of(key: str) -> str | None:
    """Return a key as a class keeps it, letters without case; None where it is not one visible character."""
    folded = key.casefold()
    return folded if len(folded) == 1 and folded.isprintable() and not folded.isspace() else None


def _delete_class(connection: sqlite3.Connection, class_id: int) -> None:
    for table in ("label", "conflict", "alias", "prompt"):
        connection.execute(f"DELETE FROM {table} WHERE class_id = ?", (class_id,))
    connection.execute("DELETE FROM class WHERE id = ?", (class_id,))
