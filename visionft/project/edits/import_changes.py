"""The change an import makes, batch by batch: new pictures, and what the source says of those that are there already.

What a person decided is never overwritten: a source fills in only what is empty.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from visionft.data.types import Split
from visionft.project.db.roots import ensure_roots
from visionft.project.edits.changes import ensure_class, find_class, now_ms, remember_alias, task_of
from visionft.project.edits.class_changes import COLOR, shortcut_of
from visionft.project.edits.conflicts import Statement, hear
from visionft.project.edits.image_changes import ensure_tag
from visionft.project.formats.labels_file import ClassLook
from visionft.project.names import natural_key

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class FileLocation:
    """Where a file lies: `path` is POSIX, below the root `folder` (absolute)."""

    folder: Path
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFacts:
    """What a picture's file is."""

    sha256: str
    bytes: int
    mtime_ns: int
    width: int
    height: int
    format: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """What a source says of a picture. Classes and tags that do not exist yet are created."""

    labels: tuple[str, ...] = ()
    split: Split | None = None
    tags: tuple[str, ...] = ()
    review: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewImage:
    """A picture to add. `name` is what it was called where it came from; None when that is its place's path."""

    place: FileLocation
    file: FileFacts
    facts: SourceFacts = SourceFacts()
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownImage:
    """A picture the project has, found by its content: `origin` says so. `moved_to`: it is no longer where it was."""

    sha256: str
    facts: SourceFacts
    origin: str = ""
    moved_to: FileLocation | None = None
    mtime_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EditedImage:
    """A picture of the project whose file has other content than when it was imported."""

    image_id: int
    file: FileFacts


