"""Queries that only read a project: the snapshot jobs work from, and the counts that `visionft info` shows."""

import gc
import sqlite3
from collections import defaultdict
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from visionft.data.types import SPLITS, Snapshot, SnapshotImage, Task
from visionft.files import list_folder
from visionft.project.db.database import DATABASE
from visionft.project.db.roots import Roots
from visionft.project.db.sqlite_errors import expected_errors
from visionft.project.names import natural_key


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSummary:
    """The project in numbers; removed pictures do not count.

    Attributes:
        classes: Pictures by class name, in the order of the class list.
        splits: Pictures by split, and under "unassigned" those without one.
        runs: The names of the training runs.
        conflicts: Pictures that came in several classes; they count as not labelled until a person decides.
    """

    task: Task
    images: int
    labelled: int
    classes: dict[str, int]
    splits: dict[str, int]
    runs: tuple[str, ...]
    conflicts: int = 0


def peek_class_names(project: Path) -> tuple[str, ...]:
    """Return a project's class names without opening it: for what must be quick, and leaves no trace.

    Raises:
        ProjectError: The database cannot be read.
    """
    file = project / DATABASE
    log = file.with_name(f"{DATABASE}-wal")
    uri = f"{file.absolute().as_uri()}?mode=ro{'' if log.exists() else '&immutable=1'}"  # else reading made a log
    with expected_errors(file), closing(sqlite3.connect(uri, uri=True)) as connection:
        rows = connection.execute("SELECT name FROM class ORDER BY position, id").fetchall()
    return tuple(str(row[0]) for row in rows)


def read_snapshot(connection: sqlite3.Connection, roots: Roots, task: Task) -> Snapshot:
    """Read pictures, labels and splits in one transaction."""
    connection.execute("BEGIN")
    collects = gc.isenabled()
    gc.disable()  # a million new objects and no garbage: looking for some again and again costs more than the reading
    try:
        classes = connection.execute("SELECT id, name FROM class ORDER BY position, id").fetchall()
        prompts = read_prompts(connection)
        index_of = {class_id: index for index, (class_id, _) in enumerate(classes)}
        labels: defaultdict[int, list[int]] = defaultdict(list)
        for image_id, class_id in connection.execute("SELECT image_id, class_id FROM label"):
            if class_id in index_of:  # a lost class is what `check` repairs
                labels[image_id].append(index_of[class_id])
        images = tuple(
            SnapshotImage(image_id, roots.path_of(root_id, path), sha256, tuple(sorted(labels[image_id])), split)
            for image_id, root_id, path, sha256, split in connection.execute(
                "SELECT id, root_id, path, sha256, split FROM image WHERE removed_at IS NULL ORDER BY id"
            )
        )
    finally:
        if collects:
            gc.enable()
        connection.execute("COMMIT")
    return Snapshot(task, tuple(name for _, name in classes), images, prompts if any(prompts) else ())


def read_prompts(connection: sqlite3.Connection) -> tuple[tuple[str, ...], ...]:
    """Return what a person says each class looks like, line by line, in the classes' order."""
    lines: defaultdict[int, list[str]] = defaultdict(list)
    for class_id, text in connection.execute("SELECT class_id, text FROM prompt ORDER BY class_id, place"):
        lines[class_id].append(text)
    ids = connection.execute("SELECT id FROM class ORDER BY position, id").fetchall()
    return tuple(tuple(lines[class_id]) for (class_id,) in ids)


def read_summary(connection: sqlite3.Connection, task: Task, runs_folder: Path) -> ProjectSummary:
    """Count pictures, labels and splits."""
    by_split = dict(
        connection.execute("SELECT split, count(*) FROM image WHERE removed_at IS NULL GROUP BY split").fetchall()
    )
    splits: dict[str, int] = {split: by_split.get(split, 0) for split in SPLITS}
    splits["unassigned"] = by_split.get(None, 0)
    query = "SELECT count(*) FROM image WHERE removed_at IS NULL AND label_count = 0"
    unlabelled = connection.execute(query).fetchone()[0]
    query = "SELECT count(*) FROM image WHERE removed_at IS NULL AND id IN (SELECT image_id FROM conflict)"
    conflicts = connection.execute(query).fetchone()[0]
    runs = (folder.name for folder in list_folder(runs_folder) if folder.is_dir())
    return ProjectSummary(
        task=task,
        images=sum(splits.values()),
        labelled=sum(splits.values()) - unlabelled,
        classes=count_classes(connection),
        splits=splits,
        runs=tuple(sorted((name for name in runs if not name.startswith(".")), key=natural_key)),
        conflicts=conflicts,
    )


def count_classes(connection: sqlite3.Connection) -> dict[str, int]:
    """Count pictures by class. Removed pictures are few: they are subtracted, which spares a join over all labels."""
    everything = dict(connection.execute("SELECT class_id, count(*) FROM label GROUP BY class_id").fetchall())
    removed = dict(
        connection.execute(
            """SELECT class_id, count(*) FROM label
                WHERE image_id IN (SELECT id FROM image WHERE removed_at NOT NULL) GROUP BY class_id"""
        ).fetchall()
    )
    classes = connection.execute("SELECT id, name FROM class ORDER BY position, id")
    return {name: everything.get(class_id, 0) - removed.get(class_id, 0) for class_id, name in classes}
