"""Filter and count images for screens and commands; all queries use indexes, also for a million rows."""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Literal, TypeVar

from visionft.core.foreign_text import printable
from visionft.core.names import name_key, natural_key
from visionft.data.types import Split
from visionft.project.edits.changes import LabelSource, find_class
from visionft.project.edits.conflicts import BOTH_ORIGINS, CandidateLabel
from visionft.project.edits.image_changes import Review
from visionft.project.store import ProjectStore


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFilter:
    """A filter of images; every field set narrows the selection."""

    class_name: str | None = None
    is_labelled: bool | None = None
    has_conflict: bool = False  # images in an unresolved label conflict
    split: Split | Literal["unassigned"] | None = None
    review: Review | Literal["none"] | None = None
    source: LabelSource | None = None  # images with a label from this source
    tag: str | None = None
    text: str = ""  # images with this text in their path, name or note; letters a to z match in either case
    is_removed: bool = False  # removed images, instead of those in the project


ALL_IMAGES = ImageFilter()
NO_LIMIT = 1 << 60  # images, as a limit
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class LabelSide:
    """The labels that one origin gave to an image in conflict."""

    origin: str
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One row of an image list. `candidates` are the classes of a conflict; then there are no labels."""

    image_id: int
    path: Path
    width: int
    height: int
    labels: tuple[str, ...]
    split: Split | None
    review: str | None
    note: str | None
    tags: tuple[str, ...]
    candidates: tuple[CandidateLabel, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """An image with several classes from sources, for a person to choose one."""

    path: str  # printable path
    candidates: tuple[CandidateLabel, ...]  # the classes in the order of the class list
    image_id: int = 0  # 0 in a preview, for an image not yet in the project

    @property
    def classes(self) -> tuple[str, ...]:
        return tuple(each.class_name for each in self.candidates)


@dataclass(frozen=True, slots=True)
class ProjectImage:
    """The current content and class names of an image in the project."""

    sha256: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One row of the class list. `images` leaves out removed images."""

    class_id: int
    name: str
    color: str | None
    shortcut: str | None
    images: int


def find_images(project: ProjectStore, wanted: ImageFilter = ALL_IMAGES, *, limit: int = 1000) -> tuple[int, ...]:
    """Return the ids of up to `limit` images selected by a filter, in id order."""
    with project.reading() as connection:
        where, values = _where(connection, wanted)
        key = "image.id" if wanted.class_name is None else "chosen.image_id"  # the order of the index
        rows = connection.execute(f"SELECT {key} FROM image {where} ORDER BY {key} LIMIT ?", (*values, limit))
        return tuple(chain.from_iterable(rows.fetchall()))


def name_order(project: ProjectStore) -> tuple[int, ...]:
    """Return the images by file name, compared without case, then in import order."""
    rows = project.fetch("SELECT id, coalesce(name, path) FROM image WHERE removed_at IS NULL")
    named = sorted((path.rpartition("/")[2].casefold(), image_id) for image_id, path in rows)
    return tuple(image_id for _, image_id in named)


def class_order(project: ProjectStore) -> tuple[int, ...]:
    """Return the images by their (first) class in the order of the class list, unlabelled ones last."""
    ids = [image_id for (image_id,) in project.fetch("SELECT id FROM image WHERE removed_at IS NULL ORDER BY id")]
    classes = project.fetch("SELECT id FROM class ORDER BY position, id")
    ranks = {class_id: rank for rank, (class_id,) in enumerate(classes)}
    last = len(classes)
    first: dict[int, int] = {}
    for image_id, class_id in project.fetch("SELECT image_id, class_id FROM label"):
        first[image_id] = min(ranks.get(class_id, last), first.get(image_id, last))
    return tuple(sorted(ids, key=lambda image_id: first.get(image_id, last)))


def image_rows(project: ProjectStore, image_ids: tuple[int, ...]) -> tuple[ImageRow, ...]:
    """Return the list rows of images, in the order of their ids as given; unknown ids are left out."""
    roots = project.roots()
    chosen = json.dumps(image_ids)
    with project.reading() as connection:
        labels = _names(connection, "label", "class", chosen)
        tags = _names(connection, "image_tag", "tag", chosen)
        candidates = _candidates(connection, chosen)
        found = connection.execute(
            """SELECT id, root_id, path, width, height, split, review, note FROM image
                WHERE id IN (SELECT value FROM json_each(?))""",
            (chosen,),
        ).fetchall()
    rows: dict[int, ImageRow] = {}
    for image_id, root_id, path, width, height, split, review, note in found:
        place = roots.path_of(root_id, path)
        named = labels.get(image_id, ())
        rows[image_id] = ImageRow(
            *(image_id, place, width, height, named, split, review, note),
            tags=tags.get(image_id, ()),
            candidates=candidates.get(image_id, ()),
        )
    return tuple(rows[image_id] for image_id in image_ids if image_id in rows)


