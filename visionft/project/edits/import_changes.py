"""The change of an import, batch by batch: new images, and the source's labels and remarks for known ones.

A person's decisions are never overwritten: a source only fills empty fields.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from visionft.core.messages import Message
from visionft.core.names import name_key, natural_key
from visionft.project.db.roots import ensure_roots
from visionft.project.edits import changes
from visionft.project.edits.class_changes import COLOR, shortcut_of
from visionft.project.edits.conflicts import (
    NAME_SQL,
    CandidateLabel,
    apply_candidates,
    contest_labels,
    group_candidates,
)
from visionft.project.edits.image_changes import tag_images
from visionft.project.edits.setting_changes import ChooseWindow
from visionft.project.formats.image_table import ImportRow
from visionft.project.formats.labels_file import ClassLook


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


class ImportedImage(NamedTuple):
    """An image of a source, from its examination to its row in the project; a tuple, which is made three times as fast.

    Attributes:
        source: Its labels, split, tags, review and note, with names as the project takes them. New ones are created.
        sha256: Its content.
        file: Its file; None where that was not read, because the content is known.
        image_id: The image of the project whose file at this path was edited since; 0 for none.
        recorded: The path of an image with this content, in the project or earlier in the source; None for a new one.
        place: The location to record, for a new image and for one whose recorded file is gone.
        name: The name of a new image in the source; None when it equals its path.
        origin: The displayed origin of its labels, for a conflict.
        replaces_labels: Whether its labels take the place of imported ones.
    """

    source: ImportRow
    sha256: str
    file: FileFacts | None = None
    image_id: int = 0
    recorded: Path | None = None
    place: FileLocation | None = None
    name: str | None = None
    origin: str = ""
    replaces_labels: bool = False

    @property
    def is_by_person(self) -> bool:
        """Whether a person gave its labels, in another project."""
        return self.source.given is not None and self.source.given.source == "person"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddImages:
    """Add images, complete known ones and renew the file facts of edited ones.

    Attributes:
        images: New images, with their file and place.
        known: Images with the content of one in the project.
        edited: {image id: facts of its file, whose content changed since its import}.
        aliases: A person's mappings, {name in the source: class}.
        window: How the images are read, where this import measured it.
    """

    images: Sequence[ImportedImage] = ()
    known: Sequence[ImportedImage] = ()
    edited: Mapping[int, FileFacts] = field(default_factory=dict[int, FileFacts])
    classes: Sequence[ClassLook] = ()
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    title: str = Message("Import images")
    is_bulk: bool = True
    window: ChooseWindow | None = None

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the new images under fresh ids, never reused, then complete the known ones."""
        if self.window is not None:
            self.window.write(connection)
        _add_classes(connection, self.classes)
        _insert_images(connection, self.images)
        previous_paths = _record_moves(connection, [image for image in self.known if image.place])
        columns = ("sha256", "bytes", "mtime_ns", "width", "height", "format")
        connection.executemany(
            f"UPDATE image SET {', '.join(f'{column} = ?' for column in columns)} WHERE id = ?",
            [(*(getattr(file, name) for name in columns), image_id) for image_id, file in self.edited.items()],
        )
        _complete_labels(connection, self.known, previous_paths)
        _keep_givers(connection, self.known)
        _complete_remarks(connection, self.known)
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


