"""A person's decisions about checks: findings judged fine are not shown again."""

import sqlite3
from dataclasses import dataclass

from visionft.core.messages import Message
from visionft.project.edits.changes import Edit, now_ms, require_images
from visionft.project.store import ProjectStore

FineFindings = frozenset[tuple[int, int]]  # (image id, 0), or a pair of image ids, the lower one first


@dataclass(frozen=True, slots=True)
class MarkFindingsFine(Edit):
    """Mark findings of a check as fine: single images (id, 0), or pairs of images."""

    TITLE = Message("Keep {counted} as they are")
    NOUN = "finding"
    check: str
    findings: tuple[tuple[int, int], ...]

    def _touched(self) -> int:
        return len(self.findings)

    def write(self, connection: sqlite3.Connection) -> None:
        pairs = [pair_of(image_id, other_id) for image_id, other_id in self.findings]
        rows = [(image_id, f"{self.check}:{other_id}" if other_id else self.check) for image_id, other_id in pairs]
        require_images(connection, [image_id for image_id, _ in rows])
        statement = "INSERT INTO verdict (image_id, finding, at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
        connection.executemany(statement, [(*row, now_ms()) for row in rows])


def verdicts_of(project: ProjectStore, check: str) -> FineFindings:
    """Return the findings of a check judged fine by a person."""
    query = "SELECT image_id, finding FROM verdict WHERE finding = ? OR finding LIKE ?"
    rows = project.fetch(query, check, f"{check}:%")
    return frozenset((image_id, int(finding.partition(":")[2] or 0)) for image_id, finding in rows)


def pair_of(image_id: int, other_id: int) -> tuple[int, int]:
    """Return two images as a pair, the lower id first; with 0, the single image."""
    return (image_id, 0) if not other_id else (min(image_id, other_id), max(image_id, other_id))