def read_project_images(project: ProjectStore, image_ids: Iterable[int]) -> dict[int, ProjectImage]:
    """Return the current state of those images still in the project."""
    chosen = json.dumps(list(image_ids))
    with project.reading() as connection:
        labels = _names(connection, "label", "class", chosen)
        query = "SELECT id, sha256 FROM image WHERE removed_at IS NULL AND id IN (SELECT value FROM json_each(?))"
        found = connection.execute(query, (chosen,)).fetchall()
    return {image_id: ProjectImage(sha256, labels.get(image_id, ())) for image_id, sha256 in found}


def find_conflicts(project: ProjectStore, contents: Sequence[str] | None = None) -> tuple[Conflict, ...]:
    """Return the unresolved conflicts, of images with these contents or of all, in id order."""
    roots = project.roots()
    among = "" if contents is None else "AND sha256 IN (SELECT value FROM json_each(?))"
    with project.reading() as connection:
        rows = connection.execute(
            f"""SELECT id, root_id, path FROM image
                WHERE id IN (SELECT image_id FROM conflict) AND removed_at IS NULL {among} ORDER BY id""",
            () if contents is None else (json.dumps(contents),),
        ).fetchall()
        candidates = _candidates(connection, json.dumps([row[0] for row in rows]))
    return tuple(
        Conflict(path=printable(roots.path_of(root_id, path)), candidates=candidates[image_id], image_id=image_id)
        for image_id, root_id, path in rows
    )


def sides_of(candidates: Iterable[CandidateLabel], *, is_multilabel: bool = False) -> tuple[LabelSide, ...]:
    """Return the sides of a conflict, by origin: of one label each, or with several labels one for each origin."""
    candidates = sorted(candidates, key=lambda each: natural_key(each.origin))
    if not is_multilabel:
        return tuple(LabelSide(each.origin, (each.class_name,)) for each in candidates)
    found: dict[str, tuple[str, ...]] = {}
    for each in candidates:
        for origin in each.origin.split(BOTH_ORIGINS):
            found[origin] = (*found.get(origin, ()), each.class_name)
    return tuple(LabelSide(origin, found[origin]) for origin in sorted(found, key=natural_key))


def files_in_conflict(conflicts: Iterable[Conflict]) -> frozenset[str]:
    """Return the files with classes for these images."""
    return frozenset(candidate.origin for conflict in conflicts for candidate in conflict.candidates)


def class_names(project: ProjectStore) -> tuple[str, ...]:
    """Return the names of the classes, in their order."""
    return tuple(name for (name,) in project.fetch("SELECT name FROM class ORDER BY position, id"))


def class_rows(project: ProjectStore, counts: Mapping[str, int] | None = None) -> tuple[ClassRow, ...]:
    """Return the classes in their order; `counts` may be passed from an existing summary."""
    counts = project.summary().classes if counts is None else counts
    rows = project.fetch("SELECT id, name, color, shortcut FROM class ORDER BY position, id")
    return tuple(ClassRow(class_id, name, color, key, counts.get(name, 0)) for class_id, name, color, key in rows)


def grouped_images(project: ProjectStore) -> tuple[int, ...]:
    """Return the ids of the images in groups of related images, group by group."""
    query = "SELECT id FROM image WHERE group_key > '' AND removed_at IS NULL ORDER BY group_key, id"
    return tuple(image_id for (image_id,) in project.fetch(query))


def count_with_class(project: ProjectStore, image_ids: Sequence[int], class_name: str) -> int:
    """Count the images with a class among some images; 0 for an unknown class."""
    with project.reading() as connection:
        class_id = find_class(connection, class_name)
        query = "SELECT count(*) FROM label WHERE class_id = ? AND image_id IN (SELECT value FROM json_each(?))"
        return int(connection.execute(query, (class_id, json.dumps(sorted(set(image_ids))))).fetchone()[0])


def count_classes_after(project: ProjectStore, image_id: int) -> dict[str, int]:
    """Count the images added after another one, by class; classes without any are left out."""
    query = """SELECT name, count(*) FROM label JOIN class ON class.id = class_id WHERE image_id > ?
        GROUP BY class_id ORDER BY position, class_id"""
    return dict(project.fetch(query, image_id))


