"""The store with many images: opening, labelling, filters, counts, and how they grow.

    python tests/benchmarks/store_rows.py [--rows 10000 100000 1000000]

The rows are written straight into the tables (no image files); everything measured goes through the store. Printed are
wall time, this thread's processor time in brackets, and at last the growth of the latter from size to size.
"""

import random
import sqlite3
import tempfile
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

from bench import Times, heading, read_options, row, timed

from visionft.project.edits.changes import LabelImages
from visionft.project.queries import ImageFilter, count_images, find_images
from visionft.project.store import Project

CLASSES = 20
FILTERS = {
    "everything": ImageFilter(),
    "unlabelled": ImageFilter(is_labelled=False),
    "one class": ImageFilter(class_name="class 3"),
    "one class in val": ImageFilter(class_name="class 3", split="val"),
    "val, reviewed": ImageFilter(split="val", review="done"),
    "suggested labels": ImageFilter(source="suggestion"),
    "text in the path": ImageFilter(text="_0009"),
    "removed": ImageFilter(is_removed=True),
}


def fill(folder: Path, number: int) -> None:
    """Create a project with so many images, nine in ten labelled, in 20 classes."""
    Project.create(folder).close()
    chance = random.Random(0)
    connection = sqlite3.connect(folder / "project.db", isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    connection.execute("INSERT INTO root (path, relative) VALUES ('/nowhere', '../nowhere')")
    connection.executemany(
        "INSERT INTO class (name, name_key, position) VALUES (?, ?, ?)",
        [(f"class {index}", f"class {index}", index) for index in range(CLASSES)],
    )
    connection.executemany(
        """INSERT INTO image (id, root_id, path, sha256, bytes, mtime_ns, width, height, format, split, review,
            added_at, removed_at)
            VALUES (?, 1, ?, ?, 50000, 1700000000000000000, 640, 480, 'JPEG', ?, ?, 1700000000000, ?)""",
        (
            (
                index,
                f"class {index % CLASSES}/image_{index:08d}.jpg",
                f"{chance.getrandbits(256):064x}",
                chance.choices(["train", "val", "test", None], [65, 15, 15, 5])[0],
                chance.choice([None, None, None, "done", "later"]),
                1 if chance.random() < 0.001 else None,
            )
            for index in range(1, number + 1)
        ),
    )
    connection.executemany(
        "INSERT INTO label VALUES (?, ?, ?, 1700000000000)",
        (
            (index, chance.randrange(CLASSES) + 1, chance.choice(["person", "import", "suggestion"]))
            for index in range(1, number + 1)
            if chance.random() < 0.9
        ),
    )
    connection.execute("COMMIT")
    connection.close()


def best_of(work: Callable[[], object]) -> Times:
    """Return the best of three calls: the machine's capability."""
    return min(timed(work) for _ in range(3))


def measure(number: int) -> dict[str, Times]:
    """Return the cost of every operation with a waiting user."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "project"
        fill(folder, number)
        opened: list[Project] = []
        times = {"open": timed(lambda: opened.append(Project.open(folder)))}
        with opened[0] as project:
            changes = [LabelImages((index,), f"class {index % 7}") for index in range(1, 201)]
            labels = sorted(timed(partial(project.apply, change)) for change in changes)
            times["one durable label (median)"], times["one durable label (99 %)"] = labels[100], labels[-3]
            bulk = LabelImages(tuple(range(1, min(10_000, number) + 1)), "bulk")
            times["bulk label of 10,000"] = timed(partial(project.apply, bulk))
            project.wait_for_backups()
            times["undo of the bulk label"] = timed(project.undo)
            times["counts by class, split, label"] = best_of(project.summary)
            for name, wanted in FILTERS.items():
                times[f"count: {name}"] = best_of(partial(count_images, project, wanted))
                times[f"first 500: {name}"] = best_of(partial(find_images, project, wanted, limit=500))
            times["a backup, verified"] = timed(project.back_up)
            times["snapshot for a job"] = timed(project.snapshot)
        return times


if __name__ == "__main__":
    sizes = read_options(__doc__, rows=[10_000, 100_000, 1_000_000]).rows
    columns = [measure(size) for size in sizes]
    heading("ms", *(f"{size:,}" for size in sizes), "growth")
    for name in columns[0]:
        values = [column[name] for column in columns]
        growth = " ".join(f"{later.cpu / max(earlier.cpu, 0.05):.1f}" for earlier, later in pairwise(values))
        row(name, *(f"{wall:.2f} ({cpu:.2f})" for wall, cpu in values), growth)
