"""Changes to images other than labels: tags, review state, notes, duplicates, removal and restoration."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from visionft.core.errors import ProjectError
from visionft.core.messages import Message
from visionft.core.names import clean_name, name_key
from visionft.project.edits.changes import (
    Edit,
    ImagesEdit,
    insert_labels,
    remove_images,
    require_images,
    set_column,
    task_of,
)
from visionft.project.edits.conflicts import add_candidates, displayed_path

Review = Literal["done", "later"]
MAX_NOTE_LENGTH = 10_000  # characters, about three pages


@dataclass(frozen=True, slots=True)
class TagImages(ImagesEdit):
    """Add a tag to images; a new tag is created."""

    TITLE = Message("Tag {counted} “{tag}”")
    tag: str

    def write(self, connection: sqlite3.Connection) -> None:
        tag_images(connection, self.tag, require_images(connection, self.image_ids))


@dataclass(frozen=True, slots=True)
class UntagImages(ImagesEdit):
    """Take a tag off images; an unused tag is deleted."""

    TITLE = Message("Remove tag “{tag}” from {counted}")
    tag: str

    def write(self, connection: sqlite3.Connection) -> None:
        ids = require_images(connection, self.image_ids)
        row = connection.execute("SELECT id FROM tag WHERE name_key = ?", (name_key(self.tag.strip()),)).fetchone()
        if row is None:
            raise ProjectError(Message("There is no tag “{tag}”.", tag=self.tag), "Check its spelling.")
        statement = "DELETE FROM image_tag WHERE tag_id = ? AND image_id IN (SELECT value FROM json_each(?))"
        connection.execute(statement, (row[0], ids))
        connection.execute("DELETE FROM tag WHERE id = ? AND id NOT IN (SELECT tag_id FROM image_tag)", (row[0],))


@dataclass(frozen=True, slots=True)
class ReviewImages(ImagesEdit):
    """Mark images as reviewed ("done"), put off ("later") or neither (None)."""

    review: Review | None

    @property
    def title(self) -> str:
        texts = {
            "done": Message("Mark {counted} as reviewed"),
            "later": Message("Mark {counted} for later"),
            None: Message("Mark {counted} as not reviewed"),
        }
        return Message(texts[self.review], counted=self.counted)

    def write(self, connection: sqlite3.Connection) -> None:
        set_column(connection, self.image_ids, "review", self.review)


@dataclass(frozen=True, slots=True)
class WriteNote(Edit):
    """Write a note on an image; an empty note deletes it."""

    image_id: int
    note: str

    @property
    def title(self) -> str:
        return Message("Write a note") if self.note.strip() else Message("Delete a note")

    def write(self, connection: sqlite3.Connection) -> None:
        set_column(connection, (self.image_id,), "note", clean_note(self.note))


@dataclass(frozen=True, slots=True)
class RestoreImages(ImagesEdit):
    """Restore removed images unchanged."""

    TITLE = Message("Restore {counted}")

    def write(self, connection: sqlite3.Connection) -> None:
        set_column(connection, self.image_ids, "removed_at", None)


def tag_images(connection: sqlite3.Connection, name: str, image_ids: str) -> None:
    """Add a tag, created when it is new, to images (a JSON array of ids)."""
    cleaned = clean_name(name, "tag")
    statement = "INSERT INTO tag (name, name_key) VALUES (?, ?) ON CONFLICT DO NOTHING"
    connection.execute(statement, (cleaned, name_key(cleaned)))
    connection.execute(
        """INSERT INTO image_tag (image_id, tag_id)
            SELECT value, (SELECT id FROM tag WHERE name_key = ?) FROM json_each(?) WHERE true
            ON CONFLICT DO NOTHING""",
        (name_key(cleaned), image_ids),
    )


def clean_note(note: str) -> str | None:
    """Return a note without surrounding blanks, None for an empty one; a `ProjectError` for one that is no text."""
    cleaned = note.strip()
    if len(cleaned) > MAX_NOTE_LENGTH:
        hint = Message("Use at most {MAX_NOTE_LENGTH}.", MAX_NOTE_LENGTH=f"{MAX_NOTE_LENGTH:,}")
        raise ProjectError(Message("The note has {cleaned} characters.", cleaned=f"{len(cleaned):,}"), hint)
    if "\0" in cleaned or cleaned.encode("utf-8", "ignore").decode() != cleaned:
        raise ProjectError("The note holds characters that are no text.", "Type it again.")
    return cleaned or None


@dataclass(frozen=True, slots=True)
class KeepOneDuplicate(Edit):
    """Keep one image of each group: {kept image: removed images}.

    The kept image inherits their tags, and their split and note where it has none. With `takes_labels` it gets their
    classes too: in a single-label project, contradicting classes all become candidates of a conflict for a person to
    resolve. Files, labels and notes of the others stay unchanged; undo restores them.
    """

    TITLE = Message("Keep one of {counted}")
    NOUN = "duplicate"
    groups: Mapping[int, tuple[int, ...]]
    takes_labels: bool = True

    def _touched(self) -> int:
        return sum(1 + len(others) for others in self.groups.values())

    def write(self, connection: sqlite3.Connection) -> None:
        leaving = [other for others in self.groups.values() for other in others]
        everyone = [*self.groups, *leaving]
        if len(set(everyone)) != len(everyone):
            raise ProjectError("An image is in two groups of duplicates.", "Look for duplicates again.")
        require_images(connection, everyone)
        is_single = task_of(connection) == "single"
        for kept, others in self.groups.items():
            ids = json.dumps(others)
            if self.takes_labels:
                _take_labels(connection, kept, ids, is_single=is_single)
            connection.execute(
                """INSERT INTO image_tag (image_id, tag_id)
                    SELECT DISTINCT ?, tag_id FROM image_tag WHERE image_id IN (SELECT value FROM json_each(?))
                    ON CONFLICT DO NOTHING""",
                (kept, ids),
            )
            for column in ("split", "note"):  # a missing value is taken from the lowest id with a value
                filled = f"FROM image WHERE id IN (SELECT value FROM json_each(?1)) AND {column} IS NOT NULL"
                connection.execute(
                    f"""UPDATE image SET {column} = (SELECT {column} {filled} ORDER BY id LIMIT 1)
                        WHERE id = ?2 AND {column} IS NULL AND EXISTS (SELECT 1 {filled})""",
                    (ids, kept),
                )
        remove_images(connection, leaving)


def _take_labels(connection: sqlite3.Connection, kept: int, ids: str, *, is_single: bool) -> None:
    """Give an image the classes of the others; as conflict candidates if they contradict in a single-label project."""
    among = "WHERE image_id = ?1 OR image_id IN (SELECT value FROM json_each(?2)) ORDER BY image_id != ?1, image_id"
    rows = connection.execute(f"SELECT image_id, class_id, source FROM label {among}", (kept, ids)).fetchall()
    candidates = connection.execute(f"SELECT class_id, origin FROM conflict {among}", (kept, ids)).fetchall()
    classes = {class_id for _, class_id, _ in rows} | {class_id for class_id, _ in candidates}
    if is_single and len(classes) > 1:
        connection.execute("DELETE FROM label WHERE image_id = ?", (kept,))
        stated = [(class_id, displayed_path(connection, image_id)) for image_id, class_id, _ in rows]
        add_candidates(connection, kept, candidates + stated)
    else:
        insert_labels(connection, [(kept, class_id, source) for image_id, class_id, source in rows if image_id != kept])
