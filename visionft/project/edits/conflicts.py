"""Label conflicts in a single-label project, whose sources may contradict each other.

An image in conflict has no label, to keep random choices out of the training data; its classes are candidates, each
with its file as origin. A database trigger removes the conflict when the image gets a label.
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
BOTH_ORIGINS = " | "  # separator of the origins of a candidate class that both sides of a merge have


@dataclass(frozen=True, slots=True)
class CandidateLabel:
    """A candidate class of an image, from a file. `origin` is the printable name of the file."""

    class_name: str
    origin: str


Classes = dict[str, CandidateLabel]  # candidates of an image by the key of the class name
Candidates = dict[str, list[CandidateLabel]]  # candidates from a source by the SHA-256 of the image


class ImportedClasses(NamedTuple):
    """The imported classes of an image in the project: its label, the candidates of its conflict, or no class."""

    image_id: int
    sha256: str
    path: str  # as displayed, which is the origin of its label
    classes: Classes


def merge_candidates(known: Classes, candidates: Iterable[CandidateLabel], aliases: Mapping[str, str]) -> Classes:
    """Merge an image's imported classes with candidates from a source; several classes are a conflict.

    A candidate stands for the class that has its name or had it formerly. `aliases` maps the keys of former names to
    the keys of the present names.
    """
    merged = dict(known)
    for candidate in candidates:
        key = name_key(candidate.class_name)
        if key not in merged and aliases.get(key) not in merged:
            merged[key] = candidate
    return merged


def group_candidates(pairs: Iterable[tuple[str, CandidateLabel]]) -> Candidates:
    """Group (SHA-256, candidate) pairs by image: distinct classes in natural order, each with its first origin."""
    grouped: dict[str, dict[str, CandidateLabel]] = {}
    for sha256, candidate in pairs:
        grouped.setdefault(sha256, {}).setdefault(candidate.class_name, candidate)
    return {
        sha256: sorted(candidates.values(), key=lambda candidate: natural_key(candidate.class_name))
        if len(candidates) > 1
        else [*candidates.values()]
        for sha256, candidates in grouped.items()
    }


def read_aliases(connection: sqlite3.Connection) -> dict[str, str]:
    """Return {key of a former class name: key of the present name}."""
    rows = connection.execute(
        "SELECT alias.name_key, class.name_key FROM alias JOIN class ON class.id = class_id"
    ).fetchall()
    return dict(rows)


def imported_classes(
    connection: sqlite3.Connection, hashes: Iterable[str], previous_paths: Mapping[int, str]
) -> list[ImportedClasses]:
    """Return the classes imported for images with these SHA-256 hashes, in id order, for a single-label project.

    The classes include the candidates of label conflicts. An image without a label or conflict has none; one with a
    label from another source than an import is left out. `previous_paths` is {id of an image just moved: path displayed
    before the move}.
    """
    rows = connection.execute(
        f"""SELECT image.id, sha256, {NAME_SQL}, source, name_key, class.name
            FROM image LEFT JOIN root ON root.id = root_id
            LEFT JOIN label ON label.image_id = image.id LEFT JOIN class ON class.id = class_id
            WHERE sha256 IN (SELECT value FROM json_each(?)) AND removed_at IS NULL ORDER BY image.id""",
        (json.dumps(list(hashes)),),
    ).fetchall()
    images: dict[int, ImportedClasses] = {}
    for image_id, sha256, displayed, source, key, name in rows:
        if source is None or source == "import":
            path = printable(previous_paths.get(image_id, displayed))
            images[image_id] = ImportedClasses(
                image_id, sha256, path, {} if source is None else {key: CandidateLabel(name, path)}
            )
    rows = connection.execute(
        """SELECT image_id, name_key, name, origin FROM conflict JOIN class ON class.id = class_id
            WHERE image_id IN (SELECT value FROM json_each(?))""",
        (json.dumps([*images]),),
    ).fetchall()
    for image_id, key, name, origin in rows:
        images[image_id].classes[key] = CandidateLabel(name, origin)
    return list(images.values())


def apply_candidates(
    connection: sqlite3.Connection,
    candidates: Candidates,
    previous_paths: Mapping[int, str],
    *,
    replaced: Collection[str] = (),
) -> None:
    """Apply a source's candidate classes to the images of a single-label project.

    An image without a class gets the candidate as its label. An image with an imported class or a conflict keeps all
    classes as candidates, unless its SHA-256 is in `replaced`: a single candidate then replaces the other classes.
    Labels given by a person stay. For `previous_paths` see `imported_classes`.
    """
    if not candidates:
        return
    aliases = read_aliases(connection)
    for image_id, sha256, _, known in imported_classes(connection, candidates, previous_paths):
        new = candidates[sha256]
        merged = merge_candidates(known, new, aliases)
        if sha256 in replaced and len(new) == 1:
            key = name_key(new[0].class_name)
            merged = {key: merged[key]} if key in merged else {aliases[key]: merged[aliases[key]]}
        if merged.keys() != known.keys():
            classes = [(ensure_class(connection, label.class_name), label.origin) for label in merged.values()]
            if known:
                connection.execute("DELETE FROM label WHERE image_id = ?", (image_id,))
            if len(classes) > 1:
                add_candidates(connection, image_id, classes)
            else:  # also ends a conflict, through the trigger
                insert_labels(connection, [(image_id, classes[0][0], "import")])


def origin_of(project_folder: Path) -> str:
    """Return the name of a project as the origin of a candidate class."""
    return printable("/".join(project_folder.parts[-2:]))


def contest_labels(connection: sqlite3.Connection, sha256: str, stated: ImportRow, origin: str) -> None:
    """Turn a person's labels into a conflict if they differ from a person's labels in another project.

    Imported labels cause no conflict. A verdict records the time of the other project's labels, so that importing them
    again does not cause the conflict again.
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
                origins = [name for name, side in ((own_origin, mine), (origin, theirs)) if key in side]
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
