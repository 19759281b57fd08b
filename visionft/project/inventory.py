"""What kinds of files a project's pictures are, and how large; from the database alone."""

import sqlite3
from dataclasses import dataclass

from visionft.project.store import Project

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The files of a project, removed ones left out.

    Attributes:
        formats: Pictures by format, the most frequent first.
        bytes: What all files take.
        smallest: The picture with the fewest pixels; None without pictures.
        median: The one in the middle.
        largest: The one with the most.
        size_count: How many different sizes there are.
    """

    formats: dict[str, int]
    bytes: int
    smallest: Size | None
    median: Size | None
    largest: Size | None
    size_count: int


def inventory_of(project: Project) -> Inventory:
    """Count formats and sizes."""
    with project.reading() as connection:
        formats = connection.execute(
            """SELECT format, count(*) FROM image WHERE removed_at IS NULL
                GROUP BY format ORDER BY count(*) DESC, format"""
        ).fetchall()
        total = connection.execute("SELECT coalesce(sum(bytes), 0) FROM image WHERE removed_at IS NULL").fetchone()[0]
        sizes = _sizes(connection)
    middle = (sum(count for _, count in sizes) + 1) // 2
    median: Size | None = None
    for size, count in sizes:
        middle -= count
        if middle <= 0:
            median = size
            break
    return Inventory(
        formats={str(name): int(count) for name, count in formats},
        bytes=int(total),
        smallest=sizes[0][0] if sizes else None,
        median=median,
        largest=sizes[-1][0] if sizes else None,
        size_count=len(sizes),
    )


def _sizes(connection: sqlite3.Connection) -> list[tuple[Size, int]]:
    """Return sizes with how often they occur, by their pixels."""
    rows = connection.execute(
        """SELECT width, height, count(*) FROM image WHERE removed_at IS NULL
            GROUP BY width, height ORDER BY width * height, width"""
    ).fetchall()
    return [((int(width), int(height)), int(count)) for width, height, count in rows]
