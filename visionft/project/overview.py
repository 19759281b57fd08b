"""Data of the project page, counted by the database: only a few images are read."""

import sqlite3
from dataclasses import dataclass

from visionft.project.queries import ImageRow, image_rows
from visionft.project.store import ProjectStore
from visionft.project.summary import ProjectSummary

Size = tuple[int, int]  # width, height


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectOverview:
    """A project at one moment, removed images left out."""

    summary: ProjectSummary
    # {class: {split, or "unassigned": labelled images}}, in the order of the class list.
    class_splits: dict[str, dict[str, int]]
    # {class: some of its images}; an image of several classes is a sample of one.
    samples: dict[str, tuple[ImageRow, ...]]


def read_overview(project: ProjectStore, *, samples: int) -> ProjectOverview:
    """Read the overview, with `samples` evenly spaced images per class; safe in any thread."""
    with project.reading() as connection:
        classes = connection.execute("SELECT id, name FROM class ORDER BY position, id").fetchall()
        splits: dict[str, dict[str, int]] = {name: {} for _, name in classes}
        rows = connection.execute(
            """SELECT class.name, coalesce(split, 'unassigned'), count(*) FROM label
                JOIN image ON image.id = image_id JOIN class ON class.id = class_id
                WHERE removed_at IS NULL GROUP BY class_id, split"""
        )
        for name, split, count in rows:
            splits[name][split] = count
        chosen = {name: _sample(connection, class_id, samples) for class_id, name in classes}
    taken = set[int]()
    shown: dict[str, tuple[ImageRow, ...]] = {}
    for name, ids in chosen.items():
        shown[name] = image_rows(project, tuple(image_id for image_id in ids if image_id not in taken))
        taken.update(ids)
    return ProjectOverview(summary=project.summary(), class_splits=splits, samples=shown)


def _sample(connection: sqlite3.Connection, class_id: int, most: int) -> list[int]:
    """Return up to `most` images of a class: all, or the next ones from evenly spaced ids on."""
    query = """SELECT image_id FROM label WHERE class_id = ? AND image_id >= ? AND NOT EXISTS (
            SELECT 1 FROM image WHERE id = image_id AND removed_at IS NOT NULL) ORDER BY image_id LIMIT ?"""
    found = [image_id for (image_id,) in connection.execute(query, (class_id, 0, most + 1))]
    if len(found) <= most:
        return found
    first = found[0]
    last = connection.execute("SELECT max(image_id) FROM label WHERE class_id = ?", (class_id,))
    step = (int(last.fetchone()[0]) - first) / most
    starts = (first + round(step * place) for place in range(most))
    spread = (connection.execute(query, (class_id, start, 1)).fetchone() for start in starts)
    return sorted({row[0] for row in spread if row is not None})
