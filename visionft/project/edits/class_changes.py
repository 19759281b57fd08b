"""Changes to the classes: name, prompts, colour, shortcut, order; merging, deletion. `AddClass` is in `changes`."""

import re
import sqlite3
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from visionft.core.errors import ProjectError
from visionft.core.messages import Message
from visionft.core.names import clean_name, name_key
from visionft.project.edits import changes

COLOR = re.compile(r"#[0-9a-fA-F]{6}")
MAX_PROMPTS_PER_CLASS = 100  # prompts of a class: CLIP's authors have 80 for ImageNet
MAX_PROMPT_CHARACTERS = 500  # of a prompt: a text network reads 64 to 77 tokens of it, of four letters or so each


@dataclass(frozen=True, slots=True)
class RenameClass(changes.Edit):
    """Give a class another name; its labels stay."""

    TITLE = Message("Rename class “{name}” to “{new_name}”")
    name: str
    new_name: str

    def write(self, connection: sqlite3.Connection) -> None:
        class_id = changes.class_id_of(connection, self.name)
        new_name = clean_name(self.new_name, "class")
        if changes.find_class(connection, new_name) not in (None, class_id):
            message = Message("There is a class “{name}” already.", name=new_name)
            raise ProjectError(message, "Merge the two classes, or choose another name.")
        statement = "UPDATE class SET name = ?, name_key = ? WHERE id = ?"
        connection.execute(statement, (new_name, name_key(new_name), class_id))
        if name_key(new_name) != name_key(self.name):
            changes.remember_alias(connection, self.name, class_id)
            changes.forget_alias(connection, new_name)


@dataclass(frozen=True, slots=True)
class MergeClasses(changes.BulkEdit):
    """Merge classes into one, created when it is new, and delete the others.

    The labels keep their source and time; an image with both classes keeps its label. A conflict between merged
    classes ends: the image gets the merged class. The prompts of the classes move to it.
    """

    names: tuple[str, ...]
    into: str

    @property
    def title(self) -> str:
        names = ", ".join(f"“{name}”" for name in self.names)
        if len(self.names) > 3:
            names = Message("{count} classes", count=len(self.names))
        return Message("Merge {names} into “{into}”", names=names, into=self.into)

    def write(self, connection: sqlite3.Connection) -> None:
        sources = {changes.class_id_of(connection, name) for name in self.names}
        target = changes.ensure_class(connection, self.into)
        for class_id in sorted(sources - {target}):
            for table, rest in (("label", "source, labelled_at"), ("conflict", "origin")):
                connection.execute(
                    f"""INSERT INTO {table} (image_id, class_id, {rest})
                        SELECT image_id, ?, {rest} FROM {table} WHERE class_id = ? ON CONFLICT DO NOTHING""",
                    (target, class_id),
                )
            connection.execute("UPDATE alias SET class_id = ? WHERE class_id = ?", (target, class_id))
            own = _lines_of(connection, target)
            _append(connection, target, tuple(line for line in _lines_of(connection, class_id) if line not in own))
            _delete_class(connection, class_id)
        given_up = [name for name in self.names if name_key(name.strip()) != name_key(self.into.strip())]
        for name in given_up:
            changes.remember_alias(connection, name, target)
        if given_up:
            changes.forget_alias(connection, self.into)
        changes.settle_conflicts(connection)


@dataclass(frozen=True, slots=True)
class DeleteClass(changes.BulkEdit):
    """Delete a class and its labels; its images stay. In a conflict, a single other candidate becomes the label."""

    TITLE = Message("Delete class “{name}”")
    name: str

    def write(self, connection: sqlite3.Connection) -> None:
        _delete_class(connection, changes.class_id_of(connection, self.name))
        changes.settle_conflicts(connection)


@dataclass(frozen=True, slots=True)
class ColorClass(changes.Edit):
    """Give a class a colour "#rrggbb", or none."""

    TITLE = Message("Colour class “{name}”")
    name: str
    color: str | None

    def write(self, connection: sqlite3.Connection) -> None:
        if self.color is not None and not COLOR.fullmatch(self.color):
            message = Message("“{color}” is not a colour.", color=self.color)
            raise ProjectError(message, "Write it as #rrggbb, like #e69f00.")
        class_id = changes.class_id_of(connection, self.name)
        connection.execute("UPDATE class SET color = lower(?) WHERE id = ?", (self.color, class_id))


