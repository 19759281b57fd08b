"""Filtering and counting pictures for screens and commands; all of it answers from indexes, also for a million rows."""

import json
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Literal

from visionft.data.types import Split
from visionft.foreign_text import printable
from visionft.project.edits.changes import LabelSource, find_class
from visionft.project.edits.image_changes import Review
from visionft.project.names import name_key
from visionft.project.store import Project
from visionft.project.summary import read_prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFilter:
    """Which pictures to show; every field that is set narrows the choice.

    Attributes:
        class_name: Pictures with this class.
        is_labelled: Pictures with (or without) any class.
        has_conflict: Pictures that sources give different classes, and nobody has decided yet.
        split: A split, or "unassigned".
        review: A review state, or "none".
        source: Pictures with a label from this source.
        tag: Pictures with this tag.
        text: Pictures whose path, name or note holds this text; letters a to z match in either case.
        is_removed: Pictures that were removed from the project, instead of those that are in it.
    """

    class_name: str | None = None
    is_labelled: bool | None = None
    has_conflict: bool = False
    split: Split | Literal["unassigned"] | None = None
    review: Review | Literal["none"] | None = None
    source: LabelSource | None = None
    tag: str | None = None
    text: str = ""
    is_removed: bool = False


EVERYTHING = ImageFilter()
_LIKE_SIGNS, _ESCAPED = re.compile(r"([%_\\])"), r"\\\1"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A class that a file gives a picture. `origin` names the file and can be printed as it is."""

    class_name: str
    origin: str


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One picture as a list shows it. `candidates` are the classes of a conflict; then there are no labels."""

    image_id: int
    path: Path
    width: int
    height: int
    labels: tuple[str, ...]
    split: Split | None
    review: str | None
    note: str | None
    tags: tuple[str, ...]
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """A picture that came in several classes, of which a person has to choose one.

    Attributes:
        path: Where it lies; can be printed as it is.
        candidates: The classes in the order of the class list.
        image_id: 0 while it is not in the project: in a preview.
    """

    path: str
    candidates: tuple[Candidate, ...]
    image_id: int = 0

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return tuple(each.class_name for each in self.candidates)


