"""Keeping one picture of each group of doubles: it takes over what is known of the others, which leave the project."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from visionft.errors import ProjectError
from visionft.foreign_text import printable
from visionft.project.edits.changes import Edit, now_ms, picked, task_of
from visionft.project.names import count_of


@dataclass(frozen=True, slots=True)
class KeepOne(Edit):
    """Keep one picture of each group: {picture that stays: those that leave the project}.

    The one that stays takes over their tags, and their split and note where it has none. With `takes_labels` it takes
    their classes too: in a single-label project, where they contradict each other, all become candidates of a conflict
    for a person to decide. Files, labels and notes of the others stay as they are; undo brings them back.
    """

    groups: Mapping[int, tuple[int, ...]]
    takes_labels: bool = True

    def _title(self) -> str:
        return f"Keep one of {count_of(self._touched(), 'duplicate')}"

    def _touched(self) -> int:
        return sum(1 + len(others) for others in self.groups.values())

    def write(self, connection: sqlite3.Connection) -> None:
        """Write what the kept pictures take over, then mark the others as removed.

        Raises:
            ProjectError: A picture is not in the project, or stands in two groups.
        """
        leaving = [other for others in self.groups.values() for other in others]
        everyone = [*self.groups, *leaving]
        if len(set(everyone)) != len(everyone):
            raise ProjectError("A picture stands in two groups of duplicates.", "Look for duplicates again.")
        picked(connection, everyone)
        is_single = task_of(connection) == "single"
        for kept, others in self.groups.items():
            ids = json.dumps(others)
            if self.takes_labels:
                _take_labels(connection, kept, ids, is_single=is_single)
            _take_tags(connection, kept, ids)
            for column in ("split", "note"):
                _fill(connection, column, kept, ids)
        connection.execute(
            "UPDATE image SET removed_at = ? WHERE removed_at IS NULL AND id IN (SELECT value FROM json_each(?))",
            (now_ms(), json.dumps(leaving)),
        )


def _take_labels(connection: sqlite3.Connection, kept: int, ids: str, *, is_single: bool) -> None:
    """Give a picture the classes of the others; in a single-label project where they contradict, as candidates."""
    rows: list[tuple[int, int, str]] = connection.execute(
        """SELECT image_id, class_id, source FROM label
            WHERE image_id = ?1 OR image_id IN (SELECT value FROM json_each(?2)) ORDER BY image_id != ?1, image_id""",
        (kept, ids),
    ).fetchall()
    candidates: list[tuple[int, int, str]] = connection.execute(
        """SELECT image_id, class_id, origin FROM conflict
            WHERE image_id = ?1 OR image_id IN (SELECT value FROM json_each(?2)) ORDER BY image_id""",
        (kept, ids),
    ).fetchall()
    classes = dict.fromkeys(class_id for _, class_id, _ in (*rows, *candidates))
    if is_single and len(classes) > 1:
        connection.execute("DELETE FROM label WHERE image_id = ?", (kept,))
        said = [(class_id, origin) for _, class_id, origin in candidates]
        said += [(class_id, _place(connection, image_id)) for image_id, class_id, _ in rows]
        _add_candidates(connection, kept, said)
        return
    connection.executemany(
        "INSERT INTO label (image_id, class_id, source, labelled_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [(kept, class_id, source, now_ms()) for image_id, class_id, source in rows if image_id != kept],
    )


def _add_candidates(connection: sqlite3.Connection, kept: int, said: Iterable[tuple[int, str]]) -> None:
    connection.executemany(
        "INSERT INTO conflict (image_id, class_id, origin) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        [(kept, class_id, origin) for class_id, origin in said],
    )


def _place(connection: sqlite3.Connection, image_id: int) -> str:
    """Return where a picture lies, for people."""
    row = connection.execute(
        """SELECT coalesce(name, root.path || '/' || image.path, image.path)
            FROM image LEFT JOIN root ON root.id = root_id WHERE image.id = ?""",
        (image_id,),
    ).fetchone()
    return printable(str(row[0]))


def _take_tags(connection: sqlite3.Connection, kept: int, ids: str) -> None:
    connection.execute(
        """INSERT INTO image_tag (image_id, tag_id)
            SELECT DISTINCT ?, tag_id FROM image_tag WHERE image_id IN (SELECT value FROM json_each(?))
            ON CONFLICT DO NOTHING""",
        (kept, ids),
    )


def _fill(connection: sqlite3.Connection, column: str, kept: int, ids: str) -> None:
    """Take over a value where the picture that stays has none: of the lowest id that has one."""
    connection.execute(
        f"""UPDATE image SET {column} = (SELECT {column} FROM image
                WHERE id IN (SELECT value FROM json_each(?1)) AND {column} IS NOT NULL ORDER BY id LIMIT 1)
            WHERE id = ?2 AND {column} IS NULL AND EXISTS (SELECT 1 FROM image
                WHERE id IN (SELECT value FROM json_each(?1)) AND {column} IS NOT NULL)""",
        (ids, kept),
    )
