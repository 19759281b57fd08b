"""Damage of every kind to a project's database and its logs: it opens or reports the damage, and a restore repairs it.

Each round starts with a project after a clean close, a kill (with a log) or a kill on a network drive (with a rollback
journal), damages its files, and then acts as a user: open it, read everything, check it, work, restore a backup. Only
errors with advice may be raised, and the restored project equals the backup.
"""

import random
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from killed_writer import leave_journal

from visionft.core.errors import VisionFTError
from visionft.project.edits.changes import AddClass, LabelImages
from visionft.project.edits.image_changes import TagImages
from visionft.project.importing.importer import import_source
from visionft.project.queries import class_rows, find_images, image_rows
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.backups import list_backups
from visionft.project.safety.checking import check_project
from visionft.project.store import ProjectStore

LOGS = ("project.db-wal", "project.db-journal")
TABLES = ("meta", "setting", "root", "image", "class", "label", "tag", "image_tag", "step", "journal")
VALUES = ("x'00ff'", "CAST(x'61ff' AS TEXT)", "'text'", "-1", "1e300", "9223372036854775807", "''")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


@pytest.fixture
def templates(tmp_path: Path, draw) -> dict[str, Path]:
    """Return the same project, with one backup, after each kind of end."""
    for number in range(40):
        draw(tmp_path / "images" / ("cat" if number % 2 else "dog") / f"{number}.png", number)
    found = {name: tmp_path / name for name in ("closed", "killed", "killed on a network drive")}
    with ProjectStore.create(found["closed"]) as project:
        import_source(project, tmp_path / "images")
        project.apply(TagImages((1, 2), "odd"))
        project.back_up()
        project.apply(LabelImages((3, 4), "horse"))
        project.undo()
    with ProjectStore.open(found["closed"]) as project:
        project.apply(AddClass("in the log"))
        shutil.copytree(project.path, found["killed"])
        project.undo()
    (found["killed"] / "project.db-shm").unlink()
    shutil.copytree(found["closed"], found["killed on a network drive"])
    leave_journal(found["killed on a network drive"])
    assert (found["killed"] / LOGS[0]).stat().st_size
    return found


def damage_bytes(folder: Path, generator: random.Random, damage: Callable[[Path, random.Random], str]) -> str:
    files = [folder / name for name in ("project.db", *LOGS) if (folder / name).is_file()]
    if not files:
        return "nothing left to damage"
    return damage(generator.choice([each for each in files if each.stat().st_size] or files), generator)


def damage_rows(folder: Path, generator: random.Random) -> str:
    """Damage a database in a way valid to SQLite itself: tables, rows and values."""
    table = generator.choice(TABLES)
    connection = sqlite3.connect(folder / "project.db", isolation_level=None)
    try:
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        value = generator.choice(VALUES)
        statement = generator.choice(
            [f"DROP TABLE {table}", f"DELETE FROM {table}", f"UPDATE {table} SET {generator.choice(columns)} = {value}"]
        )
        connection.execute(statement)
    except (sqlite3.Error, IndexError):
        return "rows that SQLite does not let go"
    finally:
        connection.close()
    return statement


def lose_file(folder: Path, generator: random.Random) -> str:
    file = folder / generator.choice(["project.db", *LOGS])
    file.unlink(missing_ok=True)
    return f"lost {file.name}"


def use(folder: Path) -> str:
    """Open a project, read everything, check it and work; return the last stage reached."""
    reached = "opening"
    try:
        with ProjectStore.open(folder) as project:
            reached = "looking"
            project.snapshot(), project.summary(), project.history(), class_rows(project)
            image_rows(project, find_images(project)[:5])
            reached = "checking"
            report = check_project(project)
            reached = "working"
            project.apply(LabelImages((1,), "after"))
            while project.undo_title:
                project.undo()
            reached = "closing"
        if report.seal == "broken":
            return "told by the check"
        return "repaired" if report.repaired else "found in order"
    except VisionFTError as error:
        assert error.hint, error
        return f"refused while {reached}"


def torture(tmp_path: Path, templates: dict[str, Path], rounds: range, damage) -> Counter[str]:
    """Damage that many projects, and count the outcomes of using them."""
    results: Counter[str] = Counter()
    with ProjectStore.open(templates["closed"], read_only=True) as project:
        wanted = [(image.sha256, image.labels) for image in project.snapshot().images]
    own = next(backup.name for backup in list_backups(templates["closed"]) if backup.is_own)
    for number in rounds:
        generator = random.Random(number)
        folder = tmp_path / "damaged"
        shutil.copytree(generator.choice(list(templates.values())), folder)
        change = partial(damage_bytes, damage=damage)
        works = (change, change, change, damage_rows, lose_file)
        what = [generator.choice(works)(folder, generator) for _ in range(generator.choice([1, 1, 2]))]
        try:
            results[use(folder)] += 1
            restore_backup(folder)  # the newest; it may be of the damaged project
            assert not list(folder.glob("project.db-*"))
            ProjectStore.open(folder).close()
            restore_backup(folder, own)
            with ProjectStore.open(folder) as project:
                assert [(image.sha256, image.labels) for image in project.snapshot().images] == wanted
                assert check_project(project).repaired == ()
        except Exception as error:
            raise AssertionError(f"round {number}: {what}") from error
        shutil.rmtree(folder)
    return results


@pytest.mark.slow
@pytest.mark.parametrize("is_short", [True, pytest.param(False, marks=pytest.mark.long)], ids=["ten", "many"])
def test_damaged_projects_open_or_tell_and_are_restored(
    tmp_path: Path, templates: dict[str, Path], damage, is_short: bool, torture_rounds: int, tally: Counter[str]
) -> None:
    rounds = 10 if is_short else torture_rounds
    tally.update(torture(tmp_path, templates, range(rounds), damage))
    assert tally.total() == rounds
