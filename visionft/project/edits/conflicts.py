"""Label conflicts of a single-label project, whose sources may contradict one another.

An image in conflict has no label, to keep random choices out of the training data; its classes are the candidates, each
with its file as origin. Any label ends the image's conflict, through a trigger of the schema.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from visionft.core.foreign_text import printable
from visionft.core.names import name_key, natural_key
from visionft.project.db.roots import folder_of
from visionft.project.edits.changes import ensure_class, insert_labels, now_ms
from visionft.project.formats.image_table import ImportRow

NAME_SQL = "coalesce(image.name, root.path || '/' || image.path, image.path)"  # an image's name, or its recorded path
BOTH_ORIGINS = " | "  # between the origins of a candidate class that two sides gave, each with others


@dataclass(frozen=True, slots=True)
class CandidateLabel:
    """A candidate class of an image, from a file. `origin` is the printable name of the file."""

    class_name: str
    origin: str


Classes = dict[str, CandidateLabel]  # of one image, by the key of the class's name
Statements = dict[str, list[CandidateLabel]]  # the classes that a source gives to the images, by content


class ImportedClasses(NamedTuple):
    """The imported classes of an image in the project: none, its label, or the candidates of its conflict."""

    image_id: int
    sha256: str
    path: str  # as displayed: the origin of its label
    classes: Classes


def join_classes(known: Classes, stated: Iterable[CandidateLabel], aliases: Mapping[str, str]) -> Classes:
    """Return the imported classes of an image after a source stated some: several are in conflict.

    A stated class is the class with this name, or the class that had it before. `aliases`: the key of a former
    name, and the key of the class's name.
    """
    joined = dict(known)
    for each in stated:
        key = name_key(each.class_name)
        if key not in joined and aliases.get(key) not in joined:
            joined[key] = each
    return joined


def group_statements(statements: Iterable[tuple[str, CandidateLabel]]) -> Statements:
    """Return the stated classes of each content, in natural order, each once and with its first origin."""
    grouped: dict[str, dict[str, CandidateLabel]] = {}
    for sha256, stated in statements:
        grouped.setdefault(sha256, {}).setdefault(stated.class_name, stated)
    return {
        sha256: sorted(stated.values(), key=lambda each: natural_key(each.class_name))
        if len(stated) > 1
        else [*stated.values()]
        for sha256, stated in grouped.items()
    }


def read_aliases(connection: sqlite3.Connection) -> dict[str, str]:
    """Return the keys of former names of classes, each with the key of the class's name."""
    rows = connection.execute(
        "SELECT alias.name_key, class.name_key FROM alias JOIN class ON class.id = class_id"
    ).fetchall()
    return dict(rows)


def imported_classes(
    connection: sqlite3.Connection, contents: Iterable[str], places: Mapping[int, str]
) -> list[ImportedClasses]:
    """Return the imported classes of images, found by content, in id order; without images that a person labelled.

    The project is a single-label one. `places`: the displayed paths of just moved images before, by id.
    """
    rows = connection.execute(
        f"""SELECT image.id, sha256, {NAME_SQL}, source, name_key, class.name
            FROM image LEFT JOIN root ON root.id = root_id
            LEFT JOIN label ON label.image_id = image.id LEFT JOIN class ON class.id = class_id
            WHERE sha256 IN (SELECT value FROM json_each(?)) AND removed_at IS NULL ORDER BY image.id""",
        (json.dumps(list(contents)),),
    ).fetchall()
    found: dict[int, ImportedClasses] = {}
    for image_id, sha256, displayed, source, key, name in rows:
        if source is None or source == "import":
            path = printable(places.get(image_id, displayed))
            found[image_id] = ImportedClasses(
                image_id, sha256, path, {} if source is None else {key: CandidateLabel(name, path)}
            )
    rows = connection.execute(
        """SELECT image_id, name_key, name, origin FROM conflict JOIN class ON class.id = class_id
            WHERE image_id IN (SELECT value FROM json_each(?))""",
        (json.dumps([*found]),),
    ).fetchall()
    for image_id, key, name, origin in rows:
        found[image_id].classes[key] = CandidateLabel(name, origin)
    return list(found.values())


