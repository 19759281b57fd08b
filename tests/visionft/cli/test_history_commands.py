"""Undo, history, checks, backups, relinking and label export from the command line."""

import shutil
import sqlite3
from pathlib import Path

import pytest


@pytest.fixture
def project(value, image_folder: Path, tmp_path: Path) -> Path:
    """Return a project of a movable copy of the images."""
    shutil.copytree(image_folder, tmp_path / "images")
    value("project", "new", tmp_path / "project")
    value("import", tmp_path / "project", tmp_path / "images")
    return tmp_path / "project"


def test_undo_and_redo_reach_across_sessions(value, project: Path) -> None:
    image = project.parent / "images" / "red" / "00.png"
    value("label", "set", project, "violet", image)
    done = value("project", "undo", project)
    assert "violet" in done["title"] and done["images"] == 1
    assert value("project", "info", project)["classes"]["red"] == 16
    assert value("project", "history", project)[0]["is_undone"] is True
    value("project", "redo", project)
    assert value("project", "info", project)["classes"] == {"blue": 16, "green": 16, "red": 15, "violet": 1}


def test_undo_goes_back_to_a_step_and_forward_again(value, project: Path) -> None:
    for name in ("violet", "amber"):
        value("label", "set", project, name, project.parent / "images" / "red" / "00.png")
    newest, *_, first = [step["step_id"] for step in value("project", "history", project)]
    value("project", "undo", project, "--to", first)
    assert value("project", "info", project)["classes"]["red"] == 16
    value("project", "undo", project, "--to", newest)
    assert value("project", "info", project)["classes"]["amber"] == 1
    assert value("project", "undo", project, "--to", 0)["next"] is None
    assert value("project", "info", project)["images"] == 0


def test_a_project_is_duplicated(value, project: Path) -> None:
    assert value("project", "copy", project, project.parent / "copy")["path"] == str(project.parent / "copy")
    assert value("project", "info", project.parent / "copy")["classes"] == value("project", "info", project)["classes"]


def test_moved_images_are_noticed_and_found_again(value, project: Path) -> None:
    (project.parent / "images").rename(project.parent / "elsewhere")
    assert len(value("project", "check", project)["missing"]) == 48
    found = value("project", "relink", project, project.parent / "elsewhere")
    assert found["relinked"] == 48 and not found["missing"]
    again = value("project", "check", project, "--contents")
    assert not again["repaired"] and not again["missing"] and not again["edited"]


def test_a_backup_brings_labels_back(value, project: Path) -> None:
    names = [each["name"] for each in value("project", "backup", project)]
    value("label", "set", project, "violet", project.parent / "images" / "red" / "00.png")
    value("project", "restore", project, names[0])
    assert "violet" not in value("project", "info", project)["classes"]


@pytest.mark.parametrize("target", ["labels.csv", "labels.jsonl", "folders"])
def test_labels_make_the_round_trip(target: str, value, project: Path) -> None:
    written = value("label", "export", project, project.parent / target)
    assert written["images"] == 48
    other = project.parent / "other"
    value("project", "new", other)
    value("import", other, project.parent / target)
    assert value("project", "info", other)["classes"] == value("project", "info", project)["classes"]


def test_groups_stay_on_one_side_of_a_split(value, project: Path) -> None:
    value("split", project, "--group", r"\d\d", "--val", 0.3, "--test", 0.3)
    from visionft.project.store import Project

    with Project.open(project, read_only=True) as opened:
        places: dict[str, set[str | None]] = {}
        for image in opened.snapshot().images:
            places.setdefault(image.path.stem, set()).add(image.split)
    assert all(len(splits) == 1 for splits in places.values())


@pytest.mark.parametrize(("command", "name"), [("import", "tar"), ("label export", "xml")])
def test_unknown_formats_are_refused(command: str, name: str, refused, project: Path) -> None:
    assert "no format" in refused(*command.split(), project, "x", "--format", name)


def test_a_check_says_what_it_could_see_and_what_was_changed(run, project: Path) -> None:
    assert "of at most 2.0 GB; those on request stay" in run("project", "backup", project)[1]
    assert "Every byte of the database is as the last session left it" in run("project", "check", project)[1]
    connection = sqlite3.connect(project / "project.db", isolation_level=None)
    connection.execute("UPDATE image SET width = 9 WHERE id = 3")
    connection.close()
    code, out, _ = run("project", "check", project)
    assert code == 0 and "not as it was left" in out and "image 3: width is 9 and was 48" in out
