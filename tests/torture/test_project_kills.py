"""kill -9 at any moment of an import, labelling, a bulk change, a migration, a backup, a restore, undo and redo.

A process does one kind of work and records the acknowledged changes in a file; it is killed; then the project is
opened in the usual way, and must contain every acknowledged change, whole.
"""

import json
import random
import shutil
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from visionft.project.importing.importer import import_source
from visionft.project.safety import backups
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.backups import list_backups
from visionft.project.safety.checking import check_project
from visionft.project.store import ProjectStore

FIXTURES = Path(__file__).parents[1] / "fixtures"
IMAGES = 60
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

WORK = """
import os
from itertools import count
from pathlib import Path
from visionft.core.jobs import JobContext
from visionft.project.db import database
from visionft.project.importing import importer as importing
from visionft.project.edits.changes import AddClass, LabelImages
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.store import ProjectStore
importing.BATCH = 5

def work(kind, folder, images, acknowledged):
    log = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    def acknowledge(number):
        os.write(log, f"{number}\\n".encode())
    acknowledge(0)
    while kind == "restore":
        restore_backup(Path(folder))
    if kind == "network":
        database.network_file_system = lambda folder: "nfs4"
    project = ProjectStore.open(Path(folder))
    if kind in ("import", "copy"):
        job = JobContext(lambda e: acknowledge(e.done))
        importing.import_source(project, Path(images), copy=kind == "copy", job=job)
    for number in count(1):
        if kind in ("label", "network"):
            project.apply(AddClass(f"class {number}"))
        elif kind == "bulk":
            project.apply(LabelImages(tuple(range(1, 61)), f"bulk {number}"))
        elif kind == "backup":
            project.back_up()
        elif kind == "undo":
            project.undo()
            project.redo()
        elif kind == "migration":
            project.snapshot()
        else:
            break
        acknowledge(number)
    project.close()
"""


@pytest.fixture
def many(tmp_path: Path, draw) -> Path:
    for number in range(IMAGES):
        draw(tmp_path / "many" / ("cat" if number % 2 else "dog") / f"{number}.png", number)
    return tmp_path / "many"


def prepare(kind: str, folder: Path, many: Path) -> None:
    """Create the initial project of this kind of work."""
    if kind == "migration":
        folder.mkdir()
        shutil.copy(FIXTURES / "project_v1.db", folder / "project.db")
        return
    with ProjectStore.create(folder) as project:
        if kind not in ("import", "copy"):
            import_source(project, many)
        if kind == "restore":
            project.back_up()


def verify(kind: str, folder: Path, many: Path, acknowledged: int) -> None:
    """Open the project of the killed process and compare it with the acknowledged changes."""
    if not (folder / "project.db").exists():
        assert kind == "restore"
        restore_backup(folder)
    with ProjectStore.open(folder) as project:
        assert not project.is_read_only
        classes = project.summary().classes
        if kind in ("import", "copy"):
            there = project.summary().images
            assert there >= acknowledged and there % 5 == 0
            assert all(image.path.is_file() for image in project.snapshot().images)
            report = import_source(project, many, copy=kind == "copy")
            assert (report.added, len(report.duplicates)) == (IMAGES - there, there)
        elif kind in ("label", "network"):
            assert len(classes) - 2 in (acknowledged, acknowledged + 1)
        elif kind == "bulk":
            holders = [name for name, number in classes.items() if number]
            assert holders in ([f"bulk {acknowledged}"], [f"bulk {acknowledged + 1}"]) or (
                acknowledged == 0 and holders == ["cat", "dog"]
            )
        elif kind == "migration":
            expected = json.loads((FIXTURES / "project_v1.json").read_text(encoding="utf-8"))
            assert project.undo_title == expected["undo_title"]
            assert [image.sha256 for image in project.snapshot().images] == [row[1] for row in expected["images"]]
        elif kind == "restore":
            assert project.summary().images == IMAGES
        elif kind == "undo":
            assert project.summary().images in (0, IMAGES)
        before = project.snapshot()
        check_project(project)
        assert check_project(project).repaired == () and project.snapshot() == before
    listed = list_backups(folder)
    assert all(backups.is_intact(folder, backup) for backup in listed)
    if kind == "backup" and listed:
        assert len(listed) >= min(acknowledged, backups.MAX_RECENT_BACKUPS)
        restore_backup(folder)
        with ProjectStore.open(folder) as project:
            assert project.snapshot() == before
    connection = sqlite3.connect(folder / "project.db")
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()


def kill(tmp_path: Path, many: Path, kills: int, server: Any) -> Counter[str]:
    """Kill the work that many times, each kind in turn, and count them."""
    kinds = ("import", "copy", "label", "network", "bulk", "backup", "restore", "undo", "migration")
    chance, hits = random.Random(0), Counter[str]()
    for number in range(kills):
        kind, folder = kinds[number % len(kinds)], tmp_path / f"project {number}"
        log = tmp_path / f"acknowledged {number}"
        prepare(kind, folder, many)
        after_s = chance.uniform(0.0, 0.12 if kind == "migration" else 0.3)
        server.was_killed(kind=kind, folder=folder, images=many, acknowledged=log, kill_after_s=after_s)
        acknowledged = [int(line) for line in log.read_text().split()] if log.exists() else []
        hits[kind] += 1
        verify(kind, folder, many, acknowledged[-1] if acknowledged else 0)
        shutil.rmtree(folder)
    return hits


@pytest.mark.parametrize("is_short", [True, pytest.param(False, marks=pytest.mark.long)], ids=["nine", "many"])
def test_a_killed_process_loses_nothing(
    tmp_path: Path, many: Path, is_short: bool, torture_rounds: int, tally: Counter[str], fork_server
) -> None:
    kills = 9 if is_short else torture_rounds
    tally.update(kill(tmp_path, many, kills, fork_server(WORK)))
    assert tally.total() == kills
