"""What a person has judged to be fine although a check of the pictures flags it, so that nobody is asked twice."""

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from visionft.project.edits.changes import Edit, now_ms, picked
from visionft.project.names import count_of
from visionft.project.store import Project

Judged = frozenset[tuple[int, int]]  # (image id, 0), or a pair of image ids, the lower one first


@dataclass(frozen=True, slots=True)
class JudgeFine(Edit):
    """Note that findings of a check are no fault: pictures by themselves (id, 0), or pairs of pictures."""

    check: str
    findings: tuple[tuple[int, int], ...]

    def _title(self) -> str:
        return f"Keep {count_of(len(self.findings), 'finding')} as they are"

    def _touched(self) -> int:
        return len(self.findings)

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the verdicts."""
        rows = _rows(self.check, self.findings)
        picked(connection, [image_id for image_id, _ in rows])
        connection.execute(
            """INSERT INTO verdict (image_id, finding, at)
                SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), ? FROM json_each(?)
                WHERE true ON CONFLICT DO NOTHING""",
            (now_ms(), json.dumps(rows)),
        )


def verdicts_of(project: Project, check: str) -> Judged:
    """Return what a person has judged to be fine of a check's findings."""
    with project.reading() as connection:
        rows = connection.execute(
            "SELECT image_id, finding FROM verdict WHERE finding = ? OR finding LIKE ?", (check, f"{check}:%")
        ).fetchall()
    return frozenset((image_id, int(finding.partition(":")[2] or 0)) for image_id, finding in rows)


def pair_of(image_id: int, other_id: int) -> tuple[int, int]:
    """Return two pictures as a pair, the lower id first; with 0, the picture by itself."""
    return (image_id, 0) if not other_id else (min(image_id, other_id), max(image_id, other_id))


def _rows(check: str, findings: Iterable[tuple[int, int]]) -> list[tuple[int, str]]:
    pairs = [pair_of(image_id, other_id) for image_id, other_id in findings]
    return [(image_id, f"{check}:{other_id}" if other_id else check) for image_id, other_id in pairs]
