"""Check and repair: exact counts, the second run finds nothing; the seal; rows that no step altered are named."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest
from altered_database import alter

from visionft.core.errors import ProjectError
from visionft.project.edits.changes import AddClass
from visionft.project.edits.image_changes import TagImages
from visionft.project.importing.relinking import find_missing, relink_images
from visionft.project.queries import class_rows, image_rows
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.checking import Repair, check_project
from visionft.project.store import ProjectStore

# Damage from outside the program, and the number of repaired rows.
DAMAGE = {
    "DELETE FROM class WHERE id = 1": 1,
    "DELETE FROM tag": 1,
    "DELETE FROM root": 1,
    "DELETE FROM image WHERE id IN (1, 2)": 4,
    "INSERT INTO label VALUES (3, 2, 'import', 0)": 1,
    "INSERT INTO conflict VALUES (3, 1, 'a file'), (3, 2, 'a file')": 2,
    "INSERT INTO conflict VALUES (99, 1, 'a file'), (99, 2, 'a file')": 2,
    "INSERT INTO alias VALUES ('kitty', 99)": 1,
    "UPDATE class SET name_key = 'x' WHERE id = 2": 1,
    "UPDATE class SET name = '  ', name_key = '' WHERE id = 2": 1,
    "UPDATE class SET position = 0": 1,
    "UPDATE label SET labelled_at = 9000000000000 WHERE image_id < 5": 4,
    "UPDATE image SET label_count = 7 WHERE id < 4": 3,
    "INSERT INTO step (title, at) VALUES ('empty', 0)": 1,
    "INSERT INTO journal (step_id, op, target) VALUES (99, 'insert', 'image')": 1,
}


@pytest.mark.parametrize("statement", DAMAGE)
def test_each_fault_is_repaired_counted_and_gone(project: ProjectStore, statement: str) -> None:
    project.apply(TagImages((1, 2), "odd"))
    project.close()
    alter(project.path, statement)
    with ProjectStore.open(project.path) as again:
        report = check_project(again)
        assert report.repaired[0].startswith(f"{DAMAGE[statement]} row")
        is_derived = "label_count" in statement or "step" in statement  # these repairs are no step of the history
        assert (again.undo_title == Repair.title) != is_derived
        assert check_project(again).repaired == ()
        again.snapshot()


def test_all_faults_at_once(project: ProjectStore) -> None:
    project.apply(TagImages((1, 2), "odd"))
    project.close()
    alter(project.path, *DAMAGE)
    with ProjectStore.open(project.path) as again:
        assert len(check_project(again).repaired) >= 7
        assert check_project(again).repaired == ()
        labels = {name for row in image_rows(again, tuple(range(1, 13))) for name in row.labels}
        assert labels <= {row.name for row in class_rows(again)}


def test_a_sound_project_needs_no_repair(project: ProjectStore) -> None:
    before = project.snapshot(), project.history()
    report = check_project(project, check_contents=True)
    assert (report.repaired, report.missing, report.edited) == ((), (), ())
    assert (project.snapshot(), project.history()) == before


def test_leftovers_of_killed_jobs_are_deleted_and_nothing_else(project: ProjectStore) -> None:
    keep = [project.path / "images" / "ab" / "x.png", project.path / "backups" / "mine.txt", project.path / "notes.txt"]
    leave = [project.path / "images" / "ab" / ".x.png.77.tmp", project.path / "backups" / ".partial-abc" / "project.db"]
    for path in (*keep, *leave, project.path / ".unpacked-1" / "a.png"):
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("x")
    assert check_project(project).repaired[0].values["counted"].values == {"count": 3}
    assert all(path.exists() for path in keep) and not any(path.exists() for path in leave)
    assert check_project(project).repaired == ()


def test_missing_and_edited_images_are_listed(project: ProjectStore, images: Path, draw) -> None:
    (images / "cat" / "0.png").unlink()
    draw(images / "dog" / "7.png", 77)
    report = check_project(project, check_contents=True)
    assert [path.name for path in report.missing] == ["0.png"]
    assert [path.name for path in report.edited] == ["7.png"]
    assert report.repaired == ()


def test_relinking_finds_images_by_content(project: ProjectStore, images: Path, tmp_path: Path, draw) -> None:
    before = project.snapshot()
    for number, path in enumerate(sorted(images.rglob("*.png"))):
        target = tmp_path / "archive" / f"{number % 3}" / f"renamed {number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    draw(tmp_path / "archive" / "other.png", 500)
    assert len(find_missing(project)) == 12
    report = relink_images(project, tmp_path / "archive")
    assert (report.relinked, report.missing) == (12, ())
    after = project.snapshot()
    assert [image.sha256 for image in after.images] == [image.sha256 for image in before.images]
    assert not find_missing(project) and not check_project(project, check_contents=True).edited
    project.undo()
    assert project.snapshot() == before


SEAL = "project.db.sha256"


def check(folder: Path) -> str:
    with ProjectStore.open(folder) as project:
        return check_project(project).seal


def test_a_closed_project_is_sealed_and_an_open_one_is_not(project: ProjectStore) -> None:
    seal = project.path / SEAL
    assert not seal.exists()
    project.close()
    digest = hashlib.sha256((project.path / "project.db").read_bytes()).hexdigest()
    assert seal.read_text(encoding="utf-8") == f"{digest} *project.db\n"  # in the format of sha256sum --check
    with ProjectStore.open(project.path) as again:
        assert again.database.seal == "whole" and not again.notices and not seal.exists()
        again.apply(AddClass("x"))
    with ProjectStore.open(project.path, read_only=True) as again:
        assert again.database.seal == "whole" and seal.exists()
    assert check(project.path) == check(project.path) == "whole"


@pytest.mark.parametrize("seed", range(4))
def test_no_flipped_bit_passes_a_check(project: ProjectStore, seed: int) -> None:
    project.apply(AddClass("x"))
    project.close()
    database = project.path / "project.db"
    data = bytearray(database.read_bytes())
    generator = random.Random(seed)
    data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    database.write_bytes(data)
    try:
        assert check(project.path) == "broken"
    except ProjectError as error:
        assert error.next_step and error.next_step.action == "restore"
    else:
        assert check(project.path) == "whole"


@pytest.mark.parametrize(
    ("content", "seal"), [(b"", "none"), (b"\xff\xfe", "none"), (b"nonsense *project.db\n", "broken")]
)
def test_a_seal_that_is_none_stops_nobody_and_a_restored_project_has_one(
    project: ProjectStore, content: bytes, seal: str
) -> None:
    project.back_up()
    project.close()
    (project.path / SEAL).write_bytes(content)
    assert check(project.path) == seal
    assert check(project.path) == "whole"
    restore_backup(project.path)
    assert check(project.path) == "whole"