@dataclass(frozen=True, slots=True)
class InProject:
    """What a picture that is in the project is now: its content, and the names of its classes."""

    sha256: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class as the class list shows it. `pictures` leaves out removed ones."""

    class_id: int
    name: str
    color: str | None
    shortcut: str | None
    pictures: int


def count_images(project: Project, wanted: ImageFilter = EVERYTHING) -> int:
    """Count the pictures that a filter lets through."""
    with project.reading() as connection:
        shortcut = _count_from_index(connection, wanted)
        if shortcut is not None:
            return shortcut - _count(connection, replace(wanted, is_removed=True))
        return _count(connection, wanted)


def _count(connection: sqlite3.Connection, wanted: ImageFilter) -> int:
    where, values = _where(connection, wanted)
    return int(connection.execute(f"SELECT count(*) FROM image {where}", values).fetchone()[0])


def _count_from_index(connection: sqlite3.Connection, wanted: ImageFilter) -> int | None:
    """Count, removed pictures included, where one index knows; None where it takes a look at each picture.

    Removed pictures are few: taking them off afterwards is much cheaper than looking at every picture.
    """
    match wanted:
        case ImageFilter() if wanted == EVERYTHING:
            row = connection.execute("SELECT count(*) FROM image").fetchone()
        case ImageFilter(class_name=str(name)) if wanted == ImageFilter(class_name=name):
            class_id = find_class(connection, name)
            row = connection.execute("SELECT count(*) FROM label WHERE class_id = ?", (class_id,)).fetchone()
        case ImageFilter(source=str(source)) if wanted == ImageFilter(source=source):
            query = "SELECT count(DISTINCT image_id) FROM label WHERE source = ?"
            row = connection.execute(query, (source,)).fetchone()
        case _:
            return None
    return int(row[0])


def find_images(
    project: Project, wanted: ImageFilter = EVERYTHING, *, limit: int = 1000, after: int = 0
) -> tuple[int, ...]:
    """Return the ids of up to `limit` pictures that a filter lets through, above id `after`, in id order."""
    with project.reading() as connection:
        where, values = _where(connection, wanted)
        key = "image.id" if wanted.class_name is None else "chosen.image_id"  # the order that the index has already
        rows = connection.execute(
            f"SELECT {key} FROM image {where} AND {key} > ? ORDER BY {key} LIMIT ?", (*values, after, limit)
        )
        return tuple(chain.from_iterable(rows.fetchall()))


def name_order(project: Project) -> tuple[int, ...]:
    """Return the pictures by file name, letters compared without case, then as they were imported."""
    with project.reading() as connection:
        rows = connection.execute("SELECT id, coalesce(name, path) FROM image WHERE removed_at IS NULL").fetchall()
    named = [(path.rpartition("/")[2].casefold(), image_id) for image_id, path in rows]
    named.sort()
    return tuple(image_id for _, image_id in named)


def class_order(project: Project) -> tuple[int, ...]:
    """Return the pictures by their (first) class in the order of the class list, those without one last."""
    with project.reading() as connection:
        classes = connection.execute("SELECT id FROM class ORDER BY position, id").fetchall()
        ids = connection.execute("SELECT id FROM image WHERE removed_at IS NULL ORDER BY id").fetchall()
        ranks = {class_id: rank for rank, (class_id,) in enumerate(classes)}
        first: dict[int, int] = {}
        for image_id, class_id in connection.execute("SELECT image_id, class_id FROM label").fetchall():
            rank = ranks.get(class_id, len(ranks))
            if rank < first.get(image_id, len(ranks)):
                first[image_id] = rank
    last = len(ranks)
    return tuple(sorted((image_id for (image_id,) in ids), key=lambda image_id: first.get(image_id, last)))


def image_rows(project: Project, image_ids: tuple[int, ...]) -> tuple[ImageRow, ...]:
    """Return what lists show of pictures, in the order of their ids as given; unknown ids are left out."""
    roots, chosen = project.roots(), json.dumps(image_ids)
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
        place, named = roots.path_of(root_id, path), labels.get(image_id, ())
        rows[image_id] = ImageRow(
            *(image_id, place, width, height, named, split, review, note),
            tags=tags.get(image_id, ()),
            candidates=candidates.get(image_id, ()),
        )
    return tuple(rows[image_id] for image_id in image_ids if image_id in rows)


def images_in_project(project: Project, image_ids: Iterable[int]) -> dict[int, InProject]:
    """Return those of the pictures that are in the project, not removed, as they are now."""
    chosen = json.dumps(list(image_ids))
    with project.reading() as connection:
        labels = _names(connection, "label", "class", chosen)
        found = connection.execute(
            "SELECT id, sha256 FROM image WHERE removed_at IS NULL AND id IN (SELECT value FROM json_each(?))",
            (chosen,),
        ).fetchall()
    return {image_id: InProject(sha256, labels.get(image_id, ())) for image_id, sha256 in found}


def find_conflicts(project: Project, contents: Sequence[str] | None = None) -> tuple[Conflict, ...]:
    """Return the conflicts that nobody has decided yet, those of pictures with these contents or all, in id order."""
    roots = project.roots()
    among, values = "", ()
    if contents is not None:
        among, values = "AND sha256 IN (SELECT value FROM json_each(?))", (json.dumps(contents),)
    with project.reading() as connection:
        rows = connection.execute(
            f"""SELECT id, root_id, path FROM image
                WHERE id IN (SELECT image_id FROM conflict) AND removed_at IS NULL {among} ORDER BY id""",
            values,
        ).fetchall()
        candidates = _candidates(connection, json.dumps([row[0] for row in rows]))
    return tuple(
        Conflict(path=printable(roots.path_of(root_id, path)), candidates=candidates[image_id], image_id=image_id)
        for image_id, root_id, path in rows
    )


def files_in_conflict(conflicts: Iterable[Conflict]) -> frozenset[str]:
    """Return the files that give these pictures their classes."""
    return frozenset(candidate.origin for conflict in conflicts for candidate in conflict.candidates)


def imported_classes(project: Project, contents: Sequence[str]) -> dict[str, tuple[Candidate, ...]]:
    """Return what sources have given pictures, found by content; those that a person labelled miss."""
    roots = project.roots()
    with project.reading() as connection:
        rows = connection.execute(
            """SELECT id, sha256, root_id, path FROM image
                WHERE sha256 IN (SELECT value FROM json_each(?)) AND removed_at IS NULL AND NOT EXISTS (
                    SELECT 1 FROM label WHERE image_id = image.id AND source != 'import')""",
            (json.dumps(contents),),
        ).fetchall()
        labels = _names(connection, "label", "class", json.dumps([row[0] for row in rows]))
    in_conflict = {conflict.image_id: conflict.candidates for conflict in find_conflicts(project, contents)}
    found: dict[str, tuple[Candidate, ...]] = {}
    for image_id, sha256, root_id, path in rows:
        place = printable(roots.path_of(root_id, path))
        given = tuple(Candidate(name, place) for name in labels.get(image_id, ()))
        found[sha256] = (*found.get(sha256, ()), *given, *in_conflict.get(image_id, ()))
    return found


def prompts_of(project: Project) -> dict[str, tuple[str, ...]]:
    """Return what a person says each class looks like, line by line; classes that stand for their name have no line."""
    with project.reading() as connection:
        names = connection.execute("SELECT name FROM class ORDER BY position, id").fetchall()
        return dict(zip([str(name) for (name,) in names], read_prompts(connection), strict=True))


def class_aliases(project: Project) -> dict[str, str]:
    """Return the names that sources may still use for classes: {name in the NFC form: the class's name now}."""
    with project.reading() as connection:
        rows = connection.execute("SELECT alias.name_key, class.name FROM alias JOIN class ON class.id = class_id")
        return dict(rows.fetchall())


def class_rows(project: Project, counts: Mapping[str, int] | None = None) -> tuple[ClassRow, ...]:
    """Return the classes in their order; `counts` are those of a summary that is at hand."""
    counts = project.summary().classes if counts is None else counts
    with project.reading() as connection:
        rows = connection.execute("SELECT id, name, color, shortcut FROM class ORDER BY position, id").fetchall()
    return tuple(ClassRow(class_id, name, color, key, counts.get(name, 0)) for class_id, name, color, key in rows)


def count_with_class(project: Project, image_ids: Sequence[int], class_name: str) -> int:
    """Count those of the pictures that have the class; 0 when there is no such class."""
    with project.reading() as connection:
        class_id = find_class(connection, class_name)
        query = "SELECT count(*) FROM label WHERE class_id = ? AND image_id IN (SELECT value FROM json_each(?))"
        return int(connection.execute(query, (class_id, json.dumps(sorted(set(image_ids))))).fetchone()[0])


def newest_image(project: Project) -> int:
    """Return the highest id of a picture, 0 when there is none."""
    with project.reading() as connection:
        return int(connection.execute("SELECT coalesce(max(id), 0) FROM image").fetchone()[0])


def count_classes_after(project: Project, image_id: int) -> dict[str, int]:
    """Count the pictures that came in after another one by class; classes without any miss."""
    with project.reading() as connection:
        rows = connection.execute(
            """SELECT name, count(*) FROM label JOIN class ON class.id = class_id WHERE image_id > ?
                GROUP BY class_id ORDER BY position, class_id""",
            (image_id,),
        )
        return dict(rows.fetchall())


def remarks(project: Project) -> dict[int, tuple[str, tuple[str, ...]]]:
    """Return {image id: (note, tags)} of the pictures that have a note or a tag."""
    query = """SELECT id, coalesce(note, ''), coalesce((SELECT json_group_array(name) FROM (
            SELECT tag.name FROM image_tag JOIN tag ON tag.id = tag_id WHERE image_id = image.id ORDER BY tag.name
        )), '[]') FROM image WHERE note IS NOT NULL OR id IN (SELECT image_id FROM image_tag)"""
    with project.reading() as connection:
        rows = connection.execute(query).fetchall()
    return {image_id: (note, tuple(json.loads(tags))) for image_id, note, tags in rows}


def tag_counts(project: Project) -> dict[str, int]:
    """Return the tags with the number of pictures that have them, by name."""
    with project.reading() as connection:
        rows = connection.execute(
            """SELECT tag.name, count(image.id) FROM tag LEFT JOIN image_tag ON tag_id = tag.id
                LEFT JOIN image ON image.id = image_id AND removed_at IS NULL GROUP BY tag.id ORDER BY tag.name"""
        )
        return dict(rows.fetchall())


def _where(connection: sqlite3.Connection, wanted: ImageFilter) -> tuple[str, list[object]]:
    """Return the joins and the WHERE clause of a filter, with their values in order."""
    joins, values = " INDEXED BY image_removed" if wanted.is_removed else "", list[object]()
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
        conditions.append(
            r"""image.id IN (SELECT id FROM image WHERE path LIKE ? ESCAPE '\'
                UNION SELECT id FROM image WHERE name IS NOT NULL AND name LIKE ? ESCAPE '\'
                UNION SELECT id FROM image WHERE note IS NOT NULL AND note LIKE ? ESCAPE '\')"""
        )
        values += [f"%{_LIKE_SIGNS.sub(_ESCAPED, wanted.text)}%"] * 3
    return f"{joins} WHERE {' AND '.join(conditions)}", values


def _names(connection: sqlite3.Connection, links: str, names: str, image_ids: str) -> dict[int, tuple[str, ...]]:
    """Return the names of the classes or tags of pictures (a JSON array of ids), in the order of lists."""
    order = "position, class.id" if names == "class" else "name"
    rows = connection.execute(
        f"""SELECT image_id, {names}.name FROM {links} JOIN {names} ON {names}.id = {names}_id
            WHERE image_id IN (SELECT value FROM json_each(?)) ORDER BY {order}""",
        (image_ids,),
    )
    found: dict[int, tuple[str, ...]] = {}
    for image_id, name in rows.fetchall():
        found[image_id] = (*found.get(image_id, ()), name)
    return found


def _candidates(connection: sqlite3.Connection, image_ids: str) -> dict[int, tuple[Candidate, ...]]:
    """Return the classes of pictures (a JSON array of ids) that are in conflict, in the order of the class list."""
    rows = connection.execute(
        """SELECT image_id, class.name, origin FROM conflict JOIN class ON class.id = class_id
            WHERE image_id IN (SELECT value FROM json_each(?)) ORDER BY position, class_id""",
        (image_ids,),
    )
    found: dict[int, tuple[Candidate, ...]] = {}
    for image_id, name, origin in rows.fetchall():
        found[image_id] = (*found.get(image_id, ()), Candidate(name, origin))
    return found
