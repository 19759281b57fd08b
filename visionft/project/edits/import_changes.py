"""The change of an import, batch by batch: new images, and the source's facts about existing ones.

A person's decisions are never overwritten: a source only fills empty fields.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from models.messages import Message
from visionft.data.types import Split
from visionft.project.db.roots import ensure_roots
from visionft.project.edits import changes, conflicts
from visionft.project.edits.class_changes import COLOR, shortcut_of
from visionft.project.edits.image_changes import tag_images
from visionft.project.formats.labels_file import ClassLook
from visionft.project.names import name_key, natural_key


@dataclass(frozen=True, slots=True)
class FileLocation:
    """The path of a file: `path` is POSIX, below the root `folder` (absolute)."""

    folder: Path
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """The facts of an image's file; `losses` (see `data.decode.Header`) are reported, not stored."""

    sha256: str
    bytes: int
    mtime_ns: int
    width: int
    height: int
    format: str
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """A source's facts about an image. New classes and tags are created."""

    labels: tuple[str, ...] = ()
    split: Split | None = None
    tags: tuple[str, ...] = ()
    review: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """An image to add. `name` is its name in the source; None when it equals its path."""

    place: FileLocation
    file: FileFacts
    facts: SourceFacts = SourceFacts()
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImage:
    """An image already in the project, found by content, with its `origin`; `moved_to` is its new path after a move.

    With `replaces_labels` its labels take the place of imported ones.
    """

    sha256: str
    facts: SourceFacts
    origin: str = ""
    moved_to: FileLocation | None = None
    mtime_ns: int = 0
    replaces_labels: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedImage:
    """An image of the project with other file content than at import."""

    image_id: int
    file: FileFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class AddImages:
    """Add images and complete known ones. `aliases`: a person's mappings, {name in the source: class}."""

    images: Sequence[NewImage] = ()
    known: Sequence[KnownImage] = ()
    edited: Sequence[EditedImage] = ()
    classes: Sequence[ClassLook] = ()
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    title: str = Message("Import images")
    is_bulk: bool = True

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the new images under fresh ids, never reused, then complete the known ones."""
        _add_classes(connection, self.classes)
        moves = {image.sha256: image.moved_to for image in self.known if image.moved_to}
        folders = {place.folder for place in (*(image.place for image in self.images), *moves.values())}
        roots = ensure_roots(connection, folders) if folders else {}
        insert_images(connection, self.images, roots)
        rows = connection.execute(
            """SELECT image.id, root.path || '/' || image.path FROM image JOIN root ON root.id = root_id
                WHERE sha256 IN (SELECT value FROM json_each(?))""",
            (json.dumps(list(moves)),),
        )
        previous_paths: dict[int, str] = dict(rows.fetchall())
        connection.executemany(
            "UPDATE image SET root_id = ?, path = ?, mtime_ns = ? WHERE sha256 = ?",
            [
                (roots[place.folder], place.path, image.mtime_ns, image.sha256)
                for image in self.known
                if (place := image.moved_to)
            ],
        )
        columns = ("sha256", "bytes", "mtime_ns", "width", "height", "format")
        connection.executemany(
            f"UPDATE image SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ?",
            [(*(getattr(image.file, name) for name in columns), image.image_id) for image in self.edited],
        )
        _complete(connection, self.known, previous_paths)
        for name, meant in self.aliases.items():
            class_id = changes.find_class(connection, meant)
            if class_id is not None and changes.find_class(connection, name) is None:
                changes.remember_alias(connection, name, class_id)


def _add_classes(connection: sqlite3.Connection, classes: Sequence[ClassLook]) -> None:
    """Create the new classes of a list, in their order and with their appearance."""
    for look in classes:
        if changes.find_class(connection, look.name) is None:
            color = look.color.lower() if look.color and COLOR.fullmatch(look.color) else None
            key = shortcut_of(look.shortcut) if look.shortcut else None
            connection.execute(
                """UPDATE class SET color = ?1,
                    shortcut = iif(EXISTS (SELECT 1 FROM class WHERE shortcut = ?2), NULL, ?2) WHERE id = ?3""",
                (color, key, changes.ensure_class(connection, look.name)),
            )


def insert_images(
    connection: sqlite3.Connection, images: Sequence[NewImage], roots: Mapping[Path, int]
) -> tuple[int, ...]:
    """Insert images under fresh ids and return these; `roots` are the ids of their folders."""
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'image'").fetchone()
    numbered = list(enumerate(images, (row[0] if row else 0) + 1))
    now = changes.now_ms()
    connection.executemany(
        """INSERT INTO image (id, root_id, path, name, sha256, bytes, mtime_ns, width, height, format, split,
            review, note, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [
            (
                *(image_id, roots[image.place.folder], image.place.path, image.name),
                *(image.file.sha256, image.file.bytes, image.file.mtime_ns),
                *(image.file.width, image.file.height, image.file.format),
                *(image.facts.split, image.facts.review, image.facts.note, now),
            )
            for image_id, image in numbered
        ],
    )
    for name, ids in _by_name((image.facts.labels, image_id) for image_id, image in numbered):
        class_id = changes.ensure_class(connection, name)
        changes.insert_labels(connection, [(image_id, class_id, "import") for image_id in ids])
    for name, ids in _by_name((image.facts.tags, image_id) for image_id, image in numbered):
        tag_images(connection, name, json.dumps(ids))
    return tuple(image_id for image_id, _ in numbered)


