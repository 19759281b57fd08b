"""Pictures that sources give different classes, in a single-label project: heard, kept, and settled by a person.

A picture in conflict has no label, so that nothing learns from a coin toss; the classes it was given are its
candidates, each with the file that said so. Whatever labels a picture ends its conflict: a trigger of the schema sees
to that.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from visionft.foreign_text import printable
from visionft.project.edits.changes import ensure_class, find_class, now_ms
from visionft.project.names import name_key, natural_key


@dataclass(frozen=True, slots=True)
class Statement:
    """What a file says: the picture with this content is of this class. `origin` can be printed as it is."""

    sha256: str
    class_name: str
    origin: str


def hear(connection: sqlite3.Connection, statements: Iterable[Statement], places: Mapping[int, str]) -> None:
    """Take what sources say of pictures of a single-label project, found by content.

    A picture without a class gets it. One whose class was imported, or that is in conflict already, keeps every class
    it was given as a candidate. A class that a person gave or accepted stays.

    Args:
        connection: Inside the change's transaction.
        statements: What is said; the classes are created when they are new and needed.
        places: Where pictures lay that were found elsewhere meanwhile, by id; the others lie where they are recorded.
    """
    said: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for each in statements:
        said[each.sha256].setdefault(each.class_name, each.origin)
    if not said:
        return
    rows = connection.execute(
        """SELECT id, sha256 FROM image
            WHERE sha256 IN (SELECT value FROM json_each(?)) AND removed_at IS NULL ORDER BY id""",
        (json.dumps(list(said)),),
    ).fetchall()
    heard = _Heard(connection, [row[0] for row in rows], places)
    for image_id, sha256 in rows:
        heard.take(image_id, said[sha256])


class _Heard:
    """What the project knows of the classes of some pictures, and how that changes."""

    def __init__(self, connection: sqlite3.Connection, image_ids: Sequence[int], places: Mapping[int, str]) -> None:
        self._connection, self._places = connection, places
        chosen = json.dumps(image_ids)
        among = "WHERE image_id IN (SELECT value FROM json_each(?))"
        self._labels: dict[int, tuple[int, str]] = {
            image_id: (class_id, source)
            for image_id, class_id, source in connection.execute(
                f"SELECT image_id, class_id, source FROM label {among}", (chosen,)
            )
        }
        self._candidates: defaultdict[int, set[int]] = defaultdict(set)
        for image_id, class_id in connection.execute(f"SELECT image_id, class_id FROM conflict {among}", (chosen,)):
            self._candidates[image_id].add(class_id)
        self._aliases: dict[str, int] = dict(connection.execute("SELECT name_key, class_id FROM alias").fetchall())
        self._meanings: dict[str, set[int | None]] = {}

    def take(self, image_id: int, said: Mapping[str, str]) -> None:
        """Take what is said of one picture: {class name: origin}."""
        label = self._labels.get(image_id)
        if label is not None and label[1] != "import":
            return
        known = {label[0]} if label is not None else self._candidates[image_id]
        new: dict[int, str] = {}
        for name in sorted(said, key=natural_key) if len(said) > 1 else said:
            if not self._meaning(name) & (known | new.keys()):
                new[self._ensured(name)] = said[name]
        if not known and len(new) == 1:
            self._label(image_id, next(iter(new)))
            return
        if label is not None and new:
            self._connection.execute("DELETE FROM label WHERE image_id = ?", (image_id,))
            self._add_candidate(image_id, label[0], self._place(image_id))
        for class_id, origin in new.items():
            self._add_candidate(image_id, class_id, origin)

    def _meaning(self, name: str) -> set[int | None]:
        """Return the classes that a source may mean by a name: its own, and one that a person gave it up for."""
        if name not in self._meanings:
            self._meanings[name] = {find_class(self._connection, name), self._aliases.get(name_key(name))}
        return self._meanings[name]

    def _ensured(self, name: str) -> int:
        class_id = ensure_class(self._connection, name)
        self._meaning(name).add(class_id)
        return class_id

    def _place(self, image_id: int) -> str:
        """Return where a picture lay when it was given its class."""
        row = self._connection.execute(
            """SELECT coalesce(name, root.path || '/' || image.path, image.path)
                FROM image LEFT JOIN root ON root.id = root_id WHERE image.id = ?""",
            (image_id,),
        ).fetchone()
        return printable(self._places.get(image_id, row[0]))

    def _label(self, image_id: int, class_id: int) -> None:
        self._connection.execute(
            "INSERT INTO label (image_id, class_id, source, labelled_at) VALUES (?, ?, 'import', ?)",
            (image_id, class_id, now_ms()),
        )

    def _add_candidate(self, image_id: int, class_id: int, origin: str) -> None:
        self._connection.execute(
            "INSERT INTO conflict (image_id, class_id, origin) VALUES (?, ?, ?)", (image_id, class_id, origin)
        )