@dataclass(frozen=True, slots=True)
class SetShortcut(changes.Edit):
    """Give a class a shortcut key, or none; another class with the same key loses it."""

    TITLE = Message("Shortcut of class “{name}”")
    name: str
    key: str | None

    def write(self, connection: sqlite3.Connection) -> None:
        class_id = changes.class_id_of(connection, self.name)
        key = shortcut_of(self.key) if self.key else None
        if self.key and key is None:
            raise ProjectError(Message("“{key}” is not a shortcut.", key=self.key), "Use one letter, digit or sign.")
        connection.execute("UPDATE class SET shortcut = NULL WHERE shortcut = ? AND id != ?", (key, class_id))
        connection.execute("UPDATE class SET shortcut = ? WHERE id = ?", (key, class_id))


@dataclass(frozen=True, slots=True)
class OrderClasses(changes.Edit):
    """Put the classes in a new order, which a trained network's outputs follow. Omitted names come last."""

    TITLE = Message("Reorder the classes")
    names: tuple[str, ...]

    def write(self, connection: sqlite3.Connection) -> None:
        named = list(dict.fromkeys(changes.class_id_of(connection, name) for name in self.names))
        others = connection.execute("SELECT id FROM class ORDER BY position, id").fetchall()
        order = named + [class_id for (class_id,) in others if class_id not in set(named)]
        connection.executemany("UPDATE class SET position = ? WHERE id = ?", list(enumerate(order)))


def shortcut_of(key: str) -> str | None:
    """Return a key in stored form, letters without case; None unless it is one visible character."""
    folded = key.casefold()
    return folded if len(folded) == 1 and folded.isprintable() and not folded.isspace() else None


def _delete_class(connection: sqlite3.Connection, class_id: int) -> None:
    for table in ("label", "conflict", "alias", "prompt"):
        connection.execute(f"DELETE FROM {table} WHERE class_id = ?", (class_id,))
    connection.execute("DELETE FROM class WHERE id = ?", (class_id,))


@dataclass(frozen=True, slots=True)
class SetPrompts(changes.Edit):
    """Set the prompt lines of some classes; no line restores the class name. Other classes keep theirs."""

    prompts: Mapping[str, tuple[str, ...]]

    @property
    def title(self) -> str:
        if len(self.prompts) == 1:
            return Message("Prompts of class “{name}”", name=next(iter(self.prompts)))
        return Message("Prompts of {count} classes", count=len(self.prompts))

    def write(self, connection: sqlite3.Connection) -> None:
        for class_name, lines in self.prompts.items():
            class_id, cleaned = changes.class_id_of(connection, class_name), clean_prompts(class_name, lines)
            if _lines_of(connection, class_id) != cleaned:
                connection.execute("DELETE FROM prompt WHERE class_id = ?", (class_id,))
                _append(connection, class_id, cleaned)


def clean_prompts(class_name: str, lines: tuple[str, ...]) -> tuple[str, ...]:
    """Return lines in stored form, without surrounding spaces or repetitions; unfit ones raise a `ProjectError`."""
    cleaned = tuple(dict.fromkeys(unicodedata.normalize("NFC", line).strip() for line in lines))
    if "" in cleaned:
        message = Message("A prompt of “{name}” is empty.", name=class_name)
        hint = Message("Describe its images, or remove the line: a class without lines is described by its name.")
    elif len(cleaned) > MAX_PROMPTS_PER_CLASS or any(len(line) > MAX_PROMPT_CHARACTERS for line in cleaned):
        message = Message("The prompts of “{name}” are too many or too long.", name=class_name)
        hint = Message(
            "A class has at most {most} prompts of {letters} letters.",
            most=MAX_PROMPTS_PER_CLASS,
            letters=MAX_PROMPT_CHARACTERS,
        )
    elif not all(line.isprintable() for line in cleaned):
        message = Message("A prompt of “{name}” contains a control character.", name=class_name)
        hint = Message("Write it again.")
    else:
        return cleaned
    raise ProjectError(message, hint)


def _lines_of(connection: sqlite3.Connection, class_id: int) -> tuple[str, ...]:
    rows = connection.execute("SELECT text FROM prompt WHERE class_id = ? ORDER BY place", (class_id,))
    return tuple(text for (text,) in rows)


def _append(connection: sqlite3.Connection, class_id: int, lines: tuple[str, ...]) -> None:
    query = "SELECT coalesce(max(place) + 1, 0) FROM prompt WHERE class_id = ?"
    first = int(connection.execute(query, (class_id,)).fetchone()[0])
    rows = [(class_id, first + number, line) for number, line in enumerate(lines)]
    connection.executemany("INSERT INTO prompt (class_id, place, text) VALUES (?, ?, ?)", rows)