def _complete(connection: sqlite3.Connection, known: Sequence[KnownImage], previous_paths: Mapping[int, str]) -> None:
    """Complete images, found by content, with a source's facts where the project has none.

    A class is added to an image without one. In a multi-label project it is also added beside other imported classes,
    because an image may be in several class folders; but not beside a person's labels. In a single-label project two
    classes are a conflict. `previous_paths`: those of just moved images, by id.
    """
    images = (
        "SELECT id FROM image WHERE sha256 IN (SELECT value FROM json_each(?)) AND removed_at IS NULL AND NOT EXISTS"
    )
    replaced = {each.sha256: each.facts.labels for each in known if each.replaces_labels and each.facts.labels}
    if changes.task_of(connection) == "multi":
        imported_only = "(SELECT 1 FROM label WHERE image_id = image.id AND source != 'import')"
        connection.executemany(
            f"""DELETE FROM label WHERE image_id IN ({images} {imported_only})
                AND class_id NOT IN (SELECT id FROM class WHERE name_key IN (SELECT value FROM json_each(?)))""",
            [(json.dumps([content]), json.dumps([*map(name_key, labels)])) for content, labels in replaced.items()],
        )
        for name, contents in _by_name((each.facts.labels, each.sha256) for each in known):
            rows = connection.execute(f"{images} {imported_only}", (json.dumps(contents),)).fetchall()
            if rows:
                class_id = changes.ensure_class(connection, name)
                changes.insert_labels(connection, [(image_id, class_id, "import") for (image_id,) in rows])
    else:
        stated = [conflicts.SourceLabel(each.sha256, name, each.origin) for each in known for name in each.facts.labels]
        conflicts.apply_source_labels(connection, stated, previous_paths, replaced=replaced)
    untagged = "(SELECT 1 FROM image_tag WHERE image_id = image.id)"
    tagged = {
        name: connection.execute(f"{images} {untagged}", (json.dumps(contents),)).fetchall()
        for name, contents in _by_name((each.facts.tags, each.sha256) for each in known)
    }
    for name, rows in tagged.items():
        if rows:
            tag_images(connection, name, json.dumps([image_id for (image_id,) in rows]))
    for column in ("split", "review", "note"):
        connection.executemany(
            f"UPDATE image SET {column} = ? WHERE sha256 = ? AND {column} IS NULL AND removed_at IS NULL",
            [(value, each.sha256) for each in known if (value := getattr(each.facts, column)) is not None],
        )


def _by_name(pairs: Iterable[tuple[Sequence[str], changes.Key]]) -> list[tuple[str, list[changes.Key]]]:
    """Return the keys of each name from (names, key) pairs, names in natural order."""
    return sorted(changes.group_by_name(pairs).items(), key=lambda item: natural_key(item[0]))
