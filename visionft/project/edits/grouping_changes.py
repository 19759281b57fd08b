"""Which groupings of pictures count: what belongs together stays in one split."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from visionft.errors import ProjectError
from visionft.files import parse_json
from visionft.project.edits.changes import Edit
from visionft.project.store import Project

_SETTING = "groupings"


@dataclass(frozen=True, slots=True)
class CountGroupings(Edit):
    """Let groupings count, or not: {kind: whether}; those that are not named are decided by the data."""

    counts: Mapping[str, bool]

    def _title(self) -> str:
        return "Choose what belongs together"

    def write(self, connection: sqlite3.Connection) -> None:
        """Store the setting."""
        if not all(kind.isidentifier() for kind in self.counts):
            raise ProjectError("There is no such grouping.", "Look for leaks again.")
        connection.execute(
            """INSERT INTO setting (key, value) VALUES (?, ?)
                ON CONFLICT DO UPDATE SET value = excluded.value WHERE value != excluded.value""",
            (_SETTING, json.dumps(dict(self.counts), sort_keys=True)),
        )


def counted_groupings(project: Project) -> dict[str, bool]:
    """Return what a person decided of groupings."""
    with project.reading() as connection:
        row = connection.execute("SELECT value FROM setting WHERE key = ?", (_SETTING,)).fetchone()
    return {str(kind): bool(counts) for kind, counts in parse_json(row[0]).items()} if row else {}
