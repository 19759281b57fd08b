"""Undo, history, checks, backups, relinking and label export from the command line."""

import json
import shutil
import sqlite3
import sys
from pathlib import Path

import pytest

from visionft.cli import main


@pytest.fixture
def value(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Return a function: arguments -> the command's JSON, after checking that it ended well."""

    def value(*arguments: object):
        monkeypatch.setattr(sys, "argv", ["visionft", *map(str, arguments), "--json"])
        code = main()
        captured = capsys.readouterr()
        assert code == 0, captured.err
        return json.loads(captured.out)

    return value


@pytest.fixture
def project(value, picture_folder: Path, tmp_path: Path) -> Path:
    """Return a project of a copy of the pictures, which a test may move."""
    shutil.copytree(picture_folder, tmp_path / "pictures")
    value("new", tmp_path / "project")
    value("import", tmp_path / "project", tmp_path / "pictures")
    return tmp_path / "project"


def test_undo_and_redo_reach_across_sessions(value, project: Path) -> None:
    picture = project.parent / "pictures" / "red" / "00.png"
    value("label", project, "violet", picture)
    done = value("undo", project)
    assert "violet" in done["undone"] and done["images"] == 1
    assert value("info", project)["classes"]["red"] == 16
    assert value("history", project)[0]["is_undone"] is True
    value("redo", project)
    assert value("info", project)["classes"] == {"blue": 16, "green": 16, "red": 15, "violet": 1}


def test_undo_goes_back_to_a_step_and_forward_again(value, project: Path) -> None:
    for name in ("violet", "amber"):
        value("label", project, name, project.parent / "pictures" / "red" / "00.png")
    newest, *_, first = [step["step_id"] for step in value("history", project)]
    value("undo", project, "--to", first)
    assert value("info", project)["classes"]["red"] == 16
    value("undo", project, "--to", newest)
    assert value("info", project)["classes"]["amber"] == 1
    assert value("undo", project, "--to", 0)["next"] is None
    assert value("info", project)["images"] == 0


def test_a_project_is_duplicated(value, project: Path) -> None:
    assert value("duplicate", project, project.parent / "copy")["path"] == str(project.parent / "copy")
    assert value("info", project.parent / "copy")["classes"] == value("info", project)["classes"]


def test_moved_pictures_are_noticed_and_found_again(value, project: Path) -> None:
    (project.parent / "pictures").rename(project.parent / "elsewhere")
    assert len(value("check", project)["missing"]) == 48
    found = value("relink", project, project.parent / "elsewhere")
    assert found["relinked"] == 48 and not found["missing"]
    again = value("check", project, "--contents")
    assert not again["repaired"] and not again["missing"] and not again["edited"]


def test_a_backup_brings_labels_back(value, project: Path) -> None:
    names = [each["name"] for each in value("backup", project)]
    value("label", project, "violet", project.parent / "pictures" / "red" / "00.png")
    value("restore", project, names[0])
    assert "violet" not in value("info", project)["classes"]


@pytest.mark.parametrize("target", ["labels.csv", "labels.jsonl", "folders"])
def test_labels_make_the_round_trip(target: str, value, project: Path) -> None:
    written = value("export-labels", project, project.parent / target)
    assert written["pictures"] == 48
    other = project.parent / "other"
    value("new", other)
    value("import", other, project.parent / target)
    assert value("info", other)["classes"] == value("info", project)["classes"]


def test_groups_stay_on_one_side_of_a_split(value, project: Path) -> None:
    value("split", project, "--group", r"\d\d", "--val", 0.3, "--test", 0.3)
    from visionft.project.store import Project

    with Project.open(project, read_only=True) as opened:
        places: dict[str, set[str | None]] = {}
        for image in opened.snapshot().images:
            places.setdefault(image.path.stem, set()).add(image.split)
    assert all(len(splits) == 1 for splits in places.values())


@pytest.mark.parametrize("arguments", [("import", "x", "--format", "tar"), ("export-labels", "x", "--format", "xml")])
def test_unknown_formats_are_refused(arguments, monkeypatch, capsys, project: Path) -> None:
    command, target, *rest = arguments
    monkeypatch.setattr(sys, "argv", ["visionft", command, str(project), target, *rest])
    assert main() == 2
    assert "no format" in capsys.readouterr().err


def test_a_check_says_what_it_could_see_and_what_was_changed(value, project: Path, monkeypatch, capsys) -> None:
    def check() -> str:
        monkeypatch.setattr(sys, "argv", ["visionft", "check", str(project)])
        assert main() == 0
        return capsys.readouterr().out

    value("backup", project)
    assert "Every byte of the database is as the last session left it" in check()
    connection = sqlite3.connect(project / "project.db", isolation_level=None)
    connection.execute("UPDATE image SET width = 9 WHERE id = 3")
    connection.close()
    told = check()
    assert "not as it was left" in told and "image 3: width is 9 and was 48" in told


def test_the_limit_on_backups_is_stated(project: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", ["visionft", "backup", str(project)])
    assert main() == 0
    assert "of at most 2.0 GB; those on request stay" in capsys.readouterr().out