def read_notes_and_tags(project: ProjectStore) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Return {image id: (note, tags)} of the images with a note or a tag."""
    query = """SELECT id, coalesce(note, ''), coalesce((SELECT json_group_array(name) FROM (
            SELECT tag.name FROM image_tag JOIN tag ON tag.id = tag_id WHERE image_id = image.id ORDER BY tag.name
        )), '[]') FROM image WHERE note IS NOT NULL OR id IN (SELECT image_id FROM image_tag)"""
    return {image_id: (note, tuple(json.loads(tags))) for image_id, note, tags in project.fetch(query)}


def tag_names(project: ProjectStore) -> tuple[str, ...]:
    """Return the names of the tags, in order."""
    return tuple(name for (name,) in project.fetch("SELECT name FROM tag ORDER BY name"))


def common_tags(project: ProjectStore, image_ids: Iterable[int]) -> frozenset[str]:
    """Return the tags that all of these images have; none for no image."""
    chosen = set(image_ids)
    query = """SELECT name FROM tag JOIN image_tag ON tag_id = tag.id
        WHERE image_id IN (SELECT value FROM json_each(?)) GROUP BY tag.id HAVING count(*) = ?"""
    return frozenset(name for (name,) in project.fetch(query, json.dumps(sorted(chosen)), len(chosen)))


def _where(connection: sqlite3.Connection, wanted: ImageFilter) -> tuple[str, list[object]]:
    """Return the joins and the WHERE clause of a filter, with their values in order."""
    joins = " INDEXED BY image_removed" if wanted.is_removed else ""
    values = list[object]()
    if wanted.class_name is not None:
        joins += " JOIN label AS chosen ON chosen.image_id = image.id AND chosen.class_id = ?"
        values.append(find_class(connection, wanted.class_name))
    if wanted.tag is not None:
        joins += " JOIN image_tag ON image_tag.image_id = image.id"
        joins += " AND tag_id = (SELECT id FROM tag WHERE name_key = ?)"
        values.append(name_key(wanted.tag))
    conditions = ["removed_at IS NOT NULL" if wanted.is_removed else "removed_at IS NULL"]
    if wanted.is_labelled is not None:
        conditions.append("label_count > 0" if wanted.is_labelled else "label_count = 0")
    if wanted.has_conflict:
        conditions.append("image.id IN (SELECT image_id FROM conflict)")
    for column, value, none in (("split", wanted.split, "unassigned"), ("review", wanted.review, "none")):
        if value is not None:
            conditions.append(f"{column} IS ?")
            values.append(None if value == none else value)
    if wanted.source is not None:
        conditions.append("image.id IN (SELECT image_id FROM label WHERE source = ?)")
        values.append(wanted.source)
    if wanted.text:
        selects = ["SELECT id FROM image WHERE path LIKE ? ESCAPE '\\'"]
        selects += [f"SELECT id FROM image WHERE {c} IS NOT NULL AND {c} LIKE ? ESCAPE '\\'" for c in ("name", "note")]
        conditions.append(f"image.id IN ({' UNION '.join(selects)})")
        escaped = re.sub(r"([%_\\])", r"\\\1", wanted.text)
        values += [f"%{escaped}%"] * 3
    return f"{joins} WHERE {' AND '.join(conditions)}", values


def _names(connection: sqlite3.Connection, links: str, names: str, image_ids: str) -> dict[int, tuple[str, ...]]:
    """Return the class or tag names of images (a JSON array of ids), in list order."""
    order = "position, class.id" if names == "class" else "name"
    rows = connection.execute(
        f"""SELECT image_id, {names}.name FROM {links} JOIN {names} ON {names}.id = {names}_id
            WHERE image_id IN (SELECT value FROM json_each(?)) ORDER BY {order}""",
        (image_ids,),
    )
    return _by_image(rows.fetchall())


def _candidates(connection: sqlite3.Connection, image_ids: str) -> dict[int, tuple[CandidateLabel, ...]]:
    """Return the candidate classes of images in conflict (a JSON array of ids), in the order of the class list."""
    rows = connection.execute(
        """SELECT image_id, class.name, origin FROM conflict JOIN class ON class.id = class_id
            WHERE image_id IN (SELECT value FROM json_each(?)) ORDER BY position, class_id""",
        (image_ids,),
    )
    return _by_image((image_id, CandidateLabel(name, origin)) for image_id, name, origin in rows.fetchall())


def _by_image(pairs: Iterable[tuple[int, Value]]) -> dict[int, tuple[Value, ...]]:
    found: dict[int, tuple[Value, ...]] = {}
    for image_id, value in pairs:
        found[image_id] = (*found.get(image_id, ()), value)
    return found
