"""`labels.jsonl`: the user's decisions about each image, one JSON object per line, for people and programs.

Hugging Face's `metadata.jsonl` defines some keys (`file_name`, with `/`, relative to the file's folder), this program
the others; `sha256` finds a moved image again. `labels.classes.json` beside the file keeps the order and appearance of
the classes.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.core.files import atomic_path, is_stream, read_json, write_json
from visionft.core.foreign_text import is_unicode
from visionft.data.types import Split
from visionft.project.db.roots import Roots

CLASSES_FILE = "classes.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRecord:
    """The record of an image in a project that is not removed."""

    path: Path
    name: str  # path within its source
    sha256: str
    size: tuple[int, int]  # (width, height) in pixels, as in the file
    format: str  # as Pillow names it, such as "JPEG"
    labels: tuple[str, ...]
    split: Split | None


@dataclass(frozen=True, slots=True)
class ClassLook:
    """A class as listed in `classes.json`; `folder` is its image folder in a class-folder export."""

    name: str
    color: str | None = None
    shortcut: str | None = None
    folder: str | None = None


def classes_file(labels: Path) -> Path:
    """Return the path of a label file's classes: "labels.classes.json" beside "labels.jsonl"."""
    return labels.with_name(f"{labels.stem}.{CLASSES_FILE}")


def read_classes_file(file: Path) -> tuple[ClassLook, ...]:
    """Return the classes of this program's `classes.json`; empty if the file is missing or has another structure."""
    try:
        entries: Any = read_json(file, max_bytes=20_000_000)
        looks = [{key: entry.get(key) for key in ("name", "color", "shortcut", "folder")} for entry in entries]
    except (OSError, ValueError, TypeError, AttributeError):
        return ()
    values = [value for look in looks for value in look.values() if value is not None]
    are_texts = all(isinstance(value, str) and is_unicode(value) for value in values)
    return tuple(ClassLook(**look) for look in looks) if are_texts and all(look["name"] for look in looks) else ()


def read_records(connection: sqlite3.Connection, roots: Roots) -> Iterator[LabelRecord]:
    """Yield a record per image, in id order."""
    labels: dict[int, tuple[str, ...]] = {}
    for image_id, name in connection.execute(
        """SELECT image_id, class.name FROM label JOIN class ON class.id = class_id
            ORDER BY image_id, position, class_id"""
    ):
        labels[image_id] = (*labels.get(image_id, ()), name)
    rows = connection.execute(
        """SELECT id, root_id, path, name, sha256, width, height, format, split FROM image
            WHERE removed_at IS NULL ORDER BY id"""
    )
    for image_id, root_id, path, name, sha256, width, height, file_format, split in rows:
        yield LabelRecord(
            path=roots.path_of(root_id, path),
            name=name or path,
            sha256=sha256,
            size=(width, height),
            format=file_format,
            labels=labels.get(image_id, ()),
            split=split,
        )


def write_labels(
    connection: sqlite3.Connection, project_folder: Path, target: Path, *, seen_from: Path | None = None
) -> None:
    """Write the labels of every image to `target` (atomically, or a pipe), and the classes beside it.

    File names are relative to `seen_from`, by default to the folder of `target`.
    """
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        for lines in label_lines(connection, project_folder, seen_from or target.parent):
            handle.write(f"{lines}\n")
    if not is_stream(target):
        write_classes(read_classes(connection), classes_file(target))


def label_lines(connection: sqlite3.Connection, project_folder: Path, base: Path) -> Iterator[str]:
    """Yield the lines of `labels.jsonl`, a thousand at a time; file names are relative to `base`."""
    task = connection.execute("SELECT value FROM meta WHERE key = 'task'").fetchone()[0]
    label = "'label', json_extract(labels, '$[0]')" if task == "single" else "'labels', json(labels)"
    names = {root_id: relative_name(each, base) for each, root_id in Roots(connection, project_folder).ids().items()}
    prefixes = {root_id: "" if name == "." else name.rstrip("/") + "/" for root_id, name in names.items()}
    last = 0
    while last is not None:
        last, lines = connection.execute(_LINES.format(label=label), (json.dumps(prefixes), last)).fetchone()
        if lines:
            yield lines


# SQLite assembles the lines and releases the GIL, so that a backup does not slow down labelling.
_LINES = """
    SELECT max(id), group_concat(line, char(10)) FROM (
        SELECT id, json_object('file_name', prefix || path, {label}, 'split', split, 'tags', json(tags),
            'review', review, 'note', note, 'sha256', sha256) AS line
        FROM (
            SELECT image.*, coalesce(prefixes.value, '') AS prefix,
                (SELECT json_group_array(name) FROM (SELECT class.name FROM label JOIN class ON class.id = class_id
                    WHERE image_id = image.id ORDER BY position, class.id)) AS labels,
                (SELECT json_group_array(name) FROM (SELECT tag.name FROM image_tag JOIN tag ON tag.id = tag_id
                    WHERE image_id = image.id ORDER BY tag.name)) AS tags
            FROM image LEFT JOIN json_each(?) AS prefixes ON prefixes.key = CAST(root_id AS TEXT)
            WHERE removed_at IS NULL AND image.id > ? ORDER BY image.id LIMIT 1000))"""


def read_classes(connection: sqlite3.Connection) -> tuple[ClassLook, ...]:
    """Return the project's classes, in their order."""
    rows = connection.execute("SELECT name, color, shortcut FROM class ORDER BY position, id")
    return tuple(ClassLook(*row) for row in rows)


def write_classes(looks: Iterable[ClassLook], target: Path, folders: dict[str, str] | None = None) -> None:
    """Write the classes in their order, with colour and shortcut, and the export folder, if any."""
    classes = [
        {"name": look.name, "color": look.color, "shortcut": look.shortcut}
        | ({"folder": folders[look.name]} if folders else {})
        for look in looks
    ]
    write_json(target, classes)


def relative_name(path: Path, base: Path) -> str:
    """Return `path` relative to `base` with `/`, or absolute if no relative path exists (another drive)."""
    try:
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:
        return path.as_posix()
