"""Read-only project queries: the snapshot for jobs, and the counts of `visionft project info`."""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from visionft.core.files import collection_paused, list_folder
from visionft.core.messages import load_message
from visionft.core.names import natural_key
from visionft.data.types import SPLITS, Snapshot, SnapshotImage, Task
from visionft.project.db.roots import Roots


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectStatus:
    """A few rows to enable commands: the titles of the next undo and redo (None without), and removed images."""

    class_names: tuple[str, ...]
    undo_title: str | None
    redo_title: str | None
    has_removed: bool

    @property
    def has_history(self) -> bool:
        return self.undo_title is not None or self.redo_title is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSummary:
    """The project in numbers; removed images do not count."""

    task: Task
    images: int
    labelled: int
    classes: dict[str, int]  # images by class name, in the order of the class list
    splits: dict[str, int]  # images by split, and under "unassigned" those without one
    runs: tuple[str, ...]  # the names of the training runs
    conflicts: int = 0  # images in an unresolved label conflict; they count as not labelled
    groups: int = 0  # groups of several related images, which stay together in splits and folds
    grouped: int = 0  # images in these groups


def read_status(connection: sqlite3.Connection) -> ProjectStatus:
    classes = connection.execute("SELECT name FROM class ORDER BY position, id").fetchall()
    removed = connection.execute("SELECT EXISTS (SELECT 1 FROM image WHERE removed_at IS NOT NULL)").fetchone()[0]
    undo, redo = (
        connection.execute(f"SELECT title FROM step WHERE undone = {undone} ORDER BY id {order} LIMIT 1").fetchone()
        for undone, order in ((0, "DESC"), (1, "ASC"))
    )
    return ProjectStatus(
        class_names=tuple(str(name) for (name,) in classes),
        undo_title=load_message(undo[0]) if undo else None,
        redo_title=load_message(redo[0]) if redo else None,
        has_removed=bool(removed),
    )


def read_snapshot(connection: sqlite3.Connection, roots: Roots, task: Task) -> Snapshot:
    """Read images, labels and splits in one transaction."""
    connection.execute("BEGIN")
    try:
        with collection_paused():
            classes = connection.execute("SELECT id, name FROM class ORDER BY position, id").fetchall()
            lines: defaultdict[int, list[str]] = defaultdict(list)
            for class_id, text in connection.execute("SELECT class_id, text FROM prompt ORDER BY class_id, place"):
                lines[class_id].append(text)
            index_of = {class_id: index for index, (class_id, _) in enumerate(classes)}
            labels: defaultdict[int, list[int]] = defaultdict(list)
            for image_id, class_id in connection.execute("SELECT image_id, class_id FROM label"):
                if class_id in index_of:  # `check` repairs a lost class
                    labels[image_id].append(index_of[class_id])
            images = tuple(
                SnapshotImage(
                    image_id, roots.path_of(root_id, path), sha256, tuple(sorted(labels[image_id])), split, group
                )
                for image_id, root_id, path, sha256, split, group in connection.execute(
                    "SELECT id, root_id, path, sha256, split, group_key FROM image WHERE removed_at IS NULL ORDER BY id"
                )
            )
    finally:
        connection.execute("COMMIT")
    prompts = tuple(tuple(lines[class_id]) for class_id, _ in classes)
    return Snapshot(task, tuple(name for _, name in classes), images, prompts if any(prompts) else ())


def read_summary(connection: sqlite3.Connection, task: Task, runs_folder: Path) -> ProjectSummary:
    there = "SELECT count(*) FROM image WHERE removed_at IS NULL"
    query = "SELECT split, count(*) FROM image WHERE removed_at IS NULL GROUP BY split"
    by_split = dict(connection.execute(query).fetchall())
    splits: dict[str, int] = {split: by_split.get(split, 0) for split in SPLITS}
    splits["unassigned"] = by_split.get(None, 0)
    unlabelled = connection.execute(f"{there} AND label_count = 0").fetchone()[0]
    conflicts = connection.execute(f"{there} AND id IN (SELECT image_id FROM conflict)").fetchone()[0]
    query = "SELECT count(*) FROM image WHERE group_key > '' AND removed_at IS NULL GROUP BY group_key"
    sizes = [size for (size,) in connection.execute(query) if size > 1]
    # Few are removed: subtracting them avoids a join over all labels.
    query = "SELECT class_id, count(*) FROM label {} GROUP BY class_id"
    everything = dict(connection.execute(query.format("")).fetchall())
    among_removed = "WHERE image_id IN (SELECT id FROM image WHERE removed_at NOT NULL)"
    removed = dict(connection.execute(query.format(among_removed)).fetchall())
    classes = connection.execute("SELECT id, name FROM class ORDER BY position, id").fetchall()
    runs = (folder.name for folder in list_folder(runs_folder) if folder.is_dir())
    return ProjectSummary(
        task=task,
        images=sum(splits.values()),
        labelled=sum(splits.values()) - unlabelled,
        classes={name: everything.get(class_id, 0) - removed.get(class_id, 0) for class_id, name in classes},
        splits=splits,
        runs=tuple(sorted((name for name in runs if not name.startswith(".")), key=natural_key)),
        conflicts=conflicts,
        groups=len(sizes),
        grouped=sum(sizes),
    )
