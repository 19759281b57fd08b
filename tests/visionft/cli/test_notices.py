"""A project's notices are printed on stderr by every command opening it, and spoil no result."""

import json
from pathlib import Path

import pytest
from altered_database import alter

from visionft.errors import ProjectError
from visionft.project.db.database import CHANGED_OUTSIDE


@pytest.fixture
def changed_outside(run, project: Path) -> None:
    """Change a value behind the program's back, after a backup."""
    run("project", "backup", project)
    alter(project, "UPDATE image SET width = 9 WHERE id = 3")


@pytest.mark.parametrize("command", ["project info", "project history", "project undo", "split", "label set"])
def test_a_database_that_was_changed_outside_is_told_by_each_command(
    run, project: Path, changed_outside: None, image_folder: Path, command: str
) -> None:
    more = ["red", image_folder / "blue" / "00.png"] if command == "label set" else []
    code, out, err = run(*command.split(), project, *more, "--json")
    assert code == 0 and json.loads(out) is not None
    assert err.count(CHANGED_OUTSIDE) == 1


def test_check_tells_it_once_as_its_result(run, project: Path, changed_outside: None) -> None:
    code, out, err = run("project", "check", project)
    assert code == 0 and out.count(CHANGED_OUTSIDE) == 1 and not err


def test_a_backup_that_fails_is_told_also_where_it_fails_at_the_end(run, project: Path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise ProjectError("The disk is full.")

    run("project", "undo", project)  # no image has a split
    run("project", "backup", project)
    monkeypatch.setattr("visionft.project.safety.backups.backup_pinned", full)
    code, out, err = run("split", project, "--again")  # 48 images: a backup at the end of the session
    assert code == 0 and "48" in out
    monkeypatch.setattr("visionft.project.safety.backup_schedule.INTERVAL_S", -1.0)
    code, out, err = run("project", "undo", project)
    assert code == 0 and out and "disk is full" in err


def test_a_new_project_on_a_network_drive_is_told(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionft.project.db.database.network_file_system", lambda _: "nfs4")
    code, out, err = run("project", "new", tmp_path / "on a share")
    assert code == 0 and out and "nfs4" in err


def test_nothing_is_told_of_a_project_that_is_in_order(run, project: Path) -> None:
    assert run("project", "info", project)[2] == ""
