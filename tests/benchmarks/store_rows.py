"""The store with 10,000, 100,000 and 1,000,000 images: opening, labelling, filters, counts, and how they grow.

Run: python tests/benchmarks/store_rows.py [ROWS...]

The rows are written straight into the tables (no image files); everything measured goes through the store.
"""

import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from visionft.project.edits.changes import LabelImages
from visionft.project.queries import ImageFilter, count_images, find_images
from visionft.project.store import Project

CLASSES = 20


def fill(folder: Path, number: int) -> None:
    """Create a project with so many images, nine in ten labelled, in 20 classes."""
    Project.create(folder).close()
    generator = random.Random(0)
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
                f"{generator.getrandbits(256):064x}",
                generator.choices(["train", "val", "test", None], [65, 15, 15, 5])[0],
                generator.choice([None, None, None, "done", "later"]),
                1 if generator.random() < 0.001 else None,
            )
            for index in range(1, number + 1)
        ),
    )
    connection.executemany(
        "INSERT INTO label VALUES (?, ?, ?, 1700000000000)",
        (
            (index, generator.randrange(CLASSES) + 1, generator.choice(["person", "import", "suggestion"]))
            for index in range(1, number + 1)
            if generator.random() < 0.9
        ),
    )
    connection.execute("COMMIT")
    connection.close()


class Cost(NamedTuple):
    """Milliseconds of one operation: the user's waiting time, and the worker thread's part of it."""

    wall: float
    cpu: float


def cost(work: Callable[[], object], repeats: int = 3) -> Cost:
    """Return the best of a few runs: the machine's capability."""
    costs: list[Cost] = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.thread_time()
        work()
        costs.append(Cost((time.perf_counter() - wall) * 1000, (time.thread_time() - cpu) * 1000))
    return min(costs)


def measure(number: int) -> dict[str, Cost]:
    """Return the cost of every operation with a waiting user."""
    folder = Path(tempfile.mkdtemp())
    try:
        fill(folder / "project", number)
        opened: list[Project] = []
        results = {"open": cost(lambda: opened.append(Project.open(folder / "project")), 1)}
        with opened[0] as project:
            labels = sorted(
                cost(lambda index=index: project.apply(LabelImages((index,), f"class {index % 7}")), 1)
                for index in range(1, 201)
            )
            results["one durable label (median)"], results["one durable label (99 %)"] = labels[100], labels[-3]
            ids = tuple(range(1, min(10_000, number) + 1))
            results["bulk label of 10,000"] = cost(lambda: project.apply(LabelImages(ids, "bulk")), 1)
            project.wait_for_backups()
            results["undo of the bulk label"] = cost(project.undo, 1)
            results |= filters(project)
            results["a backup, verified"] = cost(project.back_up, 1)
            results["snapshot for a job"] = cost(project.snapshot, 1)
        return results
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def filters(project: Project) -> dict[str, Cost]:
    """Return the cost of the counts and of the first page of each filter."""
    results = {"counts by class, split, label": cost(project.summary)}
    for name, wanted in {
        "everything": ImageFilter(),
        "unlabelled": ImageFilter(is_labelled=False),
        "one class": ImageFilter(class_name="class 3"),
        "one class in val": ImageFilter(class_name="class 3", split="val"),
        "val, reviewed": ImageFilter(split="val", review="done"),
        "suggested labels": ImageFilter(source="suggestion"),
        "text in the path": ImageFilter(text="_0009"),
        "removed": ImageFilter(is_removed=True),
    }.items():
        results[f"count: {name}"] = cost(lambda wanted=wanted: count_images(project, wanted))
        results[f"first 500: {name}"] = cost(lambda wanted=wanted: find_images(project, wanted, limit=500))
    return results


def main() -> None:
    sizes = [int(size) for size in sys.argv[1:]] or [10_000, 100_000, 1_000_000]
    columns = {size: measure(size) for size in sizes}
    load = f", load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores" if hasattr(os, "getloadavg") else ""
    print(f"Milliseconds: wall (CPU of the working thread){load}; growth of the CPU time per step in rows")
    print(" " * 32 + "".join(f"{size:>20,}" for size in sizes))
    for name in columns[sizes[0]]:
        values = [columns[size][name] for size in sizes]
        growth = " ".join(f"{later.cpu / max(earlier.cpu, 0.05):6.1f}" for earlier, later in pairwise(values))
        print(f"{name:32}" + "".join(f"{f'{wall:.2f} ({cpu:.2f})':>20}" for wall, cpu in values) + f"   {growth}")


if __name__ == "__main__":
    main()
