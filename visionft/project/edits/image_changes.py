"""Changes to what is noted of pictures beside their labels: tags, review state, notes, being in the project at all."""

import sqlite3
from dataclasses import dataclass
from typing import Literal

from visionft.errors import ProjectError
from visionft.project.edits.changes import Edit, ImagesEdit, picked
from visionft.project.names import clean_name, count_of, name_key

Review = Literal["done", "later"]
MAX_NOTE_LENGTH = 10_000


@dataclass(frozen=True, slots=True)
class TagImages(ImagesEdit):
    """Add a tag to pictures; it is created when it is new."""

    tag: str

    def _title(self) -> str:
        return f"Tag {count_of(len(self.image_ids), 'picture')} “{self.tag}”"

    def write(self, connection: sqlite3.Connection) -> None:
        """Link the pictures to the tag."""
        ids = picked(connection, self.image_ids)
        connection.execute(
            """INSERT INTO image_tag (image_id, tag_id) SELECT value, ? FROM json_each(?) WHERE true
                ON CONFLICT DO NOTHING""",
            (ensure_tag(connection, self.tag), ids),
        )


@dataclass(frozen=True, slots=True)
class UntagImages(ImagesEdit):
    """Take a tag off pictures; a tag that no picture has any more is dropped."""

    tag: str

    def _title(self) -> str:
        return f"Remove tag “{self.tag}” from {count_of(len(self.image_ids), 'picture')}"

    def write(self, connection: sqlite3.Connection) -> None:
        """Unlink the pictures."""
        ids = picked(connection, self.image_ids)
        row = connection.execute("SELECT id FROM tag WHERE name_key = ?", (name_key(self.tag.strip()),)).fetchone()
        if row is None:
            raise ProjectError(f"There is no tag “{self.tag}”.", "Check its spelling.")
        connection.execute(
            "DELETE FROM image_tag WHERE tag_id = ? AND image_id IN (SELECT value FROM json_each(?))", (row[0], ids)
        )
        connection.execute("DELETE FROM tag WHERE id = ? AND id NOT IN (SELECT tag_id FROM image_tag)", (row[0],))


@dataclass(frozen=True, slots=True)
class ReviewImages(ImagesEdit):
    """Mark pictures as reviewed ("done"), put off ("later") or neither (None)."""

    review: Review | None

    def _title(self) -> str:
        what = {"done": "as reviewed", "later": "for later", None: "as not reviewed"}[self.review]
        return f"Mark {count_of(len(self.image_ids), 'picture')} {what}"

    def write(self, connection: sqlite3.Connection) -> None:
        """Update the review state."""
        connection.execute(
            "UPDATE image SET review = ? WHERE id IN (SELECT value FROM json_each(?))",
            (self.review, picked(connection, self.image_ids)),
        )


@dataclass(frozen=True, slots=True)
class WriteNote(Edit):
    """Write a note on a picture; an empty one is taken away."""

    image_id: int
    note: str

    def _title(self) -> str:
        return "Write a note" if self.note.strip() else "Delete a note"

    def write(self, connection: sqlite3.Connection) -> None:
        """Update the note."""
        note = clean_note(self.note)
        connection.execute(
            "UPDATE image SET note = ? WHERE id IN (SELECT value FROM json_each(?))",
            (note, picked(connection, (self.image_id,))),
        )


@dataclass(frozen=True, slots=True)
class RestoreImages(ImagesEdit):
    """Bring removed pictures back, as they were."""

    def _title(self) -> str:
        return f"Restore {count_of(len(self.image_ids), 'picture')}"

    def write(self, connection: sqlite3.Connection) -> None:
        """Take the mark of removal away."""
        connection.execute(
            "UPDATE image SET removed_at = NULL WHERE id IN (SELECT value FROM json_each(?))",
            (picked(connection, self.image_ids),),
        )


@dataclass(frozen=True, slots=True)
class SetUndoLimit(Edit):
    """Keep at most this many steps in the history; the oldest are forgotten when the project is opened next."""

    steps: int

    def _title(self) -> str:
        return f"Keep {count_of(self.steps, 'step')} of history"

    def write(self, connection: sqlite3.Connection) -> None:
        """Store the setting."""
        if self.steps < 1:
            raise ProjectError("The history needs room for a step.", "Choose 1 or more.")
        connection.execute(
            """INSERT INTO setting (key, value) VALUES ('undo_steps', ?)
                ON CONFLICT DO UPDATE SET value = excluded.value""",
            (str(self.steps),),
        )


def ensure_tag(connection: sqlite3.Connection, name: str) -> int:
    """Return the id of the tag with this name, creating it when it is new."""
    cleaned = clean_name(name, "tag")
    row = connection.execute("SELECT id FROM tag WHERE name_key = ?", (name_key(cleaned),)).fetchone()
    if row is not None:
        return int(row[0])
    cursor = connection.execute(
        "INSERT INTO tag (name, name_key) VALUES (?, ?) RETURNING id", (cleaned, name_key(cleaned))
    )
    return int(cursor.fetchall()[0][0])


def clean_note(note: str) -> str | None:
    """Return a note without surrounding blanks, None when nothing is left of it.

    Raises:
        ProjectError: It is too long, or holds what no text file can carry.
    """
    cleaned = note.strip()
    if len(cleaned) > MAX_NOTE_LENGTH:
        raise ProjectError(f"The note has {len(cleaned):,} characters.", f"Use at most {MAX_NOTE_LENGTH:,}.")
    if "\0" in cleaned or cleaned.encode("utf-8", "ignore").decode() != cleaned:
        raise ProjectError("The note holds characters that are no text.", "Type it again.")
    return cleaned or None
