"""`labels.jsonl`: everything the user decided about each picture, one JSON object per line, for people and programs.

The keys are those of Hugging Face's `metadata.jsonl` (`file_name`, with `/`, relative to the file's folder) and our
own; `sha256` finds a picture again when it lies elsewhere. `labels.classes.json` beside it keeps the order and look of
the classes.
"""

import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from visionft.data.types import Split
from visionft.files import atomic_path, is_stream, read_json, write_json
from visionft.foreign_text import is_unicode
from visionft.project.db.roots import Roots

CLASSES_FILE = "classes.json"
_LOOK = ("name", "color", "shortcut", "folder")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelRecord:
    """What a project knows of one picture that is not removed.

    Attributes:
        name: Its path in the source it came from.
        size: (width, height) in pixels, as in the file.
        format: Of the file, as Pillow calls it, such as "JPEG".
    """

    path: Path
    name: str
    sha256: str
    size: tuple[int, int]
    format: str
    labels: tuple[str, ...]
    split: Split | None
    tags: tuple[str, ...]
    review: str | None
    note: str | None


@dataclass(frozen=True, slots=True)
class ClassLook:
    """A class as `classes.json` lists it; `folder` is where a class-folder export put its pictures."""

    name: str
    color: str | None = None
    shortcut: str | None = None
    folder: str | None = None


def classes_file(labels: Path) -> Path:
    """Return where the classes of a label file are kept: "labels.classes.json" beside "labels.jsonl"."""
    return labels.with_name(f"{labels.stem}.{CLASSES_FILE}")


def read_classes_file(file: Path) -> tuple[ClassLook, ...]:
    """Return the classes that a `classes.json` of ours lists; nothing when there is none or it is something else."""
    try:
        entries: Any = read_json(file)
        looks = [{key: entry.get(key) for key in _LOOK} for entry in entries]
    except (OSError, ValueError, TypeError, AttributeError):
        return ()
    values = [value for look in looks for value in look.values() if value is not None]
    are_texts = all(isinstance(value, str) and is_unicode(value) for value in values)
    return tuple(ClassLook(**look) for look in looks) if are_texts and all(look["name"] for look in looks) else ()


def read_records(connection: sqlite3.Connection, roots: Roots) -> Iterator[LabelRecord]:
    """Yield a record per picture, in id order. Works on databases of every version."""
    labels = _names_by_image(connection, "label", "class", "position, class.id")
    tags = _names_by_image(connection, "image_tag", "tag", "name")
    rows = connection.execute(
        """SELECT id, root_id, path, name, sha256, width, height, format, split, review, note FROM image
            WHERE removed_at IS NULL ORDER BY id"""
    )
    for image_id, root_id, path, name, sha256, width, height, file_format, split, review, note in rows:
        yield LabelRecord(
            path=roots.path_of(root_id, path),
            name=name or path,
            sha256=sha256,
            size=(width, height),
            format=file_format,
            labels=labels.get(image_id, ()),
            split=split,
            tags=tags.get(image_id, ()),
            review=review,
            note=note,
        )


def write_labels(
    connection: sqlite3.Connection, project_folder: Path, target: Path, *, seen_from: Path | None = None
) -> None:
    """Write every picture's record to `target`, and the classes beside it.

    Args:
        connection: Where to read; the project's or a backup's database.
        project_folder: The project, which the pictures' places are known from.
        target: The JSONL file to write, atomically, or a pipe or device, which has no classes beside it.
        seen_from: The folder that file names are relative to, when it is not the one `target` is in now.
    """
    base = seen_from or target.parent
    task = connection.execute("SELECT value FROM meta WHERE key = 'task'").fetchone()[0]
    label = "'label', json_extract(labels, '$[0]')" if task == "single" else "'labels', json(labels)"
    prefixes = {root_id: _prefix(folder, base) for folder, root_id in Roots(connection, project_folder).ids().items()}
    last = 0
    with atomic_path(target) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as handle:
        while last is not None:
            last, lines = connection.execute(_LINES.format(label=label), (json.dumps(prefixes), last)).fetchone()
            handle.write(f"{lines}\n" if lines else "")
    if not is_stream(target):
        write_classes(connection, classes_file(target))


# A thousand lines at a time, put together by SQLite: while it works, other threads of this process do too, so that a
# backup does not slow down the labelling it protects.
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


def _prefix(folder: Path, base: Path) -> str:
    """Return what leads from `base` to the files of a root folder."""
    name = relative_name(folder, base)
    return "" if name == "." else name.rstrip("/") + "/"


def write_classes(connection: sqlite3.Connection, target: Path, folders: dict[str, str] | None = None) -> None:
    """Write the classes in their order, with colour and shortcut, and the folder of each where it has one."""
    rows = connection.execute("SELECT name, color, shortcut FROM class ORDER BY position, id")
    classes = [
        {"name": name, "color": color, "shortcut": shortcut} | ({"folder": folders[name]} if folders else {})
        for name, color, shortcut in rows
    ]
    write_json(target, classes)


def as_json(record: LabelRecord, base: Path, task: str) -> dict[str, object]:
    """Return the JSON object of a record, its file name relative to `base` where that is possible."""
    labels = list(record.labels)
    return {
        "file_name": relative_name(record.path, base),
        **({"label": labels[0] if labels else None} if task == "single" else {"labels": labels}),
        "split": record.split,
        "tags": list(record.tags),
        "review": record.review,
        "note": record.note,
        "sha256": record.sha256,
    }


def relative_name(path: Path, base: Path) -> str:
    """Return `path` relative to `base` with `/`, or absolute where no relative path exists (another drive)."""
    try:
        return Path(os.path.relpath(path, base)).as_posix()
    except ValueError:
        return path.as_posix()


def _names_by_image(connection: sqlite3.Connection, links: str, names: str, order: str) -> dict[int, tuple[str, ...]]:
    """Return the class or tag names of each picture that has any."""
    result: dict[int, tuple[str, ...]] = {}
    rows = connection.execute(
        f"""SELECT image_id, {names}.name FROM {links} JOIN {names} ON {names}.id = {links}.{names}_id
            ORDER BY image_id, {order}"""
    )
    for image_id, name in rows:
        result[image_id] = (*result.get(image_id, ()), name)
    return result
