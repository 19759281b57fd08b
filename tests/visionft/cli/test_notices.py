"""What the user should know of a project is told on stderr by every command that opens it, and spoils no result."""

import json
import sqlite3
import sys
from pathlib import Path

import pytest

from visionft.cli import main
from visionft.errors import ProjectError
from visionft.project.importing.importer import import_source
from visionft.project.store import Project


@pytest.fixture
def project(tmp_path: Path, picture_folder: Path) -> Path:
    """Return a closed project with pictures and a backup."""
    with Project.create(tmp_path / "project") as project:
        import_source(project, picture_folder)
        project.back_up()
    return tmp_path / "project"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> (exit code, stdout, stderr)."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments)])
        code = main()
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def changed_outside(project: Path) -> None:
    """Change a value behind the program's back."""
    connection = sqlite3.connect(project / "project.db", isolation_level=None)
    connection.execute("UPDATE image SET width = 9 WHERE id = 3")
    connection.close()


@pytest.mark.parametrize("command", [["info"], ["history"], ["undo"], ["split"], ["label", "red"]])
def test_a_database_that_was_changed_outside_is_told_by_each_command(
    run, project: Path, changed_outside: None, picture_folder: Path, command: list[str]
) -> None:
    pictures = [picture_folder / "blue" / "00.png"] if command[0] == "label" else []
    code, out, err = run(command[0], project, *command[1:], *pictures, "--json")
    assert code == 0 and json.loads(out) is not None
    assert err.count("project.db is not as it was left") == 1


def test_check_tells_it_once_as_its_result(run, project: Path, changed_outside: None) -> None:
    code, out, err = run("check", project)
    assert code == 0 and out.count("project.db is not as it was left") == 1 and "as it was left" not in err


def test_a_backup_that_fails_is_told_also_where_it_fails_at_the_end(
    run, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise ProjectError("The disk is full.")

    monkeypatch.setattr("visionft.project.safety.backups.backup_pinned", full)
    code, out, err = run("split", project, "--again")  # 48 pictures: a backup at the end of the session
    assert code == 0 and out.startswith("Placed 48")
    monkeypatch.setattr("visionft.project.safety.backup_schedule.INTERVAL_S", -1.0)
    code, out, err = run("undo", project)
    assert code == 0 and out.startswith("Undone") and "The automatic backup failed: The disk is full." in err


def test_a_new_project_on_a_network_drive_is_told(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("visionft.project.db.database.network_file_system", lambda _: "nfs4")
    code, out, err = run("new", tmp_path / "on a share")
    assert code == 0 and out.startswith("Created") and "network file system (nfs4)" in err


def test_nothing_is_told_of_a_project_that_is_in_order(run, project: Path) -> None:
    assert run("info", project)[2] == ""