def _insert_images(connection: sqlite3.Connection, images: Sequence[ImportedImage]) -> None:
    """Insert new images, with their file and place, under fresh ids."""
    roots = ensure_roots(connection, {image.place.folder for image in images if image.place}) if images else {}
    row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'image'").fetchone()
    numbered = list(enumerate(images, (row[0] if row else 0) + 1))
    now = changes.now_ms()
    connection.executemany(
        """INSERT INTO image (id, root_id, path, name, sha256, bytes, mtime_ns, width, height, format, split,
            review, note, added_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        [(image_id, *_row(image, roots), now) for image_id, image in numbered],
    )
    for name, ids in _by_name((image.source.labels, image_id) for image_id, image in numbered):
        class_id = changes.ensure_class(connection, name)
        changes.insert_labels(connection, [(image_id, class_id, "import") for image_id in ids])
    _keep_givers(connection, images)
    for name, ids in _by_name((image.source.tags, image_id) for image_id, image in numbered):
        tag_images(connection, name, json.dumps(ids))


def _row(image: ImportedImage, roots: Mapping[Path, int]) -> tuple[object, ...]:
    place, file, source = image.place, image.file, image.source
    assert place is not None and file is not None
    return (
        *(roots[place.folder], place.path, image.name),
        *(file.sha256, file.bytes, file.mtime_ns, file.width, file.height, file.format),
        *(source.split, source.review, source.note),
    )


def _record_moves(connection: sqlite3.Connection, moved: Sequence[ImportedImage]) -> dict[int, str]:
    """Record the new places of images, found by content, and return their displayed paths before, by id."""
    if not moved:
        return {}
    rows = connection.execute(
        f"""SELECT image.id, {NAME_SQL} FROM image JOIN root ON root.id = root_id
            WHERE sha256 IN (SELECT value FROM json_each(?))""",
        (json.dumps([image.sha256 for image in moved]),),
    ).fetchall()
    roots = ensure_roots(connection, {image.place.folder for image in moved if image.place})
    connection.executemany(
        "UPDATE image SET root_id = ?, path = ?, mtime_ns = ? WHERE sha256 = ?",
        [
            (roots[place.folder], place.path, file.mtime_ns, image.sha256)
            for image in moved
            if (place := image.place) and (file := image.file)
        ],
    )
    return dict(rows)


# Images of the project with some contents (a JSON array); a condition in brackets follows.
_KNOWN = "SELECT id FROM image WHERE sha256 IN (SELECT value FROM json_each(?)) AND removed_at IS NULL AND NOT EXISTS"


def _complete_labels(
    connection: sqlite3.Connection, known: Sequence[ImportedImage], previous_paths: Mapping[int, str]
) -> None:
    """Add a source's classes to images, found by content, that no person labelled.

    A class is added to an image without one. In a multi-label project it is also added beside other imported classes,
    because an image may be in several class folders; but not beside a person's labels. In a single-label project two
    classes are a conflict. `previous_paths`: of just moved images, by id.
    """
    by_person = {each.sha256: each for each in known if each.source.labels and each.is_by_person}
    for sha256, each in by_person.items():
        contest_labels(connection, sha256, each.source, each.origin)
    imported = connection.execute(
        """SELECT sha256 FROM image JOIN label ON image_id = image.id
            WHERE label.source = 'import' AND sha256 IN (SELECT value FROM json_each(?))""",
        (json.dumps([*by_person]),),
    ).fetchall()
    corrected = {sha256: by_person[sha256].source.labels for (sha256,) in imported}
    replaced = {each.sha256: each.source.labels for each in known if each.replaces_labels and each.source.labels}
    replaced |= corrected
    if changes.task_of(connection) == "single":
        stated = [(image.sha256, CandidateLabel(name, image.origin)) for image in known for name in image.source.labels]
        apply_candidates(connection, group_candidates(stated), previous_paths, replaced=replaced)
        return
    imported_only = """(SELECT 1 FROM label WHERE image_id = image.id AND source != 'import'
        UNION SELECT 1 FROM conflict WHERE image_id = image.id)"""
    connection.executemany(
        f"""DELETE FROM label WHERE image_id IN ({_KNOWN} {imported_only})
            AND class_id NOT IN (SELECT id FROM class WHERE name_key IN (SELECT value FROM json_each(?)))""",
        [(json.dumps([content]), json.dumps([*map(name_key, labels)])) for content, labels in replaced.items()],
    )
    for name, contents in _by_name((each.source.labels, each.sha256) for each in known):
        rows = connection.execute(f"{_KNOWN} {imported_only}", (json.dumps(contents),)).fetchall()
        if rows:
            class_id = changes.ensure_class(connection, name)
            changes.insert_labels(connection, [(image_id, class_id, "import") for (image_id,) in rows])


def _keep_givers(connection: sqlite3.Connection, images: Iterable[ImportedImage]) -> None:
    """Record who gave the labels of another project, and when; a person's own labels stay as they are."""
    connection.executemany(
        """UPDATE label SET source = ?1, labelled_at = ?2
            WHERE image_id IN (SELECT id FROM image WHERE sha256 = ?3 AND removed_at IS NULL) AND source = 'import'
            AND class_id IN (SELECT id FROM class WHERE name_key IN (SELECT value FROM json_each(?4)))""",
        [
            (*image.source.given, image.sha256, json.dumps([*map(name_key, image.source.labels)]))
            for image in images
            if image.source.given
        ],
    )


def _complete_remarks(connection: sqlite3.Connection, known: Sequence[ImportedImage]) -> None:
    """Add a source's tags, splits, reviews and notes to images, found by content, where the project has none."""
    untagged = "(SELECT 1 FROM image_tag WHERE image_id = image.id)"
    tagged = {
        name: connection.execute(f"{_KNOWN} {untagged}", (json.dumps(contents),)).fetchall()
        for name, contents in _by_name((each.source.tags, each.sha256) for each in known)
    }
    for name, rows in tagged.items():
        if rows:
            tag_images(connection, name, json.dumps([image_id for (image_id,) in rows]))
    for column in ("split", "review", "note"):
        connection.executemany(
            f"UPDATE image SET {column} = ? WHERE sha256 = ? AND {column} IS NULL AND removed_at IS NULL",
            [(value, each.sha256) for each in known if (value := getattr(each.source, column)) is not None],
        )


def _by_name(pairs: Iterable[tuple[Sequence[str], changes.Key]]) -> list[tuple[str, list[changes.Key]]]:
    """Return the keys of each name from (names, key) pairs, names in natural order."""
    return sorted(changes.group_by_name(pairs).items(), key=lambda item: natural_key(item[0]))