def apply_statements(
    connection: sqlite3.Connection,
    statements: Statements,
    places: Mapping[int, str],
    *,
    replaced: Collection[str] = (),
) -> None:
    """Apply the statements of a source to images of a single-label project, found by content.

    An image without a class gets it. An image with an imported class, or already in conflict, keeps every stated class
    as a candidate, unless it is among the `replaced` contents: a stated class alone takes the place of the others. A
    class given by a person stays. `places` as for `imported_classes`.
    """
    if not statements:
        return
    aliases = read_aliases(connection)
    for image_id, sha256, _, known in imported_classes(connection, statements, places):
        stated = statements[sha256]
        joined = join_classes(known, stated, aliases)
        if sha256 in replaced and len(stated) == 1:
            key = name_key(stated[0].class_name)
            joined = {key: joined[key]} if key in joined else {aliases[key]: joined[aliases[key]]}
        if joined.keys() != known.keys():
            candidates = [(ensure_class(connection, each.class_name), each.origin) for each in joined.values()]
            if known:
                connection.execute("DELETE FROM label WHERE image_id = ?", (image_id,))
            if len(candidates) > 1:
                add_candidates(connection, image_id, candidates)
            else:  # ends a conflict, through the trigger
                insert_labels(connection, [(image_id, candidates[0][0], "import")])


def origin_of(project_folder: Path) -> str:
    """Return how a project is named as a side of a conflict."""
    return printable("/".join(project_folder.parts[-2:]))


def contest_labels(connection: sqlite3.Connection, sha256: str, stated: ImportRow, origin: str) -> None:
    """Turn labels that differ from a person's labels in another project into a conflict, with both as sides.

    Imported labels are no side. A verdict remembers the labels of the other project by their time, so that importing
    them again does not ask again.
    """
    assert stated.given is not None
    aliases = read_aliases(connection)
    theirs = {aliases.get(name_key(name), name_key(name)): name for name in stated.labels}
    own: dict[int, dict[str, str]] = {}
    for image_id, key, name in connection.execute(
        """SELECT image.id, name_key, class.name FROM image JOIN label ON image_id = image.id
            JOIN class ON class.id = class_id WHERE sha256 = ? AND removed_at IS NULL
            AND EXISTS (SELECT 1 FROM label WHERE image_id = image.id AND source != 'import')""",
        (sha256,),
    ).fetchall():
        own.setdefault(image_id, {})[key] = name
    own_origin = origin_of(folder_of(connection))
    for image_id, mine in own.items():
        if mine.keys() == theirs.keys():
            continue
        is_first_time = connection.execute(
            "INSERT INTO verdict (image_id, finding, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING RETURNING 1",
            (image_id, f"merged:{stated.given.at}", now_ms()),
        ).fetchall()
        if is_first_time:
            connection.execute("DELETE FROM label WHERE image_id = ?", (image_id,))
            for key, name in {**mine, **theirs}.items():
                origins = [each for each, side in ((own_origin, mine), (origin, theirs)) if key in side]
                add_candidates(connection, image_id, [(ensure_class(connection, name), BOTH_ORIGINS.join(origins))])


def displayed_path(connection: sqlite3.Connection, image_id: int) -> str:
    """Return an image's name, or its recorded path, for display."""
    row = connection.execute(
        f"SELECT {NAME_SQL} FROM image LEFT JOIN root ON root.id = root_id WHERE image.id = ?", (image_id,)
    ).fetchone()
    return printable(str(row[0]))


def add_candidates(connection: sqlite3.Connection, image_id: int, candidates: Iterable[tuple[int, str]]) -> None:
    """Add candidate classes (class id, origin) to an image; existing ones stay."""
    statement = "INSERT INTO conflict (image_id, class_id, origin) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    connection.executemany(statement, [(image_id, class_id, origin) for class_id, origin in candidates])
