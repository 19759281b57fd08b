"""Label conflicts of a single-label project, whose sources may contradict one another.

An image in conflict has no label, to keep random choices out of the training data; its classes are the candidates, each
with its file as origin. Any label ends the image's conflict, through a trigger of the schema.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from visionft.foreign_text import printable
from visionft.project.edits.changes import ensure_class, find_class, insert_labels
from visionft.project.names import name_key, natural_key

BOTH_ORIGINS = " | "  # between the origins of a candidate class that two sides gave, each with others


@dataclass(frozen=True, slots=True)
class SourceLabel:
    """A file's statement: the image with this content has this class. `origin` is printable."""

    sha256: str
    class_name: str
    origin: str


def apply_source_labels(
    connection: sqlite3.Connection,
    statements: Iterable[SourceLabel],
    places: Mapping[int, str],
    *,
    replaced: Collection[str] = (),
) -> None:
    """Apply the statements of sources to images of a single-label project, found by content.

    An image without a class gets it. An image with an imported class, or already in conflict, keeps every stated class
    as a candidate, unless it is among the `replaced` contents: a stated class alone takes the place of the others. A
    class given by a person stays. `places`: previous paths of moved images, by id.
    """
    stated: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for each in statements:
        stated[each.sha256].setdefault(each.class_name, each.origin)
    if not stated:
        return
    images = connection.execute(
        """SELECT id, sha256 FROM image
            WHERE sha256 IN (SELECT value FROM json_each(?)) AND removed_at IS NULL ORDER BY id""",
        (json.dumps(list(stated)),),
    ).fetchall()
    among, ids = "WHERE image_id IN (SELECT value FROM json_each(?))", (json.dumps([row[0] for row in images]),)
    rows = connection.execute(f"SELECT image_id, class_id, source FROM label {among}", ids).fetchall()
    labels: dict[int, tuple[int, str]] = {image_id: (class_id, source) for image_id, class_id, source in rows}
    candidates: defaultdict[int, set[int]] = defaultdict(set)
    for image_id, class_id in connection.execute(f"SELECT image_id, class_id FROM conflict {among}", ids):
        candidates[image_id].add(class_id)
    aliases: dict[str, int] = dict(connection.execute("SELECT name_key, class_id FROM alias").fetchall())
    meanings: dict[str, set[int | None]] = {}  # of a source's name: the class of this name, and that with this alias

    for image_id, sha256 in images:
        class_id, source = labels.get(image_id, (None, "import"))
        if source != "import":
            continue
        known = candidates[image_id] if class_id is None else {class_id}
        new: dict[int, str] = {}
        origins = stated[sha256]
        for name in sorted(origins, key=natural_key) if len(origins) > 1 else origins:
            if name not in meanings:
                meanings[name] = {find_class(connection, name), aliases.get(name_key(name))}
            if not meanings[name] & (known | new.keys()):
                stated_id = ensure_class(connection, name)
                meanings[name].add(stated_id)
                new[stated_id] = origins[name]
        if sha256 in replaced and len(origins) == 1:
            stated_id = next(iter(new or known & meanings[next(iter(origins))]))
            if known != {stated_id}:
                for table in ("label", "conflict"):
                    connection.execute(f"DELETE FROM {table} WHERE image_id = ?", (image_id,))
                insert_labels(connection, [(image_id, stated_id, "import")])
            continue
        if not known and len(new) == 1:
            insert_labels(connection, [(image_id, next(iter(new)), "import")])
            continue
        if class_id is not None and new:
            connection.execute("DELETE FROM label WHERE image_id = ?", (image_id,))
            place = printable(places[image_id]) if image_id in places else displayed_path(connection, image_id)
            add_candidates(connection, image_id, [(class_id, place)])
        add_candidates(connection, image_id, new.items())


def displayed_path(connection: sqlite3.Connection, image_id: int) -> str:
    """Return an image's name, or its recorded path, for display."""
    row = connection.execute(
        """SELECT coalesce(name, root.path || '/' || image.path, image.path)
            FROM image LEFT JOIN root ON root.id = root_id WHERE image.id = ?""",
        (image_id,),
    ).fetchone()
    return printable(str(row[0]))


def add_candidates(connection: sqlite3.Connection, image_id: int, candidates: Iterable[tuple[int, str]]) -> None:
    """Add candidate classes (class id, origin) to an image; existing ones stay."""
    statement = "INSERT INTO conflict (image_id, class_id, origin) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
    connection.executemany(statement, [(image_id, class_id, origin) for class_id, origin in candidates])
