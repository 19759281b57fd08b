"""The seal: any change to a closed database is detected at the next opening and reported once, by `check`."""

import hashlib
import random
import shutil
from pathlib import Path

import pytest
from altered_database import alter

from visionft.errors import NextStep, ProjectError
from visionft.project.edits.changes import AddClass
from visionft.project.safety.backup_restore import restore_backup
from visionft.project.safety.checking import check_project
from visionft.project.store import Project

SEAL = "project.db.sha256"


def check(folder: Path) -> str:
    with Project.open(folder) as project:
        return check_project(project).seal


def test_a_closed_project_is_sealed_and_an_open_one_is_not(project: Project) -> None:
    seal = project.path / SEAL
    assert not seal.exists()
    project.close()
    digest = hashlib.sha256((project.path / "project.db").read_bytes()).hexdigest()
    assert seal.read_text(encoding="utf-8") == f"{digest} *project.db\n"  # in the format of sha256sum --check
    with Project.open(project.path) as again:
        assert again.database.seal == "whole" and not again.notices and not seal.exists()
        again.apply(AddClass("x"))
    with Project.open(project.path, read_only=True) as again:
        assert again.database.seal == "whole" and seal.exists()
    assert check(project.path) == check(project.path) == "whole"


def test_after_a_kill_nothing_is_claimed(project: Project, tmp_path: Path) -> None:
    project.apply(AddClass("x"))
    shutil.copytree(project.path, tmp_path / "killed")
    assert check(tmp_path / "killed") == "none"
    assert check(tmp_path / "killed") == "whole"


@pytest.mark.parametrize("seed", range(15))
def test_no_flipped_bit_passes_a_check(project: Project, seed: int) -> None:
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


def test_a_wrong_value_that_contradicts_nothing_is_told_until_a_check_has(project: Project) -> None:
    project.close()
    alter(project.path, "UPDATE image SET width = 9 WHERE id = 3")
    for read_only in (True, False):
        with Project.open(project.path, read_only=read_only) as again:
            assert again.notices[0].next_step == NextStep("check", project=project.path)
    with Project.open(project.path) as again:
        again.apply(AddClass("work goes on"))
    assert [check(project.path) for _ in range(2)] == ["broken", "whole"]


def test_values_of_another_kind_and_texts_that_are_none_are_damage(project: Project) -> None:
    project.close()
    for statement in (
        "UPDATE image SET width = x'00ff' WHERE id = 3",
        "UPDATE image SET width = 8, format = CAST(x'ff' AS TEXT) WHERE id = 3",
    ):
        alter(project.path, statement)
        with pytest.raises(ProjectError, match="damaged"):
            check(project.path)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"nonsense *project.db\n"])
def test_a_seal_that_is_none_stops_nobody_and_a_restored_project_has_one(project: Project, content: bytes) -> None:
    project.back_up()
    project.close()
    (project.path / SEAL).write_bytes(content)
    assert check(project.path) in ("none", "broken")
    assert check(project.path) == "whole"
    restore_backup(project.path)
    assert check(project.path) == "whole"