@dataclass(frozen=True, slots=True, kw_only=True)
class AddImages:
    """Add pictures with what their source says of them, and fill in what it says of known ones.

    Attributes:
        aliases: {class name in the source: the class that a person took it for}.
        is_bulk: Whether a backup comes first.
    """

    images: Sequence[NewImage] = ()
    known: Sequence[KnownImage] = ()
    edited: Sequence[EditedImage] = ()
    classes: Sequence[ClassLook] = ()
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    title: str = "Import pictures"
    is_bulk: bool = True

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the new pictures under fresh ids, which are never used twice, then fill in."""
        _add_classes(connection, self.classes)
        moves = [image.moved_to for image in self.known if image.moved_to]
        places = [image.place for image in self.images] + moves
        roots = ensure_roots(connection, {place.folder for place in places}) if places else {}
        self._insert(connection, roots)
        left = _places(connection, [image.sha256 for image in self.known if image.moved_to])
        for image in self.known:
            if image.moved_to:
                connection.execute(
                    "UPDATE image SET root_id = ?, path = ?, mtime_ns = ? WHERE sha256 = ?",
                    (roots[image.moved_to.folder], image.moved_to.path, image.mtime_ns, image.sha256),
                )
        columns = ("sha256", "bytes", "mtime_ns", "width", "height", "format")
        connection.executemany(
            f"UPDATE image SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ?",
            [(*(getattr(image.file, name) for name in columns), image.image_id) for image in self.edited],
        )
        _fill_in(connection, self.known, left)
        for name, meant in self.aliases.items():
            class_id = find_class(connection, meant)
            if class_id is not None and find_class(connection, name) is None:
                remember_alias(connection, name, class_id)

    def _insert(self, connection: sqlite3.Connection, roots: dict[Path, int]) -> None:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'image'").fetchone()
        numbered = list(enumerate(self.images, (row[0] if row else 0) + 1))
        now = now_ms()
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
            class_id = ensure_class(connection, name)
            connection.executemany(
                "INSERT INTO label (image_id, class_id, source, labelled_at) VALUES (?, ?, 'import', ?)"
                " ON CONFLICT DO NOTHING",
                [(image_id, class_id, now) for image_id in ids],
            )
        for name, ids in _by_name((image.facts.tags, image_id) for image_id, image in numbered):
            _tag(connection, name, ids)


def _fill_in(connection: sqlite3.Connection, known: Sequence[KnownImage], left: Mapping[int, str]) -> None:
    """Give pictures, found by content, what a source says of them where the project says nothing yet.

    A class is added to a picture without one. In a multi-label project it is also added beside others that were
    imported, because a picture may lie in several class folders; but not beside a person's labels. In a single-label
    project two classes are a conflict.

    Args:
        connection: Inside the change's transaction.
        known: The pictures, with what is said of them.
        left: Where pictures lay that have just moved, by id.
    """
    if task_of(connection) == "multi":
        _add_labels(connection, known)
    else:
        said = [Statement(each.sha256, name, each.origin) for each in known for name in each.facts.labels]
        hear(connection, said, left)
    untagged = "NOT EXISTS (SELECT 1 FROM image_tag WHERE image_id = image.id)"
    tagged = [
        (name, _ids(connection, contents, untagged))
        for name, contents in _by_name((each.facts.tags, each.sha256) for each in known)
    ]
    for name, ids in tagged:
        _tag(connection, name, ids)
    for column in ("split", "review", "note"):
        connection.executemany(
            f"UPDATE image SET {column} = ? WHERE sha256 = ? AND {column} IS NULL AND removed_at IS NULL",
            [(value, each.sha256) for each in known if (value := getattr(each.facts, column)) is not None],
        )


def _add_labels(connection: sqlite3.Connection, known: Sequence[KnownImage]) -> None:
    """Add classes to pictures that have no label but imported ones."""
    is_free = "NOT EXISTS (SELECT 1 FROM label WHERE image_id = image.id AND source != 'import')"
    has_not = "NOT EXISTS (SELECT 1 FROM label WHERE image_id = image.id AND class_id = ?)"
    for name, contents in _by_name((each.facts.labels, each.sha256) for each in known):
        ids = _ids(connection, contents, f"{is_free} AND {has_not}", name)
        if ids:
            connection.executemany(
                "INSERT INTO label (image_id, class_id, source, labelled_at) VALUES (?, ?, 'import', ?)",
                [(image_id, ensure_class(connection, name), now_ms()) for image_id in ids],
            )


def _places(connection: sqlite3.Connection, contents: list[str]) -> dict[int, str]:
    """Return where the pictures with these contents are recorded, by id."""
    rows = connection.execute(
        """SELECT image.id, root.path || '/' || image.path FROM image JOIN root ON root.id = root_id
            WHERE sha256 IN (SELECT value FROM json_each(?))""",
        (json.dumps(contents),),
    )
    return dict(rows.fetchall())


def _ids(
    connection: sqlite3.Connection, contents: list[str], condition: str, class_name: str | None = None
) -> list[int]:
    """Return the pictures with these contents that meet a condition and are not removed."""
    class_id = () if class_name is None else (find_class(connection, class_name),)
    rows = connection.execute(
        f"""SELECT id FROM image WHERE sha256 IN (SELECT value FROM json_each(?)) AND removed_at IS NULL
            AND {condition}""",
        (json.dumps(contents), *class_id),
    )
    return [row[0] for row in rows.fetchall()]


def _by_name(pairs: Iterable[tuple[tuple[str, ...], Key]]) -> list[tuple[str, list[Key]]]:
    """Turn (names, key) pairs into the keys of each name, names in natural order."""
    groups: defaultdict[str, list[Key]] = defaultdict(list)
    for names, key in pairs:
        for name in names:
            groups[name].append(key)
    return sorted(groups.items(), key=lambda item: natural_key(item[0]))


def _tag(connection: sqlite3.Connection, name: str, image_ids: list[int]) -> None:
    if image_ids:
        tag_id = ensure_tag(connection, name)
        connection.executemany(
            "INSERT INTO image_tag (image_id, tag_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(image_id, tag_id) for image_id in image_ids],
        )


def _add_classes(connection: sqlite3.Connection, classes: Sequence[ClassLook]) -> None:
    """Create the listed classes that are new, in their order and with their look."""
    for look in classes:
        if find_class(connection, look.name) is None:
            color = look.color.lower() if look.color and COLOR.fullmatch(look.color) else None
            key = shortcut_of(look.shortcut) if look.shortcut else None
            connection.execute(
                """UPDATE class SET color = ?1,
                    shortcut = iif(EXISTS (SELECT 1 FROM class WHERE shortcut = ?2), NULL, ?2) WHERE id = ?3""",
                (color, key, ensure_class(connection, look.name)),
            )
